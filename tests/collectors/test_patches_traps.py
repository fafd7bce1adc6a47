"""What EC2, Auto Scaling and SSM leave out, spell as words, or still list when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import small_aws

from exporter.answer import Answer
from exporter.collectors.patches import details, samples
from exporter.deployment import Deployment
from exporter.metric_data import Metric
from exporter.metrics import Malformed, Sample

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
HOST = "i-0aaaaaaaaaaaaaaa1"
STACK = "acme-prod-eu1-5-1-ecs-cluster"
GROUP = "acme-prod-eu1-ecs"


def tags(**values: str) -> list[dict[str, str]]:
    named = {"stack": "aws:cloudformation:stack-name", "group": "aws:autoscaling:groupName"}
    return [{"Key": named.get(key, key), "Value": value} for key, value in values.items()]


def instance(**fields: Any) -> dict[str, Any]:
    """A host of the ECS cluster as EC2 describes it."""
    return {
        "InstanceId": HOST,
        "InstanceType": "m5.large",
        "ImageId": "ami-1",
        "State": {"Code": 16, "Name": "running"},
        "LaunchTime": datetime(2026, 9, 1, tzinfo=UTC),
        "Placement": {"AvailabilityZone": "eu-west-1a"},
        "Tags": tags(stack=STACK, group=GROUP, Name="host"),
    } | fields


def group(**fields: Any) -> dict[str, Any]:
    return {"AutoScalingGroupName": GROUP, "Tags": tags(stack=STACK)} | fields


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served, by family or family and severity; of one host at most, so without its id."""

    def serve(*instances: dict[str, Any], groups: tuple[dict[str, Any], ...] = (), **parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["instances"] = {"Reservations": [{"Instances": list(instances)}]}
        answer["groups"] = {"AutoScalingGroups": list(groups)}
        answer.update(parts)
        found = series(samples(answer, deployment))
        return {
            name.removeprefix("tts_aws_ec2_").replace(f'instance_id="{HOST}"', "").replace("{}", ""): value
            for name, value in found.items()
        }

    return serve


def state(**fields: Any) -> dict[str, Any]:
    """SSM's summary of a host's patches."""
    summary = {"InstanceId": HOST, "Operation": "Scan", "OperationEndTime": datetime(2026, 11, 22, 3, tzinfo=UTC)}
    return {"patches": {HOST: {"InstancePatchStates": [summary | fields]}}}


def test_never_scanned(served: Served) -> None:
    """SSM leaves out a host that never was scanned: nothing is known of its patches, least of all 0."""
    found = served(instance(), details={"patches": {HOST: {"InstancePatchStates": []}}})

    assert "instance_launched_timestamp_seconds" in found
    assert not [name for name in found if "patch" in name]


def test_installation_is_a_scan(served: Served) -> None:
    """An installation looks for patches as well, so that its end is the time of the newest scan."""
    found = served(instance(), details=state(Operation="Install"))

    assert found["patch_scan_timestamp_seconds"] == datetime(2026, 11, 22, 3, tzinfo=UTC).timestamp()


def test_counts_that_are_absent(served: Served) -> None:
    """A count that SSM does not give is unknown; one that it gives is served, also 0."""
    found = served(
        instance(), details=state(SecurityNonCompliantCount=0, MissingCount=3, AvailableSecurityUpdateCount=7)
    )

    assert {name: value for name, value in found.items() if "patches" in name} == {
        "patches_applicable_missing": 3,
        'patches_missing{,patch_severity="security"}': 0,
    }


def test_all_counts(served: Served) -> None:
    """Each count goes to its own family and severity."""
    counts = {
        "MissingCount": 1,
        "FailedCount": 2,
        "InstalledPendingRebootCount": 3,
        "CriticalNonCompliantCount": 4,
        "SecurityNonCompliantCount": 5,
        "OtherNonCompliantCount": 6,
    }

    found = served(instance(), details=state(**counts))

    assert {name: value for name, value in found.items() if "patches" in name} == {
        "patches_applicable_missing": 1,
        "patches_failed": 2,
        "patches_pending_reboot": 3,
        'patches_missing{,patch_severity="critical"}': 4,
        'patches_missing{,patch_severity="security"}': 5,
        'patches_missing{,patch_severity="other"}': 6,
    }


@pytest.mark.parametrize(
    ("status", "there"),
    [("running", True), ("stopped", True), ("pending", True), ("shutting-down", False), ("terminated", False)],
)
def test_terminated_instances_linger(served: Served, status: str, *, there: bool) -> None:
    """EC2 lists a terminated instance for about an hour; a stopped one is still a host."""
    found = served(instance(State={"Name": status}))

    assert ("instance_launched_timestamp_seconds" in found) is there


def test_instances_of_others(served: Served) -> None:
    """An instance of no stack is nobody's: it is counted, and nothing else is told of it."""
    assert served(instance(Tags=[])) == {'tts_aws_unassigned_resources{resource_type="AWS::EC2::Instance"}': 1}


def test_instance_of_a_group(served: Served) -> None:
    """An instance without a stack's tag belongs to the stack of its group."""
    found = served(instance(Tags=tags(group=GROUP)), groups=(group(),))

    assert found['tts_aws_unassigned_resources{resource_type="AWS::EC2::Instance"}'] == 0
    assert any('role="ecs"' in name and f'stack="{STACK}"' in name for name in found)


@pytest.mark.parametrize(
    ("stack", "role"),
    [
        ("acme-prod-eu1-1-2-bastion", "bastion"),
        ("acme-prod-eu1-2-5-db-timescale-master", "timescaledb"),
        ("acme-prod-eu1-2-6-db-timescale-replica", "timescaledb"),
        ("acme-prod-eu1-5-1-ecs-cluster", "ecs"),
        ("acme-prod-eu1-5-6-ecs-monitoring", "other"),
    ],
)
def test_roles(served: Served, stack: str, role: str) -> None:
    """What a host is for follows from its stack's template."""
    assert any(f'role="{role}"' in name for name in served(instance(Tags=tags(stack=stack))))


def test_image(served: Served) -> None:
    """The date of an image is a string in AWS's answer; its name tells the operating system and when support ends."""
    image = {"ImageId": "ami-1", "CreationDate": "2024-01-30T09:00:00.000Z", "Name": "amzn2-ami-ecs-hvm-2.0.20240130"}

    found = served(instance(), details={"images": {"ami-1": {"Images": [image]}}})

    assert found["image_created_timestamp_seconds"] == datetime(2024, 1, 30, 9, tzinfo=UTC).timestamp()
    assert found["os_support_end_timestamp_seconds"] == datetime(2026, 6, 30, tzinfo=UTC).timestamp()


def test_image_of_another_system(served: Served) -> None:
    """Support of Amazon Linux 2023 ends later; of a system that we do not know nothing is told."""

    def ends(name: str) -> float | None:
        image = {"ImageId": "ami-1", "CreationDate": "2024-01-30T09:00:00.000Z", "Name": name}
        return served(instance(), details={"images": {"ami-1": {"Images": [image]}}}).get(
            "os_support_end_timestamp_seconds"
        )

    assert ends("al2023-ami-2023.5.20240805.0-kernel-6.1-x86_64") == datetime(2029, 6, 30, tzinfo=UTC).timestamp()
    assert ends("acme-golden-image") is None


def test_deregistered_image(served: Served) -> None:
    """An image that was deregistered vanishes from the answer: its date is unknown, the host is served all the same."""
    found = served(instance(), details={"images": {"ami-1": {"Images": []}}})

    assert "instance_launched_timestamp_seconds" in found
    assert "image_created_timestamp_seconds" not in found


def test_images_in_batches(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, deployment: Deployment) -> None:
    """A filter takes 200 values, so that more images are asked for in several calls; each is found, disabled or not."""
    fleet = [instance(InstanceId=f"i-{number:03}", ImageId=f"ami-{number:03}") for number in range(201)]

    async def fetched() -> Answer:
        async with account(clock) as reads:
            aws = attempt(reads)
            return await aws.gather(
                {"instances": aws.read("ec2", "DescribeInstances"), "details": details(aws, deployment)}
            )

    with small_aws(clock, monkeypatch) as (small, _):
        small.answers("ec2", "DescribeInstances", {"Reservations": [{"Instances": fleet}]})
        small.answers("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroups": []})
        small.answers("ssm", "DescribeInstancePatchStates", {"InstancePatchStates": []})
        small.answers(
            "ec2",
            "DescribeImages",
            lambda request: {
                "Images": [
                    {"ImageId": id_, "CreationDate": "2024-01-30T09:00:00.000Z", "Name": "amzn2-ami-hvm"}
                    for id_ in request.parameters["Filters"][0]["Values"]
                ]
            },
        )
        answer = asyncio.run(fetched())
        asked = small.asked("DescribeImages")

    assert sorted(len(parameters["Filters"][0]["Values"]) for parameters in asked) == [1, 200]
    assert {parameters["Filters"][0]["Name"] for parameters in asked} == {"image-id"}
    assert all(parameters["IncludeDeprecated"] and parameters["IncludeDisabled"] for parameters in asked)
    found = [each for each in samples(answer, deployment) if isinstance(each, Sample)]
    created = [each for each in found if each.family.name == "tts_aws_ec2_image_created_timestamp_seconds"]
    assert len(created) == 201


def test_cpu_credits(served: Served) -> None:
    """A balance of 0 is the alarming one and is served; without a datum there is none."""
    metric = Metric("AWS/EC2", "CPUCreditBalance", (("InstanceId", HOST),))

    assert served(instance(), details={"credits": {metric: 0.0}})["cpu_credit_balance"] == 0
    assert "cpu_credit_balance" not in served(instance(), details={"credits": {}})


def test_unread_groups(deployment: Deployment) -> None:
    """Where groups could not be read, an instance may belong to one: how many are nobody's is unknown."""
    answer = Answer()
    answer["instances"] = {"Reservations": [{"Instances": [instance(Tags=[])]}]}

    assert list(samples(answer, deployment)) == []


def test_malformed_instance(deployment: Deployment) -> None:
    """An instance without an image costs its own samples and no other's."""
    broken = instance(InstanceId="i-2")
    del broken["ImageId"]
    answer = Answer()
    answer["instances"] = {"Reservations": [{"Instances": [broken, instance()]}]}

    found = list(samples(answer, replace(deployment, owned={})))

    assert any(isinstance(each, Malformed) for each in found)
    assert {each.labels[0] for each in found if not isinstance(each, Malformed)} == {HOST}
