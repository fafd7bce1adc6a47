"""Which EC2 instances are a deployment's, and what each is for: for the collectors that look at hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from .deployment import STACK_TAG, Deployment, Tags, as_dict

INSTANCE = "AWS::EC2::Instance"
GROUP = "AWS::AutoScaling::AutoScalingGroup"

_ROLES = {
    "1-2-bastion": "bastion",
    "2-5-db-timescale-master": "timescaledb",
    "2-6-db-timescale-replica": "timescaledb",
    "5-1-ecs-cluster": "ecs",
}
_BURSTABLE = ("t2", "t3", "t3a", "t4g")


class Host(NamedTuple):
    """An instance and its Auto Scaling group as AWS describes them; ``stack`` is "" if the configuration owns it."""

    instance: Mapping[str, Any]
    group: Mapping[str, Any] | None
    stack: str
    template: str | None

    @property
    def role(self) -> str:
        return _ROLES.get(self.template or "", "other")

    @property
    def burstable(self) -> bool:
        """Whether its class earns and spends CPU credits."""
        return self.instance.get("InstanceType", "").partition(".")[0] in _BURSTABLE


def hosts(answer: Mapping[str, Any], deployment: Deployment) -> list[Host]:
    """Return the deployment's hosts, from an answer's parts "instances" and "groups" (it may lack the latter)."""
    found = []
    for instance, group in _instances(answer):
        id_ = instance.get("InstanceId", "")
        stack = deployment.owner(INSTANCE, id_, _tags(instance, group))
        if stack is None and group:
            stack = deployment.owner(GROUP, group["AutoScalingGroupName"])
        if stack is not None:
            found.append(Host(instance, group, stack, deployment.template_of(stack)))
    return found


def tagged_instances(answer: Mapping[str, Any]) -> list[tuple[str, Tags]]:
    """Return id and tags of every living instance of the account and region."""
    return [(instance.get("InstanceId", ""), _tags(instance, group)) for instance, group in _instances(answer)]


def _instances(answer: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    """Every instance with its group; AWS lists terminated ones for about an hour, which are no hosts any more."""
    groups = {
        group.get("AutoScalingGroupName"): group for group in answer.get("groups", {}).get("AutoScalingGroups", ())
    }
    return [
        (instance, groups.get(as_dict(instance.get("Tags", ())).get("aws:autoscaling:groupName")))
        for reservation in answer.get("instances", {}).get("Reservations", ())
        for instance in reservation.get("Instances", ())
        if instance.get("State", {}).get("Name") not in ("shutting-down", "terminated")
    ]


def _tags(instance: Mapping[str, Any], group: Mapping[str, Any] | None) -> Tags:
    """The instance's tags, and its group's stack where they name none: what a group launches is its stack's."""
    inherited = {key: value for key, value in as_dict((group or {}).get("Tags", ())).items() if key == STACK_TAG}
    return {**inherited, **as_dict(instance.get("Tags", ()))}


def version_numbers(versions: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Return what "$Latest" and "$Default" stand for, by launch template id and word, from all templates' versions."""
    numbers: dict[tuple[str, str], int] = {}
    for version in versions:
        id_, number = version.get("LaunchTemplateId", ""), version.get("VersionNumber", 0)
        numbers[id_, "$Latest"] = max(number, numbers.get((id_, "$Latest"), 0))
        if version.get("DefaultVersion"):
            numbers[id_, "$Default"] = number
    return numbers


def is_outdated(
    group: Mapping[str, Any], member: Mapping[str, Any], numbers: Mapping[tuple[str, str], int]
) -> bool | None:
    """Whether a group would start another instance than its member differently; None where that is unknown."""
    if "LaunchConfigurationName" in group:  # stacks older than 3.30; a deleted one is gone from the member
        return bool(member.get("LaunchConfigurationName") != group["LaunchConfigurationName"])
    wanted = {each["LaunchTemplateId"]: each.get("Version", "$Default") for each in _templates(group)}
    if not wanted:
        return None
    started = member.get("LaunchTemplate")  # None of an instance that a launch configuration started
    if not started or started["LaunchTemplateId"] not in wanted:
        return True
    template = started["LaunchTemplateId"]

    def number(version: str) -> int | None:
        return int(version) if version.isdecimal() else numbers.get((template, version))

    newest, own = number(wanted[template]), number(started["Version"])
    return None if newest is None or own is None else newest > own


def _templates(group: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The launch templates that a group starts from: one, or with a policy of mixed instances one for each kind."""
    mixed = group.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    found = [kind.get("LaunchTemplateSpecification") for kind in (mixed, *mixed.get("Overrides", ()))]
    return [each for each in (group.get("LaunchTemplate"), *found) if each]
