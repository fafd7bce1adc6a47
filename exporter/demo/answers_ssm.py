"""Systems Manager, and the snapshot policies of Data Lifecycle Manager."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_compute import hosts
from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented, named, pairs
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request

_COUNTS = (
    *("InstalledCount", "MissingCount", "FailedCount", "InstalledPendingRebootCount", "InstalledRejectedCount"),
    *("CriticalNonCompliantCount", "SecurityNonCompliantCount", "OtherNonCompliantCount"),
)


def _registered(view: View) -> Iterator[Facts]:
    """Managed instances: those with an agent (`_ssm` null says there is none); stopped ones are left out."""
    for host in hosts(view):
        ssm = host.get("_ssm", {}) if "_ssm" in host or host["_role"] != "other" else None
        if host["State"] == "running" and ssm is not None:
            lost = ssm.get("PingStatus", "Online") != "Online"
            yield aws(
                ssm,
                InstanceId=host["InstanceId"],
                PingStatus="Online",
                LastPingDateTime=view.now - (timedelta(days=3) if lost else timedelta(minutes=2)),
                AgentVersion="3.3.3050.0",
                IsLatestVersion=True,
                PlatformType="Linux",
                PlatformName="Amazon Linux",
                PlatformVersion="2",
                ResourceType="EC2Instance",
                ComputerName=f"ip-{host['InstanceId'][2:8]}.{view.region}.compute.internal",
                AssociationStatus="Success",
            )


def describe_instance_information(world: World, request: Request) -> Facts:
    found = [item for view in world.views(request) for item in _registered(view)]
    for each in request.parameters.get("Filters") or ():
        key = {"PingStatus": "PingStatus", "InstanceIds": "InstanceId", "PlatformTypes": "PlatformType"}.get(
            each["Key"]
        )
        if key is None:
            raise AwsError("InvalidFilterKey", f"The specified filter key is not valid: {each['Key']}")
        found = [item for item in found if item[key] in each["Values"]]
    return {"InstanceInformationList": found}


def describe_instance_patch_states(world: World, request: Request) -> Facts:
    """An instance that was never scanned is absent."""
    wanted = request.parameters["InstanceIds"]
    return {
        "InstancePatchStates": [
            aws(
                state,
                **dict.fromkeys(_COUNTS, 0),
                BaselineId=invented("pb-0", view.name, digits=16),
                PatchGroup=view.name,
                Operation="Scan",
                OperationStartTime=state.get("OperationEndTime", view.now - timedelta(hours=9)) - timedelta(minutes=1),
                OperationEndTime=view.now - timedelta(hours=9),
                RebootOption="NoReboot",
            )
            for view in world.views(request)
            for state in view.all("ssm_patch_states")
            if state["InstanceId"] in wanted
        ]
    }


def get_parameters(world: World, request: Request) -> Facts:
    """The parameters that the stacks list, without their text, and Amazon's public ones for its newest image."""
    wanted = request.parameters["Names"]
    found = []
    for view in world.views(request):
        listed = {resource.id for resource in view.resources if resource.type == "AWS::SSM::Parameter"}
        for name in wanted:
            if name in listed or name.startswith("/aws/service/"):
                value = invented("ami-0", name, digits=16) if name.startswith("/aws/") else "{}"
                found.append(
                    {
                        "Name": name,
                        "Type": "String",
                        "Value": value,
                        "Version": 1,
                        "LastModifiedDate": view.now - timedelta(days=10),
                        "ARN": view.arn("ssm", f"parameter{name}"),
                        "DataType": "text",
                    }
                )
    unique = {item["Name"]: item for item in found}
    return {"Parameters": list(unique.values()), "InvalidParameters": [n for n in wanted if n not in unique]}


def _policies(view: View) -> Iterator[Facts]:
    for item in view.all("ec2", "dlm_policies"):
        yield aws(
            item,
            Description=f"snapshots of {view.name}",
            State="ENABLED",
            PolicyType="EBS_SNAPSHOT_MANAGEMENT",
        ) | {"Tags": view.resources.tags("AWS::DLM::LifecyclePolicy", item["PolicyId"])}


def get_lifecycle_policies(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = [policy for view in world.views(request) for policy in _policies(view)]
    found = named(found, "PolicyId", wanted.get("PolicyIds"), "ResourceNotFoundException", status=404)
    return {"Policies": [p for p in found if not wanted.get("State") or p["State"] == wanted["State"]]}


def get_lifecycle_policy(world: World, request: Request) -> Facts:
    wanted = request.parameters["PolicyId"]
    for view in world.views(request):
        for policy, item in zip(_policies(view), view.all("ec2", "dlm_policies"), strict=True):
            if policy["PolicyId"] == wanted:
                stack = view.resources.stack_of("AWS::DLM::LifecyclePolicy", wanted) or {}
                schedule = {
                    "Name": item.get("_schedule") or "daily",
                    "CreateRule": {"Interval": 24, "IntervalUnit": "HOURS", "Times": ["01:00"]},
                    "RetainRule": {"Count": 7},
                    "CopyTags": False,
                }
                target = {"aws:cloudformation:stack-name": stack["StackName"]} if stack else {"Name": view.name}
                return {
                    "Policy": aws(
                        policy,
                        "PolicyType",
                        StatusMessage=policy["State"],
                        PolicyArn=view.arn("dlm", f"policy/{wanted}"),
                        ExecutionRoleArn=f"arn:aws:iam::{view.account}:role/service-role/dlm",
                        DateCreated=view.now - BORN,
                        DateModified=view.now - BORN,
                        PolicyDetails={
                            "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
                            "ResourceTypes": ["VOLUME"],
                            "TargetTags": pairs(target),
                            "Schedules": [schedule],
                        },
                    )
                }
    raise AwsError("ResourceNotFoundException", f"Policy {wanted} does not exist", 404)


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ssm", "DescribeInstanceInformation"): describe_instance_information,
    ("ssm", "DescribeInstancePatchStates"): describe_instance_patch_states,
    ("ssm", "GetParameters"): get_parameters,
    ("dlm", "GetLifecyclePolicies"): get_lifecycle_policies,
    ("dlm", "GetLifecyclePolicy"): get_lifecycle_policy,
}
