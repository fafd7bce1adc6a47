"""Best practices of certificates, target groups, listeners and secrets, on facts made by hand."""

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
from exporter.config_expect import Certificates
from exporter.deployment import Deployment
from exporter.practice import Practice
from exporter.practices.network import PRACTICES

HOUR, DAY = 3_600.0, 86_400.0
of = partial(row, PRACTICES)
HERE = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())

# --- Certbot


@pytest.mark.parametrize(
    ("enabled", "every", "compliant"),
    [
        (1, 2 * DAY, True),
        (1, 14 * DAY, True),
        (1, 14 * DAY + 1, False),
        (1, 31 * DAY, False),
        (1, None, None),
        (0, 2 * DAY, False),
        (0, None, False),
    ],
)
def test_certbot_runs(deployment: Deployment, enabled: int, every: float | None, compliant: bool | None) -> None:
    """BP-59: a schedule that is on and runs every 14 days at least; an irregular one is unknown."""
    known = facts(
        deployment,
        ecs_scheduled_task_enabled={"certbot": enabled},
        ecs_scheduled_task_interval_seconds={} if every is None else {"certbot": every},
    )

    assert verdicts(of("BP-59", "warning"), known) == {"certbot": compliant}


def certificates(**left: float | None) -> dict[str, Any]:
    """Certificates in use, each of a domain of its own, with the time that is left to each; None where unknown."""
    return {
        "acm_certificate_info": {(name, f"{name}.example", "IMPORTED") for name in left},
        "acm_certificate_expiry_timestamp_seconds": {
            (name, f"{name}.example"): AS_OF + seconds for name, seconds in left.items() if seconds is not None
        },
        "acm_certificate_listeners": {(name, f"{name}.example"): 2 for name in left},
        "acm_certificate_issued": {(name, f"{name}.example"): 1 for name in left},
        "acm_certificate_in_use": {(name, f"{name}.example"): 1 for name in left},
    }


SOON, LATER = certificates(a=8 * DAY), certificates(a=21 * DAY)
UNUSED = {f"acm_certificate_{family}": {("a", "a.example"): 0} for family in ("listeners", "in_use")}


@pytest.mark.parametrize(
    ("enabled", "families", "incomplete", "compliant"),
    [
        (0, SOON, [], False),
        (0, LATER, [], True),
        (0, certificates(a=21 * DAY - 1), [], False),
        (0, certificates(a=-DAY), [], False),
        (0, certificates(a=90 * DAY, b=DAY), [], False),
        (1, SOON, [], True),
        (0, certificates(), [], True),
        # While certificates are not known there may be one that expires; what expires, expires.
        (0, certificates(), ["certificates"], None),
        (0, LATER, ["certificates"], None),
        (0, SOON, ["certificates"], False),
        (0, certificates(a=90 * DAY, b=None), [], None),
        (0, LATER | {"acm_certificate_listeners": {}, "acm_certificate_in_use": {}}, [], None),
        (0, LATER | {"acm_certificate_listeners": {("a", "a.example"): 0}, "acm_certificate_in_use": {}}, [], None),
        (1, certificates(), ["certificates"], True),
        # Those that ACM renews by itself, and those that nothing serves, do not wait for certbot.
        (0, SOON | {"acm_certificate_info": {("a", "a.example", "AMAZON_ISSUED")}}, [], True),
        (0, SOON | UNUSED, [], True),
        # That a listener serves beside its default one.
        (0, SOON | {"acm_certificate_listeners": {("a", "a.example"): 0}}, [], False),
    ],
)
def test_certbot_is_off(
    deployment: Deployment, enabled: int, families: dict[str, Any], incomplete: list[str], compliant: bool | None
) -> None:
    """BP-59: a schedule that is off is critical while what certbot imported and a listener serves is about to end."""
    known = facts(
        deployment,
        ecs_scheduled_task_enabled={"certbot": enabled},
        ecs_scheduled_task_interval_seconds={"certbot": 60 * DAY},  # a warning alone
        incomplete=incomplete,
        **families,
    )

    assert verdicts(of("BP-59", "critical"), known) == {"certbot": compliant}


@pytest.mark.parametrize(
    ("left", "fact"),
    [
        (8.5 * DAY, "the schedule is disabled, and a certificate in use expires in 8.5 days"),
        (1, "the schedule is disabled, and a certificate in use expires in 0.0 days"),
        (0, "the schedule is disabled, and a certificate in use is expired"),
        (-DAY, "the schedule is disabled, and a certificate in use is expired"),
        (90 * DAY, "the schedule is disabled; no certificate in use expires soon"),
    ],
)
def test_what_expires_is_said(deployment: Deployment, left: float, fact: str) -> None:
    """BP-59: the verdict says how much time is left."""
    known = facts(deployment, ecs_scheduled_task_enabled={"certbot": 0}, **certificates(a=left))

    assert judged(of("BP-59", "critical"), known)["certbot"].fact == fact


SCHEDULED, MADE_BY_HAND = ("certbot", "5-8b-ecs-certbot-scheduled-task", ""), ("certs", "5-8a-certs-le", "")


@pytest.mark.parametrize(
    ("stacks", "families", "incomplete", "warning", "critical"),
    [
        ({SCHEDULED, MADE_BY_HAND}, LATER, [], {"certbot": False}, {"certbot": True}),
        ({MADE_BY_HAND}, LATER, [], {"certs": False}, {"certs": True}),
        ({MADE_BY_HAND}, SOON, [], {"certs": False}, {"certs": False}),
        ({SCHEDULED}, SOON, ["scheduled_tasks"], {"certbot": None}, {"certbot": None}),
        ({("vpc", "1-1-vpc", "")}, SOON, [], {}, {}),
    ],
)
def test_no_schedule(
    deployment: Deployment,
    stacks: set[tuple[str, str, str]],
    families: dict[str, Any],
    incomplete: list[str],
    warning: dict[str, bool | None],
    critical: dict[str, bool | None],
) -> None:
    """BP-59: stacks of certbot without any rule are a warning, critical while a certificate ends; unread is unknown."""
    known = facts(deployment, stack_info=stacks, incomplete=incomplete, **families)

    assert verdicts(of("BP-59", "warning"), known) == warning
    assert verdicts(of("BP-59", "critical"), known) == critical


def test_that_there_is_no_schedule_is_said(deployment: Deployment) -> None:
    """BP-59: a missing rule is called missing, not disabled; where there is a rule, stacks are not asked."""
    known = facts(deployment, stack_info={SCHEDULED}, **SOON)
    assert judged(of("BP-59", "warning"), known)["certbot"].fact == "there is no rule that starts certbot"
    assert judged(of("BP-59", "critical"), known)["certbot"].fact == (
        "there is no rule that starts certbot, and a certificate in use expires in 8.0 days"
    )

    ruled = facts(deployment, stack_info={SCHEDULED}, ecs_scheduled_task_enabled={"rule": 1})
    assert verdicts(of("BP-59", "critical"), ruled) == {"rule": True}


# --- Certificates


@pytest.mark.parametrize(
    ("left", "critical", "warning", "fact"),
    [
        (90 * DAY, True, True, "in use, expires in 90.0 days"),
        (21 * DAY, True, True, "in use, expires in 21.0 days"),
        (21 * DAY - 1, True, False, "in use, expires in 21.0 days"),
        (7 * DAY, True, False, "in use, expires in 7.0 days"),
        (7 * DAY - 1, False, False, "in use, expires in 7.0 days"),
        (1, False, False, "in use, expires in 0.0 days"),
        (0, False, False, "in use, and expired"),
        (-DAY, False, False, "in use, and expired"),
    ],
)
def test_expiry(deployment: Deployment, left: float, critical: bool, warning: bool, fact: str) -> None:
    """BP-60: less than 21 days left is a warning, less than 7 critical, each since the moment that it was so."""
    known = facts(deployment, **certificates(a=left))

    for impact, compliant, limit in (("critical", critical, 7 * DAY), ("warning", warning, 21 * DAY)):
        verdict = judged(of("BP-60", impact), known)["a"]
        assert (verdict.compliant, verdict.fact) == (compliant, fact)
        assert verdict.since == (None if compliant else AS_OF + left - limit)


def test_expiry_is_as_configured_and_as_of_the_reading(deployment: Deployment) -> None:
    """BP-60: the limits are those of the configuration, and what is left is counted from when it was read."""
    strict = replace(deployment, expect=Expect(certificates=Certificates(page=10 * DAY, ticket=30 * DAY)))
    known = facts(strict, **certificates(a=20 * DAY), read_at=AS_OF - 9 * DAY)
    assert verdicts(of("BP-60", "critical"), known) == {"a": True}
    assert verdicts(of("BP-60", "warning"), known) == {"a": False}

    expected = of("BP-60", "warning").expected
    assert not isinstance(expected, str)
    assert expected(strict.expect) == "at least 30d left, and in use when renewed"


@given(st.dictionaries(st.sampled_from("abc"), st.floats(-1e7, 1e8)))
def test_expiry_by_time(left: dict[str, float]) -> None:
    """BP-60: each certificate in use is judged by its own end."""
    families = certificates(**left)
    known = facts(HERE, **families)
    ends = {
        name: families["acm_certificate_expiry_timestamp_seconds"][name, f"{name}.example"] - AS_OF for name in left
    }

    assert verdicts(of("BP-60", "critical"), known) == {name: end >= 7 * DAY for name, end in ends.items()}
    assert verdicts(of("BP-60", "warning"), known) == {name: end >= 21 * DAY for name, end in ends.items()}


def test_certificates_that_were_not_read(deployment: Deployment) -> None:
    """BP-60: one in use whose end is not known, and one of which is not known whether it is in use, are unknown."""
    families = certificates(used=None, maybe=DAY, idle=DAY)
    families["acm_certificate_listeners"] = {("used", "used.example"): 1, ("idle", "idle.example"): 0}
    families["acm_certificate_in_use"] = {("idle", "idle.example"): 0}
    known = facts(deployment, **families)

    assert verdicts(of("BP-60", "critical"), known) == {"used": None, "maybe": None}
    assert verdicts(of("BP-60", "warning"), known) == {"used": None, "maybe": None}


def test_certificates_beside_the_default_one(deployment: Deployment) -> None:
    """BP-60: one that no listener serves by default, but that AWS says is in use, expires for somebody."""
    families = certificates(a=DAY)
    families["acm_certificate_listeners"] = {("a", "a.example"): 0}

    assert verdicts(of("BP-60", "critical"), facts(deployment, **families)) == {"a": False}
    assert verdicts(of("BP-60", "warning"), facts(deployment, **families)) == {"a": False}
    assert verdicts(of("BP-60", "critical"), facts(deployment, **families | UNUSED)) == {}


def renewed(old: float = 30, new: float = 80, domain: str = "x.example", **changes: Any) -> dict[str, Any]:
    """A certificate in use, and a newer one of the same domain that nothing uses, with the days that are left."""
    families: dict[str, Any] = {
        "acm_certificate_expiry_timestamp_seconds": {
            ("old", "x.example"): AS_OF + old * DAY,
            ("new", domain): AS_OF + new * DAY,
        },
        "acm_certificate_listeners": {("old", "x.example"): 5, ("new", "x.example"): 0},
        "acm_certificate_issued": {("old", "x.example"): 1, ("new", "x.example"): 1},
        "acm_certificate_in_use": {("old", "x.example"): 1, ("new", "x.example"): 0},
    }
    return families | {f"acm_certificate_{name}": series for name, series in changes.items()}


def test_unused_renewal(deployment: Deployment) -> None:
    """BP-60: a newer certificate for the domain in use that no listener uses is a warning, and nothing critical."""
    known = facts(deployment, **renewed())

    found = judged(of("BP-60", "warning"), known)

    assert {name: each.compliant for name, each in found.items()} == {"old": True, "new": False}
    assert found["new"].fact == "newer than the one in use for x.example, but no listener uses it"
    assert verdicts(of("BP-60", "critical"), known) == {"old": True}


@pytest.mark.parametrize(
    "families",
    [
        renewed(issued={("old", "x.example"): 1, ("new", "x.example"): 0}),
        renewed(in_use={("old", "x.example"): 1, ("new", "x.example"): 1}),  # beside a listener's default one
        renewed(in_use={("old", "x.example"): 1}),
        renewed(old=80, new=30),
        renewed(old=80, new=80),
        renewed(domain="y.example"),
        renewed(
            listeners={("new", "x.example"): 0, ("old", "x.example"): 0},
            in_use={("new", "x.example"): 0, ("old", "x.example"): 0},
        ),
    ],
)
def test_certificates_that_are_no_renewal(deployment: Deployment, families: dict[str, Any]) -> None:
    """BP-60: one that is not issued, used elsewhere, older, of another domain, or beside none in use, is no finding."""
    assert verdicts(of("BP-60", "warning"), facts(deployment, **families)).get("new") is not False


def test_renewal_of_two_certificates_in_use(deployment: Deployment) -> None:
    """BP-60: where two certificates of a domain are in use, a renewal is newer than both."""
    families = renewed()
    families["acm_certificate_expiry_timestamp_seconds"]["newest", "x.example"] = AS_OF + 85 * DAY
    families["acm_certificate_listeners"]["newest", "x.example"] = 1

    assert verdicts(of("BP-60", "warning"), facts(deployment, **families)) == {"old": True, "newest": True}


# --- Tenants' names


@pytest.mark.parametrize(
    ("tenants", "wild", "compliant"),
    [
        (1, {"a": 1}, {"a": True}),
        (1, {"a": 0}, {"a": False}),
        (1, {"a": 0, "b": 1}, {"a": True, "b": True}),
        (1, {"a": 0, "b": 0}, {"a": False, "b": False}),
        (1, {"a": None}, {"a": None}),
        (1, {"a": 0, "b": None}, {"a": None, "b": None}),
        (0, {"a": 0}, {"a": True}),
        (0, {"a": None}, {"a": True}),
        (None, {"a": 0}, {"a": None}),
        (None, {"a": 1}, {"a": True}),
    ],
)
def test_wildcard(
    deployment: Deployment, tenants: int | None, wild: dict[str, float | None], compliant: dict[str, bool | None]
) -> None:
    """BP-61: a network with tenants has a wildcard on one of the certificates that are served."""
    known = facts(
        deployment,
        **certificates(**dict.fromkeys(wild, 90 * DAY)),
        acm_certificate_wildcard={(name, f"{name}.example"): on for name, on in wild.items() if on is not None}
        | {("idle", "idle.example"): 1},
        tenancy_multi_tenant={} if tenants is None else {(): tenants},
        dns_alias_evaluates_target_health={"x.example": 1},
    )

    assert verdicts(of("BP-61", "warning"), known) == compliant


@pytest.mark.parametrize(
    ("aliases", "incomplete", "compliant", "fact"),
    [
        ({"x.example": 1, "*.x.example": 1}, [], True, "a wildcard"),
        ({"x.example": 1, "*.x.example": 0}, [], False, "the alias of *.x.example does not evaluate target health"),
        ({}, [], None, ""),
        ({}, ["certificates"], None, ""),
        ({"x.example": 0}, ["certificates"], False, "the alias of x.example does not evaluate target health"),
    ],
)
def test_aliases(
    deployment: Deployment, aliases: dict[str, float], incomplete: list[str], compliant: bool | None, fact: str
) -> None:
    """BP-61: each alias of the load balancer looks at its health; where no record was read, none is known."""
    known = facts(
        deployment,
        **certificates(a=90 * DAY),
        acm_certificate_wildcard={("a", "a.example"): 1},
        tenancy_multi_tenant={(): 1},
        dns_alias_evaluates_target_health=aliases,
        incomplete=incomplete,
    )

    verdict = judged(of("BP-61", "warning"), known)["a"]

    assert (verdict.compliant, verdict.fact) == (compliant, fact)


def test_all_that_is_wrong_is_said(deployment: Deployment) -> None:
    """BP-61: one certificate, one verdict: a missing wildcard and a blind alias are said together."""
    known = facts(
        deployment,
        **certificates(a=90 * DAY),
        acm_certificate_wildcard={("a", "a.example"): 0},
        tenancy_multi_tenant={(): 1},
        dns_alias_evaluates_target_health={"x.example": 0},
    )

    assert judged(of("BP-61", "warning"), known)["a"].fact == (
        "no wildcard, though the network has tenants; the alias of x.example does not evaluate target health"
    )


# --- Target groups


def group(health: dict[str, float], zones: float | None = 2, balancer: str = "lb") -> dict[str, Any]:
    """A target group with so many targets in each state."""
    return {
        "lb_target_group_info": {(balancer, "gs", "TCP", "ip")},
        "lb_target_group_targets": {(balancer, "gs", "1882", state): count for state, count in health.items()},
        "lb_target_group_availability_zones": {} if zones is None else {(balancer, "gs"): zones},
    }


@pytest.mark.parametrize(
    ("health", "zones", "critical", "warning"),
    [
        ({"healthy": 2, "unhealthy": 0}, 2, True, True),
        ({"healthy": 2, "unhealthy": 0}, 1, True, False),
        ({"healthy": 2, "unhealthy": 0}, None, True, None),
        ({"healthy": 1, "unhealthy": 1}, 1, True, False),
        ({"healthy": 1, "unhealthy": 0}, None, True, False),
        ({"healthy": 0, "unhealthy": 2}, 0, False, False),
        ({"healthy": 0, "initial": 2}, 0, False, False),
        ({"healthy": 0, "unhealthy.draining": 2}, 0, False, False),
        ({"healthy": 0, "unused": 2}, 0, False, False),  # stopped
        ({"healthy": 0, "unavailable": 2}, 0, None, None),
        ({"healthy": 1, "unavailable": 1}, 1, True, None),
        ({"healthy": 2, "unavailable": 1}, 1, True, None),
        ({"healthy": 2, "unavailable": 1}, 2, True, True),
        ({"healthy": 0, "unavailable": 1}, 0, None, False),
    ],
)
def test_targets(
    deployment: Deployment,
    health: dict[str, float],
    zones: float | None,
    critical: bool | None,
    warning: bool | None,
) -> None:
    """BP-62: no healthy target is critical, fewer than two in two zones a warning; health that is not known is not."""
    known = facts(deployment, **group(health, zones))

    assert verdicts(of("BP-62", "critical"), known) == {"gs": critical}
    assert verdicts(of("BP-62", "warning"), known) == {"gs": warning}


@pytest.mark.parametrize(
    "families",
    [
        group({"healthy": 0, "unhealthy": 0}, 0),
        group({"healthy": 0, "draining": 2}, 0),
        group({"healthy": 0, "unused": 2}, 0, ""),
    ],
)
def test_groups_without_targets(deployment: Deployment, families: dict[str, Any]) -> None:
    """BP-62: a group whose service is off, or that no load balancer uses, gets no traffic and no verdict."""
    for impact in ("critical", "warning"):
        assert verdicts(of("BP-62", impact), facts(deployment, **families)) == {}


def test_groups_that_were_not_read(deployment: Deployment) -> None:
    """BP-62: a group of which only the name is known is unknown, not healthy."""
    families: dict[str, Any] = {"lb_target_group_info": {("lb", "gs", "TCP", "ip"), ("", "nobodys", "TCP", "ip")}}

    for impact in ("critical", "warning"):
        assert verdicts(of("BP-62", impact), facts(deployment, **families)) == {"gs": None}


@pytest.mark.parametrize("balancers", [("a", "b"), ("b", "a")])
def test_groups_of_one_name(deployment: Deployment, balancers: tuple[str, str]) -> None:
    """BP-62: the targets of two load balancers' groups are not mixed up, and one verdict is said of both."""
    families = group({"healthy": 3}, 2, balancers[0])
    for name, series in group({"healthy": 0, "unhealthy": 2}, 0, balancers[1]).items():
        families[name] |= series

    found = judged(of("BP-62", "critical"), facts(deployment, **families))

    assert {name: (each.compliant, each.fact) for name, each in found.items()} == {
        "gs": (False, "0 of 2 targets healthy")
    }
    assert verdicts(of("BP-62", "warning"), facts(deployment, **families)) == {"gs": False}


# --- Listeners


def listener(port: int, protocol: str = "TLS", alpn: str = "", balancer: str = "lb") -> tuple[str, ...]:
    """The labels of a listener."""
    return (balancer, str(port), protocol, alpn, "")


RULES = {("3-2", "3-2-load-balancer-rules", "3.36.1")}


@pytest.mark.parametrize(
    ("listeners", "compliant", "fact"),
    [
        ({listener(8882), listener(443)}, True, "no port of gateways or applications without TLS"),
        ({listener(80, "TCP"), listener(1700, "UDP")}, True, None),
        ({listener(8883, "TCP"), listener(443, "TCP")}, True, None),  # the proxy ends TLS
        ({listener(1883, "TCP"), listener(1882, "TCP")}, False, "listens without TLS on 1882, 1883"),
        ({listener(1883)}, True, None),
        *[({listener(port, "TCP")}, False, None) for port in (1881, 1884, 1887, 1888)],
    ],
)
def test_listeners(deployment: Deployment, listeners: set[Any], compliant: bool, fact: str | None) -> None:
    """BP-63: no listener without TLS on a port of gateways, applications or gRPC; said of the stack that makes it."""
    known = facts(deployment, lb_listener_info=listeners, stack_info=RULES)

    found = judged(of("BP-63", "info"), known)

    assert {name: each.compliant for name, each in found.items()} == {"3-2": compliant}
    assert fact in (None, found["3-2"].fact)


@pytest.mark.parametrize(
    ("stacks", "expected"),
    [
        (RULES, {"3-2": False}),
        (set(), {"one": True, "two": False}),
        (RULES | {("3-2-b", "3-2-load-balancer-rules", "3.36.1")}, {"one": True, "two": False}),
    ],
)
def test_listeners_of_two_load_balancers(
    deployment: Deployment, stacks: set[Any], expected: dict[str, bool | None]
) -> None:
    """BP-63: where not one stack makes the listeners, each load balancer has a verdict of its own."""
    listeners = {listener(8883, balancer="one"), listener(1883, "TCP", balancer="two")}

    known = facts(deployment, lb_listener_info=listeners, stack_info=stacks | {("vpc", "1-1-vpc", "3.36.1")})

    assert verdicts(of("BP-63", "info"), known) == expected


def test_listeners_of_stacks_that_were_not_read(deployment: Deployment) -> None:
    """BP-63: while the stacks are not known, the load balancer is not judged in the place of its stack."""
    families: dict[str, Any] = {"lb_listener_info": {listener(1883, "TCP")}}
    judge = partial(verdicts, of("BP-63", "info"))

    assert judge(facts(deployment, **families, incomplete=["stacks"])) == {}
    assert judge(facts(deployment, **families, stack_info=RULES, incomplete=["stacks"])) == {"3-2": False}


# --- Secrets


def test_secrets(deployment: Deployment) -> None:
    """BP-69: a secret that is about to be deleted, and one that a service needs and that is not there."""
    known = facts(
        deployment,
        secret_last_changed_timestamp_seconds={"license": AS_OF, "noc": AS_OF, "console": AS_OF},
        secret_deletion_timestamp_seconds={"noc": AS_OF + DAY, "gone": AS_OF + DAY},
        required_secret_present={"noc": 0, "console": 1, "missing": 0, "undated": 1},
    )

    found = judged(of("BP-69", "critical"), known)

    assert {name: (each.compliant, each.fact) for name, each in found.items()} == {
        "license": (True, "not scheduled for deletion"),
        "console": (True, "not scheduled for deletion"),
        "undated": (True, "not scheduled for deletion"),
        "noc": (False, "scheduled for deletion"),
        "gone": (False, "scheduled for deletion"),
        "missing": (False, "there is no such secret"),
    }


# --- Tasks


@pytest.mark.parametrize(("count", "compliant"), [(8, True), (9, False), (0, True)])
def test_few_instances(deployment: Deployment, count: int, compliant: bool) -> None:
    """BP-70: DNS names eight tasks; of two clusters' services of one name the larger counts."""
    families: dict[str, Any] = {"ecs_service_running_tasks": {("c", "gs"): count}}
    assert verdicts(of("BP-70", "warning"), facts(deployment, **families)) == {"gs": compliant}

    for others in ({("b", "gs"): 1}, {("d", "gs"): 1}):
        families = {"ecs_service_running_tasks": others | {("c", "gs"): count}}
        assert verdicts(of("BP-70", "warning"), facts(deployment, **families)) == {"gs": compliant}


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
