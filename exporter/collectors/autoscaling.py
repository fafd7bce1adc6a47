"""Auto Scaling: do groups keep their instances or start them again and again, and do these run what a group has now?

Practice: BP-19 (launch templates), BP-35 (which group a host is of), BP-57 (launches in a loop).
Cost: 2, of which timescaledb and patches share 1, or with more activities 1 and 1 for each group; each half hour 1.
API: https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeAutoScalingGroups.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..hosts import GROUP, is_outdated, version_numbers
from ..metrics import Family, Malformed, Sample, each

OF_GROUP = ("autoscaling_group",)

INFO = Family(
    "tts_aws_autoscaling_instance_info",
    "An instance of a group (Auto Scaling AutoScalingGroup.Instances).",
    (*OF_GROUP, "instance_id"),
)
DESIRED = Family(
    "tts_aws_autoscaling_instances_desired",
    "Instances that the group should have (Auto Scaling AutoScalingGroup.DesiredCapacity).",
    OF_GROUP,
)
IN_SERVICE = Family(
    "tts_aws_autoscaling_instances_in_service",
    "Instances that are in service, not on their way in or out (Auto Scaling Instance.LifecycleState).",
    OF_GROUP,
)
LAUNCHES = Family(
    "tts_aws_autoscaling_launches",
    "Instances launched in the hour before the read (Auto Scaling Activity.Description, StartTime).",
    OF_GROUP,
)
OUTDATED = Family(
    "tts_aws_ec2_launch_template_outdated",
    "The host was started from an older launch template or configuration than its group has now "
    "(Auto Scaling AutoScalingGroup.LaunchTemplate, MixedInstancesPolicy, LaunchConfigurationName).",
    ("instance_id",),
    "flag",
)

ACTIONS = (
    "autoscaling:DescribeAutoScalingGroups",
    "autoscaling:DescribeScalingActivities",
    "ec2:DescribeLaunchTemplateVersions",
)

# Groups whose instances set themselves up, and so can fail to again and again.
LAUNCHING = ("2-5-db-timescale-master", "2-6-db-timescale-replica", "5-1-ecs-cluster")
HOUR = 3_600
WANTED = ["$Latest", "$Default"]  # what a group may name in place of a version's number


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            "groups": aws.read("autoscaling", "DescribeAutoScalingGroups"),
            "versions": aws.read("ec2", "DescribeLaunchTemplateVersions", Versions=WANTED, max_age=HOUR / 2),
            "activities": activities(aws, deployment),
        }
    )


async def activities(aws: Aws, deployment: Deployment) -> tuple[float, dict[str, Any]]:
    """When it was asked, and the newest activities of each group.

    AWS remembers six weeks, newest first. One page for all groups mostly reaches back an hour; else each is asked.
    """
    described = await aws.read("autoscaling", "DescribeAutoScalingGroups")
    names = sorted(
        group.get("AutoScalingGroupName", "") for group in described["AutoScalingGroups"] if launches(group, deployment)
    )
    page = await aws.read("autoscaling", "DescribeScalingActivities", pages=1)
    found = page["Activities"]
    if "NextToken" not in page or min(one["StartTime"].timestamp() for one in found) < aws.now - HOUR:
        by_group = {
            name: {"Activities": [one for one in found if one["AutoScalingGroupName"] == name]} for name in names
        }
        return aws.now, by_group
    parts = {
        name: aws.read("autoscaling", "DescribeScalingActivities", AutoScalingGroupName=name, pages=1) for name in names
    }
    return aws.now, await aws.gather(parts)


def stack_of(group: Mapping[str, Any], deployment: Deployment) -> str | None:
    return deployment.owner(GROUP, group.get("AutoScalingGroupName", ""), group.get("Tags", ()))


def launches(group: Mapping[str, Any], deployment: Deployment) -> bool:
    """Whether a group is the deployment's and its instances are TimescaleDB or ECS hosts."""
    stack = stack_of(group, deployment)
    return stack is not None and deployment.template_of(stack) in LAUNCHING


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    groups = answer.get("groups", {}).get("AutoScalingGroups", ())
    owned = [group for group in groups if stack_of(group, deployment) is not None]
    members = [(group, member) for group in owned for member in group.get("Instances", ())]
    numbers = version_numbers(answer.get("versions", {}).get("LaunchTemplateVersions", ()))
    yield from each(owned, group_samples)
    yield from each(members, lambda member: template_samples(*member, numbers))
    if "activities" in answer:
        asked, by_group = answer["activities"]
        yield from each(by_group.items(), lambda item: launch_samples(item[0], item[1], asked))


def group_samples(group: dict[str, Any]) -> Iterator[Sample]:
    name, members = group["AutoScalingGroupName"], group["Instances"]
    yield DESIRED.sample(group["DesiredCapacity"], autoscaling_group=name)
    yield IN_SERVICE.sample(sum(one["LifecycleState"] == "InService" for one in members), autoscaling_group=name)
    for member in members:
        yield INFO.sample(1, autoscaling_group=name, instance_id=member["InstanceId"])


def template_samples(
    group: Mapping[str, Any], member: Mapping[str, Any], numbers: Mapping[tuple[str, str], int]
) -> Iterator[Sample]:
    if (old := is_outdated(group, member, numbers)) is not None:
        yield OUTDATED.sample(old, instance_id=member["InstanceId"])


def launch_samples(group: str, answer: dict[str, Any], asked: float) -> Iterator[Sample]:
    # A launch that got no instance, for want of capacity say, names none.
    launched = [
        activity
        for activity in answer["Activities"]
        if activity["Description"].startswith("Launching a new EC2 instance: ")
        and activity["StartTime"].timestamp() > asked - HOUR
    ]
    yield LAUNCHES.sample(len(launched), autoscaling_group=group)


COLLECTOR = Collector(
    name="autoscaling",
    interval=300,
    actions=ACTIONS,
    families=(INFO, DESIRED, IN_SERVICE, LAUNCHES, OUTDATED),
    fetch=fetch,
    samples=samples,
)
