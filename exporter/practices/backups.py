"""What the best practices ask of backups: are there any, are they new enough, do they restore?"""

from __future__ import annotations

from collections.abc import Iterator

from ..facts import Facts
from ..practice import Verdict
from .checks import DAY, Check, age, all_of, amount, at_least

# A snapshot by hand must not hide that the schedule is dead.
BY_ITSELF = ("automated", "aws_backup")
ANY = (*BY_ITSELF, "manual")


def stores(facts: Facts, storage: str) -> list[str]:
    return list(facts.words("backup_store_info", "resource", "stack", storage=storage))


def fresh(facts: Facts, storage: str, resource: str, methods: tuple[str, ...], what: str) -> Check:
    """Whether the newest restorable backup by one of the methods is as new as expected."""
    of = {"storage": storage, "resource": resource}
    limit = facts.value("backup_max_age_seconds", **of, level="late")
    points = facts.by("backup_recovery_points", "method", **of)
    newest_by = facts.by("backup_last_success_timestamp_seconds", "method", **of)
    newest = max((newest_by[method] for method in methods if method in newest_by), default=None)
    since = None if newest is None or limit is None else newest + limit
    old = 0.0 if newest is None else facts.read_at("backup_last_success_timestamp_seconds") - newest
    fact = f"newest {what} is {age(old)} old"
    if newest is not None and limit is not None and old <= limit:
        return Check(True, fact, fact)
    # What is not known of a method may be newer.
    if limit is None or any(method not in points or (points[method] and method not in newest_by) for method in methods):
        return Check(None, fact, fact)
    return Check(False, fact, f"there is no {what}" if newest is None else fact, since)


def redis_backed_up(facts: Facts) -> Iterator[Verdict]:
    kept = facts.by("backup_retention_seconds", "resource", storage="elasticache")
    for group in stores(facts, "elasticache"):
        seconds = kept.get(group)
        on = f"automatic backups are kept {amount((seconds or 0) / DAY, 'day')}"
        yield all_of(
            group,
            Check(None if seconds is None else seconds > 0, on, "automatic backups are off"),
            fresh(facts, "elasticache", group, BY_ITSELF, "automatic backup"),
        )


def aurora_backed_up(facts: Facts) -> Iterator[Verdict]:
    expect = facts.deployment.expect
    kept = facts.by("backup_retention_seconds", "resource", storage="aurora")
    until = facts.by("backup_latest_restorable_timestamp_seconds", "resource", storage="aurora")
    read_at = facts.read_at("backup_latest_restorable_timestamp_seconds")
    for cluster in stores(facts, "aurora"):
        retention = f"automatic backups are kept {amount(kept.get(cluster, 0) / DAY, 'day')}"
        end, limit = until.get(cluster), expect.restorable_lag.ticket
        lag = None if end is None else read_at - end
        yield all_of(
            cluster,
            Check(at_least(kept.get(cluster), expect.backup_retention), retention, retention),
            Check(
                None if lag is None else lag <= limit,
                f"restorable until {age(lag or 0)} ago",
                f"restorable until {age(lag or 0)} ago only",
                None if end is None else end + limit,
            ),
            fresh(facts, "aurora", cluster, BY_ITSELF, "automatic backup"),
        )


def restores(facts: Facts, *, storage: str) -> Iterator[Verdict]:
    succeeded = facts.by("restore_test_last_success_timestamp_seconds", "resource", storage=storage)
    failed = facts.by("restore_test_last_failure_timestamp_seconds", "resource", storage=storage)
    allowed = facts.by("restore_test_max_age_seconds", "resource", storage=storage)
    all_read = facts.known("backup_store_info")
    read_at = facts.read_at("restore_test_last_success_timestamp_seconds")
    for resource in facts.words("backup_store_info", "resource", "stack", storage=storage, importance="important"):
        passed, broken = succeeded.get(resource), failed.get(resource)
        limit = allowed.get(resource, 0.0)
        if broken is not None and broken > (passed or 0):
            fact = f"the newest restore test failed, {age(read_at - broken)} ago"
            yield Verdict(resource, False, fact, broken)
        elif passed is not None and read_at - passed <= limit:
            yield Verdict(resource, True, f"the newest restore test passed {age(read_at - passed)} ago")
        elif not all_read:
            yield Verdict(resource, None)
        elif passed is None:
            yield Verdict(resource, False, "no restore test is on record")
        else:
            fact = f"the newest restore test passed {age(read_at - passed)} ago, more than {age(limit)}"
            yield Verdict(resource, False, fact, passed + limit)


def volumes_backed_up(facts: Facts) -> Iterator[Verdict]:
    for volume in stores(facts, "timescaledb"):
        yield all_of(volume, fresh(facts, "timescaledb", volume, ANY, "snapshot"))


def snapshot_before_change(facts: Facts) -> Iterator[Verdict]:
    pending = facts.by("change_sets_pending", "stack")
    for volume, stack in facts.words("backup_store_info", "resource", "stack", storage="timescaledb").items():
        points = facts.by("backup_recovery_points", "method", storage="timescaledb", resource=volume)
        waiting = pending.get(stack) if stack else 0.0
        if any(points.values()):
            yield Verdict(volume, True, f"it has {amount(sum(points.values()), 'snapshot')}")
        elif waiting == 0:
            yield Verdict(volume, True, "no change set waits")
        elif waiting is None or not points.keys() >= set(ANY):
            yield Verdict(volume, None)
        else:
            yield Verdict(volume, False, f"there is no snapshot while a change set waits for {stack}")
