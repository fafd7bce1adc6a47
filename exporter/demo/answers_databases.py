"""RDS: Aurora clusters, their instances, snapshots and maintenance."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented, named
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request

_CLUSTER, _INSTANCE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
# End of standard support of Aurora PostgreSQL's major versions, from the Aurora release calendar.
_SUPPORT_ENDS = {"11": "2024-02-29", "12": "2025-02-28", "13": "2026-02-28", "14": "2027-02-28", "15": "2028-02-29"} | {
    "16": "2029-02-28",
    "17": "2030-02-28",
}


def dated(name: str, moment: datetime | None) -> str:
    """The name of an automatic snapshot ends in its time, so a daily one has another name each day."""
    return re.sub(r"\d{4}(-\d\d){4}$", moment.strftime("%Y-%m-%d-%H-%M"), name) if moment else name


def _clusters(view: View) -> Iterator[Facts]:
    for item in view.all("rds", "clusters"):
        name = item["DBClusterIdentifier"]
        encrypted = item.get("StorageEncrypted", True)
        retention = item.get("BackupRetentionPeriod", 14)
        members = item.get("DBClusterMembers") or [
            {"DBInstanceIdentifier": instance["DBInstanceIdentifier"]}
            for instance in view.all("rds", "instances")
            if instance.get("DBClusterIdentifier", name) == name
        ]
        yield aws(
            item,
            Engine="aurora-postgresql",
            EngineVersion="16.6",
            EngineMode="provisioned",
            EngineLifecycleSupport="open-source-rds-extended-support-disabled",
            Status="available",
            # Where instances may be, whatever zones they are in.
            AvailabilityZones=[f"{view.region}{zone}" for zone in "abc"],
            MultiAZ=len(members) > 1,
            BackupRetentionPeriod=retention,
            EarliestRestorableTime=view.now - timedelta(days=retention or 1),
            LatestRestorableTime=view.now - timedelta(minutes=5),
            ClusterCreateTime=view.now - BORN,
            StorageEncrypted=encrypted,
            StorageEncryptionType="sse-kms" if encrypted else "none",
            KmsKeyId=view.arn("kms", f"key/{invented('', name, digits=32)}") if encrypted else None,
            DeletionProtection=True,
            AutoMinorVersionUpgrade=False,
            CopyTagsToSnapshot=True,
            AllocatedStorage=1,
            Port=5432,
            MasterUsername="postgres",
            Endpoint=f"{name}.cluster-{invented('', name, digits=12)}.{view.region}.rds.amazonaws.com",
            ReaderEndpoint=f"{name}.cluster-ro-{invented('', name, digits=12)}.{view.region}.rds.amazonaws.com",
            PreferredBackupWindow="02:00-02:30",
            PreferredMaintenanceWindow="sun:04:00-sun:04:30",
            DbClusterResourceId=invented("cluster-", name, digits=26).upper(),
            DBClusterArn=view.arn("rds", f"cluster:{name}"),
            TagList=view.tags(_CLUSTER, name),
        ) | {
            "DBClusterMembers": [
                aws(member, DBClusterParameterGroupStatus="in-sync", PromotionTier=1, IsClusterWriter=not index)
                for index, member in enumerate(members)
            ]
        }


def _instances(view: View) -> Iterator[Facts]:
    clusters = list(_clusters(view))
    for item in view.all("rds", "instances"):
        name = item["DBInstanceIdentifier"]
        cluster = next(
            (c for c in clusters if any(m["DBInstanceIdentifier"] == name for m in c["DBClusterMembers"])), {}
        )
        shared = ("Engine", "EngineVersion", "StorageEncrypted", "StorageEncryptionType", "KmsKeyId")
        valid_till = view.now + timedelta(days=365)
        yield aws(
            {**{key: cluster[key] for key in shared if key in cluster}, **item},
            DBInstanceClass="db.r6g.large",
            DBInstanceStatus="available",
            DBClusterIdentifier=cluster.get("DBClusterIdentifier"),
            BackupRetentionPeriod=cluster.get("BackupRetentionPeriod", 7),
            AvailabilityZone=view.zones[0],
            AutoMinorVersionUpgrade=False,
            PubliclyAccessible=False,
            MultiAZ=False,
            PromotionTier=1,
            StorageType="aurora",
            AllocatedStorage=1,
            CACertificateIdentifier="rds-ca-rsa2048-g1",
            CertificateDetails={"CAIdentifier": "rds-ca-rsa2048-g1", "ValidTill": valid_till},
            InstanceCreateTime=view.now - BORN,
            PendingModifiedValues={},
            PreferredMaintenanceWindow="sun:04:00-sun:04:30",
            DbiResourceId=invented("db-", name, digits=26).upper(),
            DBInstanceArn=view.arn("rds", f"db:{name}"),
            TagList=view.tags(_INSTANCE, name),
        )


def _of_cluster(items: list[Facts], request: Request) -> list[Facts]:
    """RDS's own filters: clusters by identifier or ARN; others are refused, as AWS refuses them."""
    for each in request.parameters.get("Filters") or ():
        key = {
            "db-cluster-id": "DBClusterIdentifier",
            "db-instance-id": "DBInstanceIdentifier",
            "engine": "Engine",
            "snapshot-type": "SnapshotType",
        }.get(each["Name"])
        if key is None:
            raise AwsError("InvalidParameterValue", f"Unrecognized filter name: {each['Name']}")
        names = {value.rpartition(":")[2] for value in each["Values"]}
        items = [item for item in items if item.get(key) in names]
    return items


def describe_db_clusters(world: World, request: Request) -> Facts:
    found = [cluster for view in world.views(request) for cluster in _clusters(view)]
    wanted = request.parameters.get("DBClusterIdentifier", "").rpartition(":")[2]
    found = named(found, "DBClusterIdentifier", wanted, "DBClusterNotFoundFault", status=404)
    return {"DBClusters": _of_cluster(found, request)}


def describe_db_instances(world: World, request: Request) -> Facts:
    found = [instance for view in world.views(request) for instance in _instances(view)]
    wanted = request.parameters.get("DBInstanceIdentifier", "").rpartition(":")[2]
    found = named(found, "DBInstanceIdentifier", wanted, "DBInstanceNotFound", status=404)
    return {"DBInstances": _of_cluster(found, request)}


def describe_db_cluster_snapshots(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = []
    for view in world.views(request):
        clusters = {cluster["DBClusterIdentifier"]: cluster for cluster in _clusters(view)}
        for item in view.all("rds", "cluster_snapshots"):
            cluster = clusters.get(item.get("DBClusterIdentifier", ""), {})
            name = dated(item["DBClusterSnapshotIdentifier"], item.get("SnapshotCreateTime"))
            kept = ("Engine", "EngineVersion", "StorageEncrypted", "StorageEncryptionType", "ClusterCreateTime")
            found.append(
                aws(
                    {**item, "DBClusterSnapshotIdentifier": name},
                    **{key: cluster[key] for key in kept if key in cluster},
                    SnapshotType="automated" if name.startswith("rds:") else "manual",
                    Status="available",
                    PercentProgress=100,
                    SnapshotCreateTime=view.now - timedelta(hours=6),
                    DBClusterSnapshotArn=view.arn("rds", f"cluster-snapshot:{name}"),
                    TagList=cluster.get("TagList"),
                )
            )
    found = named(
        found,
        "DBClusterSnapshotIdentifier",
        wanted.get("DBClusterSnapshotIdentifier"),
        "DBClusterSnapshotNotFoundFault",
        status=404,
    )
    # Snapshots of AWS Backup are of a type of their own, and come unasked only among all.
    type_, cluster_id = wanted.get("SnapshotType"), wanted.get("DBClusterIdentifier")
    found = [s for s in found if not type_ or s["SnapshotType"] == type_]
    return {
        "DBClusterSnapshots": _of_cluster(
            [s for s in found if not cluster_id or s.get("DBClusterIdentifier") == cluster_id], request
        )
    }


def describe_pending_maintenance_actions(world: World, request: Request) -> Facts:
    wanted = request.parameters.get("ResourceIdentifier")
    pending: dict[str, list[Facts]] = {}
    for view in world.views(request):
        for item in view.all("rds", "pending_maintenance_actions"):
            action = aws(item, "ResourceIdentifier", Action="system-update")
            pending.setdefault(item["ResourceIdentifier"], []).append(action)
    return {
        "PendingMaintenanceActions": [
            {"ResourceIdentifier": resource, "PendingMaintenanceActionDetails": actions}
            for resource, actions in pending.items()
            if not wanted or resource == wanted
        ]
    }


def describe_db_major_engine_versions(world: World, request: Request) -> Facts:
    engine = request.parameters.get("Engine", "aurora-postgresql")
    major = request.parameters.get("MajorEngineVersion")
    if engine != "aurora-postgresql":
        return {"DBMajorEngineVersions": []}
    versions = []
    for version, day in _SUPPORT_ENDS.items():
        end = datetime.fromisoformat(day).replace(tzinfo=UTC)
        names = {"standard": (end - timedelta(days=1800), end), "extended": (end, end + timedelta(days=1096))}
        lifecycles = [
            {
                "LifecycleSupportName": f"open-source-rds-{name}-support",
                "LifecycleSupportStartDate": start,
                "LifecycleSupportEndDate": until,
            }
            for name, (start, until) in names.items()
        ]
        versions.append({"Engine": engine, "MajorEngineVersion": version, "SupportedEngineLifecycles": lifecycles})
    return {"DBMajorEngineVersions": [v for v in versions if not major or v["MajorEngineVersion"] == major]}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("rds", "DescribeDBClusters"): describe_db_clusters,
    ("rds", "DescribeDBInstances"): describe_db_instances,
    ("rds", "DescribeDBClusterSnapshots"): describe_db_cluster_snapshots,
    ("rds", "DescribePendingMaintenanceActions"): describe_pending_maintenance_actions,
    ("rds", "DescribeDBMajorEngineVersions"): describe_db_major_engine_versions,
}
