"""Best practices of databases and storage, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from conftest import AS_OF
from facts_of import facts, judged, row, verdicts
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Expect
from exporter.deployment import Deployment
from exporter.practice import Practice
from exporter.practices import databases, storage
from exporter.practices.checks import Check, age, all_of
from exporter.practices.databases import version

HOUR, DAY = 3_600.0, 86_400.0
PRACTICES = (*databases.PRACTICES, *storage.PRACTICES)
of = partial(row, PRACTICES)
REDIS = {("sessions", "redis", "7.1.0", "cache.r7g.large", "general", "redis-stack")}
CACHE = {("cached", "redis", "7.1.0", "cache.r7g.large", "cache", "redis-stack")}
SOUND: dict[str, Any] = {
    "elasticache_nodes": {("sessions", "primary"): 1, ("sessions", "replica"): 1},
    "elasticache_availability_zones": {"sessions": 2},
    "elasticache_automatic_failover_enabled": {"sessions": 1},
    "elasticache_multi_az_enabled": {"sessions": 1},
    "elasticache_available": {"sessions": 1},
}
METHODS = ("automated", "aws_backup", "manual")


def store(
    kind: str, name: str, importance: str = "important", late: float = 26 * HOUR, stack: str = "stack"
) -> dict[str, Any]:
    """A store that is known and has no backups of any kind."""
    return {
        "backup_store_info": {(kind, name, importance, stack): 1},
        "backup_max_age_seconds": {(kind, name, "late"): late},
        "backup_recovery_points": {(kind, name, method): 0 for method in METHODS},
        "restore_test_max_age_seconds": {(kind, name): 92 * DAY},
    }


def backed_up(kind: str, name: str, old: float, method: str = "automated") -> dict[str, Any]:
    """A store with one backup of that age."""
    points = {(kind, name, each): float(each == method) for each in METHODS}
    newest = {(kind, name, method): AS_OF - old}
    return {"backup_recovery_points": points, "backup_last_success_timestamp_seconds": newest}


# --- Redis


@pytest.mark.parametrize(
    ("family", "value", "compliant", "fact"),
    [
        ("elasticache_nodes", {("sessions", "primary"): 1, ("sessions", "replica"): 1}, True, "2 nodes"),
        ("elasticache_nodes", {("sessions", "unknown"): 2}, True, "2 nodes"),
        ("elasticache_nodes", {("sessions", "primary"): 1, ("sessions", "replica"): 0}, False, "1 node"),
        ("elasticache_availability_zones", {"sessions": 1}, False, "1 zone"),
        ("elasticache_automatic_failover_enabled", {"sessions": 0}, False, "automatic failover is off"),
        ("elasticache_multi_az_enabled", {"sessions": 0}, False, "Multi-AZ is off"),
        ("elasticache_nodes", {}, None, ""),
        ("elasticache_multi_az_enabled", {}, None, ""),
        ("elasticache_available", {"sessions": 0}, False, "not available"),
        ("elasticache_available", {}, None, ""),
    ],
)
def test_redis_survives(
    deployment: Deployment, family: str, value: dict[str, float], compliant: bool, fact: str
) -> None:
    """BP-39: two nodes in two zones with failover and Multi-AZ; each that is missing is said, unknown stays unknown."""
    known = facts(deployment, elasticache_replication_group_info=REDIS, **SOUND | {family: value})

    verdict = judged(of("BP-39", "critical"), known)["sessions"]

    assert verdict.compliant is compliant
    assert fact in verdict.fact.split("; ")


def test_redis_purpose(deployment: Deployment) -> None:
    """BP-39: of the group with the sessions it is critical, of caches and events a warning; each is judged once."""
    known = facts(deployment, elasticache_replication_group_info=REDIS | CACHE, **SOUND)

    assert verdicts(of("BP-39", "critical"), known) == {"sessions": True}
    assert verdicts(of("BP-39", "warning"), known) == {"cached": None}


def test_one_known_fault_outweighs_what_is_unknown(deployment: Deployment) -> None:
    """BP-39: a group with failover off is not safe, whatever else is not known of it."""
    off: dict[str, Any] = {"elasticache_automatic_failover_enabled": {"sessions": 0.0}}
    known = facts(deployment, elasticache_replication_group_info=REDIS, incomplete=["elasticache"], **off)

    assert verdicts(of("BP-39", "critical"), known) == {"sessions": False}


def test_evicting(deployment: Deployment) -> None:
    """BP-40: only noeviction keeps sessions; caches may drop what they like; without the parameter it is unknown."""
    judge = partial(verdicts, of("BP-40", "critical"))
    groups = REDIS | CACHE
    policies = {("sessions", "volatile-lru"), ("cached", "allkeys-lru")}

    assert judge(
        facts(deployment, elasticache_replication_group_info=groups, elasticache_maxmemory_policy_info=policies)
    ) == {"sessions": False}
    kept = {("sessions", "noeviction")}
    assert judge(
        facts(deployment, elasticache_replication_group_info=groups, elasticache_maxmemory_policy_info=kept)
    ) == {"sessions": True}
    assert judge(facts(deployment, elasticache_replication_group_info=groups)) == {"sessions": None}


@pytest.mark.parametrize(
    ("engine", "mode", "compliant"),
    [
        ("6.2.0", 0, True),
        ("6.2.6", 0, True),
        ("6.0.5", 0, False),
        ("5.0.6", 0, False),
        ("10.0.1", 0, True),
        ("6.x", 0, None),
        ("6.x", 1, False),
        ("7.1.0", 1, False),
        ("7.1.0", None, None),
    ],
)
def test_redis_version(deployment: Deployment, engine: str, mode: float | None, compliant: bool) -> None:
    """BP-42: 6.2 by numbers, not letters, and cluster mode off."""
    group = {("sessions", "redis", engine, "cache.r7g.large", "general", "redis-stack")}
    modes: dict[str, Any] = {} if mode is None else {"elasticache_cluster_mode_enabled": {"sessions": mode}}
    known = facts(deployment, elasticache_replication_group_info=group, **modes)

    assert verdicts(of("BP-42", "critical"), known) == {"sessions": compliant}


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_versions_are_numbers(major: int, minor: int, patch: int) -> None:
    """Major and minor are read as numbers, with or without a patch; words are no version."""
    assert version(f"{major}.{minor}") == version(f"{major}.{minor}.{patch}") == (major, minor)
    assert version(f"{major}") is None


# --- Backups


@pytest.mark.parametrize(
    ("old", "method", "compliant"),
    [
        (26 * HOUR, "automated", True),
        (26 * HOUR + 1, "automated", False),
        (HOUR, "aws_backup", True),
        (HOUR, "manual", False),
    ],
)
def test_redis_backup(deployment: Deployment, old: float, method: str, compliant: bool) -> None:
    """BP-41: the newest backup by a schedule may be 26 h old and no more; one by hand does not count."""
    kept: dict[str, Any] = {"backup_retention_seconds": {("elasticache", "sessions"): 7 * DAY}}
    families: dict[str, Any] = (
        store("elasticache", "sessions") | backed_up("elasticache", "sessions", old, method) | kept
    )

    assert verdicts(of("BP-41", "critical"), facts(deployment, **families)) == {"sessions": compliant}


def test_a_good_backup_is_said(deployment: Deployment) -> None:
    """BP-41: of a group that complies it is said how, too."""
    kept: dict[str, Any] = {"backup_retention_seconds": {("elasticache", "sessions"): 7 * DAY}}
    families = store("elasticache", "sessions") | backed_up("elasticache", "sessions", 9 * HOUR) | kept

    verdict = judged(of("BP-41", "critical"), facts(deployment, **families))["sessions"]

    assert verdict.fact == "automatic backups are kept 7 days; newest automatic backup is 9 h old"


def test_late_since(deployment: Deployment) -> None:
    """BP-41: a late backup is one since its allowed age was over, and the fact has both numbers."""
    kept: dict[str, Any] = {"backup_retention_seconds": {("elasticache", "sessions"): 7 * DAY}}
    families: dict[str, Any] = store("elasticache", "sessions") | backed_up("elasticache", "sessions", 58 * HOUR) | kept

    verdict = judged(of("BP-41", "critical"), facts(deployment, **families))["sessions"]

    assert verdict.fact == "newest automatic backup is 58 h old"
    assert verdict.since == AS_OF - 32 * HOUR
    expected = of("BP-41", "critical").expected
    assert not isinstance(expected, str)
    assert "26h" in expected(deployment.expect)


def test_backups_off(deployment: Deployment) -> None:
    """BP-41: a retention of 0 is a violation even while a backup is fresh, and nobody knows since when."""
    off: dict[str, Any] = {"backup_retention_seconds": {("elasticache", "sessions"): 0.0}}
    families: dict[str, Any] = store("elasticache", "sessions") | backed_up("elasticache", "sessions", HOUR) | off

    verdict = judged(of("BP-41", "critical"), facts(deployment, **families))["sessions"]

    assert (verdict.compliant, verdict.fact, verdict.since) == (False, "automatic backups are off", None)


@pytest.mark.parametrize(
    ("points", "compliant"),
    [
        (dict.fromkeys(METHODS, 0.0), False),
        ({"automated": 0.0, "manual": 0.0}, None),  # AWS Backup could not be read
        ({"automated": 0.0, "manual": 0.0, "aws_backup": 1.0}, None),  # there is one, but nobody knows from when
        ({}, None),
    ],
)
def test_never_or_not_known(deployment: Deployment, points: dict[str, float], compliant: bool | None) -> None:
    """BP-41: never backed up is said only when every method was read and has nothing."""
    families: dict[str, Any] = store("elasticache", "sessions")
    families["backup_recovery_points"] = {("elasticache", "sessions", each): count for each, count in points.items()}
    families["backup_retention_seconds"] = {("elasticache", "sessions"): 7 * DAY}

    assert verdicts(of("BP-41", "critical"), facts(deployment, **families)) == {"sessions": compliant}


def test_age_is_as_of_the_read(deployment: Deployment) -> None:
    """BP-41: a backup does not grow old while the exporter cannot read whether there is a newer one."""
    kept: dict[str, Any] = {"backup_retention_seconds": {("elasticache", "sessions"): 7 * DAY}}
    families: dict[str, Any] = store("elasticache", "sessions") | backed_up("elasticache", "sessions", 20 * HOUR) | kept
    known = facts(deployment, **families)
    known.now += 10 * DAY

    assert verdicts(of("BP-41", "critical"), known) == {"sessions": True}


@pytest.mark.parametrize(
    ("kept", "lag", "old", "wrong"),
    [
        (7 * DAY, 900.0, 26 * HOUR, []),
        (7 * DAY - 1, 900.0, HOUR, ["automatic backups are kept"]),
        (7 * DAY, 901.0, HOUR, ["restorable until"]),
        (7 * DAY, 60.0, 27 * HOUR, ["newest automatic backup"]),
        (DAY, 5_400.0, 58 * HOUR, ["automatic backups are kept 1 day", "restorable until 90 min", "58 h old"]),
    ],
)
def test_aurora_backup(deployment: Deployment, kept: float, lag: float, old: float, wrong: list[str]) -> None:
    """BP-44: kept for a week, restorable until a quarter of an hour ago, a snapshot of yesterday: each is said."""
    families: dict[str, Any] = store("aurora", "db") | backed_up("aurora", "db", old)
    known = facts(
        deployment,
        backup_retention_seconds={("aurora", "db"): kept},
        backup_latest_restorable_timestamp_seconds={("aurora", "db"): AS_OF - lag},
        **families,
    )

    verdict = judged(of("BP-44", "critical"), known)["db"]

    assert verdict.compliant is (not wrong)
    assert all(each in verdict.fact for each in wrong)


def test_aurora_expectations(deployment: Deployment) -> None:
    """BP-44: how long backups are kept and how far the window may lag are configured, and shown as expected."""
    expect = Expect.model_validate({"backup_retention": "14d", "restorable_lag": {"ticket": "5m"}})
    configured = replace(deployment, expect=expect)
    families: dict[str, Any] = store("aurora", "db") | backed_up("aurora", "db", HOUR)
    window: dict[str, Any] = {"backup_latest_restorable_timestamp_seconds": {("aurora", "db"): AS_OF - 400}}
    known = facts(configured, backup_retention_seconds={("aurora", "db"): 7 * DAY}, **families, **window)

    verdict = judged(of("BP-44", "critical"), known)["db"]

    assert verdict.fact == "automatic backups are kept 7 days; restorable until 7 min ago only"
    text = of("BP-44", "critical").expected
    assert not isinstance(text, str)
    assert "kept 14d, restorable until 5m ago" in text(expect)


def test_a_cluster_in_the_making(deployment: Deployment) -> None:
    """BP-44: a cluster without a window yet is neither right nor wrong."""
    families: dict[str, Any] = store("aurora", "db") | backed_up("aurora", "db", HOUR)
    known = facts(deployment, backup_retention_seconds={("aurora", "db"): 7 * DAY}, **families)

    assert verdicts(of("BP-44", "critical"), known) == {"db": None}


@pytest.mark.parametrize(
    ("passed", "failed", "complete", "compliant", "fact"),
    [
        (92 * DAY, None, True, True, "passed 92 days ago"),
        (92 * DAY + 1, None, True, False, "more than 92 days"),
        (None, None, True, False, "no restore test is on record"),
        (None, None, False, None, ""),
        (100 * DAY, None, False, None, ""),
        (20 * DAY, 10 * DAY, True, False, "failed, 10 days ago"),
        (20 * DAY, 10 * DAY, False, False, "failed, 10 days ago"),
        (10 * DAY, 20 * DAY, True, True, "passed 10 days ago"),
        (None, 10 * DAY, True, False, "failed, 10 days ago"),
    ],
)
def test_restore_tests(
    deployment: Deployment,
    passed: float | None,
    failed: float | None,
    complete: bool,
    compliant: bool | None,
    fact: str,
) -> None:
    """BP-45: the newest test counts; never tested is a violation once all was read, and so is one long ago."""
    families: dict[str, Any] = store("aurora", "db")
    if passed is not None:
        families["restore_test_last_success_timestamp_seconds"] = {("aurora", "db"): AS_OF - passed}
    if failed is not None:
        families["restore_test_last_failure_timestamp_seconds"] = {("aurora", "db"): AS_OF - failed}
    known = facts(deployment, incomplete=[] if complete else ["backups"], **families)

    verdict = judged(of("BP-45", "info", "DBCluster"), known)["db"]

    assert verdict.compliant is compliant
    assert fact in verdict.fact


def test_important_stores_alone_are_tested(deployment: Deployment) -> None:
    """BP-45: of a store that is not important nobody asks for a restore test."""
    known = facts(deployment, **store("timescaledb", "vol-1", "optional"))

    assert verdicts(of("BP-45", "info", "Volume"), known) == {}


@pytest.mark.parametrize(
    ("old", "method", "pending", "info", "warning"),
    [
        (8 * DAY, "automated", 1, True, True),
        (8 * DAY + 1, "manual", 1, False, True),
        (HOUR, "manual", 0, True, True),
        (None, "", 0, False, True),
        (None, "", 1, False, False),
        (None, "", None, False, None),
    ],
)
def test_volumes(
    deployment: Deployment, old: float | None, method: str, pending: int | None, info: bool, warning: bool | None
) -> None:
    """BP-49: a snapshot of any kind within eight days; having none at all is worse while a change set waits."""
    families: dict[str, Any] = store("timescaledb", "vol-1", "optional", 8 * DAY, "2-5")
    if old is not None:
        families |= backed_up("timescaledb", "vol-1", old, method)
    waiting: dict[str, Any] = {} if pending is None else {"change_sets_pending": {"2-5": pending, "other": 9}}
    known = facts(deployment, **families, **waiting)

    assert verdicts(of("BP-49", "info"), known) == {"vol-1": info}
    assert verdicts(of("BP-49", "warning"), known) == {"vol-1": warning}


def test_unread_snapshots_are_not_none(deployment: Deployment) -> None:
    """BP-49: where one method could not be read, a change set that waits is no violation yet."""
    families: dict[str, Any] = store("timescaledb", "vol-1", "optional", 8 * DAY, "2-5")
    families["backup_recovery_points"] = {("timescaledb", "vol-1", "automated"): 0.0}
    known = facts(deployment, change_sets_pending={"2-5": 1}, **families)

    assert verdicts(of("BP-49", "warning"), known) == {"vol-1": None}


# --- Aurora


@pytest.mark.parametrize(
    ("readers", "zones", "compliant"),
    [(1, 2, True), (0, 1, False), (2, 1, False), (None, 2, None), (1, None, None), (None, 1, False)],
)
def test_reader(deployment: Deployment, readers: int | None, zones: int | None, compliant: bool | None) -> None:
    """BP-43: a reader, and the instances in two zones."""
    members = {} if readers is None else {("db", "reader"): readers, ("db", "writer"): 1}
    known = facts(
        deployment,
        rds_cluster_info={("db", "aurora-postgresql", "16.6", "stack")},
        rds_cluster_members=members,
        rds_cluster_availability_zones={} if zones is None else {"db": zones},
        **instances("ab", up=1),
    )

    assert verdicts(of("BP-43", "critical"), known) == {"db": compliant}
    assert of("BP-43", "critical").scope == "primary"


def instances(zones: str, up: int | None) -> dict[str, Any]:
    """An available instance in each of these zones; of the last one it is given whether it is."""
    names = [f"db-{number}" for number in range(len(zones))]
    available = {(name, "db"): 1 for name in names[:-1]} | ({} if up is None else {(names[-1], "db"): up})
    places = zip(names, zones, strict=True)
    return {
        "rds_instance_info": {(name, "db", "db.r7g.large", "16.6", f"eu-west-1{zone}") for name, zone in places},
        "rds_instance_available": available,
    }


@pytest.mark.parametrize(
    ("zones", "up", "compliant", "fact"),
    [
        ("ab", 1, True, "1 reader; 2 of 2 instances available, in 2 zones"),
        ("ab", 0, False, "1 of 2 instances available, in 1 zone"),
        ("ab", None, None, ""),
        # Two in one zone, and one in another.
        ("aab", 0, False, "2 of 3 instances available, in 1 zone"),
        ("aba", 0, True, "2 readers; 2 of 3 instances available, in 2 zones"),
        ("aba", None, True, "2 readers; 2 of 2 instances available, in 2 zones"),
    ],
)
def test_readers_that_are_down(
    deployment: Deployment, zones: str, up: int | None, compliant: bool | None, fact: str
) -> None:
    """BP-43: a reader that is not available takes nothing over; while that is not known, it may."""
    known = facts(
        deployment,
        rds_cluster_info={("db", "aurora-postgresql", "16.6", "stack")},
        rds_cluster_members={("db", "reader"): len(zones) - 1, ("db", "writer"): 1},
        rds_cluster_availability_zones={"db": 2},
        **instances(zones, up),
    )

    verdict = judged(of("BP-43", "critical"), known)["db"]

    assert (verdict.compliant, verdict.fact) == (compliant, fact)


@pytest.mark.parametrize(("wanted", "on", "compliant"), [(False, 0, True), (False, 1, False), (True, 1, True)])
def test_minor_upgrades(deployment: Deployment, wanted: bool, on: int, compliant: bool) -> None:
    """BP-46: by hand, or by AWS where the configuration wants it so."""
    expect = Expect(auto_minor_version_upgrade=wanted)
    known = facts(
        replace(deployment, expect=expect),
        rds_instance_info={("db-1", "db", "db.r7g.large", "16.6", "eu-west-1a")},
        rds_auto_minor_version_upgrade_enabled={("db-1", "db"): on},
    )

    assert verdicts(of("BP-46", "warning"), known) == {"db-1": compliant}
    text = of("BP-46", "warning").expected
    assert not isinstance(text, str)
    assert text(expect).endswith("on" if wanted else "off")


def test_minor_upgrades_unknown(deployment: Deployment) -> None:
    """BP-46: an instance that did not say is unknown."""
    known = facts(deployment, rds_instance_info={("db-1", "db", "db.r7g.large", "16.6", "eu-west-1a")})

    assert verdicts(of("BP-46", "warning"), known) == {"db-1": None}


@pytest.mark.parametrize(("text", "compliant"), [("14.0", True), ("13.99", False), ("9.6", False), ("odd", None)])
def test_postgresql(deployment: Deployment, text: str, compliant: bool | None) -> None:
    """BP-47: 14 by number."""
    known = facts(deployment, rds_cluster_info={("db", "aurora-postgresql", text, "stack")})

    assert verdicts(of("BP-47", "warning"), known) == {"db": compliant}


# --- Encryption


def test_encryption(deployment: Deployment) -> None:
    """BP-48: storage of Aurora, both sides of Redis, volumes; each has its own row, and what is not told is unknown."""
    known = facts(
        deployment,
        rds_cluster_info={("db", "aurora-postgresql", "16.6", "stack"), ("new", "aurora-postgresql", "16.6", "stack")},
        rds_cluster_storage_encrypted={"db": 0},
        elasticache_replication_group_info=REDIS | CACHE,
        elasticache_at_rest_encryption_enabled={"sessions": 1, "cached": 1},
        elasticache_transit_encryption_enabled={"sessions": 0},
        timescaledb_volume_info={("vol-1", "i-1", "gp3", "eu-west-1a", "stack")},
        timescaledb_volume_encrypted={"vol-1": 1},
    )

    assert verdicts(of("BP-48", "info", "DBCluster"), known) == {"db": False, "new": None}
    assert verdicts(of("BP-48", "info", "Group"), known) == {"sessions": False, "cached": None}
    assert judged(of("BP-48", "info", "Group"), known)["sessions"].fact == "not encrypted in transit"
    assert verdicts(of("BP-48", "info", "Volume"), known) == {"vol-1": True}


@pytest.mark.parametrize(
    ("parameters", "tls", "compliant"),
    [
        ({"GeneralRedisTLS": "true"}, {"sessions": 1}, True),
        ({"GeneralRedisTLS": "True"}, {"sessions": 1}, True),
        ({"GeneralRedisTLS": "true"}, {"sessions": 0}, False),
        ({"GeneralRedisTLS": "false"}, {"sessions": 1}, False),
        ({"GeneralRedisTLS": "true"}, {}, None),
        ({"CacheRedisTLS": "false"}, {"sessions": 1, "cached": 0}, True),  # its own group
        ({"EventsRedisTLS": "false"}, {"sessions": 1, "cached": 0}, False),  # has none: the general one
        ({"EventsRedisTLS": "true", "CacheRedisTLS": "true"}, {"sessions": 1, "cached": 0}, False),
    ],
)
def test_tls_parameters(
    deployment: Deployment, parameters: dict[str, str], tls: dict[str, float], compliant: bool | None
) -> None:
    """BP-48: a stack says of TLS what the group of the purpose has, or the general one where there is none."""
    known = facts(
        deployment,
        elasticache_replication_group_info=REDIS | CACHE,
        elasticache_transit_encryption_enabled=tls,
        stack_parameter_info={("5-4", name, value) for name, value in parameters.items()} | {("2-3", "RedisTLS", "no")},
    )

    assert verdicts(of("BP-48", "critical"), known) == {"5-4": compliant}


# --- Buckets


def test_versioning(deployment: Deployment) -> None:
    """BP-51: a warning for the buckets of 2-4b, an info for the others; logs need none; unread is unknown."""
    buckets = {"interop": "interop", "edcs": "edcs", "plugins": "plugins", "faces": "profile_pictures", "logs": "logs"}
    known = facts(
        deployment,
        s3_bucket_info={(name, purpose, "stack") for name, purpose in buckets.items()},
        s3_bucket_versioning_enabled={"interop": 0, "edcs": 1, "faces": 0, "logs": 0},
    )

    assert verdicts(of("BP-51", "warning"), known) == {"interop": False, "edcs": True, "plugins": None}
    assert verdicts(of("BP-51", "info"), known) == {"faces": False}


def test_required_objects(deployment: Deployment) -> None:
    """BP-52: the object is there or missing; of a bucket that could not be listed it is unknown; others need none."""
    buckets = {"interop": "interop", "edcs": "edcs", "mtls": "mtls", "faces": "profile_pictures"}
    known = facts(
        deployment,
        s3_bucket_info={(name, purpose, "stack") for name, purpose in buckets.items()},
        s3_required_object_present={("interop", "config.yml"): 0, ("mtls", "index.yml"): 1},
    )

    assert verdicts(of("BP-52", "warning"), known) == {"interop": False, "edcs": None, "mtls": True}
    assert judged(of("BP-52", "warning"), known)["interop"].fact == "config.yml is missing"


# --- TimescaleDB and the queue


@pytest.mark.parametrize(
    ("desired", "template", "complete", "expected"),
    [
        (2, "2-5-db-timescale-master", True, {"noc": True}),
        (2, "2-3-db-redis", True, {"noc": False}),
        (2, "2-3-db-redis", False, {"noc": None}),
        (0, "2-3-db-redis", True, {}),
    ],
)
def test_noc(
    deployment: Deployment, desired: int, template: str, complete: bool, expected: dict[str, bool | None]
) -> None:
    """BP-55: a Network Operations Center that shall run has a TimescaleDB; one that is switched off needs none."""
    known = facts(
        deployment,
        ecs_service_info={("c", "noc", "noc", "FARGATE", "5-4"), ("c", "is", "is", "FARGATE", "5-3a")},
        ecs_service_desired_tasks={("c", "noc"): desired, ("c", "is"): 2},
        stack_info={("a-stack", template, "3.36.1")},
        incomplete=[] if complete else ["stacks"],
    )

    assert verdicts(of("BP-55", "critical"), known) == expected


@pytest.mark.parametrize(
    ("value", "stack", "failed", "running", "expected"),
    [
        ("true", True, 0, 1, {"replica": True}),
        ("true", True, 1, 1, {"replica": False}),
        ("true", True, 0, 0, {"replica": False}),
        ("true", True, None, 1, {"replica": None}),
        ("true", False, 0, 1, {"services": False}),
        ("false", True, 1, 0, {}),
    ],
)
def test_replica(
    deployment: Deployment,
    value: str,
    stack: bool,
    failed: int | None,
    running: int,
    expected: dict[str, bool | None],
) -> None:
    """BP-56: where 5-4 uses a replica, its stack is sound and its host runs; without a stack it is 5-4's finding."""
    stacks = {("services", "5-4-ecs-services", "3.36.1"), ("ops", "5-2-ecs-ops", "3.36.1")}
    known = facts(
        deployment,
        stack_info=stacks | ({("replica", "2-6-db-timescale-replica", "3.36.1")} if stack else set()),
        stack_failed={} if failed is None else {"replica": failed},
        stack_parameter_info={("services", "ApplicationServerStorageReplicaEnabled", value)},
        timescaledb_instance_running={("i-1", "replica"): running, ("i-2", "master"): 1, ("i-3", "replica"): 1},
        ec2_instance_info={
            ("i-1", "n", "timescaledb", "m6g.large", "ami-1", "eu-west-1a", "replica"),
            ("i-3", "n", "timescaledb", "m6g.large", "ami-1", "eu-west-1a", "another"),
        },
    )

    assert verdicts(of("BP-56", "warning"), known) == expected


def test_replica_whose_hosts_could_not_be_read(deployment: Deployment) -> None:
    """BP-56: no host in sight is no finding while hosts could not be read."""
    known = facts(
        deployment,
        stack_info={("services", "5-4-ecs-services", "3.36.1"), ("replica", "2-6-db-timescale-replica", "3.36.1")},
        stack_failed={"replica": 0},
        stack_parameter_info={("services", "ApplicationServerStorageReplicaEnabled", "true")},
        incomplete=["timescaledb"],
    )

    assert verdicts(of("BP-56", "warning"), known) == {"replica": None}


@pytest.mark.parametrize(
    ("launches", "wanted", "compliant"),
    [(2, 1, True), (3, 1, False), (3, 3, True), (4, 3, False), (5, None, None), (0, None, True), (None, 1, None)],
)
def test_launches(deployment: Deployment, launches: int | None, wanted: int | None, compliant: bool | None) -> None:
    """BP-57: three launches in an hour are a loop where fewer instances are wanted, not where a group grew by three."""
    sizes: dict[str, Any] = {} if wanted is None else {"hosts": wanted}
    known = facts(
        deployment,
        autoscaling_launches={} if launches is None else {"hosts": launches},
        autoscaling_instances_desired=sizes,
        autoscaling_instances_in_service={"hosts": 1},
    )

    assert verdicts(of("BP-57", "critical"), known) == {"hosts": compliant}


@pytest.mark.parametrize(
    ("launches", "wanted", "now", "compliant", "fact"),
    [
        (1, 1, 0, False, "0 of 1 in service"),
        (None, 1, 0, False, "0 of 1 in service"),
        (5, 1, 0, False, "5 instances launched in an hour; 0 of 1 in service"),
        (5, 1, 1, False, "5 instances launched in an hour, 1 of 1 in service"),
        (1, 2, 1, True, "1 instance launched in an hour; 1 of 2 in service"),  # the other one starts
        (0, 0, 0, True, "0 instances launched in an hour; 0 of 0 in service"),
        (0, 1, None, None, ""),
    ],
)
def test_in_service(
    deployment: Deployment, launches: int | None, wanted: int, now: int | None, compliant: bool | None, fact: str
) -> None:
    """BP-57: a group that wants instances and has none in service is violated, whatever was launched."""
    known = facts(
        deployment,
        autoscaling_launches={} if launches is None else {"hosts": launches},
        autoscaling_instances_desired={"hosts": wanted},
        autoscaling_instances_in_service={} if now is None else {"hosts": now},
    )

    verdict = judged(of("BP-57", "critical"), known)["hosts"]

    assert (verdict.compliant, verdict.fact) == (compliant, fact)


def test_queue(deployment: Deployment) -> None:
    """BP-58: the Alert Routing Server's queue, and one of its template that does not tell; no others."""
    known = facts(
        deployment,
        stack_info={("queues", "2-7-queue-sqs", "3.36.1"), ("mine", "", "")},
        sqs_queue_info={
            ("ars", "ars", "queues"),
            ("odd.fifo", "other", "queues"),
            ("mine", "other", "mine"),
            ("hooks", "webhooks", "queues"),
            ("dead", "dead_letter", "queues"),
        },
        sqs_queue_fifo={"ars": 0, "odd.fifo": 1, "mine": 0, "hooks": 0, "dead": 0},
        sqs_oldest_message_age_seconds={"ars": 26 * HOUR},
    )

    assert verdicts(of("BP-58", "warning"), known) == {"ars": False, "odd.fifo": True}
    assert judged(of("BP-58", "warning"), known)["ars"].fact == "not FIFO; its oldest message is 26 h old"


# --- What they share


@given(st.lists(st.tuples(st.sampled_from([True, False, None]), st.none() | st.floats(0, 1e10)), max_size=5))
def test_all_of(conditions: list[tuple[bool | None, float | None]]) -> None:
    """One that is not met decides, else one that is unknown; it began when the first did, if all tell."""
    checks = [Check(met, f"right {n}", f"wrong {n}", since) for n, (met, since) in enumerate(conditions)]

    verdict = all_of("it", *checks)

    met = [each for each, _ in conditions]
    assert verdict.compliant is (False if False in met else None if None in met else True)
    assert ("wrong" in verdict.fact) == (False in met)
    assert verdict.fact.count("wrong") == met.count(False)
    begun = [since for each, since in conditions if each is False]
    told = [since for since in begun if since is not None]
    assert verdict.since == (min(told) if told and told == begun else None)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 min"), (5_400, "90 min"), (7_200, "2 h"), (58 * HOUR, "58 h"), (3 * DAY, "3 days"), (9 * DAY, "9 days")],
)
def test_age(seconds: float, text: str) -> None:
    """An age has a unit in which people think of it."""
    assert age(seconds) == text


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
