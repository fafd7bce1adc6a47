"""What Auto Scaling leaves out, spells as words, and remembers for six weeks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import small_aws

from exporter.answer import Answer
from exporter.collectors.autoscaling import COLLECTOR, samples
from exporter.deployment import Deployment
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOST = "i-0aaaaaaaaaaaaaaa1"
STACK = "acme-prod-eu1-5-1-ecs-cluster"
GROUP = "acme-prod-eu1-ecs"


def tags(stack: str) -> list[dict[str, str]]:
    return [{"Key": "aws:cloudformation:stack-name", "Value": stack}]


def member(id_: str = HOST, **fields: Any) -> dict[str, Any]:
    return {
        "InstanceId": id_,
        "AvailabilityZone": "eu-west-1a",
        "LifecycleState": "InService",
        "HealthStatus": "Healthy",
        "ProtectedFromScaleIn": False,
    } | fields


def template(version: str | None, id_: str = "lt-1") -> dict[str, str]:
    return {"LaunchTemplateId": id_} | ({} if version is None else {"Version": version})


def group(name: str = GROUP, **fields: Any) -> dict[str, Any]:
    """A group of the deployment as Auto Scaling describes it."""
    return {
        "AutoScalingGroupName": name,
        "MinSize": 1,
        "MaxSize": 1,
        "DesiredCapacity": 1,
        "DefaultCooldown": 300,
        "AvailabilityZones": ["eu-west-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": datetime(2026, 1, 1, tzinfo=UTC),
        "Instances": [member()],
        "Tags": tags(STACK),
    } | fields


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of groups, without the common beginning of the names and the labels of the one group and host."""

    def serve(*groups: dict[str, Any], **parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["groups"] = {"AutoScalingGroups": list(groups)}
        answer.update(parts)
        found = series(samples(answer, deployment))
        short = {"tts_aws_autoscaling_": "", "tts_aws_ec2_": "", f'{{instance_id="{HOST}"}}': ""}
        short |= {f'{{autoscaling_group="{GROUP}"}}': ""}

        def shortened(name: str) -> str:
            for long, replacement in short.items():
                name = name.replace(long, replacement)
            return name

        return {shortened(name): value for name, value in found.items()}

    return serve


def test_instances(served: Served) -> None:
    """Instances on their way in or out are the group's, and are not in service."""
    states = ("InService", "Pending", "Pending:Wait", "Terminating:Wait", "Standby", "InService")
    members = [member(f"i-{number}", LifecycleState=state) for number, state in enumerate(states)]

    found = served(group(DesiredCapacity=3, Instances=members))

    assert (found["instances_desired"], found["instances_in_service"]) == (3, 2)
    assert [name for name in found if name.startswith("instance_info")] == [
        f'instance_info{{autoscaling_group="{GROUP}",instance_id="i-{number}"}}' for number in range(6)
    ]


def test_group_without_instances(served: Served) -> None:
    """A group that has no instance has 0 in service, which is what tells that it cannot start one."""
    assert served(group(Instances=[])) == {"instances_desired": 1, "instances_in_service": 0}


def test_groups_of_others(served: Served) -> None:
    """A group of no stack of the deployment is another's, and so are its instances."""
    assert served(group(Tags=[]), group("other", Tags=tags("shop-prod"))) == {}


def test_malformed_group(deployment: Deployment) -> None:
    """A group whose instances are not told costs its own samples and no other's."""
    broken = group("broken")
    del broken["Instances"]
    answer = Answer()
    answer["groups"] = {"AutoScalingGroups": [broken, group()]}

    found = list(samples(answer, deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert {each.labels[0] for each in found if not isinstance(each, Malformed)} == {GROUP}


VERSIONS = {
    "LaunchTemplateVersions": [
        {"LaunchTemplateId": "lt-1", "VersionNumber": 10, "DefaultVersion": False},
        {"LaunchTemplateId": "lt-1", "VersionNumber": 7, "DefaultVersion": True},
        {"LaunchTemplateId": "lt-2", "VersionNumber": 3, "DefaultVersion": True},
    ]
}


@pytest.mark.parametrize(
    ("wanted", "started", "old"),
    [
        ("10", "9", True),  # as words, 9 is the greater
        ("7", "7", False),
        ("7", "10", False),
        ("$Latest", "10", False),
        ("$Latest", "7", True),
        ("$Default", "7", False),
        ("$Default", "6", True),
        (None, "7", False),  # without a version a group takes the default one
    ],
)
def test_launch_template_versions(served: Served, wanted: str | None, started: str, *, old: bool) -> None:
    """Versions are numbers in words, or words for a number, and are compared as numbers."""
    its = group(LaunchTemplate=template(wanted), Instances=[member(LaunchTemplate=template(started))])

    assert served(its, versions=VERSIONS)["launch_template_outdated"] == old


def test_version_that_is_unknown(served: Served) -> None:
    """Where the templates could not be read, "$Latest" says nothing."""
    its = group(LaunchTemplate=template("$Latest"), Instances=[member(LaunchTemplate=template("7"))])

    assert "launch_template_outdated" not in served(its)


def test_mixed_instances_policy(served: Served) -> None:
    """A group with a policy names its template there, and other templates for kinds of instances."""
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": template("7"),
            "Overrides": [{"InstanceType": "m6g.large", "LaunchTemplateSpecification": template("3", "lt-2")}],
        }
    }

    def old(started: dict[str, str]) -> float:
        its = group(MixedInstancesPolicy=policy, Instances=[member(LaunchTemplate=started)])
        return served(its, versions=VERSIONS)["launch_template_outdated"]

    assert (old(template("7")), old(template("6")), old(template("3", "lt-2")), old(template("2", "lt-2"))) == (
        0,
        1,
        0,
        1,
    )
    assert old(template("9", "lt-3")) == 1


def test_launch_configurations(served: Served) -> None:
    """Old stacks have launch configurations, which have no version: another name is a newer one."""

    def old(**started: str) -> float:
        its = group(LaunchConfigurationName="conf-2", Instances=[member(**started)])
        return served(its)["launch_template_outdated"]

    assert (old(LaunchConfigurationName="conf-2"), old(LaunchConfigurationName="conf-1"), old()) == (0, 1, 1)


def test_group_that_got_a_template(served: Served) -> None:
    """An instance that a launch configuration started is older than the template that replaced it."""
    its = group(LaunchTemplate=template("1"), Instances=[member(LaunchConfigurationName="conf-1")])

    assert served(its)["launch_template_outdated"] == 1


def test_group_without_a_template(served: Served) -> None:
    """A group of which neither template nor configuration is told cannot be compared with."""
    assert "launch_template_outdated" not in served(group())


def activity(minutes: int, description: str, name: str = GROUP) -> dict[str, Any]:
    return {
        "ActivityId": f"{name}-{minutes}",
        "AutoScalingGroupName": name,
        "StartTime": NOW - timedelta(minutes=minutes),
        "Description": description,
        "StatusCode": "Successful",
        "Cause": "An instance was started.",
    }


def test_launches_of_the_last_hour(served: Served) -> None:
    """AWS remembers activities for six weeks, terminations among them: launches of the hour before the read count."""
    activities = [
        activity(5, "Launching a new EC2 instance: i-1"),
        activity(10, "Terminating EC2 instance: i-2"),
        activity(55, "Launching a new EC2 instance: i-2"),
        activity(56, "Launching a new EC2 instance.  Status Reason: We currently do not have sufficient capacity."),
        activity(65, "Launching a new EC2 instance: i-3"),
    ]

    found = served(activities=(NOW.timestamp(), {GROUP: {"Activities": activities}, "quiet": {"Activities": []}}))

    assert found == {"launches": 2, 'launches{autoscaling_group="quiet"}': 0}


@pytest.mark.parametrize(("oldest", "asked"), [(65, [{}]), (55, [{}, {"AutoScalingGroupName": GROUP}])])
def test_pages_of_activities(
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    deployment: Deployment,
    oldest: int,
    asked: list[dict[str, str]],
) -> None:
    """One page of all groups is enough if it reaches back an hour; else each of the deployment's hosts' is asked."""
    page = {"Activities": [activity(oldest, "Launching a new EC2 instance: i-1", "noisy")], "NextToken": "more"}

    async def fetched() -> Answer:
        async with account(clock) as reads:
            return await COLLECTOR.fetch(attempt(reads), deployment)

    with small_aws(clock, monkeypatch) as (small, _):
        others = group("noisy", Tags=tags("shop-prod"))
        groups = [group(), others, group("bastion", Tags=tags("acme-prod-eu1-1-2-bastion"))]
        small.answers("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroups": groups})
        small.answers("ec2", "DescribeLaunchTemplateVersions", {"LaunchTemplateVersions": []})
        small.answers(
            "autoscaling",
            "DescribeScalingActivities",
            lambda request: {"Activities": []} if "AutoScalingGroupName" in request.parameters else page,
        )
        answer = asyncio.run(fetched())
        seen = small.asked("DescribeScalingActivities")

    assert [{key: value for key, value in each.items() if key == "AutoScalingGroupName"} for each in seen] == asked
    assert answer["activities"] == (clock.now, {GROUP: {"Activities": []}})
