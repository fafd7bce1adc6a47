"""Aurora: is every cluster up, spread over zones, on a supported engine, and what does AWS plan to do to it?

Practice: BP-43 (a reader in another zone), BP-46 (no automatic minor upgrades), BP-47 (engine), BP-48 (encryption).
Cost: 2 every five minutes, both shared with backups, 1 an hour, 1 a day, and one metric a reader.
API: https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusters.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each
from ..stores import aurora, is_aurora

CLUSTER_TYPE, INSTANCE_TYPE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
CLUSTER = ("db_cluster",)
INSTANCE = ("db_instance", "db_cluster")
ACTION = ("resource", "action")

INFO = Family(
    "tts_aws_rds_cluster_info", "An Aurora cluster (RDS DBCluster).", (*CLUSTER, "engine", "engine_version", "stack")
)
AVAILABLE = Family("tts_aws_rds_cluster_available", "Up, or being backed up (RDS DBCluster.Status).", CLUSTER, "flag")
MEMBERS = Family(
    "tts_aws_rds_cluster_members", "Instances by role (RDS DBClusterMember.IsClusterWriter).", (*CLUSTER, "role")
)
ZONES = Family(
    "tts_aws_rds_cluster_availability_zones", "Zones that hold a member (RDS DBInstance.AvailabilityZone).", CLUSTER
)
DELETION_PROTECTION = Family(
    "tts_aws_rds_cluster_deletion_protection_enabled", "It is on (RDS DBCluster.DeletionProtection).", CLUSTER, "flag"
)
ENCRYPTED = Family(
    "tts_aws_rds_cluster_storage_encrypted", "By any key (RDS DBCluster.StorageEncryptionType).", CLUSTER, "flag"
)
SUPPORT_END = Family(
    "tts_aws_rds_engine_standard_support_end_timestamp_seconds",
    "End of standard support of the cluster's major version (RDS SupportedEngineLifecycle.LifecycleSupportEndDate).",
    CLUSTER,
    "time",
)
INSTANCE_INFO = Family(
    "tts_aws_rds_instance_info",
    "An instance of an Aurora cluster (RDS DBInstance).",
    (*INSTANCE, "instance_class", "engine_version", "availability_zone"),
)
INSTANCE_AVAILABLE = Family(
    "tts_aws_rds_instance_available", "Up, or being backed up (RDS DBInstance.DBInstanceStatus).", INSTANCE, "flag"
)
AUTO_UPGRADE = Family(
    "tts_aws_rds_auto_minor_version_upgrade_enabled",
    "AWS upgrades to minor versions by itself (RDS DBInstance.AutoMinorVersionUpgrade).",
    INSTANCE,
    "flag",
)
PUBLIC = Family(
    "tts_aws_rds_publicly_accessible", "It has a public address (RDS DBInstance.PubliclyAccessible).", INSTANCE, "flag"
)
CERTIFICATE = Family(
    "tts_aws_rds_certificate_expiry_timestamp_seconds",
    "End of the server's certificate (RDS DBInstance.CertificateDetails.ValidTill).",
    INSTANCE,
    "time",
)
LAG = Family("tts_aws_rds_replica_lag_seconds", "How far a reader is behind (CloudWatch AuroraReplicaLag).", INSTANCE)
PENDING = Family(
    "tts_aws_rds_pending_maintenance_actions", "Planned by AWS, else 0 (RDS PendingMaintenanceAction.Action).", ACTION
)
AUTO_APPLIED = Family(
    "tts_aws_rds_pending_maintenance_auto_applied_after_timestamp_seconds",
    "When the next maintenance window applies it (RDS PendingMaintenanceAction.AutoAppliedAfterDate).",
    ACTION,
    "time",
)
FORCED = Family(
    "tts_aws_rds_pending_maintenance_forced_apply_timestamp_seconds",
    "When it is applied whatever the window (RDS PendingMaintenanceAction.ForcedApplyDate).",
    ACTION,
    "time",
)

ACTIONS = (
    *("rds:DescribeDBClusters", "rds:DescribeDBInstances", "rds:DescribePendingMaintenanceActions"),
    *("rds:DescribeDBMajorEngineVersions", "cloudwatch:GetMetricData"),
)

HOUR, DAY = 3_600, 86_400
SERVING = ("available", "backing-up")
KNOWN_ACTIONS = (  # Source: RDS API Reference, PendingMaintenanceAction
    *("ca-certificate-rotation", "db-upgrade", "hardware-maintenance", "os-upgrade"),
    *("serverless-platform-version-update", "system-update"),
)


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    """Return the clusters, instances and plans of the account and region, and the lag of the deployment's readers."""
    return await aws.gather(
        {
            "clusters": aws.read("rds", "DescribeDBClusters"),
            "instances": aws.read("rds", "DescribeDBInstances"),
            "maintenance": aws.read("rds", "DescribePendingMaintenanceActions", max_age=HOUR),
            "engines": aws.read("rds", "DescribeDBMajorEngineVersions", Engine="aurora-postgresql", max_age=DAY),
            "lag": _lag(aws, deployment),
        }
    )


async def _lag(aws: Aws, deployment: Deployment) -> dict[Metric, float]:
    clusters = (await aws.read("rds", "DescribeDBClusters"))["DBClusters"]
    members = [member for each in clusters if aurora(each, deployment) for member in each.get("DBClusterMembers", ())]
    return await aws.metrics(_lag_of(each["DBInstanceIdentifier"]) for each in members if not each["IsClusterWriter"])


def _lag_of(instance: str) -> Metric:
    return Metric("AWS/RDS", "AuroraReplicaLag", (("DBInstanceIdentifier", instance),))


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Map the deployment's clusters and instances, and what AWS plans for either."""
    clusters = answer.get("clusters", {}).get("DBClusters", ())
    instances = answer.get("instances", {}).get("DBInstances", ())
    engines = answer.get("engines", {}).get("DBMajorEngineVersions", ())
    zones = {instance.get("DBInstanceIdentifier"): instance.get("AvailabilityZone") for instance in instances}
    owned: set[tuple[str, str]] = set()  # kind of resource in an ARN, identifier

    def of_cluster(cluster: Mapping[str, Any]) -> Iterator[Sample]:
        if not (store := aurora(cluster, deployment)):
            return
        name = store.resource
        owned.add(("cluster", name))
        version = cluster["EngineVersion"]
        yield INFO.sample(1, db_cluster=name, engine=cluster["Engine"], engine_version=version, stack=store.stack)
        yield AVAILABLE.sample(cluster["Status"] in SERVING, db_cluster=name)
        if (members := cluster.get("DBClusterMembers")) is not None:
            roles = Counter("writer" if member["IsClusterWriter"] else "reader" for member in members)
            for role in ("writer", "reader"):
                yield MEMBERS.sample(roles[role], db_cluster=name, role=role)
            # Not the cluster's own AvailabilityZones: that is where instances may be, always three.
            held = {zones.get(member["DBInstanceIdentifier"]) for member in members}
            if None not in held:
                yield ZONES.sample(len(held), db_cluster=name)
        if (protected := cluster.get("DeletionProtection")) is not None:
            yield DELETION_PROTECTION.sample(protected, db_cluster=name)
        # StorageEncrypted is false for what is encrypted with a key of AWS's own (sse-rds), so only its true is proof.
        if (type_ := cluster.get("StorageEncryptionType")) or cluster.get("StorageEncrypted"):
            yield ENCRYPTED.sample(type_ != "none", db_cluster=name)
        for engine in engines:
            major = engine.get("MajorEngineVersion")  # of 16.6 it is 16
            if engine.get("Engine") == cluster["Engine"] and f"{version}.".startswith(f"{major}."):
                for lifecycle in engine.get("SupportedEngineLifecycles", ()):
                    if lifecycle["LifecycleSupportName"] == "open-source-rds-standard-support":
                        yield SUPPORT_END.sample(lifecycle["LifecycleSupportEndDate"], db_cluster=name)

    def of_instance(instance: Mapping[str, Any]) -> Iterator[Sample]:
        if not is_aurora(instance):
            return
        name, cluster = instance["DBInstanceIdentifier"], instance["DBClusterIdentifier"]
        mine = ("cluster", cluster) in owned or deployment.owner(CLUSTER_TYPE, cluster) is not None
        if not mine and deployment.owner(INSTANCE_TYPE, name, instance.get("TagList", ())) is None:
            return
        owned.add(("db", name))
        labels = {"db_instance": name, "db_cluster": cluster}
        if zone := instance.get("AvailabilityZone"):  # it has none while it is created
            of_its_own = {"instance_class": instance["DBInstanceClass"], "engine_version": instance["EngineVersion"]}
            yield INSTANCE_INFO.sample(1, **labels, **of_its_own, availability_zone=zone)
        yield INSTANCE_AVAILABLE.sample(instance["DBInstanceStatus"] in SERVING, **labels)
        for family, value in (
            (AUTO_UPGRADE, instance.get("AutoMinorVersionUpgrade")),
            (PUBLIC, instance.get("PubliclyAccessible")),
            (CERTIFICATE, instance.get("CertificateDetails", {}).get("ValidTill")),
        ):
            if value is not None:
                yield family.sample(value, **labels)
        if (milliseconds := answer.get("lag", {}).get(_lag_of(name))) is not None:
            yield LAG.sample(milliseconds / 1000, **labels)

    def of_plan(plan: Mapping[str, Any]) -> Iterator[Sample]:
        *_, kind, name = plan["ResourceIdentifier"].split(":")
        if (kind, name) not in owned:
            return
        details = plan["PendingMaintenanceActionDetails"]
        for action, count in Counter(detail["Action"] for detail in details).items():
            yield PENDING.sample(count, resource=name, action=action)
            for family, date in ((AUTO_APPLIED, "AutoAppliedAfterDate"), (FORCED, "ForcedApplyDate")):
                if dates := [detail[date] for detail in details if detail["Action"] == action and date in detail]:
                    yield family.sample(min(dates), resource=name, action=action)

    yield from each(clusters, of_cluster)
    yield from each(instances, of_instance)
    listed = answer.get("maintenance", {}).get("PendingMaintenanceActions")
    yield from (plans := list(each(listed or (), of_plan)))
    planned = {plan.labels for plan in plans if isinstance(plan, Sample)}
    # A plan that was not understood may be of any resource and action.
    if listed is not None and all(isinstance(plan, Sample) for plan in plans):
        for name, action in sorted({(name, action) for _, name in owned for action in KNOWN_ACTIONS} - planned):
            yield PENDING.sample(0, resource=name, action=action)
    if "clusters" in answer:
        ours = [each for each in clusters if str(each.get("Engine")).startswith("aurora")]
        pairs = [(each.get("DBClusterIdentifier", ""), each.get("TagList", ())) for each in ours]
        yield UNASSIGNED.sample(deployment.unassigned(CLUSTER_TYPE, pairs), resource_type=CLUSTER_TYPE)


COLLECTOR = Collector(
    name="aurora",
    interval=300,
    actions=ACTIONS,
    families=(
        *(INFO, AVAILABLE, MEMBERS, ZONES, DELETION_PROTECTION, ENCRYPTED, SUPPORT_END),
        *(INSTANCE_INFO, INSTANCE_AVAILABLE, AUTO_UPGRADE, PUBLIC, CERTIFICATE, LAG),
        *(PENDING, AUTO_APPLIED, FORCED, UNASSIGNED),
    ),
    fetch=fetch,
    samples=samples,
)
