"""Alarms: which CloudWatch alarms are on, what do they say, and does anybody hear it?

Practice: BP-72 (alarms reach a pager), BP-73 (Opsgenie ends).
Cost: 1 a minute for each 100 alarms of the account, every five minutes only if there are more than 1,000; every ten
minutes 1 for each 100 of its topics and 1 for each 100 of its subscriptions.
API: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from .. import alarms
from ..alarms import ALARM as ALARM_TYPE
from ..alarms import TOPIC as TOPIC_TYPE
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment
from ..metrics import Family, Malformed, Sample, each

ALARM = ("alarm",)

ALARMS = Family(
    "tts_aws_cloudwatch_alarms",
    "Alarms of the deployment, without those of autoscaling (CloudWatch MetricAlarm, CompositeAlarm).",
)
STATE = Family(
    "tts_aws_cloudwatch_alarm_state",
    "OK, ALARM or INSUFFICIENT_DATA, one of them 1; not of autoscaling (CloudWatch MetricAlarm.StateValue).",
    (*ALARM, "state"),
    "flag",
)
ENABLED = Family(
    "tts_aws_cloudwatch_alarm_actions_enabled",
    "The alarm acts when its state changes (CloudWatch MetricAlarm.ActionsEnabled).",
    ALARM,
    "flag",
)
NOTIFIES = Family(
    "tts_aws_cloudwatch_alarm_notifies_pager",
    "A topic that it tells of ALARM has a confirmed subscription (CloudWatch MetricAlarm.AlarmActions, SNS).",
    ALARM,
    "flag",
)
TOPICS = Family(
    "tts_aws_sns_topics",
    "Topics of the deployment, or that its alarms act on (SNS Topic, CloudWatch MetricAlarm.AlarmActions).",
)
SUBSCRIPTIONS = Family(
    "tts_aws_sns_topic_subscriptions",
    "Subscriptions of a topic by whom they tell: opsgenie, jira_service_management, other; and by state: confirmed, "
    "pending (SNS Subscription.Endpoint's host, SubscriptionArn).",
    ("topic", "provider", "state"),
)

ACTIONS = ("cloudwatch:DescribeAlarms", "sns:ListTopics", "sns:ListSubscriptions")

# Composite alarms are not listed unless they are asked for.
KINDS = {"MetricAlarm": "MetricAlarms", "CompositeAlarm": "CompositeAlarms"}
STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
SUBSCRIPTION_STATES = ("confirmed", "pending")
SNS_EVERY = 600.0  # seconds; all topics' subscriptions at once, as SNS has no cheaper way to tell who listens
MANY, MANY_EVERY = 1_000, 300.0  # alarms of an account, nearly all of which are others', and how often to read so many


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            "alarms": listing(aws),
            "topics": topics(aws),
            "subscriptions": subscriptions(aws),
        }
    )


async def listing(aws: Aws) -> dict[str, Any]:
    """All alarms of the account: whose one is, AWS cannot be asked."""
    last = await aws.read("cloudwatch", "DescribeAlarms", AlarmTypes=sorted(KINDS), max_age=MANY_EVERY)
    if sum(len(last.get(kind, ())) for kind in KINDS.values()) > MANY:
        return last
    return await aws.read("cloudwatch", "DescribeAlarms", AlarmTypes=sorted(KINDS))


async def topics(aws: Aws) -> list[str]:
    """The ARNs of all topics of the account: the tags of one outlive it for a while."""
    return [each["TopicArn"] for each in (await aws.read("sns", "ListTopics", max_age=SNS_EVERY))["Topics"]]


async def subscriptions(aws: Aws) -> list[dict[str, str]]:
    """All subscriptions of the account, of each endpoint its host alone: the rest is a key, an address, a number.

    So nothing that comes after can log it or make a label of it.
    """
    listed = (await aws.read("sns", "ListSubscriptions", max_age=SNS_EVERY))["Subscriptions"]
    return [
        {key: alarms.host_of(value) if key == "Endpoint" else value for key, value in each.items()} for each in listed
    ]


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    listed, subscribed = answer.get("alarms", {}), answer.get("subscriptions")
    ours: list[Mapping[str, Any]] = []
    nobodys: list[Mapping[str, Any]] = []
    own = {id_.rpartition(":")[2] for id_ in deployment.resources(TOPIC_TYPE)}  # an ARN where a stack lists it
    found = {alarms.Topic(deployment.account_id, deployment.region, name) for name in own}
    found &= {alarms.topic_of(arn) for arn in answer.get("topics", ())}

    def sort(alarm: Mapping[str, Any]) -> tuple[()]:
        if not alarms.is_of_autoscaling(alarm):
            if alarms.is_ours(alarm, deployment):
                found.update(alarms.topics_of(alarm))
                ours.append(alarm)
            elif alarms.is_nobodys(alarm, deployment):
                nobodys.append(alarm)
        return ()

    malformed = list(each((alarm for kind in KINDS.values() for alarm in listed.get(kind, ())), sort))
    yield from malformed
    yield from each(ours, alarm_samples)
    # While STS is out of reach, the account is not known, and so no topic as one of it.
    if subscribed is not None and deployment.account_id:
        yield from each([subscribed], lambda those: subscription_samples(those, ours, found, deployment))
    if listed.keys() >= set(KINDS.values()) and not malformed:  # a malformed one may be anybody's
        yield ALARMS.sample(len(ours))
        if "topics" in answer and deployment.account_id:
            yield TOPICS.sample(len(found))
        yield UNASSIGNED.sample(len(nobodys), resource_type=ALARM_TYPE)


def alarm_samples(alarm: Mapping[str, Any]) -> Iterator[Sample]:
    name = alarm["AlarmName"]
    if alarm["StateValue"] in STATES:
        for state in STATES:
            yield STATE.sample(alarm["StateValue"] == state, alarm=name, state=state)
    yield ENABLED.sample(alarm["ActionsEnabled"], alarm=name)


def subscription_samples(
    subscribed: Iterable[Mapping[str, str]],
    ours: Iterable[Mapping[str, Any]],
    topics: Iterable[alarms.Topic],
    deployment: Deployment,
) -> Iterator[Sample | Malformed]:
    """What follows from all subscriptions together: a malformed one may be of any topic."""
    counts = Counter((alarms.topic_of(each["TopicArn"]), *understood(each)) for each in subscribed)
    for topic in sorted(topic for topic in topics if alarms.is_local(topic, deployment)):
        for provider, state in product(alarms.PROVIDERS, SUBSCRIPTION_STATES):
            number = counts[topic, provider, state]
            yield SUBSCRIPTIONS.sample(number, topic=topic.name, provider=provider, state=state)
    heard = {topic for topic, _, state in counts if topic and state == "confirmed"}
    yield from each(ours, lambda alarm: pager_samples(alarm, heard, deployment))


def understood(subscription: Mapping[str, str]) -> tuple[str, str]:
    """Provider and state of a subscription; one that was deleted can still be listed."""
    arn = subscription["SubscriptionArn"]
    states = {"PendingConfirmation": "pending", "Deleted": "deleted"}
    return alarms.provider_of(subscription["Endpoint"]), states.get(arn, "confirmed")


def pager_samples(alarm: Mapping[str, Any], heard: set[alarms.Topic], deployment: Deployment) -> Iterator[Sample]:
    if "AlarmActions" not in alarm:
        return
    topics = alarms.topics_of(alarm)
    known = all(alarms.is_local(topic, deployment) for topic in topics)
    if known or heard & set(topics):  # who listens to another account's topic, that account knows
        yield NOTIFIES.sample(bool(heard & set(topics)), alarm=alarm["AlarmName"])


COLLECTOR = Collector(
    name="alarms",
    interval=60,
    actions=ACTIONS,
    families=(ALARMS, STATE, ENABLED, NOTIFIES, TOPICS, SUBSCRIPTIONS, UNASSIGNED),
    fetch=fetch,
    samples=samples,
)
