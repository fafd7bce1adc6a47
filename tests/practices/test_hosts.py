"""Best practices of updating hosts, on facts made by hand."""

from __future__ import annotations

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
from exporter.practices.hosts import PRACTICES

HOUR, DAY = 3_600.0, 86_400.0
of = partial(row, PRACTICES)


def host(name: str, role: str = "ecs", stack: str = "5-1") -> tuple[str, ...]:
    """The labels of a host."""
    return (name, role, role, "m5.large", "ami-1", "eu-west-1a", stack)


# --- Amazon Linux


@pytest.mark.parametrize(
    ("version", "system", "compliant"),
    [
        ("3.34.0", "2", True),
        ("3.34.1", "2", False),
        ("3.34.3", "2", False),
        ("3.35.0", "2", False),
        ("3.35.1", "2", True),
        ("3.36.1", None, True),
        ("3.36.1", "2023.5.20240805", False),
        ("", "2", True),
        ("main", "2", None),
        ("main", "2023", False),
    ],
)
def test_amazon_linux(deployment: Deployment, version: str, system: str | None, compliant: bool | None) -> None:
    """BP-17: TimescaleDB on Amazon Linux 2023, by its host or by a template of 3.34.1 to 3.35.0."""
    known = facts(
        deployment,
        stack_info={("ts", "2-5-db-timescale-master", version), ("ecs", "5-1-ecs-cluster", "3.35.0")},
        stack_status={("ts", "UPDATE_COMPLETE")},
        ec2_instance_info={host("i-1", "timescaledb", "ts"), host("i-2")},
        ssm_instance_info={("i-2", "Amazon Linux", "2023", "3.3")}
        | (set() if system is None else {("i-1", "Amazon Linux", system, "3.3")}),
    )

    assert verdicts(of("BP-17", "warning"), known) == {"ts": compliant}


def test_several_timescaledbs(deployment: Deployment) -> None:
    """BP-17: each stack of TimescaleDB is judged, by its own hosts; another system's 2023 is none of Amazon's."""
    known = facts(
        deployment,
        stack_info={(name, "2-6-db-timescale-replica", "3.36.1") for name in ("one", "two", "three")},
        ec2_instance_info={host(f"i-{name}", "timescaledb", name) for name in ("one", "two", "three")},
        ssm_instance_info={
            ("i-one", "Amazon Linux", "2", "3.3"),
            ("i-two", "Amazon Linux", "2023", "3.3"),
            ("i-three", "Other Linux", "2023", "3.3"),
            ("i-foreign", "Amazon Linux", "2023", "3.3"),
        },
    )

    assert verdicts(of("BP-17", "warning"), known) == {"one": True, "two": False, "three": True}


@given(st.integers(30, 40), st.integers(0, 20))
def test_window_of_amazon_linux_2023(minor: int, patch: int) -> None:
    """BP-17: a template is of Amazon Linux 2023 from 3.34.1 to 3.35.0, compared by number."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    known = facts(here, stack_info={("ts", "2-5-db-timescale-master", f"3.{minor}.{patch}")})

    assert verdicts(of("BP-17", "warning"), known) == {"ts": not (34, 1) <= (minor, patch) <= (35, 0)}


# --- Support


@pytest.mark.parametrize(
    ("left", "compliant"),
    [
        ([DAY, DAY], True),
        ([0, DAY], True),
        ([-1, DAY], False),
        ([DAY, None], None),
        ([-1, None], False),
        ([None, None], None),
    ],
)
def test_supported_systems(deployment: Deployment, left: list[float | None], compliant: bool | None) -> None:
    """BP-18: one host beyond its system's support is enough for the deployment; one of an unknown system may be."""
    ends = {f"i-{number}": AS_OF + each for number, each in enumerate(left) if each is not None}
    known = facts(
        deployment,
        ec2_instance_info={host(f"i-{number}") for number in range(len(left))},
        ec2_os_support_end_timestamp_seconds=ends,
    )

    verdict = judged(of("BP-18", "info"), known)[deployment.name]

    assert verdict.compliant is compliant
    assert verdict.since == (AS_OF - 1 if compliant is False else None)


def test_hosts_without_support_are_named(deployment: Deployment) -> None:
    """BP-18: the hosts are named, and it began when the first of their systems ended."""
    ends = {"i-2": AS_OF - DAY, "i-1": AS_OF - HOUR, "i-3": AS_OF + DAY}
    verdict = judged(of("BP-18", "info"), facts(deployment, ec2_os_support_end_timestamp_seconds=ends))[deployment.name]

    assert verdict.fact == "2 hosts on a system that AWS supports no more: i-1, i-2"
    assert verdict.since == AS_OF - DAY


def test_support_as_of_the_reading(deployment: Deployment) -> None:
    """BP-18: what was read before the end is not judged as if it had been read after it."""
    known = facts(deployment, ec2_os_support_end_timestamp_seconds={"i-1": AS_OF - 1}, read_at=AS_OF - 2)

    assert verdicts(of("BP-18", "info"), known) == {deployment.name: True}


# --- Launch templates


@pytest.mark.parametrize(
    ("outdated", "compliant"),
    [
        ({"i-1": 0, "i-2": 0}, True),
        ({"i-1": 0, "i-2": 1}, False),
        ({"i-1": 0}, None),
        ({"i-1": 1}, False),
        ({}, None),
    ],
)
def test_launch_templates(deployment: Deployment, outdated: dict[str, float], compliant: bool | None) -> None:
    """BP-19: one host of a group that was started from an older launch template; each has to be known."""
    known = facts(
        deployment,
        autoscaling_instance_info={("hosts", "i-1"), ("hosts", "i-2")},
        ec2_instance_info={host("i-1"), host("i-2")},
        ec2_launch_template_outdated=outdated,
    )

    verdict = judged(of("BP-19", "warning"), known)["hosts"]

    assert verdict.compliant is compliant
    if compliant is None:
        assert verdict.fact == "what its hosts were started from is not known of all"


def test_groups_of_other_hosts(deployment: Deployment) -> None:
    """BP-19: it is about ECS hosts; TimescaleDB's host is not to be replaced for a launch template (BP-16)."""
    known = facts(
        deployment,
        autoscaling_instance_info={("hosts", "i-1"), ("timescale", "i-2"), ("strange", "i-3")},
        ec2_instance_info={host("i-1"), host("i-2", "timescaledb", "2-5")},
        ec2_launch_template_outdated={"i-1": 1, "i-2": 1, "i-3": 1},
    )

    assert verdicts(of("BP-19", "warning"), known) == {"hosts": False}


# --- Volumes, deployments, agents


def test_volumes(deployment: Deployment) -> None:
    """BP-20: gp2 is an info; whatever else was chosen was chosen."""
    kinds = ("gp2", "gp3", "io2")
    known = facts(
        deployment, timescaledb_volume_info={(f"vol-{kind}", "i-1", kind, "eu-west-1a", "2-5") for kind in kinds}
    )

    assert verdicts(of("BP-20", "info"), known) == {"vol-gp2": False, "vol-gp3": True, "vol-io2": True}


@pytest.mark.parametrize(
    ("least", "kept", "expected"),
    [
        (2, 0.5, {"gs": True}),
        (2, 0.01, {"gs": True}),
        (2, 0, {"gs": False}),
        (2, None, {"gs": None}),
        (1, 0, {}),
        (0, 0, {}),
    ],
)
def test_deployments_keep_tasks(
    deployment: Deployment, least: int, kept: float | None, expected: dict[str, bool | None]
) -> None:
    """BP-21: a minimum healthy percent of 0 where more than one task is needed; right for what runs only once."""
    one = ("c", "gs")
    known = facts(
        deployment,
        ecs_service_min_tasks={one: least},
        ecs_service_minimum_healthy_ratio={} if kept is None else {one: kept},
    )

    assert verdicts(of("BP-21", "warning"), known) == expected


@pytest.mark.parametrize(("first", "second"), ["ab", "ba"])
def test_services_of_one_name(deployment: Deployment, first: str, second: str) -> None:
    """BP-21: of services of one name in two clusters the worse counts, each by what is needed of it."""
    needed = {(first, "gs"): 2, (second, "gs"): 2, ("c", "ns"): 2, ("d", "ns"): 1}
    kept = {("a", "gs"): 0, ("b", "gs"): 0.5, ("c", "ns"): 0.5, ("d", "ns"): 0}
    known = facts(deployment, ecs_service_min_tasks=needed, ecs_service_minimum_healthy_ratio=kept)

    assert verdicts(of("BP-21", "warning"), known) == {"gs": False, "ns": True}


def test_agents(deployment: Deployment) -> None:
    """BP-24: a registered host has the newest agent, or not, or AWS does not say."""
    families: dict[str, Any] = {
        "ssm_agent_latest": {"i-1": 1, "i-2": 0, "i-4": 1},
        "ssm_instance_info": {(f"i-{number}", "Amazon Linux", "2", f"3.{number}") for number in (1, 2, 3)},
    }
    found = judged(of("BP-24", "info"), facts(deployment, **families))

    assert {name: each.compliant for name, each in found.items()} == {
        "i-1": True, "i-2": False, "i-3": None, "i-4": True
    }  # fmt: skip
    assert found["i-2"].fact == "SSM agent 3.2, not the newest"
    assert found["i-4"].fact == "SSM agent, the newest"


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
