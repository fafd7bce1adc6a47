"""Whether a deployment is in a state in which an upgrade may begin: stacks, backups, change sets, and AWS itself."""

from __future__ import annotations

from collections import defaultdict

from ..facts import Facts
from ..page import moment
from ..practices import backups
from ..practices.checks import DAY, Check, age, all_of, amount
from ..practices.updating import TIMESCALEDB, stacks
from .line import Asked, Line, by_practice, summed_up, worst
from .running import unread

# Violated, these would make an upgrade worse, or hide whether it went well. Other practices only if critical.
STAND_IN_THE_WAY = ("BP-13", "BP-31", "BP-33", "BP-42", "BP-43", "BP-48", "BP-69")
WHATEVER_THE_IMPACT = ("BP-13", "BP-33")
BACKED_UP = {"aurora": "BP-44", "elasticache": "BP-41", "timescaledb": "BP-49"}
PENDING = "rds_pending_maintenance_actions"
AUTO_APPLIED = "rds_pending_maintenance_auto_applied_after_timestamp_seconds"
FORCED = "rds_pending_maintenance_forced_apply_timestamp_seconds"


def sound(asked: Asked) -> Line:
    """Whether CloudFormation would take an update of every stack, now."""
    facts = asked.facts
    line = Line("stacks_sound", "Is every stack sound and at rest?", "yes", (), "BP-08", blocks=bool(asked.of("BP-08")))
    statuses = facts.words("stack_status", "stack", "status")
    # Of one that was never made there is nothing that could be in the way.
    bad = {
        stack: status
        for stack, status in statuses.items()
        if "FAILED" in status
        or "ROLLBACK" in status
        or (status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS")
    }
    waived = {stack: reason for stack in bad if (reason := asked.waived("BP-08", stack))}
    evidence = [
        f"{stack} is {status}" + (f" ({waived[stack]})" if stack in waived else "") for stack, status in bad.items()
    ]
    if bad.keys() - waived.keys():
        return line._replace(answer="no", evidence=tuple(evidence))
    if not statuses or not facts.known("stack_status"):
        return line._replace(
            answer="unknown", evidence=(*unread(facts, "stack_status", none="no stack is known"), *evidence)
        )
    return line._replace(evidence=(f"{amount(len(statuses) - len(bad), 'stack')} at rest", *evidence))


def undrifted(asked: Asked) -> Line:
    line = by_practice(asked, "drift", "Is every stack as its template says (no drift)?", "BP-07")
    if line.answer == "unknown":
        detect = "`aws cloudformation detect-stack-drift --stack-name STACK` looks for drift"
        return line._replace(evidence=(*line.evidence, detect))
    return line


def backed_up(asked: Asked) -> Line:
    """Of important stores; of Redis the general group, as the others hold nothing that has to be restored."""
    facts = asked.facts
    line = Line("backups", "Is there a fresh backup of what matters?", "yes", (), "BP-41, BP-44", blocks=True)
    passing = {
        labels["replication_group"]
        for labels, _ in facts.rows("elasticache_replication_group_info")
        if labels["purpose"] != "general"
    }
    checks = []
    for labels, _ in facts.rows("backup_store_info", importance="important"):
        storage, store = labels["storage"], labels["resource"]
        if storage == "elasticache" and store in passing:
            continue
        found = [backups.fresh(facts, storage, store, backups.ANY, "backup")]
        if storage == "aurora":
            found.append(_window(facts, store))
        reason = asked.waived(BACKED_UP.get(storage, ""), store)
        checks.append((all_of(store, *found), reason))
    evidence = [
        f"{verdict.resource}: " + (verdict.fact or "its backups are not known") + (f" ({reason})" if reason else "")
        for verdict, reason in checks
    ]
    states = {verdict.compliant for verdict, reason in checks if not reason}
    # More than the databases is read for it; but one that is not there may not have been read.
    stores = {row.labels["storage"] for row in facts.rows("backup_store_info")}
    if not checks or not (facts.known("backup_store_info") or stores >= {"aurora", "elasticache"}):
        evidence += unread(facts, "backup_store_info", none="no database is known")
        states.add(None)
    return line._replace(answer=worst(states), evidence=tuple(evidence))


def _window(facts: Facts, cluster: str) -> Check:
    """Whether Aurora can be taken back to a moment ago."""
    until = facts.value("backup_latest_restorable_timestamp_seconds", storage="aurora", resource=cluster)
    lag = None if until is None else facts.read_at("backup_latest_restorable_timestamp_seconds") - until
    what = f"restorable until {age(lag or 0)} ago"
    return Check(None if lag is None else lag <= facts.deployment.expect.restorable_lag.ticket, what, what)


def snapshots(asked: Asked) -> Line | None:
    """Of TimescaleDB's volumes whose stacks are to be updated; those that are important are above."""
    facts = asked.facts
    outdated = {
        stack.name
        for stack in stacks(facts)
        if stack.template in TIMESCALEDB and (stack.version is None or stack.version < asked.target)
    }
    optional = facts.words("backup_store_info", "resource", "stack", storage="timescaledb", importance="optional")
    verdicts = [
        all_of(volume, backups.fresh(facts, "timescaledb", volume, backups.ANY, "snapshot"))
        for volume, stack in optional.items()
        if stack in outdated
    ]
    if not outdated or (not verdicts and facts.known("backup_store_info")):
        return None
    line = Line("snapshots", "Is there a snapshot of TimescaleDB, whose stacks are updated?", "unknown", (), "BP-49")
    if not verdicts:
        return line._replace(evidence=tuple(unread(facts, "backup_store_info")))
    evidence = [f"{each.resource}: {each.fact or 'its snapshots are not known'}" for each in verdicts]
    return line._replace(answer=worst({each.compliant for each in verdicts}), evidence=tuple(evidence))


def change_sets(asked: Asked) -> Line:
    """Which updates wait to be executed, and what they would replace."""
    facts = asked.facts
    question = "Would the change sets that wait leave all data alone?"
    line = Line("change_sets", question, "yes", (), "BP-15", blocks=bool(asked.of("BP-15")))
    waiting = {stack: number for stack, number in facts.by("change_sets_pending", "stack").items() if number}
    dangerous = facts.by("change_set_endangers_data", "stack")
    states: set[bool | None] = set()
    evidence = []
    for stack, number in waiting.items():
        kinds = sorted(
            row.labels["resource_type"] for row in facts.rows("change_set_replacements", stack=stack) if row.value
        )
        reason = asked.waived("BP-15", stack) if dangerous.get(stack) else ""
        what = f"would replace or remove {', '.join(kinds)}" if kinds else "would replace nothing"
        what = "would change what holds data" if not kinds and dangerous.get(stack) else what
        what = what if stack in dangerous else "what it would do is not known"
        evidence.append(f"{stack}: {amount(number, 'change set')}, {what}" + (f" ({reason})" if reason else ""))
        states.add(bool(reason) or (not dangerous[stack] if stack in dangerous else None))
    if not facts.known("change_sets_pending"):
        states.add(None)
        evidence += unread(facts, "change_sets_pending")
    return line._replace(answer=worst(states), evidence=tuple(evidence) or ("none waits",))


def in_the_way(asked: Asked) -> Line:
    """The violations that an upgrade should not begin with."""
    those = [
        each
        for each in asked.of(*STAND_IN_THE_WAY)
        if each.impact == "critical" or each.practice in WHATEVER_THE_IMPACT
    ]
    question = "Is nothing violated that an upgrade should not begin with?"
    line = Line("findings", question, "yes", (), ", ".join(STAND_IN_THE_WAY), blocks=True)
    states, evidence = summed_up(those, with_practice=True)
    return line._replace(answer=worst(states), evidence=tuple(evidence) or ("nothing of that",))


def aws_health(asked: Asked) -> Line:
    """For people to judge: an event of the region may be about something else."""
    events = asked.facts.rows("health_events")
    line = Line("aws_health", "Is AWS without trouble here?", "yes", (), "AWS Health")
    if not events:
        no_plan = "AWS Health is for accounts with a support plan that includes it"
        return line._replace(answer="unknown", evidence=tuple(unread(asked.facts, "health_events", none=no_plan)))
    found: dict[str, list[str]] = defaultdict(list)
    for labels, number in events:
        if number:
            found[labels["category"]].append(f"{labels['aws_service']} ({number:g})")
    trouble = [f"{kind}: {', '.join(found[kind])}" for kind in ("issue", "investigation") if kind in found]
    planned = [f"planned changes: {', '.join(found['scheduledChange'])}"] if "scheduledChange" in found else []
    return line._replace(answer="no" if trouble else "yes", evidence=(*trouble, *planned) or ("no open event",))


def maintenance(asked: Asked) -> Line:
    """Whether RDS would restart a database in the middle of it."""
    facts = asked.facts
    line = Line("maintenance", "Will RDS leave the databases alone for a day?", "yes", (), "RDS")
    plans = facts.rows(PENDING)
    if not plans and not facts.known(PENDING):
        return line._replace(answer="unknown", evidence=tuple(unread(facts, PENDING)))
    evidence = []
    for labels, number in plans:
        times = [facts.value(family, **labels) for family in (AUTO_APPLIED, FORCED)]
        first = min((each for each in times if each is not None), default=None)
        if number:
            when = "not before you say so" if first is None else f"from {moment(first)}"
            evidence.append(f"{labels['resource']}: {labels['action']}, {when}")
        if number and first is not None and first < facts.now + DAY:
            line = line._replace(answer="no")
    return line._replace(evidence=tuple(evidence) or ("nothing is pending",))
