"""Where five services tell of backups in five ways, and where what they tell is no proof of one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed

from exporter.answer import Answer
from exporter.collectors.backups import COLLECTOR, samples
from exporter.config import Expect
from exporter.demo.server import Standin
from exporter.deployment import STACK_TAG, Deployment
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
Items = tuple[dict[str, Any], ...]

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CLUSTER, GROUP, VOLUME = "acme-prod-eu1-aurora", "acme-prod-eu1-general", "vol-0a43f0659dd714788"
FILES, BUCKET = "fs-0fe121b1d7db26a9d", "acme-prod-eu1-profile-2069068d"
CLUSTER_ARN = f"arn:aws:rds:eu-west-1:111122223333:cluster:{CLUSTER}"
TIMESCALE = "acme-prod-eu1-2-5-db-timescale-master"
OWNED = {
    "AWS::RDS::DBCluster": {CLUSTER: "acme-prod-eu1-2-1-db-aurora-master"},
    "AWS::ElastiCache::ReplicationGroup": {GROUP: "acme-prod-eu1-2-3-db-redis-general"},
    "AWS::EFS::FileSystem": {FILES: "acme-prod-eu1-5-6-ecs-monitoring"},
    "AWS::S3::Bucket": {BUCKET: "acme-prod-eu1-2-4a-is-s3"},
}


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def read(
    *,
    clusters: Items = ({"DBClusterIdentifier": CLUSTER, "Engine": "aurora-postgresql"},),
    cluster_snapshots: Items = (),
    groups: Items = ({"ReplicationGroupId": GROUP, "MemberClusters": [f"{GROUP}-001", f"{GROUP}-002"]},),
    cache_snapshots: Items = (),
    volumes: Items = ({"VolumeId": VOLUME, "Tags": [{"Key": STACK_TAG, "Value": TIMESCALE}]},),
    volume_snapshots: Items = (),
    file_systems: Items = ({"FileSystemId": FILES, "LifeCycleState": "available"},),
    vaults: dict[str, Items | None] | None = None,
    backup_jobs: Items = (),
    restore_jobs: Items = (),
    without: tuple[str, ...] = (),
) -> Answer:
    """An answer in AWS's form; a vault of None is one that could not be read, ``without`` are parts that were not."""
    vaults = {"Default": ()} if vaults is None else vaults
    points = {name: {"RecoveryPoints": list(points)} for name, points in vaults.items() if points is not None}
    answer = Answer()
    answer.update(
        clusters={"DBClusters": clusters},
        cluster_snapshots={"DBClusterSnapshots": cluster_snapshots},
        groups={"ReplicationGroups": groups},
        cache_snapshots={"Snapshots": cache_snapshots},
        volumes={"Volumes": volumes},
        volume_snapshots={"Snapshots": volume_snapshots},
        file_systems={"FileSystems": file_systems},
        vaults={"names": list(vaults), "read": points},
        backup_jobs={"BackupJobs": backup_jobs},
        restore_jobs={"RestoreJobs": restore_jobs},
    )
    for part in without:
        del answer[part]
    return answer


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One store of each kind; the volume is known by its own tag."""
    return replace(deployment, owned=OWNED)


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of one store, without the common beginning of the names and without its own labels."""

    def serve(resource: str, **parts: Any) -> dict[str, float]:
        found = series(samples(read(**parts), deployment))
        short = {}
        for name, value in found.items():
            family, _, labels = name.removeprefix("tts_aws_").partition("{")
            if f'resource="{resource}"' in labels:
                own = [label.split('"')[1] for label in labels.split(",")[2:]]
                short[" ".join([family.removesuffix("_timestamp_seconds"), *own])] = value
        return short

    return serve


def cluster_snapshot(name: str, days: float, type_: str = "automated", **more: Any) -> dict[str, Any]:
    return {
        "DBClusterSnapshotIdentifier": name,
        "DBClusterIdentifier": CLUSTER,
        "SnapshotType": type_,
        "Status": "available",
        "SnapshotCreateTime": ago(days),
    } | more


def volume_snapshot(id_: str, days: float, *tags: str, **more: Any) -> dict[str, Any]:
    return {
        "SnapshotId": id_,
        "VolumeId": VOLUME,
        "State": "completed",
        "StorageTier": "standard",
        "StartTime": ago(days),
        "Tags": [{"Key": tag, "Value": "something"} for tag in tags],
    } | more


def recovery_point(id_: str, days: float, arn: str = CLUSTER_ARN, **more: Any) -> dict[str, Any]:
    return {
        "RecoveryPointArn": f"arn:aws:backup:eu-west-1:111122223333:recovery-point:{id_}",
        "ResourceArn": arn,
        "Status": "COMPLETED",
        "CreationDate": ago(days + 0.1),
        "CompletionDate": ago(days),
    } | more


def job(state: str, days: float, arn: str = CLUSTER_ARN, **more: Any) -> dict[str, Any]:
    return {"BackupJobId": f"job-{days}", "ResourceArn": arn, "State": state, "CompletionDate": ago(days)} | more


def restore(days: float, status: str = "COMPLETED", validation: str | None = None, **more: Any) -> dict[str, Any]:
    told = {"ValidationStatus": validation} if validation else {}
    return {"SourceResourceArn": CLUSTER_ARN, "Status": status, "CompletionDate": ago(days)} | told | more


def test_every_kind_of_store(deployment: Deployment, series: Series) -> None:
    """Each kind of storage has its stores, important where losing the data would hurt, and 0 of each kind of backup."""
    found = series(samples(read(), deployment))

    stores = [name for name in found if name.startswith("tts_aws_backup_store_info")]
    assert len(stores) == 5
    assert [name.split('"')[1] for name in stores if 'importance="important"' in name] == ["aurora", "elasticache"]
    counts = [value for name, value in found.items() if name.startswith("tts_aws_backup_recovery_points")]
    assert counts == [0] * 15
    assert not [name for name in found if "last_success" in name or "last_failure" in name]


def test_what_the_configuration_allows(served: Served) -> None:
    """The ages that the configuration allows stand beside every store."""
    found = served(CLUSTER)

    assert found["backup_max_age_seconds late"] == 26 * 3600
    assert found["backup_max_age_seconds overdue"] == 50 * 3600
    assert found["restore_test_max_age_seconds"] == 92 * 86400


def test_neptune_is_no_store(served: Served) -> None:
    """RDS lists the clusters of Neptune and DocumentDB as well; they are nobody's Aurora."""
    assert served(CLUSTER, clusters=({"DBClusterIdentifier": CLUSTER, "Engine": "neptune"},)) == {}


def test_point_in_time_window(served: Served) -> None:
    """While a cluster is made or restored it has no LatestRestorableTime, and then none is served."""
    cluster = {"DBClusterIdentifier": CLUSTER, "Engine": "aurora-postgresql", "BackupRetentionPeriod": 14}

    assert "backup_latest_restorable" not in served(CLUSTER, clusters=(cluster,))
    found = served(CLUSTER, clusters=({**cluster, "LatestRestorableTime": ago(0)},))
    assert found["backup_latest_restorable"] == NOW.timestamp()
    assert found["backup_retention_seconds"] == 14 * 86400
    assert "backup_retention_seconds" not in served(CLUSTER)


def test_redis_without_backups(served: Served) -> None:
    """A retention of 0 is a fact, the one that says that backups are off."""
    group = {"ReplicationGroupId": GROUP, "MemberClusters": [], "SnapshotRetentionLimit": 0}

    assert served(GROUP, groups=(group,))["backup_retention_seconds"] == 0


def test_newest_available_snapshot(served: Served) -> None:
    """Of Aurora's snapshots those that are available count, and the newest of each method is the last success."""
    found = served(
        CLUSTER,
        cluster_snapshots=(
            cluster_snapshot("rds:one", 2),
            cluster_snapshot("rds:two", 1),
            cluster_snapshot("rds:three", 0, Status="creating"),
            cluster_snapshot("before-upgrade", 5, "manual"),
            cluster_snapshot("rds:other", 0, DBClusterIdentifier="somebody-elses"),
        ),
    )

    assert found["backup_recovery_points automated"] == 2
    assert found["backup_last_success automated"] == ago(1).timestamp()
    assert found["backup_recovery_points manual"] == 1
    assert found["backup_last_success manual"] == ago(5).timestamp()


@pytest.mark.parametrize(("name", "type_"), [("awsbackup:job-1", "manual"), ("job-1", "awsbackup")])
def test_snapshots_of_aws_backup(served: Served, name: str, type_: str) -> None:
    """A snapshot that AWS Backup made is its, whatever RDS calls it: a manual one must not hide a dead schedule."""
    found = served(CLUSTER, cluster_snapshots=(cluster_snapshot(name, 1, type_),))

    assert found["backup_recovery_points manual"] == 0
    assert found["backup_recovery_points aws_backup"] == 1
    assert "backup_last_success manual" not in found


def test_counted_once(served: Served) -> None:
    """A snapshot that both RDS and AWS Backup list is one backup, as recent as its job's end."""
    arn = "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:awsbackup:job-1"
    found = served(
        CLUSTER,
        cluster_snapshots=(cluster_snapshot("awsbackup:job-1", 1, "manual"),),
        vaults={"Default": (recovery_point("", 0.9, RecoveryPointArn=arn),)},
    )

    assert found["backup_recovery_points aws_backup"] == 1
    assert found["backup_last_success aws_backup"] == ago(0.9).timestamp()


@pytest.mark.parametrize("status", ["PARTIAL", "DELETING", "EXPIRED", "STOPPED", "CREATING"])
def test_recovery_points_that_are_none(served: Served, status: str) -> None:
    """Only a recovery point that is completed or available is a backup."""
    found = served(CLUSTER, vaults={"Default": (recovery_point("a", 1, Status=status),)})

    assert found["backup_recovery_points aws_backup"] == 0
    assert "backup_last_success aws_backup" not in found


def test_continuous_recovery_point(served: Served) -> None:
    """A continuous recovery point keeps the date of its creation; the newest of its jobs tells how recent it is."""
    point = recovery_point("continuous", 300, Status="AVAILABLE")
    arn = point["RecoveryPointArn"]

    found = served(CLUSTER, vaults={"Default": (point,)}, backup_jobs=(job("COMPLETED", 1, RecoveryPointArn=arn),))

    assert found["backup_last_success aws_backup"] == ago(1).timestamp()
    assert found["backup_recovery_points aws_backup"] == 1


def test_job_whose_backup_is_gone(served: Served) -> None:
    """A job that completed proves nothing once its recovery point is gone."""
    gone = job("COMPLETED", 1, RecoveryPointArn="arn:aws:backup:eu-west-1:111122223333:recovery-point:gone")

    assert "backup_last_success aws_backup" not in served(CLUSTER, backup_jobs=(gone,))
    found = served(CLUSTER, vaults={"Default": (recovery_point("older", 9),)}, backup_jobs=(gone,))
    assert found["backup_last_success aws_backup"] == ago(9).timestamp()


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "EXPIRED", "PARTIAL"])
def test_jobs_that_failed(served: Served, state: str) -> None:
    """A job can fail in four ways, and one that runs has not failed yet."""
    found = served(CLUSTER, backup_jobs=(job(state, 2), job("RUNNING", 0), job("COMPLETED", 1)))

    assert found["backup_last_failure aws_backup"] == ago(2).timestamp()


def test_refused_vault(served: Served) -> None:
    """While one vault cannot be read, nobody knows what AWS Backup has: no series rather than 0."""
    found = served(CLUSTER, vaults={"Default": (recovery_point("a", 1),), "refused": None})

    assert "backup_recovery_points aws_backup" not in found
    assert "backup_last_success aws_backup" not in found
    # Zeros alone would read as "never backed up".
    assert not [name for name in found if name.startswith("backup_recovery_points")]
    found = served(CLUSTER, cluster_snapshots=(cluster_snapshot("rds:one", 2),), vaults={"refused": None})
    assert found["backup_recovery_points automated"] == 1
    assert found["backup_recovery_points manual"] == 0
    assert "backup_recovery_points aws_backup" not in found
    assert served(GROUP, vaults={"refused": None})["backup_recovery_points aws_backup"] == 0  # it backs up no Redis


def test_refused_listings(served: Served) -> None:
    """A listing that was not read takes the methods with it that it could show, and nothing else."""
    found = served(CLUSTER, without=("cluster_snapshots", "vaults", "restore_jobs"))

    assert not [name for name in found if "recovery_points" in name or "last_success" in name]
    assert found["backup_store_info important acme-prod-eu1-2-1-db-aurora-master"] == 1
    found = served(CLUSTER, without=("backup_jobs",), vaults={"Default": (recovery_point("a", 1),)})
    assert found["backup_recovery_points aws_backup"] == 1
    assert "backup_last_success aws_backup" not in found  # a job may have written to it since


def test_unknown_time_is_not_the_oldest(served: Served) -> None:
    """A snapshot without a time may be the newest, so then there is no last success, though it counts."""
    nameless = cluster_snapshot("rds:two", 1)
    del nameless["SnapshotCreateTime"]

    found = served(CLUSTER, cluster_snapshots=(cluster_snapshot("rds:one", 2), nameless))

    assert found["backup_recovery_points automated"] == 2
    assert "backup_last_success automated" not in found


def test_nameless_snapshot(deployment: Deployment) -> None:
    """A snapshot that says not of what it is could be of any store: it is reported and nothing is counted."""
    nameless = cluster_snapshot("rds:two", 1)
    del nameless["DBClusterIdentifier"]

    found = list(samples(read(cluster_snapshots=(nameless,)), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    points = [each for each in found if not isinstance(each, Malformed) and "recovery_points" in each.family.name]
    assert [each for each in points if each.labels[0] == "aurora"] == []


def cache_snapshot(name: str, *days: float, **more: Any) -> dict[str, Any]:
    nodes = [{"SnapshotCreateTime": ago(each)} for each in days]
    return {
        "SnapshotName": name,
        "SnapshotSource": "automated",
        "SnapshotStatus": "available",
        "NodeSnapshots": nodes,
    } | more


def test_redis_snapshot_names_a_node(served: Served) -> None:
    """Without cluster mode a snapshot names the node that it was taken from, which the group lists as a member."""
    found = served(
        GROUP,
        cache_snapshots=(
            cache_snapshot("automatic.one", 1, CacheClusterId=f"{GROUP}-002"),
            cache_snapshot("automatic.two", 0, CacheClusterId="acme-prod-eu1-general-2-001"),
            cache_snapshot("by-hand", 3, CacheClusterId=f"{GROUP}-001", SnapshotSource="manual"),
            cache_snapshot("automatic.now", 0, CacheClusterId=f"{GROUP}-002", SnapshotStatus="creating"),
        ),
    )

    assert found["backup_recovery_points automated"] == 1
    assert found["backup_last_success automated"] == ago(1).timestamp()
    assert found["backup_last_success manual"] == ago(3).timestamp()


def test_redis_cluster_mode_is_as_old_as_its_oldest_shard(served: Served) -> None:
    """In cluster mode a snapshot names the group and has a time for each shard; the oldest one counts."""
    found = served(GROUP, cache_snapshots=(cache_snapshot("automatic.one", 1, 6, 2, ReplicationGroupId=GROUP),))

    assert found["backup_last_success automated"] == ago(6).timestamp()


def test_redis_snapshot_without_times(served: Served) -> None:
    """A snapshot has no time of its own: without the nodes', it counts and has none."""
    found = served(GROUP, cache_snapshots=({**cache_snapshot("one", ReplicationGroupId=GROUP), "NodeSnapshots": []},))

    assert found["backup_recovery_points automated"] == 1
    assert "backup_last_success automated" not in found


def test_volume_snapshots_by_their_maker(served: Served) -> None:
    """A volume's snapshot is the lifecycle policy's or AWS Backup's by its tags or text, else somebody's own."""
    found = served(
        VOLUME,
        volume_snapshots=(
            volume_snapshot("snap-1", 1, "aws:dlm:lifecycle-policy-id"),
            volume_snapshot("snap-2", 2, Description="Created for policy: policy-09ba47c2 schedule: daily"),
            volume_snapshot("snap-3", 3, "aws:backup:source-resource"),
            volume_snapshot("snap-4", 4, Description="This snapshot is created by the AWS Backup service."),
            volume_snapshot("snap-5", 5, "Name"),
        ),
    )

    counts = {name: value for name, value in found.items() if "recovery_points" in name}
    assert counts == {
        f"backup_recovery_points {who}": n for who, n in (("automated", 2), ("manual", 1), ("aws_backup", 2))
    }
    assert found["backup_last_success manual"] == ago(5).timestamp()


@pytest.mark.parametrize(
    "snapshot",
    [
        volume_snapshot("snap-1", 1, State="pending"),
        volume_snapshot("snap-1", 1, State="recoverable"),
        volume_snapshot("snap-1", 1, StorageTier="archive"),
        volume_snapshot("snap-1", 1, VolumeId="vol-ffffffff"),
    ],
    ids=["unfinished", "in the recycle bin", "archived", "copy"],
)
def test_volume_snapshots_that_are_none(served: Served, snapshot: dict[str, Any]) -> None:
    """A snapshot that is not complete, is archived, or is a copy (whose volume is arbitrary) is no backup."""
    found = served(VOLUME, volume_snapshots=(snapshot,))

    assert found["backup_recovery_points manual"] == 0


def test_volume_snapshot_with_a_transfer_type(served: Served) -> None:
    """AWS gives every snapshot a TransferType, also one that is no copy: it is a backup of its volume."""
    found = served(VOLUME, volume_snapshots=(volume_snapshot("snap-1", 1, TransferType="standard"),))

    assert found["backup_recovery_points manual"] == 1
    assert found["backup_last_success manual"] == ago(1).timestamp()


def test_volume_snapshot_that_failed(served: Served) -> None:
    """A snapshot in the state error is a failure of whoever took it."""
    found = served(
        VOLUME, volume_snapshots=(volume_snapshot("snap-1", 1, "aws:dlm:lifecycle-policy-id", State="error"),)
    )

    assert found["backup_last_failure automated"] == ago(1).timestamp()
    assert found["backup_recovery_points automated"] == 0


def test_other_volumes(served: Served) -> None:
    """The volumes of other stacks, hosts' say, are no stores."""
    other = {"VolumeId": VOLUME, "Tags": [{"Key": STACK_TAG, "Value": "acme-prod-eu1-5-1-ecs-cluster"}]}

    assert served(VOLUME, volumes=(other,)) == {}


def test_log_buckets(deployment: Deployment, series: Series) -> None:
    """A bucket for logs needs no backup."""
    logs = {"AWS::S3::Bucket": {"acme-prod-eu1-nlb-logs-2e559cc7": "acme-prod-eu1-1-1-vpc"}}

    found = series(samples(read(), replace(deployment, owned=OWNED | logs)))

    assert not [name for name in found if "logs" in name]


def test_recovery_points_of_files_and_buckets(served: Served) -> None:
    """The resource of a recovery point is named by its ARN, in whatever partition; a bucket's has no account."""
    vaults = {
        "a": (recovery_point("1", 1, f"arn:aws-cn:elasticfilesystem:eu-west-1:111122223333:file-system/{FILES}"),),
        "b": (recovery_point("2", 2, f"arn:aws:s3:::{BUCKET}"), recovery_point("3", 3, f"arn:aws:s3:::{BUCKET}-2")),
    }

    assert served(FILES, vaults=vaults)["backup_last_success aws_backup"] == ago(1).timestamp()
    assert served(BUCKET, vaults=vaults)["backup_last_success aws_backup"] == ago(2).timestamp()
    assert served(BUCKET, vaults=vaults)["backup_recovery_points automated"] == 0


def test_copy_of_another_region(served: Served) -> None:
    """A recovery point that was copied here is of the resource of its own region and account."""
    elsewhere = CLUSTER_ARN.replace("eu-west-1", "eu-central-1")

    assert served(CLUSTER, vaults={"a": (recovery_point("1", 1, elsewhere),)})["backup_recovery_points aws_backup"] == 0


def test_restores_that_prove_something(served: Served) -> None:
    """A restore counts when it completed and, where it was validated, passed; the newest is served."""
    found = served(CLUSTER, restore_jobs=(restore(40), restore(30, validation="SUCCESSFUL"), restore(1, "RUNNING")))

    assert found["restore_test_last_success"] == ago(30).timestamp()
    assert "restore_test_last_failure" not in found


@pytest.mark.parametrize(
    ("status", "validation"), [("FAILED", None), ("ABORTED", None), ("COMPLETED", "FAILED"), ("COMPLETED", "TIMED_OUT")]
)
def test_restores_that_failed(served: Served, status: str, validation: str | None) -> None:
    """A restore that completed and did not pass its validation has failed as one that did not complete."""
    found = served(CLUSTER, restore_jobs=(restore(3, status, validation),))

    assert found["restore_test_last_failure"] == ago(3).timestamp()
    assert "restore_test_last_success" not in found


def test_restore_that_is_being_validated(served: Served) -> None:
    """While a restore is validated it is neither a success nor a failure."""
    found = served(CLUSTER, restore_jobs=(restore(0, validation="VALIDATING"),))

    assert not [name for name in found if name.startswith("restore_test_last")]


def test_restore_of_something_untold(served: Served) -> None:
    """A restore job that does not tell its source says nothing of any store, and is no fault."""
    untold = restore(1)
    del untold["SourceResourceArn"]

    assert served(CLUSTER, restore_jobs=(untold, restore(9)))["restore_test_last_success"] == ago(9).timestamp()


def test_recorded_drills(deployment: Deployment, series: Series) -> None:
    """A drill's day comes from the resource's tag or the configuration; the newer one counts, from midnight UTC."""
    tagged = replace(
        deployment,
        tagged={("AWS::ElastiCache::ReplicationGroup", GROUP): {"last-restore-test": "2026-09-30"}},
        expect=Expect(restore_tests={GROUP: date(2026, 8, 1), CLUSTER: date(2026, 7, 1)}),
    )

    found = series(samples(read(), tagged))

    family = "tts_aws_restore_test_last_success_timestamp_seconds"
    drill = found[f'{family}{{storage="elasticache",resource="{GROUP}"}}']
    assert drill == datetime(2026, 9, 30, tzinfo=UTC).timestamp()
    assert found[f'{family}{{storage="aurora",resource="{CLUSTER}"}}'] == datetime(2026, 7, 1, tzinfo=UTC).timestamp()


def test_mistyped_drill(deployment: Deployment) -> None:
    """A day that nobody can read is reported and hides nothing but the restore tests of that store."""
    tags = {("AWS::RDS::DBCluster", CLUSTER): {"last-restore-test": "last week"}}

    found = list(samples(read(), replace(deployment, tagged=tags)))

    wrong = [each for each in found if isinstance(each, Malformed)]
    assert len(wrong) == 1
    assert "last week" in wrong[0].error
    aurora = [each for each in found if not isinstance(each, Malformed) and each.labels[:2] == ("aurora", CLUSTER)]
    assert "tts_aws_backup_recovery_points" in {each.family.name for each in aurora}


def test_malformed_store(deployment: Deployment) -> None:
    """A store whose answer lacks what AWS always tells costs its own samples and no other's."""
    clusters = ({"Engine": "aurora-postgresql"}, {"DBClusterIdentifier": CLUSTER, "Engine": "aurora-postgresql"})

    found = list(samples(read(clusters=clusters), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert [each for each in found if not isinstance(each, Malformed) and each.labels[:2] == ("aurora", CLUSTER)]


def test_vault_that_aws_refuses(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """A vault whose policy refuses us costs the facts of AWS Backup, is counted once, and the rest is served."""
    standin.faults.add(kind="deny", service="backup", operation="ListRecoveryPointsByBackupVault", resource="acme-prod")

    async def fetch() -> tuple[Answer, Deployment, list[str | None]]:
        async with account(clock) as reads:
            [deployment] = await surveyed(reads)
            aws = attempt(reads, COLLECTOR.interval)
            answer = await COLLECTOR.fetch(aws, deployment)
            return answer, deployment, [failure.action for failure in aws.failures]

    answer, deployment, failures = asyncio.run(fetch())
    found = series(samples(answer, deployment))

    assert failures == ["backup:ListRecoveryPointsByBackupVault"]
    assert f'tts_aws_backup_recovery_points{{storage="aurora",resource="{CLUSTER}",method="automated"}}' in found
    assert not [name for name in found if 'method="aws_backup"' in name and 'storage="elasticache"' not in name]
