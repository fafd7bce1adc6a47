"""Databases: do they survive the loss of a zone, are they backed up and supported, and who can read them?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from ..config import Expect, format_duration
from ..facts import Facts
from ..practice import Practice, Verdict
from . import backups
from .checks import Check, all_of, amount, at_least

Judge = Callable[[Facts], Iterator[Verdict]]

CLUSTER, INSTANCE = "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
GROUP, VOLUME, STACK = "AWS::ElastiCache::ReplicationGroup", "AWS::EC2::Volume", "AWS::CloudFormation::Stack"
STORES = {
    "aurora": CLUSTER,
    "elasticache": GROUP,
    "timescaledb": VOLUME,
    "efs": "AWS::EFS::FileSystem",
    "s3": "AWS::S3::Bucket",
}
REDIS_TLS = {"GeneralRedisTLS": "general", "CacheRedisTLS": "cache", "EventsRedisTLS": "events"}
ON = ("true", "enabled")


def flags(info: str, label: str, *families: tuple[str, str, str]) -> Judge:
    """Judge by flags that shall be 1: a family each, and what to say of 1 and of 0."""

    def judge(facts: Facts) -> Iterator[Verdict]:
        known = [(facts.by(family, label), right, wrong) for family, right, wrong in families]
        for resource in facts.words(info, label, label):
            yield all_of(resource, *(Check(on.get(resource), right, wrong) for on, right, wrong in known))

    return judge


def version(text: str) -> tuple[int, int] | None:
    """Major and minor of an engine; None for one that does not tell, as AWS's own 6.x."""
    match = re.match(r"([0-9]+)\.([0-9]+)", text)
    return (int(match[1]), int(match[2])) if match else None


def redundant(facts: Facts, *, general: bool) -> Iterator[Verdict]:
    failover = facts.by("elasticache_automatic_failover_enabled", "replication_group")
    multi_az = facts.by("elasticache_multi_az_enabled", "replication_group")
    zones = facts.by("elasticache_availability_zones", "replication_group")
    available = facts.by("elasticache_available", "replication_group")
    nodes: dict[str, float] = defaultdict(float)
    for labels, some in facts.rows("elasticache_nodes"):
        nodes[labels["replication_group"]] += some
    for group, purpose in facts.words("elasticache_replication_group_info", "replication_group", "purpose").items():
        if (purpose == "general") is general:
            count, spread = nodes.get(group), zones.get(group)
            yield all_of(
                group,
                Check(at_least(count, 2), amount(count, "node"), amount(count, "node")),
                Check(at_least(spread, 2), amount(spread, "zone"), amount(spread, "zone")),
                Check(failover.get(group), "automatic failover is on", "automatic failover is off"),
                Check(multi_az.get(group), "Multi-AZ is on", "Multi-AZ is off"),
                Check(available.get(group), "available", "not available"),
            )


def keeps_sessions(facts: Facts) -> Iterator[Verdict]:
    policies = facts.words("elasticache_maxmemory_policy_info", "replication_group", "policy")
    for group, purpose in facts.words("elasticache_replication_group_info", "replication_group", "purpose").items():
        if purpose == "general":
            policy = policies.get(group)
            fact = f"maxmemory-policy is {policy}"
            yield all_of(group, Check(None if policy is None else policy == "noeviction", fact, fact))


def has_reader(facts: Facts) -> Iterator[Verdict]:
    """Distinct zones of available instances; two of them are a reader apart, whichever writes just now."""
    readers = facts.by("rds_cluster_members", "db_cluster", role="reader")
    writers = facts.by("rds_cluster_members", "db_cluster", role="writer")
    spread = facts.by("rds_cluster_availability_zones", "db_cluster")
    zones = facts.words("rds_instance_info", "db_instance", "availability_zone")
    for cluster in facts.words("rds_cluster_info", "db_cluster", "engine"):
        count, held = readers.get(cluster), spread.get(cluster)
        available = facts.by("rds_instance_available", "db_instance", db_cluster=cluster)
        up = [instance for instance, on in available.items() if on]
        of_them = {zones[instance] for instance in up if instance in zones}
        instances = f"its instances are in {amount(held, 'zone')}"
        told = count is not None and len(available) >= count + writers.get(cluster, 1) and zones.keys() >= {*up}
        enough = len(of_them) >= 2 or at_least(held, 2) is False  # which is said already
        apart = True if enough else False if told else None
        fact = f"{len(up)} of {amount(len(available), 'instance')} available, in {amount(len(of_them), 'zone')}"
        yield all_of(
            cluster,
            Check(at_least(count, 1), amount(count, "reader"), "there is no reader"),
            Check(at_least(held, 2), "", instances),
            Check(apart, fact, fact),
        )


def upgraded_by_hand(facts: Facts) -> Iterator[Verdict]:
    wanted = facts.deployment.expect.auto_minor_version_upgrade
    enabled = facts.by("rds_auto_minor_version_upgrade_enabled", "db_instance")
    for instance in facts.words("rds_instance_info", "db_instance", "db_cluster"):
        on = enabled.get(instance)
        fact = f"auto minor version upgrade is {'on' if on else 'off'}"
        yield all_of(instance, Check(None if on is None else bool(on) is wanted, fact, fact))


def recent_redis(facts: Facts) -> Iterator[Verdict]:
    cluster_mode = facts.by("elasticache_cluster_mode_enabled", "replication_group")
    engines = facts.words("elasticache_replication_group_info", "replication_group", "engine")
    versions = facts.words("elasticache_replication_group_info", "replication_group", "engine_version")
    for group, text in versions.items():
        number, mode = version(text), cluster_mode.get(group)
        engine = f"{engines[group]} {text}"
        yield all_of(
            group,
            Check(None if number is None else number >= (6, 2), engine, f"{engine}, older than 6.2"),
            Check(None if mode is None else not mode, "cluster mode is off", "cluster mode is on"),
        )


def recent_postgresql(facts: Facts) -> Iterator[Verdict]:
    for labels, _ in facts.rows("rds_cluster_info"):
        number, engine = version(labels["engine_version"]), f"{labels['engine']} {labels['engine_version']}"
        yield all_of(labels["db_cluster"], Check(None if number is None else number >= (14, 0), engine, engine))


def same_tls(facts: Facts) -> Iterator[Verdict]:
    """A stack's parameters against the group of that purpose, or the general one where there is none."""
    tls = facts.by("elasticache_transit_encryption_enabled", "replication_group")
    groups: dict[str, list[str]] = defaultdict(list)
    for group, purpose in facts.words("elasticache_replication_group_info", "replication_group", "purpose").items():
        groups[purpose].append(group)
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, _ in facts.rows("stack_parameter_info"):
        name, value = labels["parameter"], labels["value"]
        if name in REDIS_TLS:
            for group in groups[REDIS_TLS[name]] or groups["general"]:
                on = tls.get(group)
                fact = f"{name} is {value}, TLS of {group} is {'on' if on else 'off'}"
                met = None if on is None else (value.lower() in ON) == bool(on)
                checks[labels["stack"]].append(Check(met, fact, fact))
    for stack, found in checks.items():
        yield all_of(stack, *found)


def redis_expected(expect: Expect) -> str:
    return f"automatic backups, the newest at most {format_duration(expect.backups.elasticache.late)} old"


def aurora_expected(expect: Expect) -> str:
    kept, lag = format_duration(expect.backup_retention), format_duration(expect.restorable_lag.ticket)
    late = format_duration(expect.backups.aurora.late)
    return f"backups kept {kept}, restorable until {lag} ago, the newest snapshot at most {late} old"


def tests_expected(expect: Expect) -> str:
    return f"a restore test that passed within {format_duration(expect.restore_test)}, and none that failed since"


def by_hand_expected(expect: Expect) -> str:
    return f"auto minor version upgrade {'on' if expect.auto_minor_version_upgrade else 'off'}"


REDIS = "elasticache_replication_group_info"
REDUNDANT = (
    REDIS,
    "elasticache_nodes",
    "elasticache_availability_zones",
    "elasticache_automatic_failover_enabled",
    "elasticache_multi_az_enabled",
    "elasticache_available",
)
INSTANCES = ("rds_instance_info", "rds_instance_available")
BACKUPS = (
    "backup_store_info",
    "backup_max_age_seconds",
    "backup_recovery_points",
    "backup_last_success_timestamp_seconds",
)
RESTORES = (
    "backup_store_info",
    "restore_test_last_success_timestamp_seconds",
    "restore_test_last_failure_timestamp_seconds",
    "restore_test_max_age_seconds",
)
IN_TRANSIT = "elasticache_transit_encryption_enabled"

PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-39",
        "critical",
        GROUP,
        "available, two nodes in two zones, automatic failover and Multi-AZ",
        REDUNDANT,
        partial(redundant, general=True),
    ),
    Practice(
        "BP-39",
        "warning",
        GROUP,
        "available, two nodes in two zones, automatic failover and Multi-AZ",
        REDUNDANT,
        partial(redundant, general=False),
    ),
    Practice(
        "BP-40",
        "critical",
        GROUP,
        "maxmemory-policy noeviction",
        (REDIS, "elasticache_maxmemory_policy_info"),
        keeps_sessions,
    ),
    Practice(
        "BP-41", "critical", GROUP, redis_expected, (*BACKUPS, "backup_retention_seconds"), backups.redis_backed_up
    ),
    Practice(
        "BP-42",
        "critical",
        GROUP,
        "Redis 6.2 or newer without cluster mode",
        (REDIS, "elasticache_cluster_mode_enabled"),
        recent_redis,
    ),
    Practice(
        "BP-43",
        "critical",
        CLUSTER,
        "an available reader in another zone than the writer",
        ("rds_cluster_info", "rds_cluster_members", "rds_cluster_availability_zones", *INSTANCES),
        has_reader,
        "primary",
    ),
    Practice(
        "BP-44",
        "critical",
        CLUSTER,
        aurora_expected,
        (*BACKUPS, "backup_retention_seconds", "backup_latest_restorable_timestamp_seconds"),
        backups.aurora_backed_up,
    ),
    *(
        Practice("BP-45", "info", type_, tests_expected, RESTORES, partial(backups.restores, storage=storage))
        for storage, type_ in STORES.items()
    ),
    Practice(
        "BP-46",
        "warning",
        INSTANCE,
        by_hand_expected,
        ("rds_instance_info", "rds_auto_minor_version_upgrade_enabled"),
        upgraded_by_hand,
    ),
    Practice("BP-47", "warning", CLUSTER, "PostgreSQL 14 or newer", ("rds_cluster_info",), recent_postgresql),
    Practice(
        "BP-48",
        "critical",
        STACK,
        "the TLS setting of the Redis group that is used",
        ("stack_parameter_info", REDIS, IN_TRANSIT),
        same_tls,
    ),
    Practice(
        "BP-48",
        "info",
        CLUSTER,
        "encrypted storage",
        ("rds_cluster_info", "rds_cluster_storage_encrypted"),
        flags(
            *("rds_cluster_info", "db_cluster"),
            ("rds_cluster_storage_encrypted", "storage is encrypted", "storage is not encrypted"),
        ),
    ),
    Practice(
        "BP-48",
        "info",
        GROUP,
        "encryption at rest and in transit",
        (REDIS, "elasticache_at_rest_encryption_enabled", IN_TRANSIT),
        flags(
            *(REDIS, "replication_group"),
            ("elasticache_at_rest_encryption_enabled", "encrypted at rest", "not encrypted at rest"),
            (IN_TRANSIT, "encrypted in transit", "not encrypted in transit"),
        ),
    ),
    Practice(
        "BP-48",
        "info",
        VOLUME,
        "an encrypted volume",
        ("timescaledb_volume_info", "timescaledb_volume_encrypted"),
        flags(
            *("timescaledb_volume_info", "volume_id"),
            ("timescaledb_volume_encrypted", "encrypted", "not encrypted"),
        ),
    ),
)
