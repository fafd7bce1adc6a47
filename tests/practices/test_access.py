"""Best practices of access to hosts, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import Any

import pytest
from conftest import AS_OF
from facts_of import facts, judged, row, verdicts
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import Expect
from exporter.deployment import Deployment
from exporter.practice import Practice
from exporter.practices.access import PRACTICES, for_days

HOUR, DAY = 3_600.0, 86_400.0
of = partial(row, PRACTICES)


def host(name: str, role: str = "ecs", stack: str = "5-1") -> tuple[str, ...]:
    """The labels of a host."""
    return (name, role, role, "m5.large", "ami-1", "eu-west-1a", stack)


# --- SSH


@pytest.mark.parametrize(
    ("world", "outside", "compliant", "fact"),
    [
        (0, 0, True, "port 22 can be reached from allowed ranges only"),
        (0, 1, False, "others than the allowed ranges can reach port 22"),
        (1, 1, False, "the whole internet can reach port 22"),
        (1, 0, True, "port 22 can be reached from allowed ranges only"),  # 0.0.0.0/0 is configured as allowed
        (None, 0, True, "port 22 can be reached from allowed ranges only"),
        (None, 1, False, "others than the allowed ranges can reach port 22"),
        (1, None, False, "the whole internet can reach port 22"),
        (0, None, None, "from where port 22 can be reached is not known"),
        (None, None, None, "from where port 22 can be reached is not known"),
    ],
)
def test_ssh(deployment: Deployment, world: int | None, outside: int | None, compliant: bool | None, fact: str) -> None:
    """BP-64: port 22 from nowhere but the allowed ranges; a group whose rules were not read is unknown."""
    known = facts(
        deployment,
        security_group_info={("sg-1", "5-1")},
        security_group_ssh_open_to_world={} if world is None else {"sg-1": world},
        security_group_ssh_outside_allowed={} if outside is None else {"sg-1": outside},
    )

    verdict = judged(of("BP-64", "warning"), known)["sg-1"]

    assert (verdict.compliant, verdict.fact) == (compliant, fact)


def test_allowed_ranges_are_said() -> None:
    """BP-64: what is expected names the configured ranges."""
    expected = of("BP-64", "warning").expected
    assert not isinstance(expected, str)

    assert expected(Expect(ssh_allowed=(ip_network("192.0.2.0/24"),))) == "port 22 from 192.0.2.0/24 only"
    assert expected(Expect(ssh_allowed=())) == "port 22 from nowhere only"


# --- Session Manager


@pytest.mark.parametrize(
    ("online", "incomplete", "expected"),
    [
        ({"i-1": 1, "i-2": 0}, [], {"i-1": True, "i-2": False}),
        ({"i-1": 1}, [], {"i-1": True}),  # the other one does not run
        ({"i-1": 1}, ["access"], {"i-1": True, "i-2": None}),
        ({"i-3": 0}, [], {"i-3": False}),
    ],
)
def test_session_manager(
    deployment: Deployment, online: dict[str, float], incomplete: list[str], expected: dict[str, bool | None]
) -> None:
    """BP-65: Session Manager reaches each host that runs; one that was not read may run."""
    known = facts(deployment, ec2_instance_info={host("i-1"), host("i-2")}, ssm_managed=online, incomplete=incomplete)

    assert verdicts(of("BP-65", "warning"), known) == expected


# --- Patches

NONE: dict[str, float | None] = {"critical": 0, "security": 0, "other": 9}
UP: dict[str, Any] = {"ec2_instance_info": {host("i-1")}, "ssm_managed": {"i-1": 1}}


def scan(age: float | None, missing: dict[str, float | None]) -> dict[str, Any]:
    """What a scan so long ago found to be missing; None where it did not tell."""
    return {
        "ec2_patch_scan_timestamp_seconds": {} if age is None else {"i-1": AS_OF - age},
        "ec2_patches_missing": {("i-1", kind): count for kind, count in missing.items() if count is not None},
    }


@pytest.mark.parametrize(
    ("age", "missing", "compliant", "fact"),
    [
        (DAY, NONE, True, "none missing, as of a scan 1.0 days ago"),
        (8 * DAY, NONE, True, "none missing, as of a scan 8.0 days ago"),
        (DAY, {"critical": 0, "security": 0}, True, "none missing, as of a scan 1.0 days ago"),
        (8 * DAY + 1, NONE, False, "its last patch scan is 8.0 days old"),
        (-60, NONE, True, "none missing, as of a scan 0.0 days ago"),
        (DAY, {"critical": 0, "security": 1, "other": 0}, False, "missing patches: 1 security"),
        (DAY, {"critical": 3, "security": 17, "other": 0}, False, "missing patches: 3 critical, 17 security"),
        (99 * DAY, {"critical": 1, "security": 0, "other": 0}, False, "missing patches: 1 critical"),
        (DAY, {"critical": 1}, False, "missing patches: 1 critical"),
        (DAY, {"critical": 0, "other": 0}, None, "its last patch scan did not tell what is missing"),
        (DAY, {"security": 0}, None, "its last patch scan did not tell what is missing"),
        (DAY, {}, None, "its last patch scan did not tell what is missing"),
        (None, {}, None, "no scan for missing patches is known"),
        (None, NONE, None, "no scan for missing patches is known"),
    ],
)
def test_patches(
    deployment: Deployment, age: float | None, missing: dict[str, float | None], compliant: bool | None, fact: str
) -> None:
    """BP-66: no critical or security patch is missing, as of a scan of the last eight days that told of both."""
    verdict = judged(of("BP-66", "info"), facts(deployment, **UP, **scan(age, missing)))["i-1"]

    assert (verdict.compliant, verdict.fact) == (compliant, fact)


def test_since_the_scan_was_due(deployment: Deployment) -> None:
    """BP-66: a scan is too old from the moment that the next was due, as configured."""
    daily = replace(deployment, expect=Expect(patch_scan=2 * DAY))

    verdict = judged(of("BP-66", "info"), facts(daily, **UP, **scan(3 * DAY, NONE)))["i-1"]

    assert (verdict.compliant, verdict.since) == (False, AS_OF - DAY)
    expected = of("BP-66", "info").expected
    assert not isinstance(expected, str)
    assert expected(daily.expect) == "no critical or security patch missing, scanned within 2d"


@pytest.mark.parametrize(
    ("online", "incomplete", "age", "compliant"),
    [
        ({}, [], 99 * DAY, None),  # it is off
        ({}, ["access"], 99 * DAY, None),
        ({"i-1": 0}, [], 99 * DAY, False),
        ({}, [], DAY, True),
    ],
)
def test_host_that_is_off(
    deployment: Deployment, online: dict[str, float], incomplete: list[str], age: float, compliant: bool | None
) -> None:
    """BP-66: nothing can scan a host that does not run, so that an old scan of it proves nothing either way."""
    families = UP | {"ssm_managed": online} | scan(age, NONE)

    verdict = judged(of("BP-66", "info"), facts(deployment, **families, incomplete=incomplete))["i-1"]

    assert verdict.compliant is compliant
    assert verdict.fact.endswith("; it does not run") is (compliant is None and not incomplete)


def test_ages_are_as_of_the_reading(deployment: Deployment) -> None:
    """BP-66: a scan ages until it was read, not until it is judged."""
    known = facts(deployment, **UP, **scan(20 * DAY, NONE), read_at=AS_OF - 13 * DAY)

    assert verdicts(of("BP-66", "info"), known) == {"i-1": True}


@given(st.floats(-1e6, 1e7))
def test_patch_scans_by_age(age: float) -> None:
    """BP-66: with nothing missing the verdict is the scan's age alone."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())

    found = verdicts(of("BP-66", "info"), facts(here, **UP, **scan(age, NONE)))

    assert found == {"i-1": AS_OF - (AS_OF - age) <= 8 * DAY}


@given(st.floats(-1e9, 1e9))
def test_days_are_never_negative(seconds: float) -> None:
    """A time of another clock that is ahead is no negative age."""
    assert not for_days(seconds).startswith("-")


# --- Bastion


@pytest.mark.parametrize(
    ("age", "online", "incomplete", "compliant", "fact"),
    [
        (30 * DAY, True, [], True, "the bastion has been running for 30.0 days"),
        (30 * DAY + HOUR, True, [], False, "the bastion has been running for 30.0 days"),
        (68 * DAY, False, [], True, "the bastion does not run"),
        (68 * DAY, False, ["access"], None, "whether the bastion runs, and since when, is not known"),
        (None, True, [], None, "whether the bastion runs, and since when, is not known"),
        (None, False, [], True, "the bastion does not run"),
    ],
)
def test_bastion(
    deployment: Deployment, age: float | None, online: bool, incomplete: list[str], compliant: bool | None, fact: str
) -> None:
    """BP-67: a bastion that has been running for more than 30 days; one that is stopped keeps its last launch."""
    known = facts(
        deployment,
        ec2_instance_info={host("i-1", "bastion", "1-2"), host("i-2")},
        ec2_instance_launched_timestamp_seconds={"i-2": 0} | ({} if age is None else {"i-1": AS_OF - age}),
        ssm_managed={"i-1": 0} if online else {},
        incomplete=incomplete,
    )

    found = judged(of("BP-67", "info"), known)

    assert {name: (each.compliant, each.fact) for name, each in found.items()} == {"1-2": (compliant, fact)}
    assert found["1-2"].since == (AS_OF - (age or 0) + 30 * DAY if compliant is False else None)


@pytest.mark.parametrize(
    ("ages", "up", "incomplete", "compliant"),
    [
        ((DAY, 31 * DAY), (True, True), [], False),
        ((31 * DAY, DAY), (True, True), [], False),
        ((31 * DAY, DAY), (False, True), [], True),
        ((31 * DAY, DAY), (False, True), ["access"], None),
        ((31 * DAY, DAY), (True, False), ["access"], False),
        ((None, DAY), (True, True), [], None),
        ((None, 31 * DAY), (True, True), [], False),
    ],
)
def test_two_bastions(
    deployment: Deployment,
    ages: tuple[float | None, float],
    up: tuple[bool, bool],
    incomplete: list[str],
    compliant: bool | None,
) -> None:
    """BP-67: the bastions of one stack have one verdict, by the one that has been running longest."""
    names = ("i-1", "i-2")
    known = facts(
        deployment,
        ec2_instance_info={host(name, "bastion", "1-2") for name in names},
        ec2_instance_launched_timestamp_seconds={
            name: AS_OF - age for name, age in zip(names, ages, strict=True) if age is not None
        },
        ssm_managed={name: 1 for name, runs in zip(names, up, strict=True) if runs},
        incomplete=incomplete,
    )

    found = judged(of("BP-67", "info"), known)

    assert {name: each.compliant for name, each in found.items()} == {"1-2": compliant}
    assert compliant is None or found["1-2"].fact.startswith("the bastion has been running for")


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
