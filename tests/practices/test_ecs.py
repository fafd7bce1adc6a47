"""Best practices of ECS services, their images and hosts, on facts made by hand."""

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
from exporter.practices import container_images, ecs

HOUR = 3_600.0
PRACTICES = (*container_images.PRACTICES, *ecs.PRACTICES)
of = partial(row, PRACTICES)
STACK = "lorawan-stack"


def service(name: str, component: str = "is", launch_type: str = "FARGATE", stack: str = "5-4") -> tuple[str, ...]:
    """The labels of a service."""
    return ("c", name, component, launch_type, stack)


def image(name: str, tag: str, repository: str = STACK, version: str = "") -> tuple[str, ...]:
    """The labels of the image of a service's one container."""
    return ("c", name, "ttes", f"docker.io/thethingsindustries/{repository}", tag, version)


# --- Images


def test_pinned(deployment: Deployment) -> None:
    """BP-27: a tag that moves is a warning for its service, by name; images of others are not asked for it."""
    known = facts(
        deployment,
        ecs_service_info={service("as"), service("is"), service("mine")},
        container_image_info={
            image("as", "3.35-aws"),
            image("is", "3.36.1-aws"),
            image("mine", "latest", "thanos"),
            ("c", "is", "side-car", "docker.io/envoy", "latest", ""),
        },
        container_image_pinned={("c", "as", "ttes"): 0, ("c", "is", "ttes"): 1},
    )

    found = judged(of("BP-27", "warning", "Service"), known)

    assert {name: each.compliant for name, each in found.items()} == {"as": False, "is": True}
    assert found["as"].fact == "lorawan-stack:3.35-aws can become another image"


@pytest.mark.parametrize(("environment", "compliant"), [("prod", False), ("staging", True)])
def test_pre_release(deployment: Deployment, environment: str, compliant: bool) -> None:
    """BP-27: a pre-release is for staging: in production it is a warning, though its tag stays the same."""
    known = facts(
        replace(deployment, environment=environment),
        ecs_service_info={service("is"), service("as")},
        container_image_info={
            ("c", "is", "ttes", STACK, "3.37.0-rc1-aws", "3.37.0-rc1"),
            ("c", "as", "ttes", STACK, "3.36.1-aws", "3.36.1"),
            ("c", "ops", "ttes", STACK, "3.37.0-rc1-aws", "3.37.0-rc1"),
        },
        container_image_pinned={("c", name, "ttes"): 1 for name in ("is", "as", "ops")},
    )

    found = judged(of("BP-27", "warning", "Service"), known)

    assert {name: each.compliant for name, each in found.items()} == {"is": compliant, "as": True}
    assert verdicts(of("BP-27", "warning", "TaskDefinition"), known) == {"ops": compliant}
    if not compliant:
        assert found["is"].fact == "lorawan-stack:3.37.0-rc1-aws is a pre-release"


def test_one_of_two_containers_moves(deployment: Deployment) -> None:
    """BP-27: each of the vendor's containers of a task is pinned, or the service is not."""
    known = facts(
        deployment,
        ecs_service_info={service("is")},
        container_image_info={image("is", "3.36.1-aws"), ("c", "is", "proxy", STACK, "", "")},
        container_image_pinned={("c", "is", "ttes"): 1, ("c", "is", "proxy"): 0},
    )

    verdict = judged(of("BP-27", "warning", "Service"), known)["is"]

    assert (verdict.compliant, verdict.fact) == (False, "lorawan-stack can become another image")


def test_tasks_without_service(deployment: Deployment) -> None:
    """BP-27: ops and certbot are judged by family; the image that the vendor has unpinned is an info alone."""
    known = facts(
        deployment,
        ecs_service_info={service("is")},
        container_image_info={
            image("is", "3-aws"),
            image("ops", "3.36-aws"),
            image("certbot", "latest", "aws-certbot-dns-route53"),
        },
        container_image_pinned={("c", "is", "ttes"): 0, ("c", "ops", "ttes"): 0, ("c", "certbot", "ttes"): 0},
    )

    assert verdicts(of("BP-27", "warning", "Service"), known) == {"is": False}
    assert verdicts(of("BP-27", "warning", "TaskDefinition"), known) == {"ops": False}
    assert verdicts(of("BP-27", "info", "TaskDefinition"), known) == {"certbot": False}


def test_a_service_is_no_family(deployment: Deployment) -> None:
    """BP-27: what a service's tasks run is none without one; while services are not read nobody knows which is."""
    families: dict[str, Any] = {
        "container_image_info": {image("gone", "3-aws"), image("ops", "3-aws")},
        "container_image_pinned": {("c", "gone", "ttes"): 0, ("c", "ops", "ttes"): 0},
        "ecs_service_image_digests": {("c", "gone", "ttes"): 1},
    }

    judge = partial(verdicts, of("BP-27", "warning", "TaskDefinition"))
    assert judge(facts(deployment, **families)) == {"ops": False}
    assert judge(facts(deployment, incomplete=["ecs"], **families)) == {}


@pytest.mark.parametrize(
    ("count", "in_progress", "old", "compliant"),
    [
        (1, 0, 5 * HOUR, True),
        (0, 0, 5 * HOUR, True),
        (2, 0, 5 * HOUR, False),
        (2, 1, 5 * HOUR, True),
        (2, 0, HOUR - 1, True),
        (2, 0, HOUR, False),
        (2, None, None, False),
    ],
)
def test_digests(
    deployment: Deployment, count: int, in_progress: int | None, old: float | None, compliant: bool
) -> None:
    """BP-27: two images of one container are critical, but not during a rollout nor in the hour after it began."""
    rollout = {} if in_progress is None else {("c", "is", "in_progress"): in_progress}
    known = facts(
        deployment,
        ecs_service_image_digests={("c", "is", "ttes"): count, ("c", "is", "side-car"): 1},
        ecs_service_deployment_rollout=rollout,
        ecs_service_deployment_created_timestamp_seconds={} if old is None else {("c", "is"): AS_OF - old},
    )

    assert verdicts(of("BP-27", "critical"), known) == {"is": compliant}


def test_flavour(deployment: Deployment) -> None:
    """BP-28: a release without its ending for ECS is a warning; NOC's Grafana has none; no version, no verdict."""
    known = facts(
        deployment,
        ecs_service_info={service("dtc", "dtc"), service("is"), service("odd"), service("grafana", "noc_grafana")},
        container_image_info={
            image("dtc", "3.35.2"),
            image("is", "3.36.1-aws"),
            image("odd", "production"),
            image("grafana", "3.36.0", "lorawan-stack-noc-grafana"),
            image("ops", "3.36.1"),
        },
        container_image_aws_flavour={
            ("c", "dtc", "ttes"): 0,
            ("c", "is", "ttes"): 1,
            ("c", "grafana", "ttes"): 0,
            ("c", "ops", "ttes"): 0,
        },
    )

    assert verdicts(of("BP-28", "warning", "Service"), known) == {"dtc": False, "is": True}
    assert judged(of("BP-28", "warning", "Service"), known)["dtc"].fact == "tag 3.35.2 is not made for ECS"
    assert verdicts(of("BP-28", "warning", "TaskDefinition"), known) == {"ops": False}


@pytest.mark.parametrize(
    ("grafana", "noc", "compliant"),
    [
        ("3.36.0", "3.36.1-aws", True),
        ("3.36", "3.36.1-aws", True),
        ("3.30.0", "3.35.2-aws", False),
        ("3.36.0", "3.35.2-aws", False),
        ("3.36.0-rc1", "3.36.0-aws", True),
        ("latest", "3.36.1-aws", None),
        ("3.36.0", "latest", False),  # then the newest of the deployment, 3.37
    ],
)
def test_grafana(deployment: Deployment, grafana: str, noc: str, compliant: bool | None) -> None:
    """BP-29: the minor of NOC, or of the newest service where that is not known; the patch does not matter."""
    known = facts(
        deployment,
        ecs_service_info={
            service("grafana", "noc_grafana"),
            service("noc", "noc"),
            service("is"),
            service("old", "udp_gs"),
        },
        container_image_info={
            image("grafana", grafana, "lorawan-stack-noc-grafana"),
            image("noc", noc),
            image("is", "3.37.0-aws"),
            image("old", "3.25.2-aws"),
            image("ops", "3.38.0-aws"),
        },
    )

    assert verdicts(of("BP-29", "info"), known) == {"grafana": compliant}


def test_a_renamed_image_has_the_version_that_was_read(deployment: Deployment) -> None:
    """BP-29: an image under a name of the operator's own is known by the version that the collector found."""
    known = facts(
        deployment,
        ecs_service_info={service("grafana", "noc_grafana"), service("noc", "noc")},
        container_image_info={
            image("grafana", "3.36.0", "lorawan-stack-noc-grafana", "3.36.0"),
            image("noc", "3.36.1", "ours", "3.36.1"),
        },
    )

    assert verdicts(of("BP-29", "info"), known) == {"grafana": True}


# --- Services


@pytest.mark.parametrize(
    ("launch_type", "hosts", "incomplete", "on", "expected"),
    [
        ("EC2", 0, [], 0, {"taskLongArnFormat": True, "awsvpcTrunking": False}),
        ("FARGATE", 1, [], 0, {"taskLongArnFormat": True, "awsvpcTrunking": False}),
        ("FARGATE", 0, [], 0, {"taskLongArnFormat": True}),
        ("FARGATE", 0, ["ecs"], 0, {"taskLongArnFormat": True, "awsvpcTrunking": None}),
        ("FARGATE", 0, ["container_instances"], 1, {"taskLongArnFormat": True, "awsvpcTrunking": True}),
        ("EC2", 0, [], 1, {"taskLongArnFormat": True, "awsvpcTrunking": True}),
    ],
)
def test_settings(
    deployment: Deployment,
    launch_type: str,
    hosts: int,
    incomplete: list[str],
    on: int,
    expected: dict[str, bool | None],
) -> None:
    """BP-30: trunking is asked for only where something runs, or shall run, on hosts."""
    known = facts(
        deployment,
        ecs_account_setting_enabled={"taskLongArnFormat": 1, "awsvpcTrunking": on},
        ecs_service_info={service("gs", "gs", launch_type)},
        ecs_service_desired_tasks={("c", "gs"): 2},
        ecs_container_instance_agent_connected={("c", f"i-{n}"): 1 for n in range(hosts)},
        incomplete=incomplete,
    )

    assert verdicts(of("BP-30", "warning"), known) == expected


@pytest.mark.parametrize(
    ("wanted", "running", "least", "zones", "critical", "warning"),
    [
        (2, 2, 2, 2, True, True),
        (3, 3, 2, 2, True, True),
        (2, 2, 2, 1, True, False),
        (2, 1, 2, 1, True, False),
        (3, 2, 2, 2, True, True),  # fewer than wanted, as many as are needed
        (1, 1, 2, 1, True, False),
        (2, 0, 2, 0, False, False),
        (0, 0, 2, 0, None, False),
        (1, 1, 1, 1, True, True),
        (2, 2, 1, 1, True, True),  # BP-32's business
        (1, 0, 0, 0, False, None),  # removed, but there
        (0, 0, 0, 0, None, None),  # switched off
        (2, 2, 3, 2, True, False),
    ],
)
def test_tasks(
    deployment: Deployment,
    wanted: int,
    running: int,
    least: int,
    zones: int,
    critical: bool | None,
    warning: bool | None,
) -> None:
    """BP-31: none running is critical, fewer than needed or all in one zone a warning; None is no verdict here."""
    one = ("c", "gs")
    known = facts(
        deployment,
        ecs_service_desired_tasks={one: wanted},
        ecs_service_running_tasks={one: running},
        ecs_service_min_tasks={one: least},
        ecs_service_availability_zones={one: zones},
    )

    assert verdicts(of("BP-31", "critical"), known) == ({} if critical is None else {"gs": critical})
    assert verdicts(of("BP-31", "warning"), known) == ({} if warning is None else {"gs": warning})


@pytest.mark.parametrize(
    ("wanted", "running", "zones", "fact"),
    [
        (3, 3, 2, "3 of 3 tasks run; in 2 zones"),
        (2, 1, 1, "1 of 2 tasks run"),
        (1, 1, 1, "1 task wanted, 2 needed"),
        (2, 2, 1, "its 2 tasks are in one zone"),
    ],
)
def test_tasks_in_words(deployment: Deployment, wanted: int, running: int, zones: int, fact: str) -> None:
    """BP-31: each way to have too few is said in its own words, once."""
    one = ("c", "gs")
    known = facts(
        deployment,
        ecs_service_desired_tasks={one: wanted},
        ecs_service_running_tasks={one: running},
        ecs_service_min_tasks={one: 2},
        ecs_service_availability_zones={one: zones},
    )

    assert judged(of("BP-31", "warning"), known)["gs"].fact == fact
    assert judged(of("BP-31", "critical"), known)["gs"].fact == f"{running} of {wanted} tasks run"


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(2, 9))
def test_enough_tasks(wanted: int, running: int, least: int, zones: int) -> None:
    """BP-31: in several zones it is a warning exactly if fewer are wanted, or fewer run, than are needed."""
    here = Deployment("d", "n", "prod", "c", "1", "eu-west-1", "p", Expect())
    one = ("c", "gs")
    known = facts(
        here,
        ecs_service_desired_tasks={one: wanted},
        ecs_service_running_tasks={one: running},
        ecs_service_min_tasks={one: least},
        ecs_service_availability_zones={one: zones},
    )

    assert verdicts(of("BP-31", "warning"), known) == {"gs": wanted >= least and running >= least}


def test_zones_not_known(deployment: Deployment) -> None:
    """BP-31: zones that could not be read are unknown; where all was read there are none, as on hosts outside AWS."""
    one = ("c", "gs")
    families: dict[str, Any] = {
        "ecs_service_desired_tasks": {one: 2},
        "ecs_service_running_tasks": {one: 2},
        "ecs_service_min_tasks": {one: 2},
    }

    assert verdicts(of("BP-31", "warning"), facts(deployment, **families)) == {"gs": True}
    assert verdicts(of("BP-31", "warning"), facts(deployment, incomplete=["ecs"], **families)) == {"gs": None}


def test_running_tasks_not_known(deployment: Deployment) -> None:
    """BP-31: without a number of tasks that run there is no verdict on them; too few wanted is one still."""
    known = facts(
        deployment,
        ecs_service_desired_tasks={("c", "gs"): 2, ("c", "ns"): 1},
        ecs_service_min_tasks={("c", "gs"): 2, ("c", "ns"): 2},
        incomplete=["ecs"],
    )

    assert verdicts(of("BP-31", "critical"), known) == {"gs": None, "ns": None}
    assert verdicts(of("BP-31", "warning"), known) == {"gs": None, "ns": False}


@pytest.mark.parametrize(("wanted", "asleep", "awake"), [(0, True, False), (1, False, False)])
def test_may_sleep(deployment: Deployment, wanted: int, asleep: bool, awake: bool) -> None:
    """BP-31: a deployment that may sleep may want no task at all, but not too few."""
    one = ("c", "gs")
    families: dict[str, Any] = {
        "ecs_service_desired_tasks": {one: wanted},
        "ecs_service_running_tasks": {one: wanted},
        "ecs_service_min_tasks": {one: 2},
        "ecs_service_availability_zones": {one: wanted},
    }
    sleeper = replace(deployment, expect=Expect(may_sleep=True))

    assert verdicts(of("BP-31", "warning"), facts(sleeper, **families)) == {"gs": asleep}
    assert verdicts(of("BP-31", "warning"), facts(deployment, **families)) == {"gs": awake}


def test_singletons(deployment: Deployment) -> None:
    """BP-32: one Prometheus, one of each that watches tenants' resources; others may be many."""
    wanted = {"prometheus": 2, "trm_prometheus": 1, "trm_alertmanager": 0, "is": 3}
    known = facts(
        deployment,
        ecs_service_info={service(name, name) for name in wanted} | {service("new", "prometheus")},
        ecs_service_desired_tasks={("c", name): count for name, count in wanted.items()},
    )

    assert verdicts(of("BP-32", "warning"), known) == {
        "prometheus": False, "trm_prometheus": True, "trm_alertmanager": True, "new": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("state", "old", "running", "compliant", "since"),
    [
        ("completed", 100 * HOUR, 1, True, None),  # a task that died since is BP-31's business
        ("failed", 4 * HOUR, 2, False, 4 * HOUR),
        ("in_progress", HOUR, 1, True, None),
        ("in_progress", HOUR + 1, 1, False, 1),
        ("in_progress", 3 * HOUR, 2, True, None),
        (None, 3 * HOUR, 1, False, 2 * HOUR),
        (None, None, 1, None, None),
        (None, None, 2, True, None),
        ("in_progress", 3 * HOUR, None, None, None),
    ],
)
def test_rollouts(
    deployment: Deployment,
    state: str | None,
    old: float | None,
    running: int | None,
    compliant: bool | None,
    since: float | None,
) -> None:
    """BP-33: a rollout that failed, or that has too few tasks after an hour; with AWS's time of when that began."""
    one = ("c", "as")
    states = ("completed", "in_progress", "failed") if state else ()
    known = facts(
        deployment,
        ecs_service_desired_tasks={one: 2},
        ecs_service_running_tasks={} if running is None else {one: running},
        ecs_service_deployment_rollout={(*one, each): float(each == state) for each in states},
        ecs_service_deployment_created_timestamp_seconds={} if old is None else {one: AS_OF - old},
    )

    verdict = judged(of("BP-33", "warning"), known)["as"]

    assert verdict.compliant is compliant
    assert verdict.since == (None if since is None else AS_OF - since)


@pytest.mark.parametrize(
    ("mib", "compliant"), [(2_048, True), (2_047, False), (1_024, False), (4_096, True), (None, None)]
)
def test_memory(deployment: Deployment, mib: int | None, compliant: bool | None) -> None:
    """BP-37: 2048 MiB for Prometheus, and for it alone."""
    sizes = {} if mib is None else {("c", "prometheus"): mib * 2**20}
    known = facts(
        deployment,
        ecs_service_info={service("prometheus", "prometheus"), service("is"), service("trm", "trm_prometheus")},
        ecs_task_memory_bytes=sizes | {("c", "is"): 512 * 2**20, ("c", "trm"): 512 * 2**20},
    )

    assert verdicts(of("BP-37", "warning"), known) == {"prometheus": compliant}


# --- Hosts


def host(name: str, kind: str = "m5.large", zone: str = "a") -> tuple[str, ...]:
    """The labels of a host."""
    return (name, "ecs", "ecs", kind, "ami-1", zone, "5-1")


ON_EC2: dict[str, Any] = {
    "ecs_service_info": {service("gs", "gs", "EC2")},
    "ecs_service_desired_tasks": {("c", "gs"): 2},
}


@pytest.mark.parametrize(
    ("kinds", "trunks", "compliant"),
    [
        ({"i-1": "m5.large", "i-2": "m7g.large"}, {"i-1": 0, "i-2": 0}, True),
        ({"i-1": "t3.small", "i-2": "m5.large"}, {"i-1": 0, "i-2": 1}, False),
        ({"i-1": "t4g.small", "i-2": "m5.large"}, {"i-1": 0}, False),
        ({"i-1": "t3a.small", "i-2": "m5.large"}, {"i-1": 1}, True),
        ({"i-1": "t2.small", "i-2": "m5.large"}, {}, None),
        ({"i-1": "m5.large"}, {}, None),
        ({"i-1": "trn1.2xlarge", "i-2": "m5.large"}, {"i-1": 0, "i-2": 0}, True),
    ],
)
def test_trunks(
    deployment: Deployment, kinds: dict[str, str], trunks: dict[str, float], compliant: bool | None
) -> None:
    """BP-35: a group with a burstable host that has no trunk; groups of other hosts are not asked."""
    known = facts(
        deployment,
        ecs_container_instance_agent_connected={("c", "i-1"): 1, ("c", "i-2"): 1},
        ecs_container_instance_eni_trunking={("c", each): value for each, value in trunks.items()},
        autoscaling_instance_info={("hosts", "i-1"), ("hosts", "i-2"), ("timescale", "i-3")},
        ec2_instance_info={host(each, kind) for each, kind in kinds.items()} | {host("i-3", "t3.small")},
        **ON_EC2,
    )

    assert verdicts(of("BP-35", "warning"), known) == {"hosts": compliant}


@pytest.mark.parametrize(("launch_type", "wanted"), [("FARGATE", 2), ("EC2", 0)])
def test_hosts_that_nothing_needs(deployment: Deployment, launch_type: str, wanted: int) -> None:
    """BP-35, BP-36: where nothing shall run on hosts, they need be neither there nor large."""
    known = facts(
        deployment,
        ecs_service_info={service("gs", "gs", launch_type)},
        ecs_service_desired_tasks={("c", "gs"): wanted},
        ecs_container_instances={("c", "active"): 1},
        ecs_container_instance_agent_connected={("c", "i-1"): 1},
        ecs_container_instance_eni_trunking={("c", "i-1"): 0},
        autoscaling_instance_info={("hosts", "i-1")},
        ec2_instance_info={host("i-1", "t3.small")},
    )

    assert verdicts(of("BP-35", "warning"), known) == {}
    assert verdicts(of("BP-36", "critical"), known) == {}
    assert verdicts(of("BP-36", "warning", "Cluster"), known) == {}


@pytest.mark.parametrize(
    ("active", "agents", "incomplete", "compliant"),
    [
        (2, [1, 1], [], True),
        (1, [1, 0], [], True),
        (0, [], [], False),
        (2, [0, 0], [], False),
        (0, [1], [], False),  # it drains
        (None, [], ["container_instances"], None),
        (1, [], ["container_instances"], None),
    ],
)
def test_hosts(
    deployment: Deployment, active: int | None, agents: list[int], incomplete: list[str], compliant: bool | None
) -> None:
    """BP-36: services on EC2 without any active host, or without any that ECS hears, is critical for their cluster."""
    known = facts(
        deployment,
        ecs_container_instances={} if active is None else {("c", "active"): active},
        ecs_container_instance_agent_connected={("c", f"i-{n}"): on for n, on in enumerate(agents)},
        incomplete=incomplete,
        **ON_EC2,
    )

    assert verdicts(of("BP-36", "critical"), known) == {"c": compliant}


@pytest.mark.parametrize(
    ("hosts", "zones", "incomplete", "expected"),
    [
        ([1, 1], "ab", [], {"c": True}),
        ([1, 1], "aa", [], {"c": False}),
        ([1, 1], "a", [], {"c": None}),
        ([1, 1, 1], "ab", [], {"c": True}),
        ([1, 1, 0], "aab", [], {"c": False}),
        ([1], "a", [], {"c": False}),
        ([1], "a", ["container_instances"], {"c": None}),
        ([1, 0], "aa", [], {}),  # said of the host that is not connected
    ],
)
def test_zones_of_hosts(
    deployment: Deployment, hosts: list[int], zones: str, incomplete: list[str], expected: dict[str, bool | None]
) -> None:
    """BP-36: two hosts at least, and those that are connected in two zones."""
    known = facts(
        deployment,
        ecs_container_instance_agent_connected={("c", f"i-{n}"): on for n, on in enumerate(hosts)},
        ec2_instance_info={host(f"i-{n}", zone=zone) for n, zone in enumerate(zones)},
        incomplete=incomplete,
        **ON_EC2,
    )

    assert verdicts(of("BP-36", "warning", "Cluster"), known) == expected


def test_agents(deployment: Deployment) -> None:
    """BP-36: a host that ECS does not hear is a warning, which adds that all of them are in one zone."""
    agents = {("c", "i-1"): 1, ("c", "i-2"): 0}
    apart = {host("i-1"), host("i-2", zone="b")}
    judge = partial(judged, of("BP-36", "warning", "Instance"))

    found = judge(facts(deployment, ecs_container_instance_agent_connected=agents, ec2_instance_info=apart))
    assert {name: each.compliant for name, each in found.items()} == {"i-1": True, "i-2": False}
    assert found["i-2"].fact == "its agent is disconnected"

    together = {host("i-1"), host("i-2")}
    found = judge(facts(deployment, ecs_container_instance_agent_connected=agents, ec2_instance_info=together))
    assert found["i-2"].fact == "its agent is disconnected; all hosts are in one zone"

    alone = {("c", "i-2"): 0}
    found = judge(facts(deployment, ecs_container_instance_agent_connected=alone, ec2_instance_info=together))
    assert found["i-2"].fact == "its agent is disconnected"

    found = judge(facts(deployment, ecs_container_instance_agent_connected=agents))
    assert found["i-2"].fact == "its agent is disconnected"


@pytest.mark.parametrize("practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}")
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
