"""The five kinds of storage and their backups, in one shape: what five services and AWS Backup say of them.

The collector ``backups`` reads the listings and maps what is made of them here; the names of an answer's parts are its.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from .buckets import purpose
from .deployment import Deployment, Tags, as_dict

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
_TIMESCALEDB = ("2-5-db-timescale-master", "2-6-db-timescale-replica")


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


def aurora(cluster: Raw, deployment: Deployment) -> Store | None:
    if not cluster["Engine"].startswith("aurora"):  # RDS lists Neptune's and DocumentDB's clusters as well
        return None
    store = _owned(deployment, "aurora", cluster["DBClusterIdentifier"], cluster.get("TagList", ()))
    if store is None:
        return None
    return store._replace(
        restorable=cluster.get("LatestRestorableTime"), retention_days=cluster.get("BackupRetentionPeriod")
    )


def elasticache(group: Raw, deployment: Deployment) -> Store | None:
    # Without cluster mode a snapshot names only the node that it was taken from.
    store = _owned(deployment, "elasticache", group["ReplicationGroupId"], (), *group.get("MemberClusters", ()))
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
    if "TransferType" in snapshot:  # a copy, and the volume that a copy names is arbitrary
        return None
    tags = as_dict(snapshot.get("Tags", ()))
    method = "automated" if "aws:dlm:lifecycle-policy-id" in tags else "manual"
    if "aws:backup:source-resource" in tags or "AWS Backup" in snapshot.get("Description", ""):
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
    return Backup("aws_backup", _last_part(point["RecoveryPointArn"]), _ended(point))


def _ended(item: Raw) -> datetime | None:
    """When a job of AWS Backup completed, or began where AWS does not say."""
    return item.get("CompletionDate") or item.get("CreationDate")


def _jobs(jobs: Iterable[Raw], there: set[str]) -> Iterator[Backup]:
    """Failures, and completions of the recovery points that are ``there`` still.

    A continuous recovery point keeps its creation date, so its jobs alone tell when it was last written to.
    """
    for job in jobs:
        if job["State"] in ("FAILED", "ABORTED", "EXPIRED", "PARTIAL"):
            yield Backup("aws_backup", job["BackupJobId"], _ended(job), failed=True)
        elif job["State"] == "COMPLETED":
            made = {_last_part(job["RecoveryPointArn"])} if "RecoveryPointArn" in job else there
            yield from [Backup("aws_backup", id_, _ended(job)) for id_ in made & there]


class Evidence(NamedTuple):
    """What an account's listings say; None for a listing that was not, or not wholly, read."""

    snapshots: Mapping[str, Listing | None]  # by kind of storage
    points: Listing | None
    jobs: Listing
    restore_jobs: Listing

    def methods(self, store: Store) -> set[str]:
        """The methods of which every listing that could show a backup of the store was read."""
        own = {"automated", "manual"} if self.snapshots[store.storage] is not None else set()
        # AWS Backup does not back up ElastiCache.
        return own | {"aws_backup"} if self.points is not None or store.storage == "elasticache" else own

    def backups(self, store: Store) -> list[Backup]:
        """All known backups of the store; one can occur several times, under the same id."""
        snapshots = self.snapshots[store.storage] or {}
        found = [_SNAPSHOT[store.storage](raw) for name in store.names for raw in snapshots.get(name, ())]
        found += [recovery_point(raw) for raw in (self.points or {}).get(store.arn, ())]
        there = {each.id for each in found if each and each.method == "aws_backup" and not each.failed}
        return [each for each in found if each] + list(_jobs(self.jobs.get(store.arn, ()), there))

    def restores(self, store: Store) -> tuple[list[datetime], list[datetime]]:
        """When restores of the store succeeded, and when they failed."""
        succeeded, failed = [], []
        for job in self.restore_jobs.get(store.arn, ()):
            # Without validation there is no ValidationStatus; while it runs (VALIDATING) nothing is known.
            status, validation, at = job["Status"], job.get("ValidationStatus", "SUCCESSFUL"), _ended(job)
            if at and (status, validation) == ("COMPLETED", "SUCCESSFUL"):
                succeeded.append(at)
            elif at and (status in ("FAILED", "ABORTED") or validation in ("FAILED", "TIMED_OUT")):
                failed.append(at)
        return succeeded, failed


def evidence(answer: Mapping[str, Any]) -> Evidence:
    """Sort an answer's listings by what their items are of."""
    vaults = answer.get("vaults", {"": None}).values()
    points = None if None in vaults else [point for vault in vaults for point in vault["RecoveryPoints"]]
    return Evidence(
        {
            "aurora": _by(answer, "cluster_snapshots", "DBClusterSnapshots", "DBClusterIdentifier"),
            "elasticache": _by(answer, "cache_snapshots", "Snapshots", "ReplicationGroupId", "CacheClusterId"),
            "timescaledb": _by(answer, "volume_snapshots", "Snapshots", "VolumeId"),
            "efs": {},  # AWS Backup alone backs these up
            "s3": {},
        },
        None if points is None else _sorted(points, "ResourceArn"),
        _by(answer, "backup_jobs", "BackupJobs", "ResourceArn") or {},
        _by(answer, "restore_jobs", "RestoreJobs", "SourceResourceArn") or {},
    )


def _by(answer: Mapping[str, Any], part: str, key: str, *names: str) -> Listing | None:
    return _sorted(answer[part][key], *names) if part in answer else None


def _sorted(items: Iterable[Raw], *names: str) -> Listing:
    """Items by the first of the members that they have."""
    found: dict[str, list[Raw]] = {}
    for item in items:
        of = next((item[name] for name in names if name in item), "")
        found.setdefault(of.split(":", 2)[-1] if of.startswith("arn:") else of, []).append(item)
    return found


def _last_part(arn: str) -> str:
    return re.split("[:/]", arn)[-1]
