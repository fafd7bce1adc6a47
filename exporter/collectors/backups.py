"""Backups: is every store backed up, by what and how recently, and does what was backed up restore?

Practice: BP-41, BP-44, BP-49 (backups run and are recent), BP-45 (restore tests).
Cost: 10 listings and one of each vault; 4 of them are shared with the stores' own collectors.
API: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from .. import stores
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..metrics import Family, Malformed, Sample, each
from ..stores import Evidence, Store

STORE = ("storage", "resource")
METHOD = (*STORE, "method")

INFO = Family(
    "tts_aws_backup_store_info",
    "A store that should be backed up; importance (important, optional) is the configuration's.",
    (*STORE, "importance", "stack"),
)
LAST_SUCCESS = Family(
    "tts_aws_backup_last_success_timestamp_seconds",
    "Newest restorable backup. Of AWS Backup the completion of a job whose recovery point is there still "
    "(RDS DBClusterSnapshot.SnapshotCreateTime, ElastiCache NodeSnapshot.SnapshotCreateTime of the oldest shard, "
    "EC2 Snapshot.StartTime, Backup RecoveryPoint.CompletionDate and BackupJob.CompletionDate).",
    METHOD,
    "time",
)
POINTS = Family(
    "tts_aws_backup_recovery_points",
    "Restorable backups now (RDS DBClusterSnapshot.Status, ElastiCache Snapshot.SnapshotStatus, EC2 Snapshot.State, "
    "Backup RecoveryPoint.Status).",
    METHOD,
)
LAST_FAILURE = Family(
    "tts_aws_backup_last_failure_timestamp_seconds",
    "Newest backup that failed; AWS Backup remembers 30 days (Backup BackupJob.State, EC2 Snapshot.State).",
    METHOD,
    "time",
)
RESTORABLE = Family(
    "tts_aws_backup_latest_restorable_timestamp_seconds",
    "End of the point-in-time window, none while a cluster is made or restored (RDS DBCluster.LatestRestorableTime).",
    STORE,
    "time",
)
RETENTION = Family(
    "tts_aws_backup_retention_seconds",
    "How long automatic backups are kept, 0 if they are off "
    "(RDS DBCluster.BackupRetentionPeriod, ElastiCache ReplicationGroup.SnapshotRetentionLimit).",
    STORE,
)
MAX_AGE = Family(
    "tts_aws_backup_max_age_seconds",
    "Age of the newest backup that the configuration calls late or overdue (configuration).",
    (*STORE, "level"),
    lasting=True,
)
TEST_SUCCESS = Family(
    "tts_aws_restore_test_last_success_timestamp_seconds",
    "Newest restore that completed and, where it was validated, passed, or newest drill that the operator recorded "
    "(Backup RestoreJob.Status and ValidationStatus, tag last-restore-test, configuration).",
    STORE,
    "time",
)
TEST_FAILURE = Family(
    "tts_aws_restore_test_last_failure_timestamp_seconds",
    "Newest restore that failed or did not pass its validation (Backup RestoreJob.Status and ValidationStatus).",
    STORE,
    "time",
)
TEST_MAX_AGE = Family(
    "tts_aws_restore_test_max_age_seconds", "Allowed age of the last restore test (configuration).", STORE, lasting=True
)

ACTIONS = (
    "rds:DescribeDBClusters",
    "rds:DescribeDBClusterSnapshots",
    "elasticache:DescribeReplicationGroups",
    "elasticache:DescribeSnapshots",
    "ec2:DescribeVolumes",
    "ec2:DescribeSnapshots",
    "elasticfilesystem:DescribeFileSystems",
    "backup:ListBackupVaults",
    "backup:ListRecoveryPointsByBackupVault",
    "backup:ListBackupJobs",
    "backup:ListRestoreJobs",
)

METHODS = ("automated", "manual", "aws_backup")
DAY = 86_400


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            "clusters": aws.read("rds", "DescribeDBClusters"),
            "cluster_snapshots": aws.read("rds", "DescribeDBClusterSnapshots"),
            "groups": aws.read("elasticache", "DescribeReplicationGroups"),
            "cache_snapshots": aws.read("elasticache", "DescribeSnapshots"),
            "volumes": aws.read("ec2", "DescribeVolumes"),
            "volume_snapshots": stores.read_volume_snapshots(aws, deployment),
            "file_systems": aws.read("efs", "DescribeFileSystems"),
            "vaults": stores.read_vaults(aws),
            "backup_jobs": aws.read("backup", "ListBackupJobs"),
            "restore_jobs": aws.read("backup", "ListRestoreJobs"),
        }
    )


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Map each store that the deployment owns; what a listing that was not read could show has no sample."""
    evidence = stores.evidence(answer)
    for listed, store_of in (
        (answer.get("clusters", {}).get("DBClusters", ()), stores.aurora),
        (answer.get("groups", {}).get("ReplicationGroups", ()), stores.elasticache),
        (answer.get("volumes", {}).get("Volumes", ()), stores.timescaledb),
        (answer.get("file_systems", {}).get("FileSystems", ()), stores.efs),
        (deployment.resources("AWS::S3::Bucket"), stores.s3),
    ):
        yield from each(listed, partial(_of_store, store_of, evidence, deployment))
    yield from evidence.malformed


def _of_store(
    store_of: Callable[[Any, Deployment], Store | None], evidence: Evidence, deployment: Deployment, raw: Any
) -> Iterator[Sample | Malformed]:
    store = store_of(raw, deployment)
    if store is None:
        return
    of = {"storage": store.storage, "resource": store.resource}
    expected = getattr(deployment.expect.backups, store.storage)
    yield INFO.sample(1, **of, importance="important" if expected.important else "optional", stack=store.stack)
    yield MAX_AGE.sample(expected.late, **of, level="late")
    yield MAX_AGE.sample(expected.overdue, **of, level="overdue")
    yield TEST_MAX_AGE.sample(deployment.expect.restore_test, **of)
    if store.restorable is not None:
        yield RESTORABLE.sample(store.restorable, **of)
    if store.retention_days is not None:
        yield RETENTION.sample(store.retention_days * DAY, **of)

    backups = evidence.backups(store)
    known = sorted(evidence.methods(store))
    there = any(not backup.failed for backup in backups if backup.method in known)
    for method in known:
        restorable = [backup for backup in backups if backup.method == method and not backup.failed]
        if there or set(known) == set(METHODS):  # three zeros mean "never backed up": with one unread that is unknown
            yield POINTS.sample(len({backup.id for backup in restorable}), **of, method=method)
        if method != "aws_backup" or evidence.backup_jobs is not None:
            yield from _newest(LAST_SUCCESS, [backup.at for backup in restorable], **of, method=method)
    for method in METHODS:
        failed = [backup.at for backup in backups if backup.method == method and backup.failed]
        yield from _newest(LAST_FAILURE, failed, **of, method=method)
    # Apart from the rest: a drill's day is typed by hand, and a typing error must not hide the backups.
    yield from each([store], partial(_restore_tests, evidence, deployment))


def _restore_tests(evidence: Evidence, deployment: Deployment, store: Store) -> Iterator[Sample]:
    of = {"storage": store.storage, "resource": store.resource}
    if (restores := evidence.restores(store)) is None:
        return
    succeeded, failed = restores
    drills = [deployment.expect.restore_tests.get(store.resource)]
    if tag := deployment.tags(store.type, store.resource).get("last-restore-test"):
        drills.append(date.fromisoformat(tag))
    succeeded += [datetime.combine(day, time(), UTC) for day in drills if day]
    yield from _newest(TEST_SUCCESS, succeeded, **of)
    yield from _newest(TEST_FAILURE, failed, **of)


def _newest(family: Family, times: Sequence[datetime | None], **labels: str) -> Iterator[Sample]:
    """The newest of times, unless one of them is not known: it may be the newest."""
    known = [moment for moment in times if moment]
    if known and len(known) == len(times):
        yield family.sample(max(known), **labels)


COLLECTOR = Collector(
    name="backups",
    interval=900,
    actions=ACTIONS,
    families=(
        *(INFO, LAST_SUCCESS, POINTS, LAST_FAILURE, RESTORABLE, RETENTION, MAX_AGE),
        *(TEST_SUCCESS, TEST_FAILURE, TEST_MAX_AGE),
    ),
    fetch=fetch,
    samples=samples,
)
