"""SNS, SQS, EventBridge, Secrets Manager, Health and Service Quotas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_ecs import cluster_arn
from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented
from exporter.demo.inventory import World
from exporter.demo.names import secret_arn
from exporter.demo.request import AwsError, Handler, Request


def _subscriptions(world: World, request: Request) -> Iterator[Facts]:
    for view in world.views(request):
        for topic in view.all("sns"):
            for number, item in enumerate(topic.get("subscriptions") or ()):
                arn = f"{topic['TopicArn']}:{invented('', topic['TopicArn'], number, digits=32)}"
                yield aws(item, SubscriptionArn=arn, Owner=view.account, Protocol="https", TopicArn=topic["TopicArn"])


def list_topics(world: World, request: Request) -> Facts:
    return {"Topics": [{"TopicArn": t["TopicArn"]} for view in world.views(request) for t in view.all("sns")]}


def list_subscriptions(world: World, request: Request) -> Facts:
    return {"Subscriptions": list(_subscriptions(world, request))}


def _topic(world: World, request: Request) -> list[Facts]:
    wanted = request.parameters["TopicArn"]
    if all(topic["TopicArn"] != wanted for topic in list_topics(world, request)["Topics"]):
        raise AwsError("NotFound", "Topic does not exist", 404)
    return [item for item in _subscriptions(world, request) if item["TopicArn"] == wanted]


def list_subscriptions_by_topic(world: World, request: Request) -> Facts:
    return {"Subscriptions": _topic(world, request)}


def get_topic_attributes(world: World, request: Request) -> Facts:
    """Numbers are strings here."""
    pending = [item["SubscriptionArn"] == "PendingConfirmation" for item in _topic(world, request)]
    return {
        "Attributes": {
            "TopicArn": request.parameters["TopicArn"],
            "Owner": request.account,
            "SubscriptionsConfirmed": str(len(pending) - sum(pending)),
            "SubscriptionsPending": str(sum(pending)),
            "SubscriptionsDeleted": "0",
        }
    }


def list_queues(world: World, request: Request) -> Facts:
    prefix = request.parameters.get("QueueNamePrefix", "")
    urls = [queue["QueueUrl"] for view in world.views(request) for queue in view.all("sqs")]
    return {"QueueUrls": [url for url in urls if url.rpartition("/")[2].startswith(prefix)]}


def get_queue_url(world: World, request: Request) -> Facts:
    for url in list_queues(world, request)["QueueUrls"]:
        if url.rpartition("/")[2] == request.parameters["QueueName"]:
            return {"QueueUrl": url}
    raise AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def get_queue_attributes(world: World, request: Request) -> Facts:
    """All strings, and nothing at all unless attributes are asked for; the oldest message's age is CloudWatch's."""
    wanted = request.parameters.get("AttributeNames") or []
    for view in world.views(request):
        for queue in view.all("sqs"):
            if queue["QueueUrl"].rpartition("/")[2] != request.parameters["QueueUrl"].rpartition("/")[2]:
                continue
            name = queue["QueueUrl"].rpartition("/")[2]
            values = {
                "ApproximateNumberOfMessages": str(queue.get("ApproximateNumberOfMessages", 0)),
                "ApproximateNumberOfMessagesNotVisible": "0",
                "ApproximateNumberOfMessagesDelayed": "0",
                "QueueArn": view.arn("sqs", name),
                "RedrivePolicy": queue.get("RedrivePolicy"),
                # A queue that is not FIFO does not say so: it lacks the attribute.
                "FifoQueue": "true" if queue.get("FifoQueue", name.endswith(".fifo")) else None,
            }
            return {"Attributes": {k: v for k, v in values.items() if v is not None and {"All", k} & set(wanted)}}
    raise AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def list_rules(world: World, request: Request) -> Facts:
    prefix = request.parameters.get("NamePrefix", "")
    return {
        "Rules": [
            aws(
                rule,
                Arn=view.arn("events", f"rule/{rule['Name']}"),
                State="ENABLED",
                ScheduleExpression="rate(2 days)",
                EventBusName="default",
            )
            for view in world.views(request)
            for rule in view.all("events_rules")
            if rule["Name"].startswith(prefix)
        ]
    }


def list_targets_by_rule(world: World, request: Request) -> Facts:
    """A rule runs the task of the family that has its name."""
    for view in world.views(request):
        for rule in view.all("events_rules"):
            if rule["Name"] == request.parameters["Rule"]:
                families = {task["family"]: task for task in view.all("ecs", "task_families_without_service")}
                revision = families.get(rule["Name"], {}).get("revision", 1)
                task = view.arn("ecs", f"task-definition/{rule['Name']}:{revision}")
                role = f"arn:aws:iam::{view.account}:role/{rule['Name']}-rule"
                parameters = {"TaskDefinitionArn": task, "TaskCount": 1, "LaunchType": "FARGATE"}
                target = {"Id": "task", "Arn": cluster_arn(view), "RoleArn": role, "EcsParameters": parameters}
                return {"Targets": [target]}
    raise AwsError("ResourceNotFoundException", f"Rule {request.parameters['Rule']} does not exist.")


def list_secrets(world: World, request: Request) -> Facts:
    """Those that are scheduled for deletion only with IncludePlannedDeletion."""
    found = []
    for view in world.views(request):
        for item in view.all("secrets"):
            if item.get("DeletedDate") is None or request.parameters.get("IncludePlannedDeletion"):
                arn = secret_arn(view.facts, item["Name"])
                secret = aws(item, ARN=arn, CreatedDate=item.get("LastChangedDate", view.now - BORN))
                found.append({**secret, "Tags": view.tags("AWS::SecretsManager::Secret", arn)})
    for each in request.parameters.get("Filters") or ():
        if each.get("Key") == "name":
            found = [s for s in found if any(s["Name"].startswith(value) for value in each["Values"])]
    return {"SecretList": found}


def _events(world: World, request: Request) -> list[Facts]:
    """Health needs a paid support plan; the account has one if the inventory has `health_events`."""
    views = list(world.views(request, everywhere=True))
    if all(view.get("health_events") is None for view in views):
        raise AwsError("SubscriptionRequiredException", "AWS Premium Support Subscription is required", 400)
    wanted = request.parameters.get("filter") or {}
    found = [
        aws(
            item,
            arn=f"arn:aws:health:{view.region}::event/{item.get('service', 'EC2')}/{item['eventTypeCode']}/"
            + invented("", view.name, item["eventTypeCode"], digits=16),
            service="EC2",
            eventTypeCategory="issue",
            region=view.region,
            startTime=view.now - timedelta(hours=2),
            lastUpdatedTime=view.now - timedelta(hours=1),
            statusCode="open",
            eventScopeCode="ACCOUNT_SPECIFIC",
        )
        for view in views
        for item in view.all("health_events")
    ]
    by = {"eventStatusCodes": "statusCode", "regions": "region", "services": "service"}
    by["eventTypeCategories"] = "eventTypeCategory"
    return [e for e in found if all(not wanted.get(k) or e[member] in wanted[k] for k, member in by.items())]


def describe_events(world: World, request: Request) -> Facts:
    return {"events": _events(world, request)}


def list_service_quotas(world: World, request: Request) -> Facts:
    """No quota was ever changed here, so none has an applied value."""
    return {"Quotas": []}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("sns", "ListTopics"): list_topics,
    ("sns", "ListSubscriptions"): list_subscriptions,
    ("sns", "ListSubscriptionsByTopic"): list_subscriptions_by_topic,
    ("sns", "GetTopicAttributes"): get_topic_attributes,
    ("sqs", "ListQueues"): list_queues,
    ("sqs", "GetQueueUrl"): get_queue_url,
    ("sqs", "GetQueueAttributes"): get_queue_attributes,
    ("events", "ListRules"): list_rules,
    ("events", "ListTargetsByRule"): list_targets_by_rule,
    ("secretsmanager", "ListSecrets"): list_secrets,
    ("health", "DescribeEvents"): describe_events,
    ("service-quotas", "ListServiceQuotas"): list_service_quotas,
}
