"""What EFS leaves out, and the error by which it says no."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed

from exporter.answer import Answer
from exporter.collectors.efs import COLLECTOR, samples
from exporter.demo.server import Standin
from exporter.deployment import STACK_TAG, Deployment
from exporter.metric_data import Metric

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]

ID = "fs-0fe121b1d7db26a9d"
STACK = "acme-prod-eu1-5-6-ecs-monitoring"


def file_system(**more: Any) -> dict[str, Any]:
    return {
        "FileSystemId": ID,
        "LifeCycleState": "available",
        "PerformanceMode": "generalPurpose",
        "ThroughputMode": "bursting",
        "SizeInBytes": {"Value": 30},
        "Tags": [{"Key": STACK_TAG, "Value": STACK}],
    } | more


def target(zone: str, state: str = "available") -> dict[str, Any]:
    return {"MountTargetId": f"fsmt-{zone}", "FileSystemId": ID, "AvailabilityZoneName": zone, "LifeCycleState": state}


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served, without the common beginning of the names and without the file system's own label."""

    def serve(*file_systems: dict[str, Any], **parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["file_systems"] = {"FileSystems": file_systems or (file_system(),)}
        answer.update(parts)
        short = {}
        for name, value in series(samples(answer, deployment)).items():
            family, _, labels = name.removeprefix("tts_aws_efs_").rstrip("}").partition("{")
            own = [label.split('"')[1] for label in labels.split(",") if f'"{ID}"' not in label]
            short[" ".join([family, *own])] = value
        return short

    return serve


def test_only_what_was_read(served: Served) -> None:
    """From a file system that tells no more than it must nothing else is made up, and a name may be missing."""
    assert served() == {
        f"file_system_info  bursting generalPurpose {STACK}": 1,
        "tts_aws_unassigned_resources AWS::EFS::FileSystem": 0,
    }


def test_size_by_class(served: Served) -> None:
    """Each storage class that AWS tells has its size, an empty one 0, and one that it does not tell none."""
    found = served(file_system(SizeInBytes={"Value": 30, "ValueInStandard": 30, "ValueInIA": 0}))

    sizes = {name: value for name, value in found.items() if name.startswith("size")}
    assert sizes == {"size_bytes standard": 30, "size_bytes infrequent_access": 0}


def test_encryption(served: Served) -> None:
    """Not encrypted is 0."""
    assert served(file_system(Encrypted=False))["encrypted"] == 0


@pytest.mark.parametrize("state", ["deleting", "deleted"])
def test_deleted(served: Served, state: str) -> None:
    """A file system that is going or gone is no fact any more."""
    assert not [name for name in served(file_system(LifeCycleState=state)) if not name.startswith("tts_aws_unassigned")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"BackupPolicy": {"Status": "ENABLED"}}, 1),
        ({"BackupPolicy": {"Status": "ENABLING"}}, 0),
        ({"BackupPolicy": {"Status": "DISABLING"}}, 0),
        ({"BackupPolicy": {"Status": "DISABLED"}}, 0),
        (None, 0),
    ],
)
def test_backup_policy(served: Served, policy: dict[str, Any] | None, expected: float) -> None:
    """Automatic backups are on only when they are, and off where no policy was ever set."""
    assert served(backup_policies={ID: policy})["backup_policy_enabled"] == expected


def test_policy_not_read(served: Served) -> None:
    """A policy that could not be read is unknown, not off."""
    assert "backup_policy_enabled" not in served(backup_policies={})


def test_policy_not_found(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """AWS answers PolicyNotFound for a file system that never had a policy: that is a 0, and no failure."""
    standin.world.change(f"deployments/acme-prod-eu1/efs_details/{ID}/BackupPolicy", None)

    async def fetch() -> tuple[Answer, Deployment, list[Any]]:
        async with account(clock) as reads:
            [deployment] = await surveyed(reads)
            aws = attempt(reads, COLLECTOR.interval)
            return await COLLECTOR.fetch(aws, deployment), deployment, aws.failures

    answer, deployment, failures = asyncio.run(fetch())

    assert failures == []
    found = series(samples(answer, deployment))
    assert found[f'tts_aws_efs_backup_policy_enabled{{file_system="{ID}"}}'] == 0


def test_mount_targets(served: Served) -> None:
    """Available mount targets are counted by zone; a zone whose only one is not available has 0."""
    targets = [target("eu-west-1a"), target("eu-west-1a"), target("eu-west-1b", "creating")]

    found = served(mount_targets={ID: {"MountTargets": targets}})

    assert found["mount_targets eu-west-1a"] == 2
    assert found["mount_targets eu-west-1b"] == 0


def test_metrics(served: Served) -> None:
    """CloudWatch's percentage becomes a ratio, and a metric without a datum has no series."""
    limit = Metric("AWS/EFS", "PercentIOLimit", (("FileSystemId", ID),))

    found = served(metrics={limit: 61.0})

    assert found["io_limit_ratio"] == 0.61
    assert "burst_credit_balance_bytes" not in found


def test_metrics_that_a_mode_has(standin: Standin, clock: FrozenClock) -> None:
    """CloudWatch bills what is asked for, so credits are asked for in the mode that has them alone."""
    standin.world.change(f"deployments/acme-prod-eu1/efs_details/{ID}/ThroughputMode", "elastic")
    standin.world.change(f"deployments/acme-prod-eu1/efs_details/{ID}/PerformanceMode", "maxIO")

    async def fetch() -> None:
        async with account(clock) as reads:
            [deployment] = await surveyed(reads)
            await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), deployment)

    asyncio.run(fetch())

    assert not [call for call in standin.calls if call[2] == "cloudwatch"]
