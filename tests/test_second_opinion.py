"""The same survey and collectors against moto's server, and moto's own wire format against the stand-in's.

The stand-in AWS and the collectors share their authors' reading of AWS's documentation. moto is somebody else's.
All of it is one file because moto takes many seconds to start and fill: once, for all of these tests.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import moto_world
import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from conftest import AS_OF, FrozenClock, attempt, clients
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from moto_world import PREFIX, REGION, WEEK_AGO, World

from exporter import survey
from exporter.aws import Reads
from exporter.collectors import COLLECTORS
from exporter.config import Config, DeploymentConfig
from exporter.demo import protocol, run
from exporter.demo.inventory import World as Inventory
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.errors import Failure
from exporter.metric_data import MetricData
from exporter.metrics import Malformed, Sample, lines

Series = dict[str, float]
Answers = dict[tuple[str, str], list[Any]]  # by service and operation


class Seen(NamedTuple):
    """What the exporter makes of an AWS."""

    found: list[Deployment]  # without configuration
    deployment: Deployment  # as configured
    series: dict[str, Series]  # by collector, without target labels
    malformed: list[Malformed]
    failures: dict[str, list[Failure]]  # by collector, and of the survey
    answers: Answers  # as the client parsed them


def look(role_arn: str, now: float, configured: DeploymentConfig | None) -> Seen:
    """Survey the AWS of the environment and let every collector read a deployment of it once."""

    async def read() -> Seen:
        clock, config = FrozenClock(now), Config.model_validate({"aws": {"retries": 1}})

        async def ask(**parameters: Any) -> Any:
            return await reads.call("cloudwatch", "GetMetricData", parameters, None)

        async with clients(clock, config) as opened:
            reads = Reads(await opened.account(REGION, role_arn), clock, MetricData(clock, 500, ask, lambda _: None))
            aws = attempt(reads)
            keys, expect = config.aws.parameter_keys, config.expect
            found = await survey.survey(aws, (), keys, expect)
            [deployment] = await survey.survey(aws, (configured,), keys, expect) if configured else found
            seen = Seen(found, deployment, {}, [], {"survey": aws.failures}, defaultdict(list))
            for collector in COLLECTORS:
                aws = attempt(reads, collector.interval)
                samples = list(collector.samples(await collector.fetch(aws, deployment), deployment))
                seen.series[collector.name] = rendered([each for each in samples if isinstance(each, Sample)])
                seen.malformed.extend(each for each in samples if isinstance(each, Malformed))
                seen.failures[collector.name] = aws.failures
            for key, entry in reads.entries.items():
                service, operation, _ = cast("tuple[str, str, str]", key)
                if entry.answer is not None:
                    seen.answers[service, operation].append(entry.answer)
            return seen

    return asyncio.run(read())


def rendered(samples: list[Sample]) -> Series:
    text = b"".join(lines(samples, {}).values()).decode()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines())}


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[World, Seen]]:
    """The deployment in moto, and what the exporter sees of it; it is read once, as nothing changes in it."""
    with moto_world.moto_server():
        world = moto_world.deploy()
        # moto's tagging API lists neither of the first two; an operator would include what lacks tags.
        include = [
            {"type": "AWS::ElastiCache::ReplicationGroup", "id": world.ids["redis"]},
            {"type": "AWS::Events::Rule", "id": world.ids["certbot"]},
            {"type": "AWS::S3::Bucket", "id": "acme-deleted"},
            {"type": "AWS::ElasticLoadBalancingV2::LoadBalancer", "id": world.ids["balancer"]},
        ]
        who = {"network": "acme", "environment": "prod", "cluster": "eu1"}
        configured = DeploymentConfig.model_validate({**who, "include": include})
        yield world, look(moto_world.ROLE, time.time(), configured)


@pytest.fixture(scope="module")
def world(moto: tuple[World, Seen]) -> World:
    return moto[0]


@pytest.fixture(scope="module")
def seen(moto: tuple[World, Seen]) -> Seen:
    return moto[1]


def of(seen: Seen, collector: str, family: str, **labels: str) -> float | None:
    """The value of one series; None where there is none."""
    inner = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return seen.series[collector].get(f"tts_aws_{family}{{{inner}}}")


def served(seen: Seen, collector: str, *families: str) -> set[str]:
    """Which of some families a collector serves anything of."""
    names = {name.partition("{")[0] for name in seen.series[collector]}
    return {family for family in families if f"tts_aws_{family}" in names}


def test_survey(world: World, seen: Seen) -> None:
    """Without configuration a deployment is found by its stacks, their parameters, outputs and tags."""
    [found] = seen.found

    assert (found.name, found.network, found.environment, found.cluster) == (PREFIX, "acme", "prod", "eu1")
    assert (found.role, found.stack_prefix, found.account_id) == ("primary", PREFIX, moto_world.ACCOUNT)
    assert {(stack.name, stack.template, stack.version) for stack in found.stacks} == {
        (f"{PREFIX}-2-1-db-aurora-master", "2-1-db-aurora-master", "3.30.2"),
        (f"{PREFIX}-2-3-db-redis-general", "2-3-db-redis", "3.30.2"),
        (f"{PREFIX}-2-4a-is-s3", "2-4a-is-s3", "3.30.2"),
        (f"{PREFIX}-2-4b-routing-s3", "2-4b-routing-s3", "3.30.2"),
        (f"{PREFIX}-2-5-db-timescale-master", "2-5-db-timescale-master", "3.30.2"),
        (f"{PREFIX}-2-6-db-timescale-replica", "2-6-db-timescale-replica", "3.30.2"),
        (f"{PREFIX}-2-7-queue-sqs", "2-7-queue-sqs", "3.30.2"),
        (f"{PREFIX}-5-1-ecs-cluster", "5-1-ecs-cluster", "3.30.2"),
        (f"{PREFIX}-5-4-ecs-services", "5-4-ecs-services", "3.30.2"),
        (f"{PREFIX}-5-6-ecs-monitoring", "5-6-ecs-monitoring", "3.30.2"),
    }
    assert found.resources("AWS::RDS::DBCluster").keys() == {world.ids["aurora"], world.ids["reporting"]}
    assert found.resources("AWS::EC2::Volume").keys() == {world.ids["Volume"], world.ids["replica"]}


def test_survey_lists_resources_of_stacks_that_show_none(world: World, seen: Seen) -> None:
    """Buckets and clusters that no tag and no output names are found in CloudFormation's listing of the stack."""
    [found] = seen.found

    of_stack = defaultdict(set)
    for bucket, stack in found.resources("AWS::S3::Bucket").items():
        of_stack[stack].add(bucket)
    assert of_stack == {
        f"{PREFIX}-2-4a-is-s3": {world.ids["ProfilePictures"], world.ids["DevicePictures"]},
        f"{PREFIX}-2-4b-routing-s3": {world.ids[name] for name in ("InteropConfig", "EDCSConfig", "PluginsConfig")},
    }
    assert found.resources("AWS::ECS::Cluster") == {PREFIX: f"{PREFIX}-5-1-ecs-cluster"}
    # These two, and the stacks of Redis and of the queues, for which moto's tagging API has nothing either.
    assert len(seen.answers["cloudformation", "ListStackResources"]) == 4


def test_s3_purposes(world: World, seen: Seen) -> None:
    """What a bucket is for is told by its stack's outputs, or by CloudFormation's name for it."""
    routing, pictures = f"{PREFIX}-2-4b-routing-s3", f"{PREFIX}-2-4a-is-s3"
    for name, purpose, stack in (
        ("InteropConfig", "interop", routing),
        ("EDCSConfig", "edcs", routing),
        ("PluginsConfig", "plugins", routing),
        ("ProfilePictures", "profile_pictures", pictures),
        ("DevicePictures", "device_pictures", pictures),
    ):
        assert of(seen, "s3", "s3_bucket_info", bucket=world.ids[name], purpose=purpose, stack=stack) == 1


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        # Enabled, suspended, never asked for.
        ("s3_bucket_versioning_enabled", (1, 0, 0)),
        ("s3_bucket_mfa_delete_enabled", (0, 0, 0)),
        # All four, three of four, no configuration.
        ("s3_bucket_public_access_blocked", (1, 0, 0)),
        ("s3_bucket_encrypted_with_kms", (1, 0, 0)),
        ("s3_bucket_replication_enabled", (1, 0, 0)),
        # By the rule that is on; no configuration.
        ("s3_bucket_noncurrent_expiration_seconds", (90 * 86_400, None, None)),
    ],
)
def test_s3(family: str, expected: tuple[float | None, ...], world: World, seen: Seen) -> None:
    """A bucket's configuration is understood when it is on, when it is off and when there never was any."""
    names = ("InteropConfig", "EDCSConfig", "PluginsConfig")

    assert tuple(of(seen, "s3", family, bucket=world.ids[name]) for name in names) == expected


def test_s3_required_objects(world: World, seen: Seen) -> None:
    """A required object is there if one of exactly its name is, and not one whose name begins so."""
    for name, key, there in (("InteropConfig", "config.yml", 1), ("EDCSConfig", "config.yml", 0)):
        assert of(seen, "s3", "s3_required_object_present", bucket=world.ids[name], key=key) == there
    assert of(seen, "s3", "s3_required_object_present", bucket=world.ids["PluginsConfig"], key="plugins.yml") == 0


def test_s3_deleted_bucket(seen: Seen) -> None:
    """A bucket that does not exist (any more) has no series and is no failure."""
    assert "acme-deleted" in seen.deployment.resources("AWS::S3::Bucket")
    assert not [name for name in seen.series["s3"] if "acme-deleted" in name]


def test_aurora(world: World, seen: Seen) -> None:
    """Clusters: who is in them, in how many zones, whether they are protected, and encrypted with whosever key."""
    cluster, reporting = {"db_cluster": world.ids["aurora"]}, {"db_cluster": world.ids["reporting"]}
    info = {"engine": "aurora-postgresql", "engine_version": "15.4", "stack": f"{PREFIX}-2-1-db-aurora-master"}

    assert of(seen, "aurora", "rds_cluster_info", **cluster, **info) == 1
    assert of(seen, "aurora", "rds_cluster_available", **cluster) == 1
    assert of(seen, "aurora", "rds_cluster_members", **cluster, role="writer") == 1
    assert of(seen, "aurora", "rds_cluster_members", **cluster, role="reader") == 1
    assert of(seen, "aurora", "rds_cluster_availability_zones", **cluster) == 2
    assert of(seen, "aurora", "rds_cluster_deletion_protection_enabled", **cluster) == 1
    assert of(seen, "aurora", "rds_cluster_deletion_protection_enabled", **reporting) == 0
    assert of(seen, "aurora", "rds_cluster_storage_encrypted", **cluster) == 1
    assert of(seen, "aurora", "rds_cluster_storage_encrypted", **reporting) == 1


def test_aurora_instances(world: World, seen: Seen) -> None:
    """Instances: class, version and zone, what AWS may do to them, and the lag that CloudWatch has of the reader."""
    cluster = world.ids["aurora"]
    for name, zone, upgrades in (("one", "a", 0), ("two", "b", 1)):
        labels = {"db_instance": f"{cluster}-{name}", "db_cluster": cluster}
        kind = {"instance_class": "db.r6g.large", "engine_version": "15.4", "availability_zone": f"{REGION}{zone}"}
        assert of(seen, "aurora", "rds_instance_info", **labels, **kind) == 1
        assert of(seen, "aurora", "rds_instance_available", **labels) == 1
        assert of(seen, "aurora", "rds_auto_minor_version_upgrade_enabled", **labels) == upgrades
        assert of(seen, "aurora", "rds_publicly_accessible", **labels) == 0
    assert of(seen, "aurora", "rds_replica_lag_seconds", db_instance=f"{cluster}-two", db_cluster=cluster) == 0.0215
    assert of(seen, "aurora", "rds_replica_lag_seconds", db_instance=f"{cluster}-one", db_cluster=cluster) is None


def test_elasticache(world: World, seen: Seen) -> None:
    """A Redis group: moto has one node of each and no version, so that there is no info."""
    group = {"replication_group": world.ids["redis"]}

    assert of(seen, "elasticache", "elasticache_available", **group) == 1
    assert of(seen, "elasticache", "elasticache_multi_az_enabled", **group) == 1
    assert of(seen, "elasticache", "elasticache_automatic_failover_enabled", **group) == 1
    assert of(seen, "elasticache", "elasticache_transit_encryption_enabled", **group) == 1
    assert of(seen, "elasticache", "elasticache_at_rest_encryption_enabled", **group) == 1
    assert of(seen, "elasticache", "elasticache_nodes", **group, role="primary") == 1
    assert not served(seen, "elasticache", "elasticache_replication_group_info", "elasticache_maxmemory_policy_info")


def test_timescaledb(world: World, seen: Seen) -> None:
    """Data volumes: type, bytes, whether they are encrypted and who has them; root volumes are not among them."""
    for name, kind, zone, stack, instance, size, encrypted in (
        ("Volume", "gp2", "a", "2-5-db-timescale-master", world.ids["host"], 100, 0),
        ("replica", "gp3", "b", "2-6-db-timescale-replica", "", 200, 1),
    ):
        volume = {"volume_id": world.ids[name]}
        info = {"volume_type": kind, "availability_zone": f"{REGION}{zone}", "stack": f"{PREFIX}-{stack}"}
        assert of(seen, "timescaledb", "timescaledb_volume_info", **volume, instance_id=instance, **info) == 1
        assert of(seen, "timescaledb", "timescaledb_volume_size_bytes", **volume) == size * 2**30
        assert of(seen, "timescaledb", "timescaledb_volume_encrypted", **volume) == encrypted
        assert of(seen, "timescaledb", "timescaledb_volume_attached", **volume) == bool(instance)
    assert len([name for name in seen.series["timescaledb"] if "volume_info" in name]) == 2


def test_timescaledb_hosts(world: World, seen: Seen) -> None:
    """The host is known by its group's tags and stack."""
    assert of(seen, "timescaledb", "timescaledb_instance_running", instance_id=world.ids["host"], role="master") == 1


def test_autoscaling(world: World, seen: Seen) -> None:
    """The group and the one instance that it has, which is of an old template; no launches are known to moto."""
    group, host = {"autoscaling_group": world.ids["Group"]}, {"instance_id": world.ids["host"]}

    assert of(seen, "autoscaling", "autoscaling_instance_info", **group, **host) == 1
    assert of(seen, "autoscaling", "ec2_launch_template_outdated", **host) == 1
    assert of(seen, "autoscaling", "autoscaling_instances_desired", **group) == 1
    assert of(seen, "autoscaling", "autoscaling_instances_in_service", **group) == 1
    assert of(seen, "autoscaling", "autoscaling_launches", **group) == 0


def test_patches(world: World, seen: Seen) -> None:
    """Hosts: type, image and stack, the image's operating system, and CPU credits."""
    host = {"instance_id": world.ids["host"]}
    info = {
        "name": "",
        "role": "timescaledb",
        "instance_type": "t3.large",
        "image_id": world.ids["image"],
        "availability_zone": f"{REGION}a",
        "stack": f"{PREFIX}-2-5-db-timescale-master",
    }

    assert of(seen, "patches", "ec2_instance_info", **host, **info) == 1
    assert of(seen, "patches", "ec2_os_support_end_timestamp_seconds", **host) == 1_782_777_600
    assert of(seen, "patches", "ec2_cpu_credit_balance", **host) == 576
    for family in ("ec2_instance_launched_timestamp_seconds", "ec2_image_created_timestamp_seconds"):
        moment = of(seen, "patches", family, **host)
        assert moment is not None
        assert abs(moment - time.time()) < 3_600
    ecs = {"instance_id": world.ids["ecs-host-0"]}
    assert of(seen, "patches", "ec2_cpu_credit_balance", **ecs) is None


def test_ecs_services(seen: Seen) -> None:
    """Services, more than ECS describes at once: tasks, component, stack, and how the deployment of each goes."""
    service = {"ecs_cluster": PREFIX, "ecs_service": "network-server"}
    info = {"component": "ns", "launch_type": "EC2", "stack": f"{PREFIX}-5-4-ecs-services"}

    assert of(seen, "ecs", "ecs_service_info", **service, **info) == 1
    assert of(seen, "ecs", "ecs_service_desired_tasks", **service) == 2
    assert of(seen, "ecs", "ecs_service_running_tasks", **service) == 1
    assert of(seen, "ecs", "ecs_service_pending_tasks", **service) == 1
    assert of(seen, "ecs", "ecs_service_deployment_rollout", **service, rollout_state="failed") == 1
    assert of(seen, "ecs", "ecs_service_deployment_rollout", **service, rollout_state="completed") == 0
    assert of(seen, "ecs", "ecs_service_failed_tasks", **service) == 7
    assert of(seen, "ecs", "ecs_task_memory_bytes", **service) == 512 * 2**20
    assert len([name for name in seen.series["ecs"] if name.startswith("tts_aws_ecs_service_desired_tasks")]) == 13


def test_ecs_tasks(seen: Seen) -> None:
    """Tasks on EC2: the zones of those that run, and why others stopped."""
    service = {"ecs_cluster": PREFIX, "ecs_service": "network-server"}

    assert of(seen, "ecs", "ecs_service_availability_zones", **service) == 1
    assert of(seen, "ecs", "ecs_service_stopped_tasks", **service, reason="health_check") == 1
    assert of(seen, "ecs", "ecs_service_stopped_tasks", **service, reason="other") == 0


def test_ecs_hosts_settings_and_schedules(world: World, seen: Seen) -> None:
    """Hosts and their agents, the account's settings, Container Insights and schedules."""
    assert of(seen, "container_instances", "ecs_container_instances", ecs_cluster=PREFIX, status="active") == 2
    assert of(seen, "container_instances", "ecs_container_instances", ecs_cluster=PREFIX, status="draining") == 0
    for number, connected in ((0, 1), (1, 0)):
        host = {"ecs_cluster": PREFIX, "instance_id": world.ids[f"ecs-host-{number}"]}
        assert of(seen, "container_instances", "ecs_container_instance_agent_connected", **host) == connected
        assert of(seen, "container_instances", "ecs_container_instance_healthy", **host) is None
        assert of(seen, "container_instances", "ecs_container_instance_eni_trunking", **host) == 0
    assert of(seen, "container_instances", "ecs_account_setting_enabled", setting="serviceLongArnFormat") == 1
    assert of(seen, "container_instances", "ecs_account_setting_enabled", setting="awsvpcTrunking") == 0
    assert of(seen, "container_instances", "ecs_account_setting_enabled", setting="taskLongArnFormat") is None
    assert of(seen, "ecs", "ecs_container_insights_enabled", ecs_cluster=PREFIX) == 0
    assert of(seen, "scheduled_tasks", "ecs_scheduled_task_enabled", rule=world.ids["certbot"]) == 0
    assert of(seen, "scheduled_tasks", "ecs_scheduled_task_interval_seconds", rule=world.ids["certbot"]) == 43_200


def test_stacks(seen: Seen) -> None:
    """Stacks: template, version, state, time of creation as none was updated, protection, and those that are missing.

    Drift is not known to moto, and no change set was made.
    """
    name = f"{PREFIX}-2-4b-routing-s3"
    stack = {"stack": name}

    assert of(seen, "stacks", "stack_info", **stack, template="2-4b-routing-s3", template_version="3.30.2") == 1
    assert of(seen, "stacks", "stack_status", **stack, status="CREATE_COMPLETE") == 1
    for flag in ("stack_failed", "stack_termination_protection_enabled"):
        assert of(seen, "stacks", flag, **stack) == 0
    assert of(seen, "stacks", "stack_name_follows_scheme", **stack) == 1
    created = of(seen, "stacks", "stack_last_updated_timestamp_seconds", **stack)
    assert created is not None
    assert abs(created - time.time()) < 3_600
    assert of(seen, "stacks", "stack_drifted", **stack) is None
    assert of(seen, "stacks", "stack_expected_present", template="2-4b-routing-s3") == 1
    assert of(seen, "stacks", "stack_expected_present", template="1-1-vpc") == 0
    for family in ("change_sets_pending", "change_set_endangers_data"):
        assert of(seen, "change_sets", family, **stack) == 0


def test_efs(world: World, seen: Seen) -> None:
    """File systems: mode, encryption, mount targets that are available, a policy that is on or was never set."""
    system, other = {"file_system": world.ids["efs"]}, {"file_system": world.ids["efs-without-backup"]}
    modes = {"throughput_mode": "bursting", "performance_mode": "generalPurpose"}

    stack = f"{PREFIX}-5-6-ecs-monitoring"
    assert of(seen, "efs", "efs_file_system_info", **system, name="noc", **modes, stack=stack) == 1
    assert of(seen, "efs", "efs_encrypted", **system) == 1
    assert of(seen, "efs", "efs_backup_policy_enabled", **system) == 1
    assert of(seen, "efs", "efs_backup_policy_enabled", **other) == 0
    assert of(seen, "efs", "efs_mount_targets", **system, availability_zone=f"{REGION}a") == 1
    assert of(seen, "efs", "efs_mount_targets", **system, availability_zone=f"{REGION}b") == 1
    assert of(seen, "efs", "efs_burst_credit_balance_bytes", **system) == 2.31e12


def test_backups(world: World, seen: Seen) -> None:
    """Snapshots by who made them: RDS's own and a manual one, a lifecycle policy's and a manual one, a manual one."""
    newest, points = "backup_last_success_timestamp_seconds", "backup_recovery_points"
    aurora = {"storage": "aurora", "resource": world.ids["aurora"]}
    volume = {"storage": "timescaledb", "resource": world.ids["Volume"]}
    redis = {"storage": "elasticache", "resource": world.ids["redis"]}

    assert of(seen, "backups", newest, **aurora, method="manual") == WEEK_AGO.timestamp()
    automated = of(seen, "backups", newest, **aurora, method="automated")
    assert automated is not None
    assert abs(automated - time.time()) < 3_600
    assert of(seen, "backups", newest, **volume, method="automated") == WEEK_AGO.timestamp()
    for store in (aurora, volume):
        assert of(seen, "backups", points, **store, method="automated") == 1
        assert of(seen, "backups", points, **store, method="manual") == 1
    assert of(seen, "backups", points, **redis, method="manual") == 1
    assert of(seen, "backups", points, **redis, method="automated") == 0
    assert of(seen, "backups", "backup_retention_seconds", **aurora) == 7 * 86_400
    assert of(seen, "backups", "backup_retention_seconds", **redis) == 5 * 86_400
    restorable = of(seen, "backups", "backup_latest_restorable_timestamp_seconds", **aurora)
    assert restorable is not None
    assert abs(restorable - time.time()) < 3_600


@pytest.mark.parametrize(("group", "opened", "outside"), [("open", 1, 1), ("offices", 0, 1), ("inside", 0, 0)])
def test_access(group: str, opened: float, outside: float, world: World, seen: Seen) -> None:
    """Groups: rules by all protocols, by a prefix list, by an allowed range, and by membership, which opens nothing."""
    named = {"security_group": world.ids[group]}

    assert of(seen, "access", "security_group_info", **named, stack=f"{PREFIX}-5-1-ecs-cluster") == 1
    assert of(seen, "access", "security_group_ssh_open_to_world", **named) == opened
    assert of(seen, "access", "security_group_ssh_outside_allowed", **named) == outside


def test_access_to_hosts(world: World, seen: Seen) -> None:
    """Hosts: a public address in an open group and in another, a metadata service with and without tokens, no key."""
    for host, exposed, required in (("ecs-host-0", 1, 1), ("ecs-host-1", 0, 0)):
        named = {"instance_id": world.ids[host]}
        assert of(seen, "access", "ec2_instance_ssh_exposed", **named) == exposed
        assert of(seen, "access", "ec2_imdsv2_required", **named) == required
        assert of(seen, "access", "ec2_instance_key_pair", **named) == 0


def test_queues(seen: Seen) -> None:
    """Queues, by the addresses that CloudFormation lists: what waits, in order or not, and what was set aside."""
    stack, queue = f"{PREFIX}-2-7-queue-sqs", {"queue": f"{PREFIX}-ars.fifo"}
    aside = {"queue": f"{PREFIX}-ars-undelivered.fifo"}

    assert of(seen, "queues", "sqs_queue_info", **queue, purpose="ars", stack=stack) == 1
    assert of(seen, "queues", "sqs_queue_info", **aside, purpose="dead_letter", stack=stack) == 1
    assert of(seen, "queues", "sqs_messages_visible", **queue) == 3
    assert of(seen, "queues", "sqs_dead_letter_messages", **queue) == 2
    assert of(seen, "queues", "sqs_oldest_message_age_seconds", **queue) == 3_600
    assert sorted(value for name, value in seen.series["queues"].items() if "sqs_queue_fifo" in name) == [0, 1, 1]


def test_load_balancer(world: World, seen: Seen) -> None:
    """The load balancer: what serves which certificate, and of two instances the one that is a target, in its zone."""
    group = {"load_balancer": PREFIX, "target_group": f"{PREFIX}-gs-udp"}
    tls = {"protocol": "TLS", "alpn": "HTTP2Preferred", "certificate": world.ids["served"]}

    for health, count in (("healthy", 1), ("unhealthy", 0), ("unused", 0)):
        assert of(seen, "load_balancer", "lb_target_group_targets", **group, port="1700", health=health) == count
    assert of(seen, "load_balancer", "lb_target_group_availability_zones", **group) == 1
    assert of(seen, "load_balancer", "lb_target_group_info", **group, protocol="UDP", target_type="instance") == 1
    assert of(seen, "load_balancer", "lb_listener_info", load_balancer=PREFIX, port="443", **tls) == 1
    listeners = [name for name in seen.series["load_balancer"] if "lb_listener_info" in name]
    assert len(listeners) == 2


def test_network(world: World, seen: Seen) -> None:
    """The network that the load balancer is in: its two ranges, and a zone whose only gateway is a private one."""
    vpc = {"vpc": world.ids["vpc"]}

    assert of(seen, "load_balancer", "vpc_cidr_info", **vpc, cidr="10.10.0.0/16") == 1
    assert of(seen, "load_balancer", "vpc_cidr_info", **vpc, cidr="10.11.0.0/16") == 1
    for zone, count in (("a", 1), ("b", 0)):
        zoned = {"availability_zone": f"{REGION}{zone}", "state": "available"}
        assert of(seen, "load_balancer", "nat_gateways", **zoned) == count


def test_certificates(world: World, seen: Seen) -> None:
    """Certificates that wait for their validation: one is served, another is for the same domain and is not."""
    for name, listeners in (("served", 1), ("spare", 0)):
        named = {"certificate": world.ids[name], "domain": "lora.acme.example"}
        assert of(seen, "certificates", "acm_certificate_info", **named, type="AMAZON_ISSUED") == 1
        assert of(seen, "certificates", "acm_certificate_issued", **named) == 0
        assert of(seen, "certificates", "acm_certificate_listeners", **named) == listeners
        assert of(seen, "certificates", "acm_certificate_in_use", **named) == listeners
        assert of(seen, "certificates", "acm_certificate_wildcard", **named) is None  # moto lists no other names


def test_names_that_lead_to_the_load_balancer(seen: Seen) -> None:
    """Records at and below the domain, in the public zone alone though a private one has the same name."""
    aliases = {name: value for name, value in seen.series["certificates"].items() if "dns_alias" in name}

    assert aliases == {
        'tts_aws_dns_alias_evaluates_target_health{record="lora.acme.example"}': 1,
        'tts_aws_dns_alias_evaluates_target_health{record="*.lora.acme.example"}': 0,
    }


def test_versions(seen: Seen) -> None:
    """The release of what runs, from the tag of an image under a name of its own."""
    container = {"ecs_cluster": PREFIX, "ecs_service": "network-server", "ecs_container": "tts"}
    image = {"image": "registry.example/stack", "tag": "3.30.2-aws", "version": "3.30.2"}

    assert of(seen, "versions", "container_image_info", **container, **image) == 1
    assert of(seen, "versions", "container_image_pinned", **container) == 1
    assert of(seen, "versions", "component_version_info", component="ns", version="3.30.2") == 1
    assert of(seen, "versions", "component_version_number", component="ns", bound="lowest") == 3_030_002


def test_tenancy(seen: Seen) -> None:
    """Secrets are told by their names, also the one that is about to be deleted; nothing tells of tenants here."""
    assert "tts_aws_tenancy_multi_tenant" not in seen.series["tenancy"]
    assert len([name for name in seen.series["tenancy"] if "last_changed" in name]) == 2
    deletion = of(seen, "tenancy", "secret_deletion_timestamp_seconds", secret=f"{PREFIX}-old-license")
    assert deletion is not None
    assert abs(deletion - time.time()) < 8 * 86_400
    assert len([name for name in seen.series["tenancy"] if "deletion" in name]) == 1


@pytest.mark.parametrize(
    ("collector", "type_"),
    [
        ("aurora", "AWS::RDS::DBCluster"),  # of two foreign ones, one is Neptune's
        ("timescaledb", "AWS::EC2::Volume"),
        ("patches", "AWS::EC2::Instance"),
        ("efs", "AWS::EFS::FileSystem"),
        ("load_balancer", "AWS::ElasticLoadBalancingV2::LoadBalancer"),
    ],
)
def test_unassigned(collector: str, type_: str, seen: Seen) -> None:
    """The one resource of a kind that no stack owns is counted, and nothing else is."""
    assert of(seen, collector, "unassigned_resources", resource_type=type_) == 1


# A page of moto's, in place of an answer: to XML no answer at all, to JSON an error whose code is the HTTP status.
PAGE, JSON_500, JSON_404 = (
    ("invalid_response", "ResponseParserError"),
    ("invalid_response", "500"),
    ("not_found", "404"),
)
FAILURES: dict[str, set[tuple[str, str, str]]] = {
    "survey": set(),
    "stacks": set(),
    "change_sets": set(),
    "ecs": set(),
    "container_instances": set(),
    "scheduled_tasks": set(),
    "autoscaling": set(),
    "aurora": {("rds.DescribePendingMaintenanceActions", *PAGE), ("rds.DescribeDBMajorEngineVersions", *PAGE)},
    "elasticache": {("elasticache.DescribeUpdateActions", *PAGE)},
    "timescaledb": {("dlm.GetLifecyclePolicies", *JSON_500)},
    "efs": set(),
    "backups": {
        ("backup.ListRecoveryPointsByBackupVault", *JSON_404),
        ("backup.ListBackupJobs", *JSON_404),
        ("backup.ListRestoreJobs", *JSON_404),
    },
    "patches": {("ssm.DescribeInstancePatchStates", *JSON_500)},
    "access": {("ssm.DescribeInstanceInformation", *JSON_500)},
    "queues": set(),
    "load_balancer": set(),
    "certificates": set(),
    # Of a bucket that nobody configured; S3 itself encrypts every bucket.
    "s3": {("s3.GetBucketEncryption", "not_found", "ServerSideEncryptionConfigurationNotFoundError")},
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str, seen: Seen) -> None:
    """What moto lacks is a failure of its operation, and nothing else is one."""
    assert {(each.operation, each.reason, each.code) for each in seen.failures[name]} == FAILURES[name]


@pytest.mark.parametrize(
    ("collector", "unknown", "known"),
    [
        ("aurora", "rds_pending_maintenance_actions", "rds_cluster_available"),
        ("aurora", "rds_engine_standard_support_end_timestamp_seconds", "rds_instance_available"),
        ("elasticache", "elasticache_pending_service_updates", "elasticache_multi_az_enabled"),
        ("timescaledb", "dlm_policy_enabled", "timescaledb_volume_attached"),
        ("backups", "restore_test_last_success_timestamp_seconds", "backup_recovery_points"),
        ("access", "ssm_managed", "ec2_instance_ssh_exposed"),
        ("patches", "ec2_patches_missing", "ec2_instance_launched_timestamp_seconds"),
    ],
)
def test_failures_hide_nothing_else(collector: str, unknown: str, known: str, seen: Seen) -> None:
    """What could not be read is absent, not zero, and what could be read beside it is there."""
    assert served(seen, collector, unknown, known) == {known}


def test_recovery_points_of_aws_backup_are_unknown(seen: Seen) -> None:
    """While AWS Backup cannot be read, no store has a number of its recovery points."""
    assert not [name for name in seen.series["backups"] if 'method="aws_backup"' in name and "elasticache" not in name]


def test_nothing_is_malformed(seen: Seen) -> None:
    """No resource that moto describes lacks what the collectors demand of AWS."""
    assert seen.malformed == []


class Recording:
    """The example inventory, which keeps what its handlers answer before that is written to the wire."""

    def __init__(self) -> None:
        self.answers: Answers = defaultdict(list)
        self._inventory = Inventory.load(run.EXAMPLE, lambda: AS_OF)
        self.handlers = {key: self._recorded(key, handler) for key, handler in self._inventory.handlers.items()}

    def _recorded(self, key: tuple[str, str], handler: Any) -> Any:
        def answer(_: Any, request: Any) -> Any:
            given = handler(self._inventory, request)
            self.answers[key].append(given)
            return given

        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inventory, name)


@pytest.fixture(scope="module")
def standin() -> Iterator[tuple[Answers, Seen]]:
    """What the stand-in's handlers answered, and what the exporter sees of it."""
    recording: Any = Recording()
    with Standin.in_thread(recording) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in run.environment(running, recording.default_account, REGION).items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield recording.answers, look(moto_world.ROLE, AS_OF, None)


def test_wire(standin: tuple[Answers, Seen]) -> None:
    """botocore reads the same from the stand-in's writing of an answer and from moto's."""
    for (service, operation), answers in standin[0].items():
        ours = protocol.load(service)
        theirs = get_service_model(service).operation_model(operation)
        serialize = get_serializer_class(service, ours.protocol)(operation_model=theirs).serialize
        for answer in answers[:20]:
            response = ours.write(ours.model.operation_model(operation), answer, "id")
            other = serialize(answer)
            expected = parsed(service, operation, other["status_code"], other["headers"], other["body"])
            assert parsed(service, operation, response.status, response.headers, response.body) == expected
    assert {service for service, _ in standin[0]} > {"ec2", "ecs", "efs", "rds", "s3"}  # each of the five protocols
    assert len(standin[0]) > 40


def parsed(service: str, operation: str, status: int, headers: Any, body: str | bytes) -> dict[str, Any]:
    model = protocol.load(service).model
    raw = {
        "status_code": status,
        "headers": HeadersDict(headers),
        "body": body.encode() if isinstance(body, str) else body,
    }
    answer: dict[str, Any] = create_parser(model.resolved_protocol).parse(
        raw, model.operation_model(operation).output_shape
    )
    answer.pop("ResponseMetadata")
    return answer


def kinds(answers: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each member that occurs in an answer, as a path, with the type of what it holds."""
    if isinstance(answers, dict):
        for name, member in answers.items():
            yield from kinds(member, f"{path}.{name}")
    elif isinstance(answers, list):
        yield path, "list"
        for item in answers:
            yield from kinds(item, f"{path}[]")
    else:
        yield path, type(answers).__name__


# What moto says here, the stand-in says too. Elsewhere moto knows more: what no collector asks for.
ALL_OF_IT = (
    ("cloudformation", "DescribeStacks"),
    ("ec2", "DescribeSnapshots"),
    ("ec2", "DescribeVolumes"),
    ("ecs", "DescribeClusters"),
    ("ecs", "ListAccountSettings"),
    ("efs", "DescribeBackupPolicy"),
    ("efs", "DescribeFileSystems"),
    ("events", "ListRules"),
    ("resourcegroupstaggingapi", "GetResources"),
    ("s3", "GetBucketEncryption"),
    ("s3", "GetBucketVersioning"),
    ("s3", "GetPublicAccessBlock"),
)
# Enough of it to compare: the members that both name in the answers to these.
COMPARED = {
    ("autoscaling", "DescribeAutoScalingGroups"): 30,
    ("ec2", "DescribeInstances"): 25,
    ("ec2", "DescribeVolumes"): 15,
    ("ecs", "DescribeServices"): 25,
    ("ecs", "DescribeTasks"): 15,
    ("elasticache", "DescribeReplicationGroups"): 20,
    ("rds", "DescribeDBClusters"): 30,
    ("rds", "DescribeDBInstances"): 20,
}


def test_members(seen: Seen, standin: tuple[Answers, Seen]) -> None:
    """Where moto and the stand-in both answer, what they both name is of one type, and the stand-in lacks nothing."""
    theirs, ours = seen.answers, standin[1].answers
    shared: dict[tuple[str, str], int] = {}
    for key in theirs.keys() & ours.keys():
        of_moto, of_standin = set(kinds(theirs[key])), set(kinds(ours[key]))
        names = {path for path, _ in of_moto} & {path for path, _ in of_standin}
        shared[key] = len(names)
        for path in names:
            assert {kind for name, kind in of_moto if name == path} == {
                kind for name, kind in of_standin if name == path
            }
        if key in ALL_OF_IT:
            assert of_moto <= of_standin, key
    assert shared.keys() >= set(ALL_OF_IT)
    assert {key for key, least in COMPARED.items() if shared[key] < least} == set()
