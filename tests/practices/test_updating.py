"""Best practices of updates: versions of stacks and images, their order, and change sets; on facts made by hand."""

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
from exporter.practices.updating import ORDER, PRACTICES, newest_release, switched_on
from exporter.templates import CURRENT

HOUR, DAY = 3_600.0, 86_400.0
WEEK = 7 * DAY
of = partial(row, PRACTICES)
OURS = ("5-9", "5-9-ecs-aws-exporter", "0.1.0")  # a stack of this project's own
OPS, IS, SERVICES = "5-2-ecs-ops", "5-3a-ecs-is-service", "5-4-ecs-services"


def made_of(*stacks: tuple[str, str, float | None], status: str = "UPDATE_COMPLETE") -> dict[str, Any]:
    """Stacks named after their templates: template, version, and when it was updated after AS_OF, None if unknown."""
    return {
        "stack_info": {(template, template, version) for template, version, _ in stacks},
        "stack_status": {(template, status) for template, _, _ in stacks},
        "stack_last_updated_timestamp_seconds": {template: AS_OF + at for template, _, at in stacks if at is not None},
    }


# --- Order


@pytest.mark.parametrize(
    ("first", "second", "compliant"),
    [
        ((IS, "3.36.1", 0), (OPS, "3.36.1", 1), False),
        ((IS, "3.36.1", 0), (OPS, "3.36.1", 0), True),
        ((IS, "3.36.1", 1), (OPS, "3.36.1", 0), True),
        ((IS, "3.36.1", 0), (OPS, "3.36.1", WEEK - 1), False),
        ((IS, "3.36.1", 0), (OPS, "3.36.1", WEEK), True),  # another upgrade
        ((IS, "3.36.0", 0), (OPS, "3.36.1", HOUR), True),  # has its turn still
        ((IS, "3.36.1", 0), (OPS, "3.36.0", HOUR), True),
        ((IS, "3.36.1", 0), (OPS, "3.36.1", None), True),
        ((IS, "3.36.1", None), (OPS, "3.36.1", 0), None),
        ((IS, "main", 0), (OPS, "3.36.1", 0), None),
    ],
)
def test_order(
    deployment: Deployment,
    first: tuple[str, str, float | None],
    second: tuple[str, str, float | None],
    compliant: bool | None,
) -> None:
    """BP-09: updated to a version before a stack of a lower number was, within the week that counts as one upgrade."""
    found = judged(of("BP-09", "info"), facts(deployment, **made_of(first, second)))

    assert found[IS].compliant is compliant
    assert found[IS].since == (None if compliant is not False else AS_OF)
    assert compliant is not False or found[IS].fact == "updated before 5-2-ecs-ops"


def test_stacks_of_one_template(deployment: Deployment) -> None:
    """BP-09: stacks of one template have no order among them, and each is judged; a template is named once."""
    names = ("general", "cache", "events")
    known = facts(
        deployment,
        stack_info={(name, "2-3-db-redis", "3.36.1") for name in names} | {("vpc", "1-1-vpc", "3.36.1"), OURS}
        | {("alias", "2-5-db-timescale-master", "3.36.1")},
        stack_last_updated_timestamp_seconds={
            **{name: AS_OF + number for number, name in enumerate(names)}, "vpc": AS_OF - 1, "alias": AS_OF - 1
        },
    )  # fmt: skip

    found = judged(of("BP-09", "info"), known)

    assert {name: each.compliant for name, each in found.items()} == {
        "general": True, "cache": True, "events": True, "vpc": True, "alias": False
    }  # fmt: skip
    assert found["alias"].fact == "updated before 2-3-db-redis"


@pytest.mark.parametrize(
    ("template", "version", "compliant"),
    [
        ("5-8a-certs-le", "3.24.0", True),
        ("5-8a-certs-le", "3.24.2", True),
        ("5-3a-ecs-is-service", "3.24.0", True),
        ("5-7-ecs-proxy", "3.24.0", False),
        ("5-8a-certs-le", "3.25.0", False),
        ("2-5-db-timescale-master", "3.30.2", True),
        ("2-6-db-timescale-replica", "3.30.2", True),
        ("2-5-db-timescale-master", "3.31.0", False),
    ],
)
def test_documented_exceptions(deployment: Deployment, template: str, version: str, compliant: bool) -> None:
    """BP-09: where the vendor documents another order on the way to a minor (BP-10), it is no finding."""
    known = facts(deployment, **made_of((template, version, 0), ("1-1-vpc", version, DAY)))

    assert verdicts(of("BP-09", "info"), known)[template] is compliant


def test_what_goes_last_by_the_documents(deployment: Deployment) -> None:
    """BP-09: that 5-4 is updated again at the end of 3.30 puts no stack after it in the wrong."""
    known = facts(deployment, **made_of(("5-7-ecs-proxy", "3.30.2", 0), (SERVICES, "3.30.2", DAY)))

    assert verdicts(of("BP-09", "info"), known) == {"5-7-ecs-proxy": True, SERVICES: True}


@given(st.permutations(list(CURRENT)))
def test_only_the_order_of_the_templates_is_in_order(order: list[str]) -> None:
    """BP-09: whatever the order of an upgrade, those are violated that have a lower number after them."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    known = facts(here, **made_of(*((template, "3.36.1", at) for at, template in enumerate(order))))

    wrong = {name for name, compliant in verdicts(of("BP-09", "info"), known).items() if not compliant}

    assert wrong == {
        name for at, name in enumerate(order) if any(ORDER[after] < ORDER[name] for after in order[at + 1 :])
    }


# --- One version


@pytest.mark.parametrize(
    ("template", "version", "warning", "info"),
    [
        ("2-3-db-redis", "3.36.1", True, True),
        ("2-3-db-redis", "3.36.0", True, True),
        ("2-3-db-redis", "3.35.9", True, False),
        ("2-3-db-redis", "3.34.9", False, False),
        ("5-7-ecs-proxy", "3.35.2", True, False),
        ("4-1-secrets", "3.35.2", False, False),
        ("3-2-load-balancer-rules", "3.35.2", False, False),
        ("3-2-load-balancer-rules", "3.36.0", True, True),
        ("2-3-db-redis", "", False, None),
        ("2-3-db-redis", "main", None, None),
    ],
)
def test_versions_of_stacks(
    deployment: Deployment, template: str, version: str, warning: bool | None, info: bool | None
) -> None:
    """BP-11: a minor behind is an info; two, none, or what configures newer services is a warning."""
    known = facts(deployment, **made_of((SERVICES, "3.36.1", 0), (template, version, 0)), incomplete=["ecs"])

    assert verdicts(of("BP-11", "warning"), known) == {SERVICES: True, template: warning}
    assert verdicts(of("BP-11", "info"), known) == {SERVICES: True} | ({} if info is None else {template: info})


def test_configuration_of_old_services(deployment: Deployment) -> None:
    """BP-11: what configures services may be older than other stacks, as long as the services are as old."""
    known = facts(
        deployment, **made_of(("1-1-vpc", "3.36.1", 0), ("4-1-secrets", "3.35.0", 0), (SERVICES, "3.35.2", 0))
    )

    assert verdicts(of("BP-11", "warning"), known) == {"1-1-vpc": True, "4-1-secrets": True, SERVICES: True}


def test_configuration_of_the_newest_services(deployment: Deployment) -> None:
    """BP-11: what configures services is as new as the newest of them."""
    stacks = made_of(("4-1-secrets", "3.35.0", 0), (SERVICES, "3.36.1", 0), ("5-7-ecs-proxy", "3.35.0", 0))

    assert verdicts(of("BP-11", "warning"), facts(deployment, **stacks)) == {
        "4-1-secrets": False, SERVICES: True, "5-7-ecs-proxy": True
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "compliant"),
    [
        ("UPDATE_COMPLETE", False),
        ("UPDATE_IN_PROGRESS", False),
        ("UPDATE_ROLLBACK_COMPLETE", False),
        ("CREATE_COMPLETE", False),
        ("CREATE_IN_PROGRESS", None),
        ("CREATE_FAILED", None),
        ("ROLLBACK_COMPLETE", None),
        ("DELETE_IN_PROGRESS", None),
    ],
)
def test_stack_without_outputs(deployment: Deployment, status: str, compliant: bool | None) -> None:
    """BP-11: a stack that was not made yet has no outputs, which does not make its template old."""
    known = facts(deployment, **made_of(("2-3-db-redis", "", 0), status=status))

    assert verdicts(of("BP-11", "warning"), known) == {"2-3-db-redis": compliant}
    assert verdicts(of("BP-11", "info"), known) == {}


def test_stacks_of_other_templates(deployment: Deployment) -> None:
    """BP-09, BP-11: removed, unknown and our own templates have no version that a deployment should have."""
    others = {("crypto", "200-1-crypto", "3.23.2"), ("odd", "", "3.1.0"), OURS}
    known = facts(
        deployment, stack_info=others, stack_last_updated_timestamp_seconds={"crypto": AS_OF, "odd": 1, "5-9": 2}
    )

    for number, impact in (("BP-09", "info"), ("BP-11", "warning"), ("BP-11", "info")):
        assert verdicts(of(number, impact), known) == {}


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 120)), min_size=1, max_size=8))
def test_two_minors_behind(versions: list[tuple[int, int]]) -> None:
    """BP-11: what configures nothing is a warning exactly if it is two minors behind the newest, an info if one."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    named = {f"redis-{number}": version for number, version in enumerate(versions)}
    known = facts(here, stack_info={(name, "2-3-db-redis", f"3.{x}.{y}") for name, (x, y) in named.items()})
    newest = max(minor for minor, _ in versions)

    assert verdicts(of("BP-11", "warning"), known) == {name: newest - x < 2 for name, (x, _) in named.items()}
    assert verdicts(of("BP-11", "info"), known) == {name: newest == x for name, (x, _) in named.items()}


# --- Images


def runs(**versions: str) -> dict[str, Any]:
    """What the components run: "3.36.1", several, "" for what nobody knows, also beside one that is known."""
    numbers, found = {}, set()
    for component, given_ in versions.items():
        every = given_.split(" ")
        found |= {(component, version) for version in every if version}
        if "" not in every:
            for bound, version in (("lowest", every[0]), ("highest", every[-1])):
                major, minor, patch = map(int, version.split("."))
                numbers[component, bound] = major * 1_000_000 + minor * 1_000 + patch
    return {
        "component_version_info": found,
        "component_version_number": numbers,
        "ecs_service_info": {("c", f"svc-{name}", name, "FARGATE", "5-4") for name in versions if name != "ops"},
        "ecs_service_running_tasks": {("c", f"svc-{name}"): 2 for name in versions if name != "ops"},
        "container_image_pinned": {("c", f"svc-{name}", "ttes"): 1 for name in versions if name != "ops"},
    }


@pytest.mark.parametrize(
    ("versions", "compliant", "fact"),
    [
        ({"gs": "3.36.1", "is": "3.36.1"}, True, "every image is 3.36.1"),
        ({"gs": "3.36.1", "is": "3.36.2"}, False, "images of 3.36.2, 3.36.1 run side by side"),
        ({"gs": "3.9.0 3.36.1"}, False, "images of 3.36.1, 3.9.0 run side by side"),
        ({"gs": "3.36.1", "is": ""}, None, "the versions of is are not known"),
        ({"gs": "3.36.1 "}, None, "the versions of gs are not known"),
        ({"gs": "3.36.1", "is": "", "ns": "3.36.2"}, False, None),
        ({"gs": "", "is": ""}, None, "the versions of gs, is are not known"),
        ({"gs": "3.36.1", "noc_grafana": "3.30.0"}, True, None),
        ({"gs": "3.36.1", "noc_grafana": ""}, True, None),
        ({"gs": "3.36.1", "ops": "3.35.0"}, True, None),
    ],
)
def test_one_version(
    deployment: Deployment, versions: dict[str, str], compliant: bool | None, fact: str | None
) -> None:
    """BP-12: all services run one release; one whose tag names none may be another. Grafana and ops do not count."""
    verdict = judged(of("BP-12", "warning"), facts(deployment, **runs(**versions)))[deployment.name]

    assert verdict.compliant is compliant
    assert fact in (None, verdict.fact)


def test_what_does_not_run_has_no_version(deployment: Deployment) -> None:
    """BP-12: a service that is switched off, or that runs an image of others, is not asked for its version."""
    known = runs(gs="3.36.1", off="", other="")
    known["ecs_service_running_tasks"]["c", "svc-off"] = 0
    del known["container_image_pinned"]["c", "svc-other", "ttes"]

    assert verdicts(of("BP-12", "warning"), facts(deployment, **known)) == {deployment.name: True}


def test_versions_that_were_not_read(deployment: Deployment) -> None:
    """BP-12: releases of some services, while what others run was not read, are no release of all."""
    known = facts(deployment, component_version_info={("gs", "3.36.1")}, incomplete=["versions"])

    assert verdicts(of("BP-12", "warning"), known) == {deployment.name: None}


# --- Migrations

WITH_OPS = runs(gs="3.36.1", ops="3.36.1")


@pytest.mark.parametrize(
    ("ops", "services", "compliant", "since"),
    [
        (("3.36.1", 0), ("3.36.1", 1), True, None),
        (("3.36.1", 0), ("3.36.1", 0), True, None),
        (("3.36.1", 1), ("3.36.1", 0), False, 0),
        (("3.36.1", WEEK - 1), ("3.36.1", 0), False, 0),
        (("3.36.1", WEEK), ("3.36.1", 0), True, None),
        (("3.36.0", 0), ("3.36.1", 1), True, None),
        (("3.36.2", DAY), ("3.36.1", 0), True, None),  # the next patch, for which the services wait
        (("3.35.2", 0), ("3.36.1", 1), False, 1),
        (("3.36.1", 0), ("3.35.2", 1), True, None),
        (("3.9.0", 0), ("3.36.1", 1), False, 1),
        (("", 0), ("3.36.1", 1), None, None),
        (("3.36.1", None), ("3.36.1", 1), None, None),
        (("3.36.1", 0), ("", 1), None, None),
        (("3.36.1", 0), ("3.36.1", None), None, None),
    ],
)
def test_migrations(
    deployment: Deployment,
    ops: tuple[str, float | None],
    services: tuple[str, float | None],
    compliant: bool | None,
    since: float | None,
) -> None:
    """BP-13: the services got a version before 5-2 did, within a week, or have a minor that it has not."""
    known = facts(deployment, **made_of((OPS, *ops), (SERVICES, *services)), **WITH_OPS)

    verdict = judged(of("BP-13", "warning"), known)[OPS]

    assert verdict.compliant is compliant
    assert verdict.since == (None if since is None else AS_OF + since)


def test_one_of_the_services_was_first(deployment: Deployment) -> None:
    """BP-13: each of 5-3a and 5-4 has to be later; what is known to be wrong is wrong, whatever else is not known."""
    stacks = made_of((OPS, "3.36.1", HOUR), (IS, "3.36.1", 0), (SERVICES, "3.36.1", 2 * HOUR))
    verdict = judged(of("BP-13", "warning"), facts(deployment, **stacks, **WITH_OPS))[OPS]
    assert (verdict.compliant, verdict.fact) == (False, "updated after 5-3a-ecs-is-service")

    stacks = made_of((OPS, "3.36.1", HOUR), (IS, "3.37.0", 0), (SERVICES, "", None))
    verdict = judged(of("BP-13", "warning"), facts(deployment, **stacks))[OPS]
    assert (verdict.compliant, verdict.fact) == (False, "5-3a-ecs-is-service is at 3.37.0 already")


@pytest.mark.parametrize(
    ("ops", "services", "compliant"),
    [
        (3_036_001, {"gs": 3_036_002}, True),
        (3_036_001, {"gs": 3_037_000}, False),
        (3_036_001, {"gs": 3_036_999.5}, False),  # a pre-release of 3.37.0
        (3_036_999.5, {"gs": 3_037_000}, True),
        (3_036_001, {"gs": 3_036_001, "noc_grafana": 3_037_000, "certbot": 3_037_000}, True),
        (3_036_001, {"gs": 3_036_001, "is": 3_037_000}, False),
        (None, {"gs": 3_036_001}, None),
        (3_036_001, {}, None),
        (3_036_001, {"noc_grafana": 3_036_000}, None),
    ],
)
def test_image_of_ops(
    deployment: Deployment, ops: float | None, services: dict[str, float], compliant: bool | None
) -> None:
    """BP-13: the image that migrates is of the services' minor, or newer."""
    numbers = {(name, "highest"): number for name, number in services.items()}
    numbers |= {} if ops is None else {("ops", "highest"): ops}
    known = facts(deployment, **made_of((OPS, "3.36.1", 0), (SERVICES, "3.36.1", 1)), component_version_number=numbers)

    assert verdicts(of("BP-13", "warning"), known) == {OPS: compliant}


def test_no_services_to_migrate_for(deployment: Deployment) -> None:
    """BP-13: without 5-2, or without services, there is nothing that could have been first."""
    for stacks in (made_of((OPS, "3.36.1", 0)), made_of((SERVICES, "3.36.1", 0))):
        assert verdicts(of("BP-13", "warning"), facts(deployment, **stacks, **WITH_OPS)) == {}


# --- Change sets


def test_data_in_danger(deployment: Deployment) -> None:
    """BP-15: each stack without a change set that endangers data complies; what one would replace is said."""
    known = facts(
        deployment,
        stack_info={("vpc", "1-1-vpc", "3.36.1"), ("timescale", "2-5-db-timescale-master", "3.36.1"), OURS},
        change_set_endangers_data={"vpc": 0, "timescale": 1, "volume": 1, "5-9": 0},
        change_set_replacements={("timescale", "AWS::EC2::Volume"): 1, ("timescale", "AWS::EC2::Instance"): 1},
    )

    found = judged(of("BP-15", "critical"), known)

    assert {name: each.compliant for name, each in found.items()} == {
        "vpc": True, "timescale": False, "volume": False
    }  # fmt: skip
    assert found["timescale"].fact == (
        "a pending change set endangers data; it would replace or remove AWS::EC2::Instance, AWS::EC2::Volume"
    )
    assert found["volume"].fact == "a pending change set endangers data"


def test_change_sets_that_were_not_read(deployment: Deployment) -> None:
    """BP-15: of a stack whose change sets were not read they may be anything; one that is gone has none."""
    families: dict[str, Any] = {
        "stack_info": {("vpc", "1-1-vpc", "3.36.1"), ("gone", "2-3-db-redis", "3.36.1")},
        "change_set_endangers_data": {"vpc": 0},
    }
    judge = partial(verdicts, of("BP-15", "critical"))

    assert judge(facts(deployment, **families)) == {"vpc": True}
    assert judge(facts(deployment, **families, incomplete=["change_sets"])) == {"vpc": True, "gone": None}


@pytest.mark.parametrize(
    ("pending", "only_image", "incomplete", "expected"),
    [
        (1, 1, [], {"ts": False}),
        (2, 0, [], {"ts": True}),
        (0, None, [], {"ts": True}),
        (1, None, [], {"ts": None}),
        (None, None, [], {}),
        (None, None, ["change_sets"], {"ts": None}),
    ],
)
def test_only_an_image(
    deployment: Deployment,
    pending: int | None,
    only_image: int | None,
    incomplete: list[str],
    expected: dict[str, bool | None],
) -> None:
    """BP-16: a change set that only brings a new image to TimescaleDB; other stacks are not asked."""
    known = facts(
        deployment,
        stack_info={("ts", "2-6-db-timescale-replica", "3.36.1"), ("ecs", "5-1-ecs-cluster", "3.36.1")},
        change_sets_pending={"ecs": 1} | ({} if pending is None else {"ts": pending}),
        change_set_only_image_changes={"ecs": 1} | ({} if only_image is None else {"ts": only_image}),
        incomplete=incomplete,
    )

    assert verdicts(of("BP-16", "info"), known) == expected


# --- Parameters


@pytest.mark.parametrize(
    ("values", "compliant", "fact"),
    [
        ({"3-2": "true", "4-1": "true"}, True, "on in 3-2, 4-1"),
        ({"3-2": "true", "4-1": "false", "5-7": "false"}, False, "on in 3-2; off in 4-1, 5-7"),
        ({"3-2": "enabled", "4-1": "true"}, True, "on in 3-2, 4-1"),
        ({"3-2": "disabled", "4-1": "False"}, True, "off in 3-2, 4-1"),
        ({"3-2": "true"}, True, "on in 3-2"),
    ],
)
def test_paired_parameters(deployment: Deployment, values: dict[str, str], compliant: bool, fact: str) -> None:
    """BP-22: a parameter has one meaning in all stacks that have it, whatever the word; stacks without do not count."""
    known = facts(
        deployment,
        stack_parameter_info={(f"{deployment.stack_prefix}-{stack}", "SupportProxyTLS", value)
                              for stack, value in values.items()}
        | {("x", "IncludeUDPGatewayServer", "true"), ("y", "IncludeUDPGatewayServer", "false")},
    )  # fmt: skip

    found = judged(of("BP-22", "warning"), known)

    assert {name: (each.compliant, each.fact) for name, each in found.items()} == {"SupportProxyTLS": (compliant, fact)}


def test_parameters_by_name(deployment: Deployment) -> None:
    """BP-22: each parameter is for itself; InteropEnabled has another name in the stack of the Identity Server."""
    known = facts(
        deployment,
        stack_parameter_info={
            ("3-2", "InteropEnabled", "true"),
            ("5-3a", "InteropEnabledIS", "false"),
            ("3-2", "LBSCUPSmTLSEnabled", "false"),
            ("5-8a", "SupportProxyTLS", "true"),
            ("5-8a-b", "SupportProxyTLS", "false"),
        },
    )

    assert verdicts(of("BP-22", "warning"), known) == {
        "InteropEnabled": False, "LBSCUPSmTLSEnabled": True, "SupportProxyTLS": False
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "on"), [("true", True), ("enabled", True), ("False", False), ("disabled", False), ("", False)]
)
def test_switches(value: str, on: bool) -> None:
    """A switch is a word in some versions of the templates and a boolean in others."""
    assert switched_on(value) is on


# --- Support


def late(minors: float, latest: str = "3.36.2") -> tuple[Expect, dict[str, Any]]:
    """What is expected, and a service that is so many minors behind."""
    return Expect(latest_version=latest), {"ecs_service_minors_behind": {("c", "gs"): minors}, **runs(gs="")}


@pytest.mark.parametrize(
    ("minors", "warning", "critical", "fact"),
    [
        (0, True, True, "no older than 3.36"),
        (1, True, True, "runs 3.35, 1 minor behind 3.36.2"),
        (2, False, True, "runs 3.34, 2 minors behind 3.36.2"),
        (3, False, False, "runs 3.33, 3 minors behind 3.36.2"),
    ],
)
def test_support(deployment: Deployment, minors: int, warning: bool, critical: bool, fact: str) -> None:
    """BP-26: the two newest minors are supported; two behind is a warning, three critical."""
    expect, families = late(minors)
    known = facts(replace(deployment, expect=expect), **families)

    assert verdicts(of("BP-26", "warning"), known) == {"gs": warning, "svc-gs": None}
    assert verdicts(of("BP-26", "critical"), known) == {"gs": critical, "svc-gs": None}
    assert judged(of("BP-26", "critical"), known)["gs"].fact == fact


def test_services_without_a_version(deployment: Deployment) -> None:
    """BP-26: a service whose image names no release is unknown; Grafana, and what does not run, is not judged."""
    families = runs(gs="", noc_grafana="", off="")
    families["ecs_service_running_tasks"]["c", "svc-off"] = 0

    assert verdicts(of("BP-26", "critical"), facts(deployment, **families)) == {"svc-gs": None}


def test_services_of_one_name(deployment: Deployment) -> None:
    """BP-26: of services of one name in two clusters the oldest counts."""
    for order in ((0, 5), (5, 0)):
        behind = {("one", "gs"): order[0], ("two", "gs"): order[1]}

        assert verdicts(of("BP-26", "critical"), facts(deployment, ecs_service_minors_behind=behind)) == {"gs": False}


def test_newest_release() -> None:
    """BP-26: the newest release is the configured one, else the newest of those that the exporter knows."""
    assert str(newest_release(Expect(latest_version="3.40.1"))) == "3.40.1"
    assert newest_release(Expect()).minor >= 36
    expected = of("BP-26", "warning").expected
    assert not isinstance(expected, str)
    assert expected(Expect(latest_version="3.40.1")) == "one of the two newest minors; the newest is 3.40.1"


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
