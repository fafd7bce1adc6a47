"""The five kinds of storage and their backups, in one shape: what five services and AWS Backup say of them.

The collector ``backups`` reads the listings, here where it takes more than a call, and maps what is made of them here;
the names of an answer's parts are its.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from .aws import Aws
from .buckets import purpose
from .deployment import Deployment, Tags
from .metrics import Malformed, each

Raw = Mapping[str, Any]
Listing = Mapping[str, list[Raw]]  # by what the items are of: a store's name, or an ARN without its partition

# CloudFormation's type of each kind of store, and its ARN without "arn:<partition>:", which EC2 and S3 do not tell.
_KINDS = {
    "aurora": ("AWS::RDS::DBCluster", "rds:{region}:{account}:cluster:{id}"),
    "elasticache": ("AWS::ElastiCache::ReplicationGroup", "elasticache:{region}:{account}:replicationgroup:{id}"),
    "timescaledb": ("AWS::EC2::Volume", "ec2:{region}:{account}:volume/{id}"),
    "efs": ("AWS::EFS::FileSystem", "elasticfilesystem:{region}:{account}:file-system/{id}"),
    "s3": ("AWS::S3::Bucket", "s3:::{id}"),
}
_FILTER_VALUES = 200  # the most that EC2 takes
_TIMESCALEDB = ("2-5-db-timescale-master", "2-6-db-timescale-replica")


async def read_volume_snapshots(aws: Aws, deployment: Deployment) -> dict[str, Any]:
    """The snapshots of the deployment's volumes alone: an account may have tens of thousands of others."""
    volumes = (await aws.read("ec2", "DescribeVolumes"))["Volumes"]
    owned = sorted(
        volume["VolumeId"]
        for volume in volumes
        if deployment.owner("AWS::EC2::Volume", volume.get("VolumeId", ""), volume.get("Tags", ())) is not None
    )
    found = []
    for start in range(0, len(owned), _FILTER_VALUES):
        some = {"Name": "volume-id", "Values": owned[start : start + _FILTER_VALUES]}
        # Without an owner, AWS lists everybody's public snapshots.
        found += (await aws.read("ec2", "DescribeSnapshots", OwnerIds=["self"], Filters=[some]))["Snapshots"]
    return {"Snapshots": found}


async def read_vaults(aws: Aws) -> dict[str, Any]:
    """The names of all vaults, and the recovery points of those that could be read."""
    vaults = (await aws.read("backup", "ListBackupVaults"))["BackupVaultList"]
    names = [vault["BackupVaultName"] for vault in vaults]
    listing = "ListRecoveryPointsByBackupVault"
    read = await aws.gather({name: aws.read("backup", listing, BackupVaultName=name) for name in names})
    return {"names": names, "read": read}


class Store(NamedTuple):
    """A store that a deployment owns, through ``stack`` ("" if the configuration says so).

    ``arn`` is without its partition; ``names`` is what snapshots call the store.
    """

    storage: str
    resource: str
    stack: str
    type: str
    arn: str
    names: tuple[str, ...]
    restorable: datetime | None = None
    retention_days: int | None = None


class Backup(NamedTuple):
    """A backup that can be restored, or one that failed. ``method``: automated, manual, aws_backup.

    ``id`` is the same whichever service lists it. ``at`` is None where AWS does not say when.
    """

    method: str
    id: str
    at: datetime | None
    failed: bool = False


def _owned(deployment: Deployment, storage: str, id_: str, tags: Tags = (), *members: str) -> Store | None:
    type_, arn = _KINDS[storage]
    stack = deployment.owner(type_, id_, tags)
    arn = arn.format(region=deployment.region, account=deployment.account_id, id=id_)
    return None if stack is None else Store(storage, id_, stack, type_, arn, (id_, *members))


def is_aurora(described: Raw) -> bool:
    """RDS lists the clusters and instances of Neptune and DocumentDB as well."""
    return str(described["Engine"]).startswith("aurora")


def aurora(cluster: Raw, deployment: Deployment) -> Store | None:
    if not is_aurora(cluster):
        return None
    store = _owned(deployment, "aurora", cluster["DBClusterIdentifier"], cluster.get("TagList", ()))
    if store is None:
        return None
    return store._replace(
        restorable=cluster.get("LatestRestorableTime"), retention_days=cluster.get("BackupRetentionPeriod")
    )


def elasticache(group: Raw, deployment: Deployment) -> Store | None:
    # Without cluster mode a snapshot names only the node that it was taken from.
    store = _owned(deployment, "elasticache", group["ReplicationGroupId"], (), *group["MemberClusters"])
    return store._replace(retention_days=group.get("SnapshotRetentionLimit")) if store else None


def timescaledb(volume: Raw, deployment: Deployment) -> Store | None:
    store = _owned(deployment, "timescaledb", volume["VolumeId"], volume.get("Tags", ()))
    return store if store and (not store.stack or deployment.template_of(store.stack) in _TIMESCALEDB) else None


def efs(file_system: Raw, deployment: Deployment) -> Store | None:
    return _owned(deployment, "efs", file_system["FileSystemId"], file_system.get("Tags", ()))


def s3(name: str, deployment: Deployment) -> Store | None:
    store = _owned(deployment, "s3", name)
    return store if store and purpose(name, deployment.stack(store.stack)) != "logs" else None


def cluster_snapshot(snapshot: Raw) -> Backup | None:
    if snapshot["Status"] != "available":
        return None
    id_, type_ = snapshot["DBClusterSnapshotIdentifier"], snapshot["SnapshotType"]
    # RDS can call a snapshot of AWS Backup manual; its name tells.
    method = "aws_backup" if type_ == "awsbackup" or id_.startswith("awsbackup:") else type_
    return Backup(method, _last_part(id_), snapshot.get("SnapshotCreateTime"))


def cache_snapshot(snapshot: Raw) -> Backup | None:
    if snapshot["SnapshotStatus"] != "available":
        return None
    # One time a shard and none of the whole, which is as old as its oldest shard.
    times = [node.get("SnapshotCreateTime") for node in snapshot.get("NodeSnapshots", ())]
    oldest = None if None in times else min(times, default=None)
    return Backup(snapshot["SnapshotSource"], snapshot["SnapshotName"], oldest)


def volume_snapshot(snapshot: Raw) -> Backup | None:
    tags = {tag["Key"] for tag in snapshot.get("Tags", ())}
    text = snapshot.get("Description", "")
    method = "manual"
    if "aws:dlm:lifecycle-policy-id" in tags or text.startswith("Created for policy: policy-"):
        method = "automated"
    elif "aws:backup:source-resource" in tags or "AWS Backup" in text:
        method = "aws_backup"
    if snapshot["State"] == "error":
        return Backup(method, snapshot["SnapshotId"], snapshot.get("StartTime"), failed=True)
    # It takes up to three days before one that is archived can be restored.
    if snapshot["State"] != "completed" or snapshot.get("StorageTier") == "archive":
        return None
    return Backup(method, snapshot["SnapshotId"], snapshot.get("StartTime"))


_SNAPSHOT: Mapping[str, Callable[[Raw], Backup | None]] = {
    "aurora": cluster_snapshot,
    "elasticache": cache_snapshot,
    "timescaledb": volume_snapshot,
}


def recovery_point(point: Raw) -> Backup | None:
    # Not one that is half there or on its way out, nor a continuous one that was stopped.
    if point["Status"] not in ("COMPLETED", "AVAILABLE"):
        return None
    return Backup("aws_backup", _last_part(point["RecoveryPointArn"]), point.get("CompletionDate"))


def _job(job: Raw, there: set[str]) -> Iterator[Backup]:
    """A failure, or that a recovery point that is ``there`` still was completed (anew).

    A continuous recovery point keeps its creation date, so its jobs alone tell when it was last written.
    """
    if job["State"] in ("FAILED", "ABORTED", "EXPIRED", "PARTIAL"):
        yield Backup("aws_backup", job["BackupJobId"], job.get("CompletionDate"), failed=True)
    elif job["State"] == "COMPLETED":
        made = {_last_part(job["RecoveryPointArn"])} if "RecoveryPointArn" in job else there
        for id_ in made & there:
            yield Backup("aws_backup", id_, job.get("CompletionDate"))


class Evidence(NamedTuple):
    """What an account's listings say; None for a listing that was not wholly read and understood."""

    snapshots: Mapping[str, Listing | None]  # by kind of storage
    points: Listing | None
    backup_jobs: Listing | None
    restore_jobs: Listing | None
    malformed: tuple[Malformed, ...]

    def methods(self, store: Store) -> set[str]:
        """The methods of which every listing that could show a backup of the store was read."""
        own = set() if self.snapshots[store.storage] is None else {"automated", "manual"}
        # AWS Backup does not back up ElastiCache.
        return own if self.points is None and store.storage != "elasticache" else own | {"aws_backup"}

    def backups(self, store: Store) -> list[Backup]:
        """Every backup of the store that is known of; one may occur again under the same id."""
        snapshots = self.snapshots[store.storage] or {}
        made = [_SNAPSHOT[store.storage](raw) for name in store.names for raw in snapshots.get(name, ())]
        made += [recovery_point(raw) for raw in (self.points or {}).get(store.arn, ())]
        found = [backup for backup in made if backup]
        there = {backup.id for backup in found if backup.method == "aws_backup" and not backup.failed}
        return found + [made for job in (self.backup_jobs or {}).get(store.arn, ()) for made in _job(job, there)]

    def restores(self, store: Store) -> tuple[list[datetime | None], list[datetime | None]] | None:
        """When restores of the store succeeded and when they failed; None where that is not known."""
        if self.restore_jobs is None and store.storage != "elasticache":
            return None
        succeeded, failed = [], []
        for job in (self.restore_jobs or {}).get(store.arn, ()):
            # Without validation there is no ValidationStatus; while it runs (VALIDATING) nothing is known.
            status, validation = job["Status"], job.get("ValidationStatus", "SUCCESSFUL")
            if (status, validation) == ("COMPLETED", "SUCCESSFUL"):
                succeeded.append(job.get("CompletionDate"))
            elif status in ("FAILED", "ABORTED") or validation in ("FAILED", "TIMED_OUT"):
                failed.append(job.get("CompletionDate"))
        return succeeded, failed


def evidence(answer: Mapping[str, Any]) -> Evidence:
    """Sort an answer's listings by what their items are of."""
    malformed: list[Malformed] = []

    def listed(part: str, key: str, *names: str) -> Listing | None:
        return by(answer[part][key], *names) if part in answer else None

    def by(items: Iterable[Raw], *names: str) -> Listing | None:
        """Items by the first of the members that they have; None if one has none, as it could be of any store."""
        found: dict[str, list[Raw]] = {}

        def put(item: Raw) -> tuple[()]:
            name = item[next((name for name in names if name in item), names[0])]
            found.setdefault(name.split(":", 2)[-1] if name.startswith("arn:") else name, []).append(item)
            return ()

        wrong = [marker for marker in each(items, put) if isinstance(marker, Malformed)]
        malformed.extend(wrong)
        return None if wrong else found

    vaults = answer.get("vaults", {"names": [""], "read": {}})
    read = [vaults["read"].get(name) for name in vaults["names"]]
    points = None if None in read else by([point for vault in read for point in vault["RecoveryPoints"]], "ResourceArn")
    snapshots = {
        "aurora": listed("cluster_snapshots", "DBClusterSnapshots", "DBClusterIdentifier"),
        "elasticache": listed("cache_snapshots", "Snapshots", "ReplicationGroupId", "CacheClusterId"),
        "timescaledb": listed("volume_snapshots", "Snapshots", "VolumeId"),
        "efs": {},  # AWS Backup alone backs these up
        "s3": {},
    }
    backup_jobs = listed("backup_jobs", "BackupJobs", "ResourceArn")
    restores = answer.get("restore_jobs", {}).get("RestoreJobs")
    # Jobs from before AWS told what they restored say nothing of anybody.
    told = None if restores is None else [job for job in restores if "SourceResourceArn" in job]
    restore_jobs = None if told is None else by(told, "SourceResourceArn")
    return Evidence(snapshots, points, backup_jobs, restore_jobs, tuple(malformed))


def _last_part(arn: str) -> str:
    return re.split("[:/]", arn)[-1]
