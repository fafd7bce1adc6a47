"""`audit --upgrade-to`: may a deployment be upgraded today, what stands in the way, and what is done in which order?"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from conftest import AS_OF, ROOT
from facts_of import facts
from hypothesis import given, settings
from hypothesis import strategies as st
from test_releases import migrations_between, stopovers_between, traps_between

from exporter import cli, scorecard
from exporter.config import Expect, PracticeConfig, Waiver
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.errors import Failure
from exporter.facts import Facts, Reading
from exporter.images import Version
from exporter.practices import PRACTICES
from exporter.releases import load
from exporter.templates import CURRENT
from exporter.upgrade import Line, Plan, plan
from exporter.upgrade.command import exit_code
from exporter.upgrade.report import as_html, as_json, as_junit, as_markdown, write

DAY, HOUR = 86_400.0, 3_600.0
PROD, STAGING = "acme-prod-eu1", "acme-staging-eu1"
COMPONENTS = ("is", "gs", "ns", "as", "js", "console", "noc", "proxy", "prometheus")
RELEVANT = (2, 7, 8, 12, 13, 15, 31, 33, 41, 42, 43, 44, 48, 49, 69)
ROWS = [row for row in PRACTICES if int(row.practice.removeprefix("BP-")) in RELEVANT]
VOLUME = "vol-1"
TEMPLATES = [template for template in CURRENT if template not in ("2-4c-mtls-s3", "5-3b-ecs-external-is-proxy")]


def version(text: str) -> Version:
    found = Version.parse(text)
    assert found
    return found


def deployment(environment: str = "prod") -> Deployment:
    name = f"acme-{environment}-eu1"
    return Deployment(name, "acme", environment, "eu1", "111122223333", "eu-west-1", name, Expect(), role="primary")


def runs(releases: dict[str, str]) -> dict[str, Any]:
    """Components with one service each, and what they run."""
    told = releases | ({"ops": max(releases.values(), key=version)} if releases else {})
    bounds = {component: version(release).number for component, release in told.items()}
    return {
        "ecs_service_info": {("c", f"s-{component}", component, "FARGATE", "") for component in releases},
        "ecs_service_running_tasks": {("c", f"s-{component}"): 2 for component in releases},
        "ecs_service_desired_tasks": {("c", f"s-{component}"): 2 for component in releases},
        "ecs_service_deployment_created_timestamp_seconds": {
            ("c", f"s-{component}"): AS_OF - 3 * DAY for component in releases
        },
        "component_version_info": set(told.items()),
        "component_version_number": {
            (component, bound): number for component, number in bounds.items() for bound in ("lowest", "highest")
        },
    }


def made_of(stacks: dict[str, str], prefix: str = PROD) -> dict[str, Any]:
    """Stacks by template with the release that they tell, sound and in sync; "" tells none."""
    names = {template: f"{prefix}-{template}" for template in stacks}
    return {
        "stack_info": {(names[template], template, release) for template, release in stacks.items()},
        "stack_status": {(name, "UPDATE_COMPLETE"): 1 for name in names.values()},
        "stack_last_updated_timestamp_seconds": dict.fromkeys(names.values(), AS_OF - 30 * DAY),
        "stack_drifted": dict.fromkeys(names.values(), 0),
        "stack_drift_check_timestamp_seconds": dict.fromkeys(names.values(), AS_OF - DAY),
        "change_sets_pending": dict.fromkeys(names.values(), 0),
        "change_set_endangers_data": dict.fromkeys(names.values(), 0),
    }


STORES = {
    ("aurora", "a1"): ("important", "2-1-db-aurora-master", 26 * HOUR),
    ("elasticache", "general"): ("important", "2-3-db-redis", 26 * HOUR),
    ("elasticache", "cache"): ("important", "2-3-db-redis", 26 * HOUR),
    ("timescaledb", VOLUME): ("optional", "2-5-db-timescale-master", 8 * DAY),
}
NEWEST = {store: {"automated": AS_OF - 9 * HOUR} for store in STORES}


def backed_up(newest: dict[tuple[str, str], dict[str, float]]) -> dict[str, Any]:
    """Stores with the times of their newest backups by method."""
    methods = ("automated", "manual", "aws_backup")
    return {
        "backup_store_info": {
            (*store, importance, f"{PROD}-{template}") for store, (importance, template, _) in STORES.items()
        },
        "backup_max_age_seconds": {(*store, "late"): late for store, (_, _, late) in STORES.items()},
        "backup_recovery_points": {
            (*store, method): int(method in newest[store]) for store in STORES for method in methods
        },
        "backup_last_success_timestamp_seconds": {
            (*store, method): at for store, by in newest.items() for method, at in by.items()
        },
        "backup_latest_restorable_timestamp_seconds": {("aurora", "a1"): AS_OF - 300},
        "backup_retention_seconds": {("aurora", "a1"): 7 * DAY, ("elasticache", "general"): 7 * DAY},
        "elasticache_replication_group_info": {
            (purpose, "redis", "7.1", "cache.t4g.small", purpose, "") for purpose in ("general", "cache")
        },
        "elasticache_cluster_mode_enabled": {"general": 0, "cache": 0},
    }


def healthy(release: str = "3.36.1", **more: Any) -> dict[str, Any]:
    """Families of a production deployment that nothing is wrong with; ``more`` instead of some of them."""
    return {
        **runs(dict.fromkeys(COMPONENTS, release)),
        **made_of(dict.fromkeys(TEMPLATES, release)),
        **backed_up(NEWEST),
        "stack_parameter_info": {(f"{PROD}-5-2-ecs-ops", "ApplicationServerStorageEnabled", "true")},
        "stack_expected_present": {"5-4-ecs-services": 1},
        "health_events": {("ECS", "issue"): 0, ("ECS", "scheduledChange"): 0},
        "rds_cluster_info": {("a1", "aurora-postgresql", "15.4", "")},
        "rds_cluster_members": {("a1", "reader"): 1},
        "rds_cluster_availability_zones": {"a1": 2},
        "rds_instance_info": {(f"a1-{zone}", "a1", "db.r6g.large", "15.4", f"eu-west-1{zone}") for zone in "ab"},
        "rds_instance_available": {("a1-a", "a1"): 1, ("a1-b", "a1"): 1},
        "rds_pending_maintenance_actions": {("a1", "system-update"): 0},
        "staging_configured": {(): 1},
        "required_secret_present": {"oauth": 1},
        **more,
    }


def twin(release: str = "3.36.2", incomplete: Iterable[str] = (), **more: Any) -> Facts:
    """The facts of the staging twin, which runs a release."""
    given = {
        **runs(dict.fromkeys(COMPONENTS, release)),
        **made_of(dict.fromkeys(TEMPLATES, release), STAGING),
        **more,
    }
    return facts(deployment("staging"), incomplete=incomplete, **given)


TWIN: Any = object()


def planned(
    target: str = "3.36.2",
    staging: Any = TWIN,
    incomplete: Iterable[str] = (),
    accept: Sequence[Waiver] = (),
    off: str = "",
    environment: str = "prod",
    **families: Any,
) -> Plan:
    """The plan for a healthy deployment of 3.36.1 whose twin runs 3.36.2, but for what is given."""
    families = {name: series for name, series in healthy(**families).items() if series is not None}
    known = facts(deployment(environment), incomplete=incomplete, **families)
    known.twin = twin() if staging is TWIN else staging
    switched_off = {off: PracticeConfig(enabled=False)} if off else {}
    return plan(known, version(target), scorecard.judge(known, ROWS, switched_off, accept))


def line(found: Plan, name: str) -> Line:
    (the_one,) = [each for each in found.lines if each.name == name]
    return the_one


def waiver(practice: str, resource: str = "*") -> Waiver:
    return Waiver(practice=practice, resource=resource, reason="we know", until=date(2027, 3, 31))


def without(family: str, *labels: Any) -> dict[str, Any]:
    """A family of the healthy deployment without some series."""
    series = healthy()[family]
    if isinstance(series, dict):
        return {family: {key: value for key, value in series.items() if key not in labels}}
    return {family: {key for key in series if key not in labels}}


def of_stack(family: str, template: str, value: float) -> dict[str, Any]:
    """A family of the healthy deployment with another value for a stack."""
    return {family: healthy()[family] | {f"{PROD}-{template}": value}}


def in_status(status: str, template: str = "5-4-ecs-services") -> dict[str, Any]:
    series = without("stack_status", (f"{PROD}-{template}", "UPDATE_COMPLETE"))["stack_status"]
    return {"stack_status": series | {(f"{PROD}-{template}", status): 1}}


def newest(store: tuple[str, str], **methods: float) -> dict[str, Any]:
    return backed_up(NEWEST | {store: methods})


AURORA, GENERAL, TIMESCALEDB = ("aurora", "a1"), ("elasticache", "general"), ("timescaledb", VOLUME)
MIXED = dict.fromkeys(COMPONENTS, "3.36.1") | {"gs": "3.36.0"}
# The question, its answer, whether that is in the way, words of its evidence, and what is different.
CASES: list[tuple[str, str, bool, str, dict[str, Any]]] = [
    ("release", "yes", False, "released 2026-08-17", {}),
    ("release", "yes", False, "3.36.2 is newer and of the same minor", {"target": "3.36.1"}),
    ("release", "unknown", True, "the newest of 3.36 is 3.36.2", {"target": "3.36.9"}),
    ("release", "unknown", True, "the newest is 3.36.2", {"target": "3.37.0"}),
    ("newer", "yes", False, "runs 3.36.1 in 9 components", {}),
    ("newer", "yes", False, "it runs already", {"target": "3.36.1"}),
    ("newer", "no", True, "databases are not migrated back", {"target": "3.36.0"}),
    ("newer", "no", True, "runs 3.36.2 (gs)", {**runs(MIXED | {"gs": "3.36.2"}), "target": "3.36.1"}),
    ("newer", "unknown", True, "not known of gs", without("component_version_number", ("gs", "lowest"))),
    ("newer", "unknown", True, "it was not read", {"incomplete": ["versions"]}),
    ("newer", "unknown", True, "not known of dcs",
     {name: healthy()[name] | series for name, series in {
         "ecs_service_info": {("c", "s-dcs", "dcs", "FARGATE", "")},
         "ecs_service_running_tasks": {("c", "s-dcs"): 1}}.items()}),
    ("newer", "yes", False, "runs 3.36.1", {"incomplete": ["ecs"]}),
    ("newer", "unknown", True, "nothing of The Things Stack runs", runs({})),
    ("one_version", "yes", False, "every image is 3.36.1", {}),
    ("one_version", "no", True, "side by side", runs(MIXED)),
    ("one_version", "yes", False, "(accepted: we know)", {**runs(MIXED), "accept": [waiver("BP-12")]}),
    ("one_version", "info", False, "BP-12 is switched off", {**runs(MIXED), "off": "BP-12"}),
    ("templates", "info", False, "3.36.1: ", {}),
    ("templates", "info", False, "which tell no release: ", made_of({"1-1-vpc": "", "5-4-ecs-services": "3.36.1"})),
    ("templates", "no", True, "newer than 3.36.2 already", made_of({"1-1-vpc": "3.37.0"})),
    ("templates", "unknown", True, "it was not read", {"incomplete": ["stacks"]}),
    ("templates", "unknown", True, "no stack is known", {**made_of({})}),
    ("staging", "yes", False, "the newest rollout began 3 days ago", {}),
    ("staging", "yes", False, "runs 3.36.2", {"target": "3.36.1"}),
    ("staging", "no", True, "still runs 3.36.1", {"staging": twin("3.36.1")}),
    ("staging", "no", True, "no staging twin is known", {"staging": None, "staging_configured": {(): 0}}),
    ("staging", "unknown", True, "nothing is known of its staging twin", {"staging": None}),
    ("staging", "unknown", True, "acme-staging-eu1: it was not read", {"staging": twin(incomplete=["versions"])}),
    ("staging", "no", True, "nothing of The Things Stack runs", {"staging": twin(**runs({}))}),
    ("staging", "no", False, "accepted: we know",
     {"staging": None, "staging_configured": {(): 0}, "accept": [waiver("BP-02", PROD)]}),
    ("staging", "no", False, "BP-02 is switched off", {"staging": twin("3.36.1"), "off": "BP-02"}),
    ("staging", "no", True, "does not run there: noc",
     {"staging": twin(**runs(dict.fromkeys(set(COMPONENTS) - {"noc"}, "3.36.2")))}),
    ("staging", "no", False, "does not run there: noc",
     {"staging": twin(**runs(dict.fromkeys(set(COMPONENTS) - {"noc"}, "3.36.2"))), "off": "BP-02"}),
    ("stopovers", "yes", False, "0 minor releases ahead", {}),
    ("stopovers", "no", True, "go to 3.24.0 first and migrate ns-db", runs(dict.fromkeys(COMPONENTS, "3.23.2"))),
    ("stopovers", "unknown", True, "not known of ns",
     without("component_version_number", ("ns", "lowest"), ("ns", "highest"))),
    ("order", "info", False, "1 to snapshot, 27 to update", {}),
    ("order", "unknown", False, "of the stacks that are known", {"incomplete": ["stacks"]}),
    ("order", "info", False, "none", made_of(dict.fromkeys(TEMPLATES, "3.36.2"))),
    ("stacks_sound", "yes", False, "27 stacks at rest", {}),
    *(
        ("stacks_sound", "no", True, f"is {status}", in_status(status))
        for status in ("UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED", "UPDATE_IN_PROGRESS",
                       "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    ),
    ("stacks_sound", "yes", False, "at rest", in_status("REVIEW_IN_PROGRESS")),
    ("stacks_sound", "yes", False, "(accepted: we know)",
     {**in_status("UPDATE_ROLLBACK_COMPLETE"), "accept": [waiver("BP-08")]}),
    ("stacks_sound", "yes", False, "(BP-08 is switched off)", {**in_status("UPDATE_FAILED"), "off": "BP-08"}),
    ("stacks_sound", "unknown", True, "it was not read", {"incomplete": ["stacks"]}),
    ("drift", "yes", False, "in sync", {}),
    ("drift", "no", True, "drifted", of_stack("stack_drifted", "1-1-vpc", 1)),
    ("drift", "unknown", True, "detect-stack-drift", without("stack_drifted", f"{PROD}-1-1-vpc")),
    ("drift", "info", False, "BP-07 is switched off", {**of_stack("stack_drifted", "1-1-vpc", 1), "off": "BP-07"}),
    ("backups", "yes", False, "a1: newest backup is 9 h old; restorable until 5 min ago", {}),
    ("backups", "yes", False, "general: newest backup is 60 min old", newest(GENERAL, manual=AS_OF - HOUR)),
    ("backups", "yes", False, "26 h old", newest(GENERAL, automated=AS_OF - 26 * HOUR)),
    ("backups", "no", True, "27 h old", newest(GENERAL, automated=AS_OF - 27 * HOUR)),
    ("backups", "no", True, "there is no backup", newest(AURORA)),
    ("backups", "no", True, "restorable until 58 min ago",
     {"backup_latest_restorable_timestamp_seconds": {AURORA: AS_OF - 3_500}}),
    ("backups", "unknown", True, "general: its backups are not known",
     {**newest(GENERAL), **without("backup_recovery_points", (*GENERAL, "manual"))}),
    ("backups", "unknown", True, "its backups are not known", {"backup_latest_restorable_timestamp_seconds": {}}),
    ("backups", "yes", False, "newest backup", newest(("elasticache", "cache"))),
    ("backups", "yes", False, "(accepted: we know)", {**newest(GENERAL), "accept": [waiver("BP-41")]}),
    ("backups", "no", True, "general: there is no backup",
     {**backed_up(NEWEST | {GENERAL: {}, ("elasticache", "cache"): {}}), "accept": [waiver("BP-41", "cache")]}),
    ("backups", "yes", False, "(BP-41 is switched off)", {**newest(GENERAL), "off": "BP-41"}),
    ("backups", "unknown", True, "it was not read",
     {"incomplete": ["backups"], "backup_store_info": {(*GENERAL, "important", "")}}),
    ("backups", "yes", False, "9 h old", {"incomplete": ["backups"]}),
    ("backups", "unknown", True, "no database is known", {"backup_store_info": {}}),
    ("backups", "no", True, f"{VOLUME}: there is no backup",
     {**newest(TIMESCALEDB), "backup_store_info": {(*TIMESCALEDB, "important", "")}}),
    ("snapshots", "yes", False, f"{VOLUME}: newest snapshot is 9 h old", {}),
    ("snapshots", "no", False, "there is no snapshot", newest(TIMESCALEDB)),
    ("snapshots", "unknown", False, "its snapshots are not known",
     {"backup_recovery_points": {}, "backup_last_success_timestamp_seconds": {}}),
    ("change_sets", "yes", False, "none waits", {}),
    ("change_sets", "yes", False, "1 change set, would replace or remove AWS::ECS::Service",
     {**of_stack("change_sets_pending", "5-4-ecs-services", 1),
      "change_set_replacements": {(f"{PROD}-5-4-ecs-services", "AWS::ECS::Service"): 1}}),
    ("change_sets", "yes", False, "would replace nothing", of_stack("change_sets_pending", "1-1-vpc", 2)),
    ("change_sets", "no", True, "would replace or remove AWS::EC2::Volume",
     {**of_stack("change_sets_pending", "2-5-db-timescale-master", 1),
      **of_stack("change_set_endangers_data", "2-5-db-timescale-master", 1),
      "change_set_replacements": {(f"{PROD}-2-5-db-timescale-master", "AWS::EC2::Volume"): 1}}),
    ("change_sets", "yes", False, "(accepted: we know)",
     {**of_stack("change_sets_pending", "1-1-vpc", 1), **of_stack("change_set_endangers_data", "1-1-vpc", 1),
      "accept": [waiver("BP-15")]}),
    ("change_sets", "unknown", True, "what it would do is not known",
     {**of_stack("change_sets_pending", "1-1-vpc", 1), **without("change_set_endangers_data", f"{PROD}-1-1-vpc")}),
    ("change_sets", "unknown", True, "it was not read", {"incomplete": ["change_sets"]}),
    ("findings", "yes", False, "nothing of that", {}),
    ("findings", "no", True, "BP-43 a1: there is no reader", {"rds_cluster_members": {("a1", "reader"): 0}}),
    ("findings", "yes", False, "(accepted: we know)",
     {"rds_cluster_members": {("a1", "reader"): 0}, "accept": [waiver("BP-43")]}),
    ("findings", "yes", False, "nothing of that", {"rds_cluster_members": {("a1", "reader"): 0}, "off": "BP-43"}),
    ("findings", "no", True, "BP-31 s-gs: 0 of 2 tasks run",
     {"ecs_service_running_tasks": healthy()["ecs_service_running_tasks"] | {("c", "s-gs"): 0}}),
    ("findings", "no", True, "BP-33 s-gs: the rollout failed",
     {"ecs_service_deployment_rollout": {("c", "s-gs", "failed"): 1}}),
    ("findings", "unknown", True, "BP-43", {"rds_cluster_members": {}}),
    ("aws_health", "yes", False, "no open event", {}),
    ("aws_health", "no", False, "issue: ECS (1); planned changes: RDS (2)",
     {"health_events": {("ECS", "issue"): 1, ("RDS", "scheduledChange"): 2}}),
    ("aws_health", "yes", False, "planned changes: RDS (2)", {"health_events": {("RDS", "scheduledChange"): 2}}),
    ("aws_health", "unknown", False, "support plan", {"health_events": {}}),
    ("aws_health", "unknown", False, "it was not read", {"health_events": {}, "incomplete": ["health"]}),
    ("maintenance", "yes", False, "nothing is pending", {}),
    ("maintenance", "yes", False, "a1: os-upgrade, not before you say so",
     {"rds_pending_maintenance_actions": {("a1", "os-upgrade"): 1}}),
    *(
        ("maintenance", answer, False, "a1: os-upgrade, from 2026-11-2",
         {"rds_pending_maintenance_actions": {("a1", "os-upgrade"): 1}, family: {("a1", "os-upgrade"): AS_OF + ahead}})
        for family in ("rds_pending_maintenance_auto_applied_after_timestamp_seconds",
                       "rds_pending_maintenance_forced_apply_timestamp_seconds")
        for ahead, answer in ((DAY - 1, "no"), (DAY, "yes"))
    ),
    ("maintenance", "yes", False, "nothing is pending", {"incomplete": ["aurora"]}),
    ("maintenance", "unknown", False, "it was not read",
     {"rds_pending_maintenance_actions": {}, "incomplete": ["aurora"]}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer", "in_the_way", "words", "different"), CASES)
def test_each_question(name: str, answer: str, in_the_way: bool, words: str, different: dict[str, Any]) -> None:
    """Each question has its answer and evidence, and is in the way only if it blocks and is not answered with yes."""
    found = planned(**different)
    the_one = line(found, name)

    assert the_one.answer == answer, the_one
    assert (the_one in found.in_the_way) is in_the_way, the_one
    assert words in "; ".join(the_one.evidence), the_one
    assert the_one.evidence
    if in_the_way:
        assert found.answer != "yes"


def test_healthy_deployment() -> None:
    """Where nothing is in the way the answer is yes; every question is asked once, each with evidence and a source."""
    found = planned()

    assert (found.answer, found.in_the_way) == ("yes", [])
    assert exit_code([found]) == 0
    names = [each.name for each in found.lines]
    assert len(set(names)) == len(names) == 17
    assert all(each.evidence and each.source and each.question for each in found.lines)


def test_answer_is_the_worst() -> None:
    """No is worse than unknown, and that worse than yes; what does not block does not count."""
    unknown = planned(incomplete=["change_sets"])
    no = planned(incomplete=["change_sets"], **in_status("UPDATE_FAILED"))
    beside = planned(**newest(TIMESCALEDB), health_events={("ECS", "issue"): 1})

    assert [each.answer for each in (unknown, no, beside)] == ["unknown", "no", "yes"]
    assert [exit_code([planned(), each]) for each in (unknown, no, beside)] == [1, 1, 0]


def test_nothing_is_known() -> None:
    """Of a deployment of which nothing could be read the answer is unknown, never yes or no."""
    known = Facts(deployment(), {}, {}, AS_OF)
    found = plan(known, version("3.36.2"), scorecard.judge(known, ROWS, {}, ()))

    assert found.answer == "unknown"
    assert {each.answer for each in found.lines} == {"yes", "unknown"}
    assert [each.name for each in found.lines if each.answer == "yes"] == ["release"]
    assert found.steps == ()


def test_staging_has_no_twin_to_wait_for() -> None:
    """Staging itself is not asked whether it has run the release; all else is asked of it."""
    found = planned(environment="staging", staging=None)

    assert "staging" not in [each.name for each in found.lines]
    assert found.answer == "yes"


def stopped(alive: set[str], incomplete: Iterable[str] = (), *, may_sleep: bool = False) -> Facts:
    """The twin where these components run 3.36.2, and of the others no task."""
    return facts(
        replace(deployment("staging"), expect=Expect(may_sleep=may_sleep)),
        incomplete=incomplete,
        **runs(dict.fromkeys(alive, "3.36.2"))
        | {
            "ecs_service_info": runs(dict.fromkeys(COMPONENTS, "3.36.2"))["ecs_service_info"],
            "ecs_service_running_tasks": {("c", f"s-{each}"): 2 * (each in alive) for each in COMPONENTS},
        },
    )


def test_what_does_not_run_in_staging_was_not_tried() -> None:
    """Staging at 0 tasks has run nothing: that is a no, or unknown where it may sleep or was not read completely."""
    others = ", ".join(sorted(set(COMPONENTS) - {"console"}))
    console = line(planned(staging=stopped({"console"})), "staging")
    asleep = line(planned(staging=stopped({"console"}, may_sleep=True)), "staging")
    all_asleep = line(planned(staging=stopped(set(), may_sleep=True)), "staging")
    unread = line(planned(staging=stopped({"console"}, ["versions"])), "staging")
    # Of what runs here nobody knows which release it is; it is not tried there all the same.
    untold = without("component_version_info", ("gs", "3.36.1")) | without(
        "component_version_number", ("gs", "lowest"), ("gs", "highest")
    )
    not_gs = line(planned(staging=stopped(set(COMPONENTS) - {"gs"}), **untold), "staging")

    assert [each.answer for each in (console, asleep, all_asleep, unread, not_gs)] == [
        "no", "unknown", "unknown", "unknown", "no",
    ]  # fmt: skip
    assert console.evidence[0] == f"not tried, as it does not run there: {others}"
    assert asleep.evidence[0] == f"not tried, as it does not run there, where services may be switched off: {others}"
    assert not any("not tried" in each for each in unread.evidence)
    assert all(each.blocks for each in (console, asleep, unread))


def test_what_has_no_service_in_staging_by_nature_is_not_missed() -> None:
    """The tasks of certbot and ops, and Grafana of NOC, do not have to run in staging."""
    here = healthy()
    beside = {
        "component_version_info": here["component_version_info"]
        | {("noc_grafana", "3.36.1"), ("certbot", "3.36.1"), ("ops", "3.36.1")},
        "ecs_service_info": here["ecs_service_info"] | {("c", "s-grafana", "noc_grafana", "FARGATE", "")},
        "ecs_service_running_tasks": here["ecs_service_running_tasks"] | {("c", "s-grafana"): 1},
    }

    assert line(planned(**beside), "staging").answer == "yes"


def test_no_snapshot_where_timescaledb_stays() -> None:
    """Where TimescaleDB's stacks are not updated, or there are none, nobody asks for a snapshot."""
    there = dict.fromkeys(TEMPLATES, "3.36.1")
    new = there | {"2-5-db-timescale-master": "3.36.2", "2-6-db-timescale-replica": "3.36.2"}
    none = {template: release for template, release in there.items() if "timescale" not in template}
    replica = there | {"2-5-db-timescale-master": "3.36.2"}  # which no volume is known of
    for stacks in (new, none, replica):
        found = planned(**made_of(stacks))
        assert "snapshots" not in [each.name for each in found.lines]
        assert "snapshot" not in [step.kind for step in found.steps]


def test_missing_actions_are_named() -> None:
    """What AWS refused is told with the IAM action, where the answer is unknown for lack of it."""
    action = "cloudformation:ListChangeSets"
    refused = Failure("cloudformation.ListChangeSets", "access_denied", "AccessDenied", "", action)
    known = Facts(
        deployment(),
        {"change_sets": Reading(failures=(refused,))},
        {"tts_aws_change_sets_pending": "change_sets", "tts_aws_stack_status": "stacks"},
        AS_OF,
    )
    found = plan(known, version("3.36.2"), scorecard.judge(known, ROWS, {}, ()))

    words = (
        "cloudformation.ListChangeSets: access_denied AccessDenied (missing IAM action: cloudformation:ListChangeSets)"
    )
    assert line(found, "change_sets").evidence == (words,)
    assert line(found, "stacks_sound").evidence == ("the collector stacks does not run",)


def test_steps_are_in_the_order_of_the_templates() -> None:
    """Stacks that are behind follow each other as their templates do; what is at the release already stays."""
    stacks = dict.fromkeys(reversed(TEMPLATES), "3.36.1") | {"4-1-secrets": "3.36.2"}
    found = planned(**made_of(stacks))
    updated = [step.template for step in found.steps if step.kind == "update"]

    assert updated == [template for template in CURRENT if template in TEMPLATES and template != "4-1-secrets"]
    assert {step.words for step in found.steps if step.kind == "update"} == {"3.36.1 to 3.36.2"}
    assert "with the image parameters of every stack 5-x" in "; ".join(line(found, "order").evidence)


def test_migrations_follow_the_ops_stack() -> None:
    """Migrations are run after 5-2 and before the services, each database once with the release that is upgraded to."""
    found = planned("3.36.2", staging=twin(), **healthy("3.31.1"))
    kinds = [(step.kind, step.template, step.resource) for step in found.steps]
    at = kinds.index(("update", "5-2-ecs-ops", f"{PROD}-5-2-ecs-ops"))

    assert kinds[at + 1 : at + 4] == [
        ("migrate", "5-2-ecs-ops", "is-db"),
        ("migrate", "5-2-ecs-ops", "noc-db"),
        ("update", "5-3a-ecs-is-service", f"{PROD}-5-3a-ecs-is-service"),
    ]
    assert line(found, "migrations").evidence == (
        "tti-lw-stack is-db migrate (3.32.0, 3.33.0)",
        "tti-lw-stack noc-db migrate (3.32.0, 3.33.0, 3.35.0, 3.36.0)",
    )
    words = next(step.words for step in found.steps if step.resource == "noc-db")
    assert words.startswith(
        "with the ops task of 3.36.2: tti-lw-stack noc-db migrate; 3.32.0: the continuous aggregates"
    )


def test_databases_that_nobody_has_are_left_out() -> None:
    """The databases of NOC, of the Identity Server and of the storage integration are migrated where there are such."""
    few = dict.fromkeys(("gs", "ns", "as", "js"), "3.20.2")
    off = {("x", "ApplicationServerStorageEnabled", "false")}
    found = line(planned("3.26.0", **runs(few), stack_parameter_info=off), "migrations")
    on = line(planned("3.26.0", **runs(few)), "migrations")

    assert found.evidence == (
        "tti-lw-stack ns-db migrate (3.25.0); may be left out",
        "not noc-db: no noc runs here",
        "not is-db: no is runs here",
        "not storage-db: the storage integration is switched off",
    )
    assert "tti-lw-stack storage-db migrate (3.21.0, 3.26.0)" in on.evidence
    told = line(planned("3.26.0", **runs(few), stack_parameter_info=off, incomplete=["stacks"]), "migrations")
    assert told.evidence == found.evidence
    unknown = line(planned("3.26.0", **runs(few), incomplete=["versions"]), "migrations")
    assert unknown.answer == "unknown"
    assert "tti-lw-stack is-db migrate (3.21.0, 3.23.0, 3.24.0)" in unknown.evidence


def test_each_database_from_what_its_own_component_runs() -> None:
    """A leftover of long ago does not bring the migrations back of databases that it does not use."""
    found = planned("3.36.2", **runs(dict.fromkeys(COMPONENTS, "3.35.2") | {"prometheus": "3.29.2"}))

    assert line(found, "migrations").evidence == ("tti-lw-stack noc-db migrate (3.36.0)",)


def test_unknown_release_is_planned_as_far_as_known() -> None:
    """Of a release that the table lacks the plan says how far it knows, and that this is not all."""
    found = planned("3.37.0", staging=twin("3.37.0"))

    assert found.answer == "unknown"
    assert line(found, "migrations").evidence[0] == "as far as is known here, up to 3.36.2:"
    assert line(found, "traps").answer == "unknown"
    assert "before 3.18.0" in line(planned("3.10.0"), "migrations").evidence[0]


def test_traps_are_those_of_the_own_stacks() -> None:
    """A trap is told where a stack of its templates goes past it, whatever runs; others only programs are told."""
    stacks = dict.fromkeys(TEMPLATES, "3.36.1") | {"2-5-db-timescale-master": "3.34.1"}
    behind = line(planned(**made_of(stacks)), "traps")
    far = line(planned(**healthy("3.31.1")), "traps")
    stacks = {template: "3.31.1" for template in TEMPLATES if "timescale" not in template}
    without_timescaledb = line(planned(**(healthy("3.31.1") | made_of(stacks))), "traps")

    assert [each.partition(":")[0] for each in behind.evidence] == ["3.34.1"]
    assert [each.partition(":")[0] for each in far.evidence] == ["3.32.0", "3.32.0", "3.32.3"]
    assert [each.partition(":")[0] for each in without_timescaledb.evidence] == ["3.32.0", "3.32.0"]
    assert without_timescaledb.left_out == (
        "3.32.3, 2-5-db-timescale-master, 2-6-db-timescale-replica: there is no stack of it",
    )
    past = line(planned(**runs(dict.fromkeys(COMPONENTS, "3.31.1"))), "traps")
    assert past.evidence == ("none",)
    assert "3.32.0, 5-2-ecs-ops: its stacks are past it" in past.left_out


def test_documented_exceptions_to_the_order() -> None:
    """What a release wants done before and after all else is at the two ends, for the stacks that there are."""
    found = planned("3.31.1", **healthy("3.29.2"))
    prepare = [(step.template, step.words) for step in found.steps if step.kind == "prepare"]

    assert [step.kind for step in found.steps][: len(prepare) + 1] == ["prepare", "snapshot", "prepare", "prepare"]
    assert prepare == [
        ("5-4-ecs-services", "set ApplicationServerStorageReplicaEnabled=false, and keep the template (3.30.2)"),
        ("2-5-db-timescale-master", "3.29.2 to 3.31.1: update, which removes the replicas (3.30.2)"),
        ("2-6-db-timescale-replica", "deploy one stack for each replica (3.30.2)"),
    ]
    assert [(step.kind, step.template) for step in found.steps][-1] == ("finish", "5-4-ecs-services")
    past, upto = planned("3.31.1", **healthy("3.30.2")), planned("3.30.2", **healthy("3.30.1"))
    assert [{step.kind for step in each.steps} >= {"prepare", "finish"} for each in (past, upto)] == [False, True]
    without_timescaledb = {template: "3.29.2" for template in TEMPLATES if "timescale" not in template}
    kinds = {step.kind for step in planned("3.31.1", **(healthy("3.29.2") | made_of(without_timescaledb))).steps}
    assert not kinds & {"prepare", "finish", "snapshot"}
    before_replicas = {
        template: release for template, release in dict.fromkeys(TEMPLATES, "3.29.2").items() if "2-6" not in template
    }
    found = planned("3.31.1", **(healthy("3.29.2") | made_of(before_replicas) | switched("true")))
    assert [step.resource for step in found.steps if step.kind == "prepare"][-1] == "2-6-db-timescale-replica"


def switched(value: str) -> dict[str, Any]:
    """Whether the Application Server uses replicas of TimescaleDB."""
    return {"stack_parameter_info": {(f"{PROD}-5-4-ecs-services", "ApplicationServerStorageReplicaEnabled", value)}}


MASTER, REPLICA = "2-5-db-timescale-master", "2-6-db-timescale-replica"


@pytest.mark.parametrize(
    ("used", "families", "incomplete"),
    [
        (False, {}, ()),
        (False, switched("false"), ()),
        (True, switched("true"), ()),
        (True, switched("false") | made_of(dict.fromkeys(TEMPLATES, "3.29.2")), ()),
        (True, {"stack_parameter_info": None}, ("stacks",)),
    ],
)
def test_replicas_are_made_anew_where_there_are_any(
    used: bool, families: dict[str, Any], incomplete: Sequence[str]
) -> None:
    """Nobody is told to deploy replicas who uses none; of whom that is not known is told so."""
    stacks = {template: "3.29.2" for template in TEMPLATES if template != REPLICA}
    given = healthy("3.29.2") | made_of(stacks) | families
    found = planned("3.31.1", incomplete=incomplete, **given)
    told = [step for step in found.steps if step.kind in ("prepare", "finish")]

    assert len(told) == (4 if used else 0)
    assert any("Replica" in step.words for step in found.steps) is used
    assert {"is on here is not known" in step.words for step in told} <= {bool(incomplete)}
    assert [step.kind for step in found.steps if step.template == MASTER] == [
        "snapshot", "prepare" if used else "update",
    ]  # fmt: skip


def test_snapshot_comes_before_what_is_prepared() -> None:
    """Where a release wants TimescaleDB updated before all else, its snapshot is older still; each is taken once."""
    stacks = dict.fromkeys(TEMPLATES, "3.29.2")
    volumes = {("timescaledb", VOLUME, "optional", f"{PROD}-{MASTER}"),
               ("timescaledb", "vol-2", "optional", f"{PROD}-{REPLICA}")}  # fmt: skip
    found = planned("3.31.1", **(healthy("3.29.2") | made_of(stacks) | {"backup_store_info": volumes})).steps
    of = [(step.kind, step.resource) for step in found if step.template in (MASTER, REPLICA)]

    assert of == [
        ("snapshot", VOLUME),
        ("prepare", f"{PROD}-{MASTER}"),
        ("snapshot", "vol-2"),
        ("prepare", f"{PROD}-{REPLICA}"),
        ("update", f"{PROD}-{REPLICA}"),
    ]


def test_what_is_updated_before_all_else_is_not_updated_again() -> None:
    """But for an update that is for the time being, as one with another parameter is."""
    found = planned("3.24.0", **healthy("3.23.2")).steps
    early, late = "5-8a-certs-le", "5-3a-ecs-is-service"

    assert [(step.kind, step.words) for step in found if step.template == early] == [
        ("prepare", "3.23.2 to 3.24.0: update (3.24.0)")
    ]
    assert [step.kind for step in found if step.template == late] == ["prepare", "update"]


def test_new_and_removed_templates() -> None:
    """A mandatory template without a stack is deployed in its place; stacks of removed templates go at the end."""
    stacks = {template: "3.36.1" for template in TEMPLATES if template != "4-2b-configuration-rate-limiting"}
    found = planned(
        **made_of(stacks | {"200-1-crypto": "3.23.2"}),
        stack_expected_present={"4-2b-configuration-rate-limiting": 0, "1-1-vpc": 1},
    )
    kinds = [(step.kind, step.template) for step in found.steps]
    at = kinds.index(("deploy", "4-2b-configuration-rate-limiting"))

    assert (kinds[at - 1][1], kinds[at + 1][1]) == ("4-2a-configuration", "4-2c-configuration-resource-limiting")
    assert kinds[-1] == ("remove", "200-1-crypto")
    assert found.answer == "yes"


def test_snapshot_comes_before_its_stack() -> None:
    """Each volume of TimescaleDB is backed up right before the stack that has it."""
    kinds = [(step.kind, step.resource) for step in planned().steps]
    at = kinds.index(("snapshot", VOLUME))

    assert kinds[at + 1] == ("update", f"{PROD}-2-5-db-timescale-master")
    assert kinds.count(("snapshot", VOLUME)) == 1


def test_secondary_cluster_needs_no_stopover_of_the_identity_server() -> None:
    """Only databases that a cluster has make it stop on the way."""
    everything = line(planned("3.24.0", **healthy("3.19.1")), "stopovers")
    secondary = line(planned("3.24.0", **runs(dict.fromkeys(("gs", "ns", "as", "js"), "3.19.1"))), "stopovers")

    assert (everything.answer, secondary.answer) == ("no", "yes")
    assert "3.19.2" in everything.evidence[0]
    assert secondary.left_out == ("3.19.2 for is-db: no is runs here",)


RELEASES = st.sampled_from(sorted(load().releases))


@given(RELEASES, RELEASES)
@settings(deadline=None, max_examples=60)
def test_any_way_up(before: Version, after: Version) -> None:
    """Whatever lies between two releases is in the plan once, in order; and no way leads down."""
    found = planned(str(after), staging=twin(str(after)), **healthy(str(before)))
    due = [step.resource for step in found.steps if step.kind == "migrate"]
    named = {each.database for each in migrations_between(before, after)}
    updates = [CURRENT_ORDER[step.template] for step in found.steps if step.kind == "update"]
    early = [step.template for step in found.steps if step.words.startswith(f"{before} to {after}: ")]

    assert set(due) == named
    assert updates == sorted(updates)
    everything = sorted(map(CURRENT_ORDER.__getitem__, TEMPLATES)) if before < after else []
    assert sorted([*updates, *(CURRENT_ORDER[template] for template in early)]) == everything
    if after < before:
        assert found.answer == "no"
    elif stopovers_between(before, after):
        assert line(found, "stopovers").answer == "no"
    else:
        assert found.answer == "yes"
    crossed = {f"{trap.version}: {trap.text}" for trap in traps_between(before, after) if before < after}
    told = set(line(found, "traps").evidence) - {"none"}
    assert told == (crossed if before < after else set())


CURRENT_ORDER = {template: index for index, template in enumerate(CURRENT)}
COMPONENT_VERSIONS = st.dictionaries(
    st.sampled_from(COMPONENTS), st.sampled_from(["3.3.9", "3.9.0", "3.10.0", "3.36.1", "3.36.2", "3.99.0"])
)


@given(COMPONENT_VERSIONS, st.sampled_from(["3.0.0", "3.9.9", "3.36.2", "3.36.10", "3.100.0"]))
@settings(deadline=None, max_examples=60)
def test_versions_compare_as_numbers(releases: dict[str, str], target: str) -> None:
    """Whatever runs, there is a plan, and an upgrade that one component is past is a downgrade."""
    found = planned(target, **runs(releases))
    highest = max((version(each) for each in releases.values()), default=None)

    expected = "unknown" if highest is None else "no" if highest > version(target) else "yes"
    assert line(found, "newer").answer == expected


def plans() -> list[Plan]:
    """One that is fine, and one with every kind of answer and what would break a report."""
    nasty = "</td><script>alert(1)</script>|`*_\x1b[31m"
    bad = planned(incomplete=["change_sets"], health_events={("ECS", "issue"): 1}, **in_status(f"UPDATE_FAILED{nasty}"))
    return [planned(), bad]


def test_json() -> None:
    """The document for programs has every line and step, and what does not apply."""
    read = json.loads(as_json(plans()))

    assert [each["answer"] for each in read["plans"]] == ["yes", "no"]
    assert (read["schema_version"], read["generated_at"]) == (1, "2026-11-22T12:00:00Z")
    first = read["plans"][0]
    assert (first["deployment"], first["target"]) == (PROD, "3.36.2")
    assert {each["answer"] for each in first["lines"]} <= {"yes", "no", "unknown", "info"}
    assert first["steps"][0] == {
        "kind": "update", "resource": f"{PROD}-1-1-vpc", "template": "1-1-vpc", "words": "3.36.1 to 3.36.2"
    }  # fmt: skip
    left_out = json.loads(as_json([planned(**runs(dict.fromkeys(COMPONENTS, "3.31.1")))]))["plans"][0]["lines"]
    assert any(each["does_not_apply"] for each in left_out)


def test_junit_counts() -> None:
    """What is in the way fails, or is an error if nobody knows it; what does not block is skipped."""
    root = ET.fromstring(as_junit(plans()))
    good, bad = root.findall("testsuite")
    outcomes = {case.get("name"): [child.tag for child in case] for case in bad.iter("testcase")}

    assert [good.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["17", "0", "0", "0"]
    assert outcomes["stacks_sound"] == ["failure"]
    assert outcomes["change_sets"] == ["error"]
    assert outcomes["aws_health"] == ["skipped"]
    assert [bad.get(name) for name in ("failures", "errors", "skipped")] == ["1", "1", "1"]
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["34", "1", "1", None]


def test_documents_for_people() -> None:
    """Markdown has one row for each question and a box for each step; HTML stands alone; nothing gets out of them."""
    markdown, html = as_markdown(plans()), as_html(plans())

    assert len(re.findall(r"^\| [*a-z]+ \| .*\?", markdown, re.MULTILINE)) == 34
    assert markdown.count(". [ ] ") == 2 * len(planned().steps)
    assert not re.search(r"(?<!\\)<script", markdown)
    assert "\x1b" not in markdown
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in markdown.splitlines() if row.startswith("| "))
    assert "<script" not in html
    assert not re.search(r"(src|href)=\"(?!#|data:)", html)


@pytest.mark.parametrize("terminal", [False, True])
def test_table(terminal: bool) -> None:
    """A pipe gets plain lines, however long; a terminal colours in its width, and nothing else that commands it."""

    class File(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    file = File()
    write(plans(), "table", file)
    text = re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()) if terminal else file.getvalue()

    assert ("\x1b[" in file.getvalue()) is terminal
    assert "\x1b" not in text
    assert "May it be upgraded to 3.36.2 today? yes, by all that AWS tells" in text
    assert "no (stacks sound: no; change sets: unknown)" in text
    assert text.count("take a snapshot of vol-1") == 2
    assert (max(map(len, text.splitlines())) <= 80) is terminal


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin.in_thread(World.load(run.EXAMPLE)) as running:
        yield running


@pytest.fixture
def upgrade(standin: Standin, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `audit --upgrade-to` on the demo's deployments."""
    config = tmp_path / "config.yaml"
    assert isinstance(standin.world, World)
    fast = {"rate_limits": {"cloudformation": {"burst": 1000, "per_second": 1000}}}
    config.write_text(yaml.safe_dump({**run.configuration(standin.world), "aws": fast}))

    def call(*flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "exporter", "audit", "--config.file", str(config), "--upgrade-to", *flags],
            env=run.environment(standin, standin.world.default_account, "eu-west-1"),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def test_demo_production(upgrade: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Production of the demo has to wait for its staging twin, which is half-way; nothing else says no."""
    ended = upgrade("3.36.2", "--output", "json")
    (found,) = json.loads(ended.stdout)["plans"]
    blocking = {each["name"]: each["answer"] for each in found["lines"] if each["blocks"] and each["answer"] != "yes"}

    assert (ended.returncode, ended.stderr) == (1, "")
    assert (found["deployment"], found["answer"]) == (PROD, "no")
    assert blocking == {"staging": "no", "drift": "unknown", "templates": "info"}
    staging = next(each["evidence"] for each in found["lines"] if each["name"] == "staging")
    assert staging[0].startswith(f"{STAGING} still runs 3.29.2 (prometheus), 3.35.2 (ars, console,")
    assert [step["kind"] for step in found["steps"]].count("update") == 29


def test_demo_unknown_release_and_staging(upgrade: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A release that is not known is said to be so; staging is planned when it is chosen, with what is wrong there."""
    ended = upgrade("3.37.0", "--deployment", "*", "--output", "json")
    production, staging = json.loads(ended.stdout)["plans"]

    def answers(found: dict[str, Any]) -> dict[str, str]:
        return {each["name"]: each["answer"] for each in found["lines"]}

    assert ended.returncode == 1
    assert answers(production)["release"] == answers(production)["migrations"] == "unknown"
    assert staging["deployment"] == STAGING
    assert "staging" not in answers(staging)
    wrong = {name for name, answer in answers(staging).items() if answer == "no"}
    assert wrong == {"one_version", "stacks_sound", "drift", "backups", "snapshots", "change_sets", "findings"}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("3.36",), "expected a release of The Things Stack"),
        (("4.0.0",), "expected a release of The Things Stack"),
        (("3.37.0-rc1",), "expected a release of The Things Stack"),
        (("latest",), "expected a release of The Things Stack"),
        (("3.36.2", "--fail-on", "critical"), "--upgrade-to goes with --deployment and --output alone"),
        (("3.36.2", "--deployment", "acme-prod-eu2"), "acme-prod-eu2"),
    ],
)
def test_bad_input(flags: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no release, and what makes no sense, ends with 2 and a sentence, before anything is read."""
    config = tmp_path / "config.yaml"
    config.write_text("deployments: [{network: acme, environment: prod, cluster: eu1, region: eu-west-1}]")

    assert cli.main(["audit", "--config.file", str(config), "--upgrade-to", *flags]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
