"""What RDS says that misleads, and what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from exporter.answer import Answer
from exporter.collectors.aurora import KNOWN_ACTIONS, samples
from exporter.deployment import STACK_TAG, Deployment
from exporter.metric_data import Metric
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
Items = tuple[dict[str, Any], ...]

NAME = "acme-prod-eu1-aurora"
ONE, TWO = f"{NAME}-master", f"{NAME}-replica-b"
STACK = "acme-prod-eu1-2-1-db-aurora-master"
TAGS = [{"Key": STACK_TAG, "Value": STACK}]
DAY = datetime(2026, 12, 1, tzinfo=UTC)


def cluster(**more: Any) -> dict[str, Any]:
    return {
        "DBClusterIdentifier": NAME,
        "Engine": "aurora-postgresql",
        "EngineVersion": "13.8",
        "Status": "available",
        "AvailabilityZones": ["eu-west-1a", "eu-west-1b", "eu-west-1c"],
        "DBClusterMembers": [
            {"DBInstanceIdentifier": ONE, "IsClusterWriter": True},
            {"DBInstanceIdentifier": TWO, "IsClusterWriter": False},
        ],
        "TagList": TAGS,
    } | more


def instance(name: str = ONE, **more: Any) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": name,
        "DBClusterIdentifier": NAME,
        "DBInstanceClass": "db.r6g.large",
        "DBInstanceStatus": "available",
        "Engine": "aurora-postgresql",
        "EngineVersion": "13.8",
        "AvailabilityZone": "eu-west-1a",
    } | more


def plan(resource: str, *details: dict[str, Any]) -> dict[str, Any]:
    arn = f"arn:aws:rds:eu-west-1:111122223333:{resource}"
    return {"ResourceIdentifier": arn, "PendingMaintenanceActionDetails": list(details)}


def read(
    *,
    clusters: Items | None = None,
    instances: Items | None = None,
    maintenance: Items = (),
    engines: Items = (),
    lag: dict[Metric, float] | None = None,
    without: tuple[str, ...] = (),
) -> Answer:
    """An answer in AWS's form: of one cluster with two instances unless others are given, without some parts."""
    answer = Answer()
    answer.update(
        clusters={"DBClusters": (cluster(),) if clusters is None else clusters},
        instances={"DBInstances": (instance(), instance(TWO)) if instances is None else instances},
        maintenance={"PendingMaintenanceActions": maintenance},
        engines={"DBMajorEngineVersions": engines},
        lag=lag or {},
    )
    for part in without:
        del answer[part]
    return answer


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served, without the common beginning of the names and without the labels of the cluster or writer."""

    def serve(**parts: Any) -> dict[str, float]:
        found = series(samples(read(**parts), deployment))
        short = {}
        for name, value in found.items():
            family, _, labels = name.removeprefix("tts_aws_rds_").rstrip("}").partition("{")
            own = [label.split('"')[1] for label in labels.split(",") if f'"{NAME}"' not in label]
            short[" ".join([family, *own])] = value
        return short

    return serve


def test_neptune_and_documentdb(served: Served) -> None:
    """RDS lists the clusters and instances of Neptune and DocumentDB, with our tags maybe; they are not Aurora."""
    found = served(
        clusters=(cluster(Engine="neptune"), cluster(Engine="docdb")), instances=(instance(Engine="neptune"),)
    )

    assert found == {"tts_aws_unassigned_resources AWS::RDS::DBCluster": 0}


def test_clusters_of_nobody(served: Served) -> None:
    """A cluster that no stack of a deployment owns is counted, and nothing else is said of it."""
    found = served(clusters=(cluster(TagList=[]),), instances=(instance(),))

    assert found == {"tts_aws_unassigned_resources AWS::RDS::DBCluster": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"StorageEncrypted": False, "StorageEncryptionType": "sse-rds"}, 1),
        ({"StorageEncrypted": True, "StorageEncryptionType": "sse-kms"}, 1),
        ({"StorageEncrypted": True}, 1),
        ({"StorageEncrypted": False, "StorageEncryptionType": "none"}, 0),
        ({"StorageEncrypted": False}, None),
        ({}, None),
    ],
)
def test_storage_encrypted(served: Served, told: dict[str, Any], expected: float | None) -> None:
    """StorageEncrypted is false for storage that a key of AWS's own encrypts, so false alone proves nothing."""
    assert served(clusters=(cluster(**told),)).get("cluster_storage_encrypted") == expected


def test_zones_of_the_members(served: Served) -> None:
    """The zones that hold a member count, not the three in which AWS could create one."""
    assert served()["cluster_availability_zones"] == 1
    two = (instance(), instance(TWO, AvailabilityZone="eu-west-1b"))
    assert served(instances=two)["cluster_availability_zones"] == 2


def test_zones_while_a_member_is_created(served: Served) -> None:
    """A member that has no zone yet, or was not read, leaves the number of zones unknown."""
    new = instance(TWO)
    del new["AvailabilityZone"]

    found = served(instances=(instance(), new))

    assert "cluster_availability_zones" not in found
    assert found[f"instance_available {TWO}"] == 1
    assert not [name for name in found if name.startswith(f"instance_info {TWO}")]
    assert "cluster_availability_zones" not in served(without=("instances",))


def test_members_by_role(served: Served) -> None:
    """Writer and reader are counted, and no reader is 0."""
    assert served()["cluster_members reader"] == 1
    alone = cluster(DBClusterMembers=[{"DBInstanceIdentifier": ONE, "IsClusterWriter": True}])
    found = served(clusters=(alone,))
    assert (found["cluster_members writer"], found["cluster_members reader"]) == (1, 0)


@pytest.mark.parametrize(
    ("status", "expected"), [("available", 1), ("backing-up", 1), ("failing-over", 0), ("stopped", 0)]
)
def test_available(served: Served, status: str, expected: float) -> None:
    """A backup interrupts nothing, so a status that says so every night is no outage."""
    found = served(clusters=(cluster(Status=status),), instances=(instance(DBInstanceStatus=status),))

    assert found["cluster_available"] == expected
    assert found[f"instance_available {ONE}"] == expected


def test_what_an_instance_may_leave_out(served: Served) -> None:
    """What AWS does not say of an instance has no series."""
    found = served(instances=(instance(),))
    optional = ("auto_minor_version_upgrade_enabled", "publicly_accessible", "certificate_expiry_timestamp_seconds")

    assert not [name for name in found if name.startswith(optional)]
    told = instance(AutoMinorVersionUpgrade=False, PubliclyAccessible=True, CertificateDetails={"ValidTill": DAY})
    found = served(instances=(told,))
    assert [found[f"{name} {ONE}"] for name in optional] == [0, 1, DAY.timestamp()]


def test_deletion_protection(served: Served) -> None:
    """Without the field there is no series; off is 0."""
    assert "cluster_deletion_protection_enabled" not in served()
    assert served(clusters=(cluster(DeletionProtection=False),))["cluster_deletion_protection_enabled"] == 0


def engine(major: str, name: str = "aurora-postgresql") -> dict[str, Any]:
    ends = {"standard": DAY, "extended": DAY.replace(year=2029)}
    return {
        "Engine": name,
        "MajorEngineVersion": major,
        "SupportedEngineLifecycles": [
            {"LifecycleSupportName": f"open-source-rds-{kind}-support", "LifecycleSupportEndDate": end}
            for kind, end in ends.items()
        ],
    }


def test_end_of_standard_support(served: Served) -> None:
    """The end of standard support counts, not that of the extended one which costs money, and of the right version."""
    family = "engine_standard_support_end_timestamp_seconds"

    assert served(engines=(engine("1"), engine("13")))[family] == DAY.timestamp()
    assert family not in served(engines=(engine("1"), engine("14"), engine("13", "aurora-mysql")))


def test_maintenance_of_clusters_and_instances(served: Served) -> None:
    """A plan names a cluster or an instance by its ARN; those of other deployments are not ours."""
    action = {"Action": "system-update"}
    plans = (plan(f"cluster:{NAME}", action), plan(f"db:{TWO}", action), plan("db:somebody-elses", action))

    found = {name: value for name, value in served(maintenance=plans).items() if name.startswith("pending") and value}

    # The cluster's own name is left out by `served`.
    assert found == {
        "pending_maintenance_actions system-update": 1,
        f"pending_maintenance_actions {TWO} system-update": 1,
    }


def test_maintenance_that_is_not_planned(served: Served) -> None:
    """Of each cluster and instance every known action that AWS does not plan is 0, and one unknown to us is told."""
    plans = (plan(f"db:{ONE}", {"Action": "os-upgrade"}, {"Action": "brand-new"}), plan(f"db:{TWO}"))

    found = {name: value for name, value in served(maintenance=plans).items() if name.startswith("pending")}

    of = {"": 0, f"{ONE} ": 0, f"{TWO} ": 0}
    expected = {f"pending_maintenance_actions {who}{action}": 0 for who in of for action in KNOWN_ACTIONS}
    told = (f"pending_maintenance_actions {ONE} os-upgrade", f"pending_maintenance_actions {ONE} brand-new")
    assert found == expected | dict.fromkeys(told, 1)


def test_maintenance_that_is_unknown(served: Served, deployment: Deployment) -> None:
    """Where AWS's plans were not read, or one was not understood, it is not said that there is none."""
    broken = {"ResourceIdentifier": f"arn:aws:rds:eu-west-1:111122223333:db:{ONE}"}
    good = plan(f"db:{TWO}", {"Action": "os-upgrade"})

    found = [each for each in samples(read(maintenance=(broken, good)), deployment) if not isinstance(each, Malformed)]

    assert not [name for name in served(without=("maintenance",)) if name.startswith("pending")]
    pending = [each for each in found if each.family.name == "tts_aws_rds_pending_maintenance_actions"]
    assert [(each.labels, each.value) for each in pending] == [((TWO, "os-upgrade"), 1)]


def test_maintenance_dates_may_be_missing(served: Served) -> None:
    """Each of the dates may be missing; of two actions of a kind the earlier date counts."""
    later = {"Action": "db-upgrade", "ForcedApplyDate": DAY.replace(day=9)}
    details = (later, {"Action": "db-upgrade", "ForcedApplyDate": DAY}, {"Action": "os-upgrade"})

    found = served(maintenance=(plan(f"db:{ONE}", *details),))

    assert found[f"pending_maintenance_actions {ONE} db-upgrade"] == 2
    assert found[f"pending_maintenance_forced_apply_timestamp_seconds {ONE} db-upgrade"] == DAY.timestamp()
    assert f"pending_maintenance_forced_apply_timestamp_seconds {ONE} os-upgrade" not in found
    assert not [name for name in found if name.startswith("pending_maintenance_auto_applied")]


def test_replica_lag_in_seconds(served: Served) -> None:
    """CloudWatch tells a reader's lag in milliseconds; without a datum there is no lag, not 0."""
    metric = Metric("AWS/RDS", "AuroraReplicaLag", (("DBInstanceIdentifier", TWO),))

    assert served(lag={metric: 20.0})[f"replica_lag_seconds {TWO}"] == 0.02
    assert not [name for name in served() if name.startswith("replica_lag")]


def test_refused_clusters(deployment: Deployment, series: Series) -> None:
    """Without the list of clusters, instances are still known as the deployment's by their own tag or their cluster."""
    by_tag = read(instances=(instance(TagList=TAGS),), without=("clusters",))
    by_cluster = read(instances=(instance(),), without=("clusters",))
    owning = replace(deployment, owned={"AWS::RDS::DBCluster": {NAME: STACK}})

    assert [name for name in series(samples(by_tag, deployment)) if "instance_available" in name]
    assert [name for name in series(samples(by_cluster, owning)) if "instance_available" in name]
    assert not series(samples(by_cluster, deployment))


def test_malformed_cluster(deployment: Deployment) -> None:
    """A cluster without what AWS always tells is reported; its instances are served."""
    broken = cluster()
    del broken["Status"]

    found = list(samples(read(clusters=(broken,)), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    families = {each.family.name for each in found if not isinstance(each, Malformed)}
    assert "tts_aws_rds_instance_available" in families
    assert "tts_aws_rds_cluster_info" not in families
