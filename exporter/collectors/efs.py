"""EFS: how much do the file systems hold, are they encrypted and backed up, and can they keep up?

Practice: BP-50 (monitoring's data is unimportant: existence and size are shown, nothing is demanded).
Cost: 1, shared with backups, 1 a file system and 1 a file system an hour, and one or two metrics a file system.
API: https://docs.aws.amazon.com/efs/latest/ug/API_DescribeFileSystems.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment, as_dict
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

TYPE = "AWS::EFS::FileSystem"
FILE_SYSTEM = ("file_system",)

INFO = Family(
    "tts_aws_efs_file_system_info",
    "A file system (EFS FileSystemDescription).",
    (*FILE_SYSTEM, "name", "throughput_mode", "performance_mode", "stack"),
)
SIZE = Family(
    "tts_aws_efs_size_bytes",
    "Metered size, up to an hour old, by storage class (EFS FileSystemDescription.SizeInBytes).",
    (*FILE_SYSTEM, "storage_class"),
)
ENCRYPTED = Family(
    "tts_aws_efs_encrypted", "It is encrypted at rest (EFS FileSystemDescription.Encrypted).", FILE_SYSTEM, "flag"
)
BACKUP_POLICY = Family(
    "tts_aws_efs_backup_policy_enabled",
    "Automatic backups are on; 0 where no policy was ever set (EFS BackupPolicy.Status).",
    FILE_SYSTEM,
    "flag",
)
MOUNT_TARGETS = Family(
    "tts_aws_efs_mount_targets",
    "Mount targets that are available (EFS MountTargetDescription.LifeCycleState).",
    (*FILE_SYSTEM, "availability_zone"),
)
CREDITS = Family(
    "tts_aws_efs_burst_credit_balance_bytes",
    "What may be read or written in bursts; only in the mode bursting (CloudWatch BurstCreditBalance).",
    FILE_SYSTEM,
)
IO_LIMIT = Family(
    "tts_aws_efs_io_limit_ratio",
    "How near to the limit of the mode generalPurpose, which alone has one (CloudWatch PercentIOLimit).",
    FILE_SYSTEM,
)

ACTIONS = (
    "elasticfilesystem:DescribeFileSystems",
    "elasticfilesystem:DescribeMountTargets",
    "elasticfilesystem:DescribeBackupPolicy",
    "cloudwatch:GetMetricData",
)

HOUR = 3_600
CLASSES = {"standard": "ValueInStandard", "infrequent_access": "ValueInIA", "archive": "ValueInArchive"}


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    """Return the account's file systems, and the mount targets, backup policies and metrics of the deployment's."""
    return await aws.gather(
        {
            "file_systems": aws.read("efs", "DescribeFileSystems"),
            "mount_targets": _mount_targets(aws, deployment),
            "backup_policies": _backup_policies(aws, deployment),
            "metrics": _metrics(aws, deployment),
        }
    )


async def _owned(aws: Aws, deployment: Deployment) -> list[dict[str, Any]]:
    listed = (await aws.read("efs", "DescribeFileSystems"))["FileSystems"]
    return [system for system in listed if _stack(system, deployment) is not None]


def _stack(system: Mapping[str, Any], deployment: Deployment) -> str | None:
    if system["LifeCycleState"] in ("deleting", "deleted"):
        return None
    return deployment.owner(TYPE, system["FileSystemId"], system.get("Tags", ()))


async def _mount_targets(aws: Aws, deployment: Deployment) -> Answer:
    ids = [system["FileSystemId"] for system in await _owned(aws, deployment)]
    return await aws.gather({id_: aws.read("efs", "DescribeMountTargets", FileSystemId=id_) for id_ in ids})


async def _backup_policies(aws: Aws, deployment: Deployment) -> dict[str, Any]:
    """The policy of each file system, None where none was ever set, which AWS calls an error."""
    ids = [system["FileSystemId"] for system in await _owned(aws, deployment)]
    operation, never = "DescribeBackupPolicy", ("PolicyNotFound",)
    read = await aws.gather(
        {id_: aws.read("efs", operation, FileSystemId=id_, absent=never, max_age=HOUR) for id_ in ids}
    )
    return {id_: policy or None for id_, policy in read.items()}


async def _metrics(aws: Aws, deployment: Deployment) -> dict[Metric, float]:
    wanted = []
    for system in await _owned(aws, deployment):
        if system.get("ThroughputMode") == "bursting":
            wanted.append(_metric("BurstCreditBalance", system["FileSystemId"]))
        if system["PerformanceMode"] == "generalPurpose":
            wanted.append(_metric("PercentIOLimit", system["FileSystemId"]))
    return await aws.metrics(wanted)


def _metric(name: str, id_: str) -> Metric:
    return Metric("AWS/EFS", name, (("FileSystemId", id_),))


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Map the deployment's file systems, with what is known of each beside the listing."""
    systems = answer.get("file_systems", {}).get("FileSystems", ())
    policies, targets = answer.get("backup_policies", {}), answer.get("mount_targets", {})
    metrics = answer.get("metrics", {})

    def of_system(system: Mapping[str, Any]) -> Iterator[Sample]:
        id_, stack = system["FileSystemId"], _stack(system, deployment)
        if stack is None:
            return
        if "ThroughputMode" in system:
            name = system.get("Name") or as_dict(system.get("Tags", ())).get("Name", "")
            modes = {"throughput_mode": system["ThroughputMode"], "performance_mode": system["PerformanceMode"]}
            yield INFO.sample(1, file_system=id_, name=name, **modes, stack=stack)
        for storage_class, member in CLASSES.items():
            if (size := system["SizeInBytes"].get(member)) is not None:
                yield SIZE.sample(size, file_system=id_, storage_class=storage_class)
        if (encrypted := system.get("Encrypted")) is not None:
            yield ENCRYPTED.sample(encrypted, file_system=id_)
        if id_ in policies:
            policy = policies[id_]
            enabled = policy is not None and policy["BackupPolicy"]["Status"] == "ENABLED"
            yield BACKUP_POLICY.sample(enabled, file_system=id_)
        if (balance := metrics.get(_metric("BurstCreditBalance", id_))) is not None:
            yield CREDITS.sample(balance, file_system=id_)
        if (percent := metrics.get(_metric("PercentIOLimit", id_))) is not None:
            yield IO_LIMIT.sample(percent / 100, file_system=id_)
        zones: Counter[str] = Counter()
        for target in targets.get(id_, {}).get("MountTargets", ()):
            if "AvailabilityZoneName" in target:
                zones[target["AvailabilityZoneName"]] += target["LifeCycleState"] == "available"
        for zone, available in zones.items():
            yield MOUNT_TARGETS.sample(available, file_system=id_, availability_zone=zone)

    yield from each(systems, of_system)
    if "file_systems" in answer:
        listed = [(system.get("FileSystemId", ""), system.get("Tags", ())) for system in systems]
        yield UNASSIGNED.sample(deployment.unassigned(TYPE, listed), resource_type=TYPE)


COLLECTOR = Collector(
    name="efs",
    interval=900,
    actions=ACTIONS,
    families=(INFO, SIZE, ENCRYPTED, BACKUP_POLICY, MOUNT_TARGETS, CREDITS, IO_LIMIT, UNASSIGNED),
    fetch=fetch,
    samples=samples,
)
