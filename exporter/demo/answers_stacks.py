"""CloudFormation and the tagging API: the stacks, what they made, and what a change set would do to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from exporter.demo.forms import Facts, aws, invented, pairs
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request
from exporter.demo.resources import Resource, taggable, tags_of

BORN = timedelta(days=400)  # how old something is that does not say when it was made


def _stacks(world: World, request: Request) -> list[tuple[View, Facts]]:
    return [
        (
            view,
            {
                **stack,
                "StackStatus": stack.get("StackStatus")
                or ("UPDATE_COMPLETE" if stack.get("LastUpdatedTime") else "CREATE_COMPLETE"),
                "CreationTime": stack.get("CreationTime") or view.now - BORN,
            },
        )
        for view in world.views(request)
        for stack in view.resources.stacks
    ]


def _named(world: World, request: Request) -> list[tuple[View, Facts]]:
    """The stack of the parameter StackName; a deleted one is found by its id alone."""
    name = request.parameters["StackName"]
    for view, stack in _stacks(world, request):
        if name == stack["StackId"] or (name == stack["StackName"] and stack["StackStatus"] != "DELETE_COMPLETE"):
            return [(view, stack)]
    raise AwsError("ValidationError", f"Stack with id {name} does not exist")


def _drift(stack: Facts, updated: datetime) -> Facts:
    drift = dict(stack.get("DriftInformation") or {"StackDriftStatus": "NOT_CHECKED"})
    if drift.get("StackDriftStatus") != "NOT_CHECKED":
        drift.setdefault("LastCheckTimestamp", updated + timedelta(days=1))
    return drift


def describe_stacks(world: World, request: Request) -> Facts:
    if "StackName" in request.parameters:
        found = _named(world, request)
    else:
        found = [(view, s) for view, s in _stacks(world, request) if s["StackStatus"] != "DELETE_COMPLETE"]
    return {
        "Stacks": [
            {
                **aws(stack, "Resources", EnableTerminationProtection=True, DisableRollback=False),
                "DriftInformation": _drift(stack, stack.get("LastUpdatedTime") or stack["CreationTime"]),
                "Parameters": pairs(stack.get("Parameters"), "ParameterKey", "ParameterValue"),
                "Outputs": pairs(stack.get("Outputs"), "OutputKey", "OutputValue"),
                "Tags": pairs(stack.get("Tags")),
                "Capabilities": ["CAPABILITY_NAMED_IAM"],
                "NotificationARNs": [],
                "RollbackConfiguration": {},
            }
            for view, stack in found
        ]
    }


def list_stacks(world: World, request: Request) -> Facts:
    wanted = request.parameters.get("StackStatusFilter")
    members = ("StackId", "StackName", "StackStatus", "CreationTime", "LastUpdatedTime", "DeletionTime")
    return {
        "StackSummaries": [
            {
                **{member: stack[member] for member in members if stack.get(member)},
                "DriftInformation": _drift(stack, stack.get("LastUpdatedTime") or stack["CreationTime"]),
            }
            for _, stack in _stacks(world, request)
            if not wanted or stack["StackStatus"] in wanted
        ]
    }


def list_stack_resources(world: World, request: Request) -> Facts:
    [(view, stack)] = _named(world, request)
    updated = stack.get("LastUpdatedTime") or stack["CreationTime"]
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": resource.logical_id,
                "PhysicalResourceId": resource.id,
                "ResourceType": resource.type,
                "LastUpdatedTimestamp": updated,
                "ResourceStatus": "UPDATE_COMPLETE",
                "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
            }
            for resource in view.resources
            if resource.made_by_stack and resource.stack and resource.stack["StackId"] == stack["StackId"]
        ]
    }


def _change_sets(view: View, stack: Facts) -> list[Facts]:
    return [
        {
            "ChangeSetId": view.arn(
                "cloudformation", f"changeSet/{item['ChangeSetName']}/{invented('', stack['StackName'], digits=32)}"
            ),
            "StackId": stack["StackId"],
            "Status": "CREATE_COMPLETE",
            "ExecutionStatus": "AVAILABLE",
            "CreationTime": view.now - timedelta(days=1),
            **item,
        }
        for item in view.all("cloudformation", "change_sets")
        if item.get("StackName") == stack["StackName"]
    ]


def list_change_sets(world: World, request: Request) -> Facts:
    [(view, stack)] = _named(world, request)
    return {"Summaries": [aws(item, "Changes", IncludeNestedStacks=False) for item in _change_sets(view, stack)]}


def describe_change_set(world: World, request: Request) -> Facts:
    name = request.parameters["ChangeSetName"]
    wanted = request.parameters.get("StackName")
    for view, stack in _stacks(world, request):
        for item in _change_sets(view, stack):
            if name == item["ChangeSetId"] or (
                name == item["ChangeSetName"] and wanted in (stack["StackName"], stack["StackId"])
            ):
                changes = [
                    {"Type": "Resource", "ResourceChange": {"Scope": ["Properties"], "Details": [], **aws(change)}}
                    for change in item.get("Changes") or ()
                ]
                parameters = pairs(stack.get("Parameters"), "ParameterKey", "ParameterValue")
                return {**aws(item), "Changes": changes, "Parameters": parameters, "Tags": pairs(stack.get("Tags"))}
    raise AwsError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)


def describe_stack_resource_drifts(world: World, request: Request) -> Facts:
    """Nothing is known beyond the stack's own drift status, so AWS would list no resource here."""
    _named(world, request)
    return {"StackResourceDrifts": []}


def get_resources(world: World, request: Request) -> Facts:
    wanted = request.parameters
    filters = wanted.get("TagFilters") or []
    for each in filters:
        if len(each.get("Values") or []) > 20:
            raise AwsError("InvalidParameterException", f"{each.get('Key')}: more than 20 values for one key")
    found = []
    for view in world.views(request):
        for resource in view.resources:
            tags = tags_of(resource)
            if (
                tags
                and taggable(resource)
                and _of_type(resource, wanted.get("ResourceTypeFilters"))
                and (not wanted.get("ResourceARNList") or resource.arn in wanted["ResourceARNList"])
                and all(
                    each["Key"] in tags and (not each.get("Values") or tags[each["Key"]] in each["Values"])
                    for each in filters
                )
            ):
                found.append({"ResourceARN": resource.arn, "Tags": pairs(tags)})
    return {"ResourceTagMappingList": found}


def _of_type(resource: Resource, wanted: list[str] | None) -> bool:
    if not wanted:
        return True
    service, rest = resource.arn.split(":")[2], resource.arn.split(":", 5)[5]
    # S3, SQS and SNS have no type in their ARNs.
    kind = {"s3": "bucket", "sqs": "queue", "sns": "topic"}.get(service) or rest.replace("/", ":").split(":")[0]
    return any(each in (service, f"{service}:{kind}") for each in wanted)


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("cloudformation", "DescribeStacks"): describe_stacks,
    ("cloudformation", "ListStacks"): list_stacks,
    ("cloudformation", "ListStackResources"): list_stack_resources,
    ("cloudformation", "ListChangeSets"): list_change_sets,
    ("cloudformation", "DescribeChangeSet"): describe_change_set,
    ("cloudformation", "DescribeStackResourceDrifts"): describe_stack_resource_drifts,
    ("resourcegroupstaggingapi", "GetResources"): get_resources,
}
