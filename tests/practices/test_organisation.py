"""Best practices of stacks, staging and networks, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from conftest import AS_OF
from facts_of import Watched, facts, judged, row, verdicts
from hypothesis import given
from hypothesis import strategies as st

from exporter import skew
from exporter.config import Expect
from exporter.deployment import Deployment
from exporter.practice import Practice
from exporter.practices.organisation import PRACTICES

HOUR, DAY = 3_600.0, 86_400.0
of = partial(row, PRACTICES)
NEVER = ("5-9", "5-9-ecs-aws-exporter", "0.1.0")  # a stack of this project's own


# --- Names


def test_names(deployment: Deployment) -> None:
    """BP-01: a stack whose name tells no template is an info; stacks of this exporter are nobody's practice."""
    known = facts(
        deployment,
        stack_info={("good", "1-1-vpc", "3.36.1"), ("odd", "", ""), NEVER},
        stack_name_follows_scheme={"good": 1, "odd": 0, "5-9": 0},
    )

    assert verdicts(of("BP-01", "info"), known) == {"good": True, "odd": False}
    assert judged(of("BP-01", "info"), known)["odd"].fact == "its name tells no template"


# --- Staging


def running(component: str, version: str = "3.36.1", tasks: int = 2) -> dict[str, Any]:
    """The facts of one service of the vendor's, which runs a release; "" is one that nobody knows."""
    of_it = ("c", component)
    found: dict[str, Any] = {
        "ecs_service_info": {(*of_it, component, "FARGATE", "5-4")},
        "ecs_service_running_tasks": {of_it: tasks},
        "container_image_pinned": {(*of_it, "ttes"): bool(version)},
    }
    if version and tasks:
        major, minor, patch = map(int, version.split("."))
        number = major * 1_000_000 + minor * 1_000 + patch
        found["component_version_info"] = {(component, version): 1}
        found["component_version_number"] = {(component, bound): number for bound in ("lowest", "highest")}
    return found


def side_by_side(*services: dict[str, Any]) -> dict[str, Any]:
    """The facts of several services."""
    families: dict[str, Any] = {}
    for service in services:
        for name, series in service.items():
            merged = families.setdefault(name, type(series)())
            merged.update(series)
    return families


def pair(production: Deployment, here: dict[str, Any], there: dict[str, Any] | None, **options: Any) -> Watched:
    """Production's facts beside its twin's, compared as the exporter does; without any if there is no twin."""
    known = facts(production, **here, **options)
    if there is not None:
        known.twin = facts(replace(production, name="acme-staging-eu1", environment="staging"), **there)
    known.add(list(skew.samples(known, "acme-staging-eu1" if there is not None else "")))
    return known


@pytest.mark.parametrize(
    ("there", "compliant"),
    [("3.36.1", True), ("3.36.2", True), ("3.37.0", True), ("3.36.0", False), ("3.9.9", False), ("", None)],
)
def test_staging_first(deployment: Deployment, there: str, compliant: bool | None) -> None:
    """BP-02: production may run what staging runs, and nothing newer; a version that nobody knows is unknown."""
    known = pair(deployment, running("gs"), running("gs", there))

    assert verdicts(of("BP-02", "warning"), known) == {deployment.name: compliant}


def test_what_is_ahead_is_said(deployment: Deployment) -> None:
    """BP-02: of the components that are ahead, each with its newest here and its oldest there."""
    here = side_by_side(running("gs"), running("is"), running("ns", "3.35.0"))
    here["component_version_info"] = {("gs", "3.36.1-rc2"), ("is", "3.36.0"), ("ns", "3.37.0")}
    here["component_version_number"] = {("gs", "highest"): 3_036_000.5, ("is", "highest"): 3_036_000,
                                        ("ns", "highest"): 3_035_000}  # fmt: skip
    there = side_by_side(running("gs", "3.35.2"), running("is", "3.9.1"), running("ns", "3.35.0"))
    there["component_version_info"] |= {("ns", "3.1.0"): 1}

    verdict = judged(of("BP-02", "warning"), pair(deployment, here, there))[deployment.name]

    assert verdict.compliant is False
    assert (
        verdict.fact
        == "runs 3.36.1-rc2 while staging still runs 3.35.2 (gs); runs 3.36.0 while staging still runs 3.9.1 (is)"
    )


@pytest.mark.parametrize(
    ("here", "there", "compliant"),
    [
        # As long as one service cannot be compared, staging may be behind.
        (side_by_side(running("gs"), running("is", "")), side_by_side(running("gs"), running("is")), None),
        (side_by_side(running("gs"), running("is")), side_by_side(running("gs"), running("is", "")), None),
        # What is ahead is ahead, whatever else is not known.
        (side_by_side(running("gs"), running("is", "")), side_by_side(running("gs", "3.35.0"), running("is")), False),
        # What production runs and staging does not was not tried; what production does not run need not be.
        (side_by_side(running("gs"), running("noc")), running("gs"), False),
        (side_by_side(running("gs"), running("noc")), side_by_side(running("gs"), running("noc", tasks=0)), False),
        (running("gs"), side_by_side(running("gs"), running("noc")), True),
        (side_by_side(running("gs"), running("noc", tasks=0)), side_by_side(running("gs"), running("noc", "")), True),
        # An image of others has no release.
        (
            side_by_side(running("gs"), running("prometheus", "")) | {"container_image_pinned": {("c", "gs", "t"): 1}},
            side_by_side(running("gs"), running("prometheus", "")),
            True,
        ),
        (running("gs"), running("gs", tasks=0), False),
        # Production sleeps.
        (running("gs", tasks=0), running("gs"), None),
    ],
)
def test_what_cannot_be_compared(
    deployment: Deployment, here: dict[str, Any], there: dict[str, Any], compliant: bool | None
) -> None:
    """BP-02: a component that runs on both sides is compared, or the verdict is unknown."""
    assert verdicts(of("BP-02", "warning"), pair(deployment, here, there)) == {deployment.name: compliant}


@pytest.mark.parametrize(("may_sleep", "incomplete"), [(True, []), (False, ["ecs"])])
@pytest.mark.parametrize(("there", "compliant"), [("3.36.1", None), ("3.35.0", False)])
def test_staging_that_sleeps(
    deployment: Deployment, may_sleep: bool, incomplete: list[str], there: str, compliant: bool | None
) -> None:
    """BP-02: what a twin that may sleep, or was not read, does not run may have been tried; what is ahead is ahead."""
    known = facts(deployment, **side_by_side(running("gs"), running("noc")))
    staging = replace(deployment, name="s", environment="staging", expect=Expect(may_sleep=may_sleep))
    known.twin = facts(staging, incomplete=incomplete, **running("gs", there))
    known.add(list(skew.samples(known, "s")))

    assert verdicts(of("BP-02", "warning"), known) == {deployment.name: compliant}


def test_what_staging_lacks_is_said(deployment: Deployment) -> None:
    """BP-02: a staging that runs the console alone has tried nothing else."""
    here = side_by_side(running("console"), running("gs"), running("ns"))

    verdict = judged(of("BP-02", "warning"), pair(deployment, here, running("console")))[deployment.name]

    assert (verdict.compliant, verdict.fact) == (False, "does not run in staging: gs, ns")


@given(st.tuples(*[st.integers(0, 120)] * 2), st.tuples(*[st.integers(0, 120)] * 2))
def test_versions_compare_as_numbers(here: tuple[int, int], there: tuple[int, int]) -> None:
    """BP-02: a version is newer by its minor, then by its patch, as numbers and not as text."""
    production = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    ran, runs = (f"3.{minor}.{patch}" for minor, patch in (there, here))

    assert verdicts(of("BP-02", "warning"), pair(production, running("gs", runs), running("gs", ran))) == {
        "d": here <= there
    }


def test_staging_is_there(deployment: Deployment) -> None:
    """BP-02: production without staging is an info, and nothing is compared; staging itself needs none."""
    alone = pair(deployment, running("gs"), None)
    assert verdicts(of("BP-02", "info"), alone) == {deployment.name: False}
    assert verdicts(of("BP-02", "warning"), alone) == {}

    assert verdicts(of("BP-02", "info"), pair(deployment, running("gs"), running("gs"))) == {deployment.name: True}

    staging = facts(replace(deployment, environment="staging"), **running("gs"))
    assert verdicts(of("BP-02", "info"), staging) == {}


def test_twin_that_could_not_be_read(deployment: Deployment) -> None:
    """BP-02: a twin that is configured but of which nothing was read leaves it unknown."""
    known = facts(deployment, **running("gs"), staging_configured={(): 1})

    assert verdicts(of("BP-02", "warning"), known) == {deployment.name: None}


# --- Networks


def beside(deployment: Deployment, mine: Any, *others: Any, incomplete: tuple[str, ...] = ()) -> Watched:
    """A deployment's facts beside those of others of its network: their VPCs and ranges."""
    known = facts(deployment, vpc_cidr_info=mine)
    known.others = tuple(
        facts(replace(deployment, name=f"other-{number}"), vpc_cidr_info=ranges, incomplete=incomplete)
        for number, ranges in enumerate(others, 1)
    )
    return known


@pytest.mark.parametrize(
    ("mine", "theirs", "compliant", "fact"),
    [
        ("10.10.0.0/16", "10.20.0.0/16", True, "no other deployment of the network overlaps with 10.10.0.0/16"),
        ("10.10.0.0/16", "10.10.128.0/20", False, "10.10.0.0/16 overlaps with 10.10.128.0/20 of other-1"),
        ("10.10.128.0/20", "10.10.0.0/16", False, "10.10.128.0/20 overlaps with 10.10.0.0/16 of other-1"),
        ("10.10.0.0/16", "10.11.0.0/16", True, None),
        ("10.10.0.0/15", "10.11.0.0/16", False, None),
    ],
)
def test_networks(deployment: Deployment, mine: str, theirs: str, compliant: bool, fact: str | None) -> None:
    """BP-05: ranges overlap where one holds an address of the other; neighbours do not."""
    verdict = judged(of("BP-05", "info"), beside(deployment, {("vpc-1", mine)}, {("vpc-2", theirs)}))["vpc-1"]

    assert verdict.compliant is compliant
    assert fact in (None, verdict.fact)


@given(*[st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 30))] * 2)
def test_networks_share_an_address_or_not(one: tuple[int, int], other: tuple[int, int]) -> None:
    """BP-05: two ranges overlap exactly if the smaller begins in the larger."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    mine, theirs = (ip_network(range_, strict=False) for range_ in (one, other))
    small, large = sorted((mine, theirs), key=lambda each: each.num_addresses)

    found = verdicts(of("BP-05", "info"), beside(here, {("vpc-1", str(mine))}, {("vpc-2", str(theirs))}))

    assert found == {"vpc-1": small.network_address not in large}


def test_second_range_of_a_network(deployment: Deployment) -> None:
    """BP-05: every range of a VPC counts, once for the VPC; two deployments in one VPC share it."""
    known = beside(deployment, {("vpc-1", "10.1.0.0/16"), ("vpc-1", "10.2.0.0/16")}, {("vpc-2", "10.2.0.0/16")})
    assert verdicts(of("BP-05", "info"), known) == {"vpc-1": False}

    shared = beside(deployment, {("vpc-1", "10.1.0.0/16")}, {("vpc-1", "10.1.0.0/16")})
    assert verdicts(of("BP-05", "info"), shared) == {"vpc-1": True}


def test_networks_that_were_not_read(deployment: Deployment) -> None:
    """BP-05: ranges of another deployment that were not read are unknown, but one overlap is enough."""
    judge = partial(verdicts, of("BP-05", "info"))
    mine = {("vpc-1", "10.1.0.0/16")}
    unread: set[str] = set()

    assert judge(beside(deployment, mine)) == {}  # alone in its network
    assert judge(beside(deployment, mine, unread)) == {"vpc-1": True}  # has no network
    assert judge(beside(deployment, mine, unread, incomplete=("load_balancer",))) == {"vpc-1": None}
    overlapping = beside(deployment, mine, unread, {("vpc-2", "10.1.0.0/16")}, incomplete=("load_balancer",))
    assert judge(overlapping) == {"vpc-1": False}
    known = beside(deployment, mine, {("vpc-2", "10.2.0.0/16")}, incomplete=("load_balancer",))
    assert judge(known) == {"vpc-1": True}  # the last answer still stands


# --- Drift


@pytest.mark.parametrize(
    ("drifted", "age", "compliant", "fact"),
    [
        (0, 14 * DAY, True, "in sync, as of its last drift detection"),
        (0, 14 * DAY + 1, None, "its last drift detection is more than 14d old"),
        (1, 100 * DAY, False, "drifted, as of its last drift detection"),
        (1, None, False, "drifted, as of its last drift detection"),
        (None, 1 * DAY, None, "its last drift detection did not tell"),
        (None, None, None, "drift was never detected"),
    ],
)
def test_drift(
    deployment: Deployment, drifted: int | None, age: float | None, compliant: bool | None, fact: str
) -> None:
    """BP-07: drift is a warning however old; being in sync counts for as long as is configured."""
    known = facts(
        deployment,
        stack_info={("aurora", "2-1-db-aurora-master", "3.36.1"), NEVER},
        stack_drifted={} if drifted is None else {"aurora": drifted},
        stack_drift_check_timestamp_seconds={} if age is None else {"aurora": AS_OF - age},
    )

    found = judged(of("BP-07", "warning"), known)

    assert {name: (each.compliant, each.fact) for name, each in found.items()} == {"aurora": (compliant, fact)}


def test_drift_check_is_configured(deployment: Deployment) -> None:
    """BP-07: how old a detection may be is what the configuration says, and what is expected says so."""
    daily = replace(deployment, expect=Expect(drift_check=DAY))
    known = facts(
        daily,
        stack_info={("aurora", "2-1-db-aurora-master", "3.36.1")},
        stack_drifted={"aurora": 0},
        stack_drift_check_timestamp_seconds={"aurora": AS_OF - 2 * DAY},
    )

    assert verdicts(of("BP-07", "warning"), known) == {"aurora": None}
    expected = of("BP-07", "warning").expected
    assert not isinstance(expected, str)
    assert expected(daily.expect) == "no drift, detected within the last 1d"


# --- Failed changes


@pytest.mark.parametrize(
    ("status", "old", "critical", "warning"),
    [
        ("CREATE_COMPLETE", 9 * DAY, True, True),
        ("UPDATE_COMPLETE", 9 * DAY, True, True),
        ("IMPORT_COMPLETE", 9 * DAY, True, True),
        ("UPDATE_ROLLBACK_FAILED", DAY, False, False),
        ("CREATE_FAILED", DAY, False, False),
        ("UPDATE_FAILED", DAY, False, False),
        ("UPDATE_ROLLBACK_COMPLETE", DAY, True, False),
        ("ROLLBACK_COMPLETE", DAY, True, False),
        ("IMPORT_ROLLBACK_COMPLETE", DAY, True, False),
        ("UPDATE_IN_PROGRESS", 2 * HOUR, True, True),
        ("UPDATE_IN_PROGRESS", 2 * HOUR + 1, True, False),
        ("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", 2 * HOUR + 1, True, False),
        ("UPDATE_IN_PROGRESS", None, True, None),
        ("UPDATE_IN_PROGRESS", -60, True, True),
    ],
)
def test_changes(deployment: Deployment, status: str, old: float | None, critical: bool, warning: bool | None) -> None:
    """BP-08: a failed change is critical, one that was rolled back or takes over two hours a warning."""
    known = facts(
        deployment,
        stack_info={("5-4", "5-4-ecs-services", "3.36.1")},
        stack_status={("5-4", status)},
        stack_last_updated_timestamp_seconds={} if old is None else {"5-4": AS_OF - old},
    )

    assert verdicts(of("BP-08", "critical"), known) == {"5-4": critical}
    assert verdicts(of("BP-08", "warning"), known) == {"5-4": warning}


@pytest.mark.parametrize(
    ("status", "critical", "warning"),
    [
        ("UPDATE_ROLLBACK_FAILED", 3 * HOUR, 3 * HOUR),
        ("UPDATE_ROLLBACK_COMPLETE", None, 3 * HOUR),
        ("UPDATE_IN_PROGRESS", None, 1 * HOUR),
        ("UPDATE_COMPLETE", None, None),
        ("DELETE_FAILED", None, None),
    ],
)
def test_since_when(deployment: Deployment, status: str, critical: float | None, warning: float | None) -> None:
    """BP-08: it began with the change, or two hours later; of a deletion AWS tells no time here."""
    known = facts(
        deployment,
        stack_status={("5-4", status)},
        stack_last_updated_timestamp_seconds={"5-4": AS_OF - 3 * HOUR},
    )

    for impact, old in (("critical", critical), ("warning", warning)):
        assert judged(of("BP-08", impact), known)["5-4"].since == (None if old is None else AS_OF - old)


def test_deletion(deployment: Deployment) -> None:
    """BP-08: nobody knows how long a deletion takes, as its stack's last update was long before; a failed one is."""
    known = facts(
        deployment,
        stack_status={("old", "DELETE_IN_PROGRESS"), ("older", "DELETE_FAILED")},
        stack_last_updated_timestamp_seconds={"old": AS_OF - 99 * DAY, "older": AS_OF - 99 * DAY},
    )

    assert verdicts(of("BP-08", "warning"), known) == {"old": None, "older": False}
    assert verdicts(of("BP-08", "critical"), known) == {"old": True, "older": False}


def test_stacks_that_do_not_count(deployment: Deployment) -> None:
    """BP-08: a change set for a stack that was never made makes no stack; this exporter's own is no practice's."""
    known = facts(
        deployment, stack_info={NEVER}, stack_status={("new", "REVIEW_IN_PROGRESS"), ("5-9", "UPDATE_FAILED")}
    )

    assert verdicts(of("BP-08", "critical"), known) == {}
    assert verdicts(of("BP-08", "warning"), known) == {}


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
