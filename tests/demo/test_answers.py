"""The stand-in's answers: valid in AWS's own models, and true to what AWS does where that misleads."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator

import exporter.demo
from exporter.demo.answers import OPERATIONS
from exporter.demo.inventory import World
from exporter.demo.request import AwsError, Request

EXAMPLE = Path(exporter.demo.__file__).parent / "example-deployment.yaml"
SECOND = Path(__file__).parents[1] / "inventories" / "second.yaml"
START = datetime(2030, 5, 17, 3, 0, tzinfo=UTC)
MINIMAL = {
    "network": "n",
    "environment": "staging",
    "cluster": "c",
    "account_id": "000000000001",
    "region": "eu-north-1",
}
PROD, STAGING = "acme-prod-eu1", "acme-staging-eu1"
NAM1, NAM2 = "borealis-prod-nam1", "borealis-prod-nam2"


class Asker:
    """Asks a world as a client of one deployment's account and region would."""

    def __init__(self, world: World, name: str, clock: list[float]) -> None:
        self.world = world
        self.clock = clock
        self.facts = next(facts for facts in world.deployments if facts["id"] == name)

    def __call__(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        account, region = self.facts["account_id"], self.facts["region"]
        request = Request(account, region, service, operation, parameters, self.world.now())
        return OPERATIONS[service, operation](self.world, request)


@functools.cache
def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def world_of(source: Path | dict[str, Any]) -> tuple[World, list[float]]:
    clock = [START.timestamp()]
    return World(parsed(source) if isinstance(source, Path) else source, lambda: clock[0]), clock


def asker(name: str) -> Asker:
    world, clock = world_of(EXAMPLE if name.startswith("acme") else SECOND)
    return Asker(world, name, clock)


@functools.cache
def output_shape(service: str, operation: str) -> Shape:
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    assert model.output_shape is not None
    return model.output_shape


def wrong_enums(value: Any, shape: Shape, path: str = "") -> Iterator[str]:
    """The strings that are none of those that the model lists for their member."""
    if isinstance(shape, StructureShape):
        for key, item in value.items():
            yield from wrong_enums(item, shape.members[key], f"{path}.{key}")
    elif isinstance(shape, ListShape):
        for item in value:
            yield from wrong_enums(item, shape.member, path)
    elif isinstance(shape, MapShape):
        for item in value.values():
            yield from wrong_enums(item, shape.value, path)
    elif isinstance(shape, StringShape) and shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is none of {shape.enum}"


def questions(ask: Asker, service: str, operation: str) -> list[dict[str, Any]]:
    """Parameters to ask an operation with: those that it needs, for everything that the deployment has."""

    def each(key: str, names: list[Any]) -> list[dict[str, Any]]:
        return [{key: name} for name in names]

    facts = ask.facts
    cluster = {"cluster": (facts.get("ecs") or {}).get("cluster", {}).get("clusterName", facts["id"])}
    buckets = each("Bucket", [bucket["Name"] for bucket in facts.get("s3") or ()])
    systems = each("FileSystemId", [system["FileSystemId"] for system in facts.get("efs") or ()])
    match service, operation:
        case "cloudformation", "ListStackResources" | "ListChangeSets" | "DescribeStackResourceDrifts":
            return each("StackName", [s["StackName"] for s in ask("cloudformation", "DescribeStacks")["Stacks"]])
        case "cloudformation", "DescribeChangeSet":
            stacks = ask("cloudformation", "DescribeStacks")["Stacks"]
            sets = [ask("cloudformation", "ListChangeSets", StackName=s["StackName"])["Summaries"] for s in stacks]
            return each("ChangeSetName", [item["ChangeSetId"] for found in sets for item in found])
        case "elasticache", "DescribeCacheParameters":
            clusters = ask("elasticache", "DescribeCacheClusters")["CacheClusters"]
            return each(
                "CacheParameterGroupName", [c["CacheParameterGroup"]["CacheParameterGroupName"] for c in clusters]
            )
        case "elasticache", "DescribeCacheClusters":
            return [{"ShowCacheNodeInfo": True}]
        case "ssm", "DescribeInstancePatchStates":
            return each("InstanceIds", [[s["InstanceId"]] for s in facts.get("ssm_patch_states") or ()])
        case "ssm", "GetParameters":
            return [{"Names": [f"/{facts['network']}/none", "/aws/service/ami"]}]
        case "dlm", "GetLifecyclePolicy":
            return each("PolicyId", [p["PolicyId"] for p in ask("dlm", "GetLifecyclePolicies")["Policies"]])
        case "ec2", "DescribeLaunchTemplateVersions":
            return [{"Versions": ["$Latest", "$Default"]}]
        case "ec2", "DescribeImages":
            return [{"IncludeDeprecated": True}]
        case "ec2", "GetManagedPrefixListEntries":
            return []
        case "ecs", "ListClusters" | "ListAccountSettings":
            return [{}, {"effectiveSettings": True}][: 2 if operation == "ListAccountSettings" else 1]
        case "ecs", "DescribeClusters":
            return [{"clusters": [cluster["cluster"], "none"], "include": ["SETTINGS", "STATISTICS", "TAGS"]}]
        case "ecs", "DescribeTaskDefinition":
            services = ask.facts.get("ecs", {}).get("services", [])
            return [
                {"taskDefinition": s["taskDefinition"], "include": ["TAGS"]}
                for item in services
                for s in ask("ecs", "DescribeServices", **cluster, services=[item["serviceName"]])["services"]
            ]
        case "ecs", _ if not facts.get("ecs"):
            return []
        case "ecs", "DescribeServices":
            arns = ask("ecs", "ListServices", **cluster)["serviceArns"]
            return [{**cluster, "services": [arn], "include": ["TAGS"]} for arn in arns]
        case "ecs", "DescribeTasks":
            arns = [*ask("ecs", "ListTasks", **cluster)["taskArns"]]
            arns += ask("ecs", "ListTasks", **cluster, desiredStatus="STOPPED")["taskArns"]
            return [{**cluster, "tasks": arns}]
        case "ecs", "DescribeContainerInstances":
            arns = ask("ecs", "ListContainerInstances", **cluster)["containerInstanceArns"]
            return [{**cluster, "containerInstances": arns, "include": ["CONTAINER_INSTANCE_HEALTH", "TAGS"]}]
        case "ecs", _:
            return [cluster]
        case "s3", "ListBuckets":
            return [{}, {"BucketRegion": facts["region"]}]
        case "s3", _:
            return buckets
        case "efs", "DescribeFileSystems":
            return [{}, *systems]
        case "efs", _:
            return systems
        case "backup", "ListRecoveryPointsByBackupVault":
            vaults = ask("backup", "ListBackupVaults")["BackupVaultList"]
            return each("BackupVaultName", [vault["BackupVaultName"] for vault in vaults])
        case "backup", "ListRecoveryPointsByResource":
            points = (facts.get("backup") or {}).get("recovery_points") or ()
            return each("ResourceArn", [point["ResourceArn"] for point in points])
        case "elbv2", "DescribeTargetHealth" | "DescribeTargetGroupAttributes":
            groups = ask("elbv2", "DescribeTargetGroups")["TargetGroups"]
            return each("TargetGroupArn", [group["TargetGroupArn"] for group in groups])
        case "acm", "DescribeCertificate":
            return each("CertificateArn", [item["CertificateArn"] for item in facts.get("acm") or ()])
        case "route53", "ListResourceRecordSets":
            return each("HostedZoneId", [zone["Id"] for zone in ask("route53", "ListHostedZones")["HostedZones"]])
        case "cloudwatch", "GetMetricData":
            metrics = [*ask("cloudwatch", "ListMetrics")["Metrics"], {"Namespace": "N", "MetricName": "None"}]
            queries = [
                {"Id": f"q{n}", "MetricStat": {"Metric": metric, "Period": 300, "Stat": "Average"}}
                for n, metric in enumerate(metrics)
            ]
            window = {"StartTime": START - timedelta(hours=1), "EndTime": START}
            return [{"MetricDataQueries": queries[n : n + 500], **window} for n in range(0, len(queries), 500)]
        case "cloudwatch", "DescribeAlarms":
            return [{"AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}]
        case "sns", "ListSubscriptionsByTopic" | "GetTopicAttributes":
            return each("TopicArn", [topic["TopicArn"] for topic in facts.get("sns") or ()])
        case "sqs", "GetQueueUrl":
            return each("QueueName", [q["QueueUrl"].rpartition("/")[2] for q in facts.get("sqs") or ()])
        case "sqs", "GetQueueAttributes":
            return [{"QueueUrl": q["QueueUrl"], "AttributeNames": ["All"]} for q in facts.get("sqs") or ()]
        case "events", "ListTargetsByRule":
            return each("Rule", [rule["Name"] for rule in facts.get("events_rules") or ()])
        case "secretsmanager", "ListSecrets":
            return [{"IncludePlannedDeletion": True}]
        case "service-quotas", _:
            return [{"ServiceCode": "ec2"}]
    return [{}]


# What AWS refuses where the inventory has nothing; everything else must be answered.
NOT_CONFIGURED = {
    "NoSuchPublicAccessBlockConfiguration",
    "ReplicationConfigurationNotFoundError",
    "NoSuchLifecycleConfiguration",
    "PolicyNotFound",
    "SubscriptionRequiredException",
}


@pytest.mark.parametrize("operation", sorted(OPERATIONS), ids=":".join)
@pytest.mark.parametrize("name", [PROD, STAGING, NAM1, NAM2, "minimal"])
def test_every_answer_is_valid_in_aws_own_model(name: str, operation: tuple[str, str]) -> None:
    """Every answer has AWS's members and types, and only values that AWS lists, in all deployments."""
    if name == "minimal":
        world, clock = world_of({"deployments": [MINIMAL]})
        ask = Asker(world, "n-staging-c", clock)
    else:
        ask = asker(name)
    for parameters in questions(ask, *operation):
        try:
            answer = ask(*operation, **parameters)
        except AwsError as error:
            if error.code in NOT_CONFIGURED:
                continue
            raise
        shape = output_shape(*operation)
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), report.generate_report()
        assert list(wrong_enums(answer, shape)) == []


def test_two_deployments_of_one_account_answer_together() -> None:
    """Deployments that share an account and a region are found in one answer; a third account sees nothing of them."""
    ask = asker(NAM2)
    names = {s["StackName"] for s in ask("cloudformation", "DescribeStacks")["Stacks"]}
    assert {"tts-core-1-1-vpc", "borealis-nam2-1-1-vpc"} <= names
    assert len(ask("ecs", "ListClusters")["clusterArns"]) == 2
    other = Request("111122223333", "ca-central-1", "cloudformation", "DescribeStacks", {}, START)
    assert OPERATIONS["cloudformation", "DescribeStacks"](ask.world, other) == {"Stacks": []}


def test_another_region_of_the_account_is_empty() -> None:
    """Regional services know nothing of other regions; S3's list is the account's."""
    ask = asker(NAM1)
    there: dict[str, Any] = {"account": "777788889999", "region": "us-east-1", "parameters": {}, "now": START}
    assert OPERATIONS["rds", "DescribeDBClusters"](ask.world, Request(service="rds", operation="x", **there)) == {
        "DBClusters": []
    }
    assert (
        len(OPERATIONS["s3", "ListBuckets"](ask.world, Request(service="s3", operation="x", **there))["Buckets"]) == 8
    )


# Each trap that aws-apis.md tells of, as the stand-in sets it.


def test_the_zones_of_a_cluster_are_where_instances_may_be() -> None:
    """A cluster lists three zones although all of its instances are in one."""
    ask = asker(NAM1)
    [cluster] = ask("rds", "DescribeDBClusters")["DBClusters"]
    assert len(cluster["AvailabilityZones"]) == 3
    assert {i["AvailabilityZone"] for i in ask("rds", "DescribeDBInstances")["DBInstances"]} == {"ca-central-1b"}


def test_storage_can_be_encrypted_though_the_old_flag_denies_it() -> None:
    """RDS and ElastiCache say false where the encryption is of their own making; the type tells."""
    ask = asker(NAM1)
    [cluster] = ask("rds", "DescribeDBClusters")["DBClusters"]
    assert (cluster["StorageEncrypted"], cluster["StorageEncryptionType"]) == (False, "sse-rds")
    group = ask("elasticache", "DescribeReplicationGroups")["ReplicationGroups"][0]
    assert (group["AtRestEncryptionEnabled"], group["StorageEncryptionType"]) == (False, "sse-elasticache")
    [unencrypted] = asker(STAGING)("rds", "DescribeDBClusters")["DBClusters"]
    assert (unencrypted["StorageEncrypted"], unencrypted["StorageEncryptionType"]) == (False, "none")


def test_the_restorable_time_may_be_absent() -> None:
    """A cluster that is being restored has no LatestRestorableTime."""
    ask = asker(PROD)
    ask.world.change(f"deployments/{PROD}/rds/clusters/{PROD}-aurora/LatestRestorableTime", None)
    assert "LatestRestorableTime" not in ask("rds", "DescribeDBClusters")["DBClusters"][0]


def test_only_what_has_maintenance_pending_is_listed() -> None:
    """Resources without anything pending are absent, and dates that are not set are absent too."""
    assert asker(PROD)("rds", "DescribePendingMaintenanceActions")["PendingMaintenanceActions"] == []
    [pending] = asker(STAGING)("rds", "DescribePendingMaintenanceActions")["PendingMaintenanceActions"]
    [action] = pending["PendingMaintenanceActionDetails"]
    assert action["Action"] == "system-update"
    assert "CurrentApplyDate" not in action


def test_engine_support_ends_are_real_dates() -> None:
    """The ends of support are the calendar's: they do not move with the stand-in's start."""
    versions = asker(PROD)("rds", "DescribeDBMajorEngineVersions", Engine="aurora-postgresql")["DBMajorEngineVersions"]
    ends = {v["MajorEngineVersion"]: v["SupportedEngineLifecycles"][0]["LifecycleSupportEndDate"] for v in versions}
    assert ends["13"] == datetime(2026, 2, 28, tzinfo=UTC)


def test_the_engine_version_is_on_the_cache_clusters_alone() -> None:
    """A replication group does not say its engine's version; its members do."""
    ask = asker(PROD)
    assert all("EngineVersion" not in g for g in ask("elasticache", "DescribeReplicationGroups")["ReplicationGroups"])
    clusters = ask("elasticache", "DescribeCacheClusters")["CacheClusters"]
    assert {cluster["EngineVersion"] for cluster in clusters} == {"6.2.6"}
    assert all("CacheNodes" not in cluster for cluster in clusters)


def test_a_snapshot_without_cluster_mode_names_a_member_not_the_group() -> None:
    """The snapshot's group must be found through the group's members, and its time through its nodes."""
    ask = asker(PROD)
    members = {
        member
        for group in ask("elasticache", "DescribeReplicationGroups")["ReplicationGroups"]
        for member in group["MemberClusters"]
    }
    for snapshot in ask("elasticache", "DescribeSnapshots", SnapshotSource="system")["Snapshots"]:
        assert "ReplicationGroupId" not in snapshot
        assert snapshot["CacheClusterId"] in members
        assert snapshot["SnapshotSource"] == "automated"


def test_a_snapshot_in_cluster_mode_has_a_time_for_each_shard() -> None:
    """With shards the group is named, roles are not, and one shard's snapshot may be old."""
    ask = asker(NAM1)
    [snapshot] = [s for s in ask("elasticache", "DescribeSnapshots")["Snapshots"] if "ReplicationGroupId" in s]
    assert len({node["SnapshotCreateTime"].date() for node in snapshot["NodeSnapshots"]}) == 2
    group = ask("elasticache", "DescribeReplicationGroups")["ReplicationGroups"][0]
    nodes = [node for shard in group["NodeGroups"] for node in shard["NodeGroupMembers"]]
    assert (len(group["NodeGroups"]), len(nodes)) == (2, 4)
    assert all("CurrentRole" not in node for node in nodes)


def test_requested_source_and_answered_source_differ() -> None:
    """Asked for `user`, ElastiCache answers `manual`."""
    found = asker(NAM2)("elasticache", "DescribeSnapshots", SnapshotSource="user")["Snapshots"]
    assert [(s["SnapshotName"], s["SnapshotSource"]) for s in found] == [("by-hand", "manual")]


def test_completed_service_updates_are_listed_too() -> None:
    """Updates that are done stay in the answer; their status tells."""
    actions = asker(NAM1)("elasticache", "DescribeUpdateActions", ServiceUpdateStatus=["available"])["UpdateActions"]
    assert {a["UpdateActionStatus"] for a in actions} == {"not-applied", "complete"}


def test_a_stack_that_was_never_updated_has_no_update_time() -> None:
    """LastUpdatedTime is absent until the first update, and the drift's check until the first check."""
    stacks = {s["StackName"]: s for s in asker(NAM1)("cloudformation", "DescribeStacks")["Stacks"]}
    assert "LastUpdatedTime" not in stacks["tts-core-4-1-secrets"]
    assert "LastCheckTimestamp" not in stacks["tts-core-4-1-secrets"]["DriftInformation"]
    staging = {s["StackName"]: s for s in asker(STAGING)("cloudformation", "DescribeStacks")["Stacks"]}
    assert "LastCheckTimestamp" in staging[f"{STAGING}-2-1-db-aurora-master"]["DriftInformation"]


def test_deleted_stacks_are_only_found_by_their_id() -> None:
    """DescribeStacks leaves deleted stacks out unless asked for one by id; ListStacks has them."""
    ask = asker(STAGING)
    summaries = ask("cloudformation", "ListStacks", StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    [deleted] = summaries
    names = [s["StackName"] for s in ask("cloudformation", "DescribeStacks")["Stacks"]]
    assert deleted["StackName"] not in names
    assert ask("cloudformation", "DescribeStacks", StackName=deleted["StackId"])["Stacks"]
    with pytest.raises(AwsError, match="ValidationError"):
        ask("cloudformation", "DescribeStacks", StackName=deleted["StackName"])


def test_change_sets_belong_to_their_stack_and_tell_replacement_in_words() -> None:
    """A stack lists its own change sets; Replacement is the string 'True' or 'False'."""
    ask = asker(STAGING)
    stack = f"{STAGING}-2-5-db-timescale"
    [summary] = ask("cloudformation", "ListChangeSets", StackName=stack)["Summaries"]
    changes = ask("cloudformation", "DescribeChangeSet", ChangeSetName=summary["ChangeSetId"])["Changes"]
    assert [c["ResourceChange"]["Replacement"] for c in changes] == ["True", "False"]
    assert ask("cloudformation", "ListChangeSets", StackName=f"{STAGING}-1-1-vpc")["Summaries"] == []


def tagged(ask: Asker, **parameters: Any) -> dict[str, dict[str, str]]:
    found = ask("resourcegroupstaggingapi", "GetResources", **parameters)["ResourceTagMappingList"]
    return {item["ResourceARN"]: {t["Key"]: t["Value"] for t in item["Tags"]} for item in found}


def test_resources_carry_the_tags_of_their_stack() -> None:
    """The tagging API tells the stack of everything that a stack made, under the tag CloudFormation sets."""
    found = tagged(asker(PROD), TagFilters=[{"Key": "aws:cloudformation:stack-name"}])
    stacks = {arn: tags["aws:cloudformation:stack-name"] for arn, tags in found.items()}
    expected = {
        "arn:aws:s3:::acme-prod-eu1-interop-24f6d91e": "2-4b-routing-s3",
        "arn:aws:rds:eu-west-1:111122223333:db:acme-prod-eu1-aurora-replica-b": "2-2-db-aurora-replica-b",
        "arn:aws:elasticache:eu-west-1:111122223333:replicationgroup:acme-prod-eu1-cache": "2-3-db-redis-cache",
        "arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/fs-0fe121b1d7db26a9d": "5-5-ecs-monitoring",
        "arn:aws:ecs:eu-west-1:111122223333:service/acme-prod-eu1/acme-prod-eu1-proxy": "5-7-ecs-proxy",
        "arn:aws:ec2:eu-west-1:111122223333:volume/vol-0f208f50425910b3d": "2-6-db-timescale-replica",
        "arn:aws:ec2:eu-west-1:111122223333:instance/i-0dae46f7d0315e2a4": "2-6-db-timescale-replica",
        "arn:aws:ec2:eu-west-1:111122223333:instance/i-02ee652a04ec84c59": "5-1-ecs-cluster",
        "arn:aws:sqs:eu-west-1:111122223333:acme-prod-eu1-ars.fifo": "2-7-queue-sqs",
        "arn:aws:sns:eu-west-1:111122223333:acme-prod-eu1-opsgenie-alarms": "1-3-opsgenie",
    }
    assert {arn: stacks.get(arn, "").removeprefix(f"{PROD}-") for arn in expected} == expected
    assert not any(":acm:" in arn or ":autoscaling:" in arn for arn in found)


def test_tags_are_filtered_by_value_and_type() -> None:
    """GetResources filters by tag values and by types, and refuses more than twenty values for one key."""
    ask = asker(PROD)
    only = {"Key": "aws:cloudformation:stack-name", "Values": [f"{PROD}-2-4b-routing-s3"]}
    assert len(tagged(ask, TagFilters=[only], ResourceTypeFilters=["s3"])) == 3
    assert len(tagged(ask, TagFilters=[only], ResourceTypeFilters=["ecs:service"])) == 0
    assert len(tagged(ask, ResourceTypeFilters=["rds:cluster"])) == 1
    with pytest.raises(AwsError, match="InvalidParameter"):
        tagged(ask, TagFilters=[{"Key": "Name", "Values": [str(n) for n in range(21)]}])


def test_a_recorded_restore_test_is_a_tag_of_its_resource() -> None:
    """A drill that the operator recorded stands as last-restore-test on the resource, moved with the clock."""
    tags = tagged(asker(PROD), ResourceTypeFilters=["elasticache:replicationgroup"])
    dates = [datetime.fromisoformat(each["last-restore-test"]).replace(tzinfo=UTC) for each in tags.values()]
    assert [round((START - date) / timedelta(days=1)) in (53, 54) for date in dates] == [True, True]
    staging = tagged(asker(STAGING), ResourceTypeFilters=["elasticache"])
    assert not any("last-restore-test" in tags for tags in staging.values())


def test_stack_resources_are_exact() -> None:
    """A stack lists what it made: not the cache clusters and machines that follow from it."""
    ask = asker(PROD)
    types = [
        r["ResourceType"]
        for r in ask("cloudformation", "ListStackResources", StackName=f"{PROD}-5-1-ecs-cluster")[
            "StackResourceSummaries"
        ]
    ]
    assert "AWS::AutoScaling::AutoScalingGroup" in types
    assert "AWS::EC2::Instance" not in types
    resources = ask("cloudformation", "ListStackResources", StackName=f"{PROD}-2-3-db-redis-general")
    types = [resource["ResourceType"] for resource in resources["StackResourceSummaries"]]
    assert types.count("AWS::ElastiCache::ReplicationGroup") == 1
    assert "AWS::ElastiCache::CacheCluster" not in types


def test_root_volumes_are_untagged() -> None:
    """The data volumes carry the stack's tags; the volumes that machines boot from carry none."""
    volumes = asker(PROD)("ec2", "DescribeVolumes")["Volumes"]
    assert len([v for v in volumes if not v["Tags"]]) == 6
    assert len([v for v in volumes if any(t["Key"] == "aws:cloudformation:stack-name" for t in v["Tags"])]) == 2


def test_snapshots_of_others_come_unasked() -> None:
    """Without OwnerIds public snapshots of strangers are listed as well."""
    ask = asker(PROD)
    assert {s["OwnerId"] for s in ask("ec2", "DescribeSnapshots", OwnerIds=["self"])["Snapshots"]} == {"111122223333"}
    assert len({s["OwnerId"] for s in ask("ec2", "DescribeSnapshots")["Snapshots"]}) == 2


def test_filters_narrow_what_ec2_answers() -> None:
    """EC2's filters join by and, their values by or, with wildcards; unknown ids are an error."""
    ask = asker(NAM1)

    def instances(*filters: tuple[str, list[str]]) -> set[str]:
        wanted = [{"Name": name, "Values": values} for name, values in filters]
        found = ask("ec2", "DescribeInstances", Filters=wanted)["Reservations"]
        return {i["InstanceId"][-1] for r in found for i in r["Instances"]}

    assert instances(("instance-state-name", ["stopped"])) == {"8"}
    assert instances(("tag:aws:cloudformation:stack-name", ["tts-core-*"])) == {"1", "2", "3", "8"}
    assert instances(("instance-state-name", ["running"]), ("tag-key", ["aws:cloudformation:stack-name"])) == {
        "1",
        "2",
        "3",
    }
    snapshots = ask("ec2", "DescribeSnapshots", Filters=[{"Name": "volume-id", "Values": ["vol-0b0rea1150000001"]}])
    assert len(snapshots["Snapshots"]) == 1
    with pytest.raises(AwsError, match=r"InvalidInstanceID\.NotFound"):
        ask("ec2", "DescribeInstances", InstanceIds=["i-none"])


def test_systems_manager_leaves_out_what_is_stopped_or_unmanaged() -> None:
    """Stopped machines and those without an agent are absent, and never-scanned ones have no patch state."""
    ask = asker(NAM1)
    managed = {i["InstanceId"] for i in ask("ssm", "DescribeInstanceInformation")["InstanceInformationList"]}
    assert managed == {"i-0b0rea1150000001", "i-0b0rea1150000002", "i-0b0rea1150000003"}
    states = ask("ssm", "DescribeInstancePatchStates", InstanceIds=sorted(managed))["InstancePatchStates"]
    assert {s["InstanceId"] for s in states} == {"i-0b0rea1150000002", "i-0b0rea1150000003"}


def test_instances_of_a_group_tell_what_they_were_started_from() -> None:
    """By launch template each instance has a version, by launch configuration a name, and none has both."""
    staging = asker(STAGING)("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"]
    group = next(g for g in staging if g["AutoScalingGroupName"].endswith("-ecs"))
    assert (group["LaunchTemplate"]["Version"], [i["LaunchTemplate"]["Version"] for i in group["Instances"]]) == (
        "5",
        ["3", "5"],
    )
    nam1 = asker(NAM1)("autoscaling", "DescribeAutoScalingGroups")["AutoScalingGroups"]
    group = next(g for g in nam1 if g["AutoScalingGroupName"] == "tts-core-ecs")
    assert [i["LaunchConfigurationName"] for i in group["Instances"]] == ["tts-core-ecs-1", "tts-core-ecs-2"]
    assert not any("LaunchTemplate" in i for i in [group, *group["Instances"]])


def test_a_launch_loop_shows_in_the_activities_and_goes_on() -> None:
    """As many launches in the last hour as the inventory counts, at the start and after a day."""
    ask = asker(STAGING)
    name = f"{STAGING}-timescale-replica"
    for day in (0, 1):
        ask.clock[0] = (START + timedelta(days=day)).timestamp()
        found = ask("autoscaling", "DescribeScalingActivities", AutoScalingGroupName=name)["Activities"]
        now = ask.world.now()
        assert len([a for a in found if now - a["StartTime"] < timedelta(hours=1)]) == 5
    group = ask("autoscaling", "DescribeAutoScalingGroups", AutoScalingGroupNames=[name])["AutoScalingGroups"][0]
    assert [i["LifecycleState"] for i in group["Instances"]] == ["Pending"]


def test_images_that_are_deprecated_come_only_when_asked_for() -> None:
    """An old image is left out without IncludeDeprecated; its dates are strings."""
    ask = asker(STAGING)
    old = "ami-0ae6fcd7855b7e389"
    [image] = ask("ec2", "DescribeImages", ImageIds=[old], IncludeDeprecated=True)["Images"]
    assert image["CreationDate"].endswith("Z")
    assert ask("ec2", "DescribeImages", ImageIds=[old])["Images"] == []


def test_launch_template_versions_without_an_id_need_names_of_versions() -> None:
    """The account-wide form gives newest and default of every template, and takes no plain numbers."""
    ask = asker(STAGING)
    found = ask("ec2", "DescribeLaunchTemplateVersions", Versions=["$Latest", "$Default"])["LaunchTemplateVersions"]
    assert [v["VersionNumber"] for v in found if v["LaunchTemplateName"] == f"{STAGING}-ecs"] == [5]
    with pytest.raises(AwsError):
        ask("ec2", "DescribeLaunchTemplateVersions", Versions=["5"])


def test_versioning_that_was_never_on_has_no_status() -> None:
    """Never on is an empty answer; suspended and enabled say so."""
    ask = asker(STAGING)
    statuses = {b["Name"]: ask("s3", "GetBucketVersioning", Bucket=b["Name"]) for b in ask.facts["s3"]}
    assert statuses["acme-staging-eu1-profile-371250f1"] == {}
    assert statuses["acme-staging-eu1-interop-6168816b"] == {"Status": "Suspended"}


def test_what_a_bucket_lacks_is_an_error_of_its_own() -> None:
    """No block, replication or lifecycle is AWS's error for it; encryption is never missing."""
    ask = asker(NAM1)
    for operation, code in (
        ("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("GetBucketReplication", "ReplicationConfigurationNotFoundError"),
        ("GetBucketLifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    ):
        with pytest.raises(AwsError, match=code):
            ask("s3", operation, Bucket="tts-core-edcs-55aa")
    rules = ask("s3", "GetBucketEncryption", Bucket="tts-core-edcs-55aa")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    with pytest.raises(AwsError, match="NoSuchBucket"):
        ask("s3", "GetBucketVersioning", Bucket="nobody-has-this")


def test_objects_are_found_by_prefix() -> None:
    """ListObjectsV2 tells whether a key is there."""
    ask = asker(NAM1)
    found = ask("s3", "ListObjectsV2", Bucket="tts-core-plugins-0b1e", Prefix="plugins.yml")
    assert found["Contents"] == []
    found = ask("s3", "ListObjectsV2", Bucket="tts-core-edcs-55aa", Prefix="config.yml")
    assert [item["Key"] for item in found["Contents"]] == ["config.yml"]


def test_a_file_system_without_policy_is_an_error() -> None:
    """PolicyNotFound where none was ever set; DISABLED where it was switched off; mount targets by zone."""
    ask = asker(NAM1)
    with pytest.raises(AwsError, match="PolicyNotFound"):
        ask("efs", "DescribeBackupPolicy", FileSystemId="fs-0b0rea115")
    assert len(ask("efs", "DescribeMountTargets", FileSystemId="fs-0b0rea115")["MountTargets"]) == 1
    policy = asker(STAGING)("efs", "DescribeBackupPolicy", FileSystemId="fs-09ba01aacdf417f36")
    assert policy == {"BackupPolicy": {"Status": "DISABLED"}}


def test_unknown_services_and_tasks_are_failures_not_errors() -> None:
    """ECS reports what it does not know beside what it knows; an unknown cluster is an error."""
    ask = asker(NAM1)
    answer = ask("ecs", "DescribeServices", cluster="tts-core", services=["tts-core-is", "none"])
    assert (len(answer["services"]), [f["reason"] for f in answer["failures"]]) == (1, ["MISSING"])
    assert "tags" not in answer["services"][0]
    with pytest.raises(AwsError, match="ClusterNotFoundException"):
        ask("ecs", "ListServices", cluster="none")
    with pytest.raises(AwsError, match="InvalidParameterException"):
        ask("ecs", "DescribeServices", cluster="tts-core", services=["x"] * 11)


def test_settings_and_statistics_come_only_when_included() -> None:
    """DescribeClusters tells neither settings nor statistics unless asked."""
    ask = asker(STAGING)
    [plain] = ask("ecs", "DescribeClusters", clusters=[STAGING])["clusters"]
    assert not {"settings", "statistics", "tags"} & set(plain)
    [full] = ask("ecs", "DescribeClusters", clusters=[STAGING], include=["SETTINGS"])["clusters"]
    assert full["settings"] == [{"name": "containerInsights", "value": "disabled"}]


def test_effective_settings_are_more_than_those_that_were_set() -> None:
    """Without effectiveSettings only explicit settings are listed; with it all eleven, more than one page."""
    ask = asker(NAM1)
    assert [s["name"] for s in ask("ecs", "ListAccountSettings")["settings"]] == ["awsvpcTrunking"]
    assert len(ask("ecs", "ListAccountSettings", effectiveSettings=True)["settings"]) == 11


def test_stopped_tasks_are_listed_apart_and_keep_their_age() -> None:
    """Tasks that crash are found by desiredStatus STOPPED alone, and are as fresh after three days."""
    ask = asker(NAM1)
    for days in (0, 3):
        ask.clock[0] = (START + timedelta(days=days)).timestamp()
        arns = ask("ecs", "ListTasks", cluster="tts-core", desiredStatus="STOPPED")["taskArns"]
        tasks = ask("ecs", "DescribeTasks", cluster="tts-core", tasks=arns)["tasks"]
        assert [t["containers"][0].get("exitCode") for t in tasks] == [137, 137, None]
        assert all(timedelta() < ask.world.now() - t["stoppedAt"] < timedelta(hours=1) for t in tasks)
    running = ask("ecs", "ListTasks", cluster="tts-core", serviceName="tts-core-ns")["taskArns"]
    assert running == []


def test_the_identity_server_tells_a_multi_tenant_network() -> None:
    """The tenancy variable stands in the Identity Server's task definition where there are tenants, nowhere else."""

    def variables(ask: Asker, family: str) -> dict[str, str]:
        definition = ask("ecs", "DescribeTaskDefinition", taskDefinition=family)["taskDefinition"]
        return {v["name"]: v["value"] for v in definition["containerDefinitions"][0]["environment"]}

    assert variables(asker(PROD), f"{PROD}-is")["TTN_LW_TENANCY_DEFAULT_ID"] == "acme"
    assert "TTN_LW_TENANCY_DEFAULT_ID" not in variables(asker(PROD), f"{PROD}-gs")
    assert "TTN_LW_TENANCY_DEFAULT_ID" not in variables(asker(NAM1), "tts-core-is")


def values(ask: Asker, namespace: str, name: str, hours: float = 1, period: int = 300, **dims: str) -> dict[Any, float]:
    metric = {
        "Namespace": namespace,
        "MetricName": name,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dims.items()],
    }
    now = ask.world.now()
    [result] = ask(
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=[{"Id": "q", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Average"}}],
        StartTime=now - timedelta(hours=hours),
        EndTime=now,
    )["MetricDataResults"]
    return dict(zip(result["Timestamps"], result["Values"], strict=True))


def test_cloudwatch_has_the_values_of_the_inventory_and_none_of_what_does_not_exist() -> None:
    """Given values are answered as given, others believably; no points for what there is not or other dimensions."""
    ask = asker(PROD)
    given = values(ask, "AWS/ECS", "CPUUtilization", ClusterName=PROD, ServiceName=f"{PROD}-is")
    assert set(given.values()) == {31.5}
    assert set(
        values(ask, "AWS/RDS", "AuroraReplicaLag", DBInstanceIdentifier=f"{PROD}-aurora-replica-b").values()
    ) == {20.0}
    assert values(ask, "AWS/RDS", "AuroraReplicaLag", DBInstanceIdentifier=f"{PROD}-aurora-master") == {}
    assert values(ask, "AWS/RDS", "CPUUtilization", DBInstanceIdentifier="none") == {}
    assert values(ask, "AWS/ECS", "CPUUtilization", ServiceName=f"{PROD}-is") == {}
    elastic = values(asker(NAM1), "AWS/EFS", "BurstCreditBalance", FileSystemId="fs-0b0rea115")
    assert elastic == {}


def test_points_are_aligned_and_keep_their_age() -> None:
    """Points lie on the period's grid inside the window, and are as recent after three days as at the start."""
    ask = asker(PROD)
    for days in (0, 3):
        ask.clock[0] = (START + timedelta(days=days, seconds=47)).timestamp()
        times = list(values(ask, "AWS/EC2", "CPUUtilization", InstanceId="i-03906802342e73741"))
        assert times == sorted(times, reverse=True)
        assert len(times) == 11
        assert all(time.timestamp() % 300 == 0 for time in times)
        assert ask.world.now() - times[0] < timedelta(minutes=10)


def test_the_size_of_a_bucket_is_a_daily_point_that_comes_late() -> None:
    """An hour's window finds no size; three days' window finds some, stamped midnight."""
    ask = asker(PROD)
    bucket = {"BucketName": "acme-prod-eu1-profile-2069068d", "StorageType": "StandardStorage"}
    assert values(ask, "AWS/S3", "BucketSizeBytes", hours=6, period=86400, **bucket) == {}
    points = values(ask, "AWS/S3", "BucketSizeBytes", hours=72, period=86400, **bucket)
    assert set(points.values()) == {734003200.0}
    assert {(time.hour, time.minute) for time in points} == {(0, 0)}


def test_composite_alarms_come_only_when_asked_for() -> None:
    """DescribeAlarms leaves composite alarms out without AlarmTypes."""
    ask = asker(PROD)
    assert ask("cloudwatch", "DescribeAlarms")["CompositeAlarms"] == []
    both = ask("cloudwatch", "DescribeAlarms", AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    assert (len(both["MetricAlarms"]), len(both["CompositeAlarms"])) == (5, 1)


def test_secrets_about_to_be_deleted_are_hidden_by_default() -> None:
    """ListSecrets shows them only with IncludePlannedDeletion."""
    ask = asker(STAGING)
    shown = {s["Name"] for s in ask("secretsmanager", "ListSecrets")["SecretList"]}
    every = {s["Name"] for s in ask("secretsmanager", "ListSecrets", IncludePlannedDeletion=True)["SecretList"]}
    assert every - shown == {f"{STAGING}-noc-oauth-client"}


def test_queues_tell_nothing_unasked() -> None:
    """GetQueueAttributes answers only the attributes that are named, as strings; a plain queue lacks FifoQueue."""
    ask = asker(STAGING)
    url = ask.facts["sqs"][0]["QueueUrl"]
    assert ask("sqs", "GetQueueAttributes", QueueUrl=url) == {"Attributes": {}}
    every = ask("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert every["ApproximateNumberOfMessages"] == "842"
    assert "FifoQueue" not in every


def test_certificates_of_other_keys_are_hidden_from_the_list() -> None:
    """ListCertificates gives RSA_2048 alone unless other keys are included; SearchCertificates gives all."""
    ask = asker(STAGING)
    ask.world.change(f"deployments/{STAGING}/acm/0/KeyAlgorithm", "EC_prime256v1")
    assert len(ask("acm", "ListCertificates")["CertificateSummaryList"]) == 1
    keys = {"keyTypes": ["RSA_2048", "EC_prime256v1"]}
    assert len(ask("acm", "ListCertificates", Includes=keys)["CertificateSummaryList"]) == 2
    assert len(ask("acm", "SearchCertificates")["Results"]) == 2


def test_health_needs_a_support_plan() -> None:
    """Without health_events the account has no plan that lets it ask; with them it has."""
    ask = asker(PROD)
    with pytest.raises(AwsError, match="SubscriptionRequiredException"):
        ask("health", "DescribeEvents")
    ask.world.change(f"deployments/{PROD}/health_events", [{"eventTypeCode": "AWS_RDS_OPERATIONAL_ISSUE"}])
    [event] = ask("health", "DescribeEvents", filter={"eventStatusCodes": ["open"]})["events"]
    assert event["region"] == "eu-west-1"


def test_last_backup_time_is_no_evidence_of_success() -> None:
    """ListProtectedResources dates a resource by its newest job, also if that failed."""
    [resource] = asker(STAGING)("backup", "ListProtectedResources")["Results"]
    assert "LastBackupTime" in resource
    assert asker(STAGING)("backup", "ListBackupJobs", ByState="COMPLETED")["BackupJobs"] == []
