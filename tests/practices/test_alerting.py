"""Best practices of alerting and monitoring, on facts made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from facts_of import facts, judged, row, verdicts

from exporter.config import Expect
from exporter.deployment import Deployment
from exporter.practice import Practice
from exporter.practices.alerting import PRACTICES

MIB = 2**20
of = partial(row, PRACTICES)
MONITORING = "5-6-ecs-monitoring"


def service(name: str, component: str = "is", cluster: str = "c") -> tuple[str, ...]:
    """The labels of a service."""
    return (cluster, name, component, "FARGATE", "5-4")


# --- Alarms


def alarms(
    enabled: dict[str, float], notifies: dict[str, float], topics: float | None = 1, pending: float = 0
) -> dict[str, Any]:
    """Alarms: whether each acts, and whether it tells a confirmed subscription; and topics."""
    return {
        "cloudwatch_alarms": {(): len(enabled)},
        "cloudwatch_alarm_actions_enabled": enabled,
        "cloudwatch_alarm_notifies_pager": notifies,
        "sns_topics": {} if topics is None else {(): topics},
        "sns_topic_subscriptions": {("topic", "other", "pending"): pending, ("topic", "other", "confirmed"): 0},
    }


@pytest.mark.parametrize(
    ("families", "compliant", "fact"),
    [
        (alarms({"a": 1, "b": 0}, {"a": 1, "b": 1}), True, "1 of 2 alarms told to a confirmed subscription"),
        (alarms({"a": 1, "b": 1}, {"a": 1, "b": 0}), True, "1 of 2 alarms told to a confirmed subscription"),
        (alarms({"a": 1}, {"a": 0}), False, "none of 1 alarm is told to a confirmed subscription; 1 topic"),
        (alarms({"a": 0}, {"a": 1}), False, None),
        (
            alarms({"a": 1}, {"a": 0}, pending=2),
            False,
            "none of 1 alarm is told to a confirmed subscription; 1 topic, 2 subscriptions pending",
        ),
        (alarms({}, {}, topics=0), False, "none of 0 alarms is told to a confirmed subscription; 0 topics"),
        # An alarm that tells a topic of another account, where nobody can be asked who listens.
        (alarms({"a": 1, "b": 1}, {"a": 0}), None, None),
        (alarms({"a": 1, "b": 0}, {"a": 0}), False, None),  # that one does not act
        (alarms({"a": 1, "b": 1}, {"a": 1}), True, None),
        (alarms({"a": 1}, {"a": 0}, topics=None), None, None),
        ({}, None, None),
    ],
)
def test_alarms(deployment: Deployment, families: dict[str, Any], compliant: bool | None, fact: str | None) -> None:
    """BP-72: one alarm that acts and that somebody hears of is enough; none, while all is known, is a warning."""
    verdict = judged(of("BP-72", "warning"), facts(deployment, **families))[deployment.name]

    assert verdict.compliant is compliant
    assert fact in (None, verdict.fact)


def test_alarms_that_were_not_read(deployment: Deployment) -> None:
    """BP-72: while not all is known, none that is heard may be one that was not read."""
    families = alarms({"a": 1}, {"a": 0})
    judge = partial(verdicts, of("BP-72", "warning"))

    assert judge(facts(deployment, **families, incomplete=["alarms"])) == {deployment.name: None}
    heard = alarms({"a": 1}, {"a": 1})
    assert judge(facts(deployment, **heard, incomplete=["alarms"])) == {deployment.name: True}


def test_opsgenie(deployment: Deployment) -> None:
    """BP-73: a topic that still tells Opsgenie, also beside another pager or not confirmed yet."""
    known = facts(
        deployment,
        sns_topic_subscriptions={
            ("both", "opsgenie", "confirmed"): 1,
            ("both", "jira_service_management", "confirmed"): 1,
            ("pending", "opsgenie", "confirmed"): 0,
            ("pending", "opsgenie", "pending"): 1,
            ("moved", "opsgenie", "confirmed"): 0,
            ("moved", "jira_service_management", "confirmed"): 1,
        },
    )

    assert verdicts(of("BP-73", "info"), known) == {"both": False, "pending": False, "moved": True}


# --- Monitoring


def monitoring(configured: float | None = 1, running: float | None = 1, wanted: float | None = 1) -> dict[str, Any]:
    """The stack 5-6 under an old name, and the service of its Prometheus beside that of tenants' resources."""
    one = ("c", "prometheus")
    return {
        "stack_info": {("x-5-5-ecs-monitoring", MONITORING, "3.36.1")},
        "stack_expected_present": {"1-1-vpc": 1},
        "stack_alertmanager_configured": {} if configured is None else {"x-5-5-ecs-monitoring": configured},
        "ecs_service_info": {service("prometheus", "prometheus"), service("trm", "trm_prometheus")},
        "ecs_service_running_tasks": {("c", "trm"): 1} | ({} if running is None else {one: running}),
        "ecs_service_desired_tasks": {("c", "trm"): 1} | ({} if wanted is None else {one: wanted}),
    }


@pytest.mark.parametrize(
    ("families", "incomplete", "compliant"),
    [
        (monitoring(), [], True),
        (monitoring(configured=0), [], False),
        (monitoring(configured=None), [], None),
        (monitoring(running=0), [], False),
        (monitoring(running=0, wanted=0), [], False),
        (monitoring(running=None), [], False),
        (monitoring(running=None), ["ecs"], None),
        (monitoring(running=0), ["ecs"], None),
        (monitoring(configured=0, running=None), ["ecs"], False),
        (monitoring(configured=None, running=0), [], False),
        (monitoring() | {"ecs_service_info": set()}, [], False),
        (monitoring() | {"ecs_service_info": set()}, ["ecs"], None),
    ],
)
def test_monitoring(
    deployment: Deployment, families: dict[str, Any], incomplete: list[str], compliant: bool | None
) -> None:
    """BP-74: 5-6 has an Alertmanager, and its Prometheus runs; what was not read is unknown."""
    known = facts(deployment, **families, incomplete=incomplete)

    assert verdicts(of("BP-74", "warning"), known) == {"x-5-5-ecs-monitoring": compliant}


def test_two_stacks_of_monitoring(deployment: Deployment) -> None:
    """BP-74: each stack of the template is judged."""
    families = monitoring()
    families["stack_info"] |= {("other", MONITORING, "3.36.1")}
    families["stack_alertmanager_configured"] |= {"other": 0}

    assert verdicts(of("BP-74", "warning"), facts(deployment, **families)) == {
        "x-5-5-ecs-monitoring": True, "other": False
    }  # fmt: skip


@pytest.mark.parametrize(("wanted", "compliant"), [(0, True), (1, False), (None, False)])
def test_monitoring_that_sleeps(deployment: Deployment, wanted: float | None, compliant: bool) -> None:
    """BP-74: where services may be switched off, Prometheus may be."""
    sleeper = replace(deployment, expect=Expect(may_sleep=True))

    known = facts(sleeper, **monitoring(running=0, wanted=wanted))

    assert verdicts(of("BP-74", "warning"), known) == {"x-5-5-ecs-monitoring": compliant}


def test_no_prometheus_cannot_sleep(deployment: Deployment) -> None:
    """BP-74: a service that is not there is not switched off."""
    sleeper = replace(deployment, expect=Expect(may_sleep=True))

    known = facts(sleeper, **monitoring() | {"ecs_service_info": set()})

    assert verdicts(of("BP-74", "warning"), known) == {"x-5-5-ecs-monitoring": False}


@pytest.mark.parametrize(
    ("prefix", "name"), [("acme-prod-eu1", "acme-prod-eu1-5-6-ecs-monitoring"), ("", "5-6-ecs-monitoring")]
)
def test_no_monitoring(deployment: Deployment, prefix: str, name: str) -> None:
    """BP-74: that there is no such stack is a finding under the name that it should have, once all stacks are known."""
    here = replace(deployment, stack_prefix=prefix)
    all_of_them: dict[str, Any] = {
        "stack_info": {("vpc", "1-1-vpc", "3.36.1")},
        "stack_expected_present": {"1-1-vpc": 1},
    }
    judge = partial(verdicts, of("BP-74", "warning"))

    assert judge(facts(here, **all_of_them)) == {name: False}
    assert judge(facts(here, **all_of_them, incomplete=["stacks"])) == {}
    assert judge(facts(here, stack_info={("vpc", "1-1-vpc", "3.36.1")})) == {}  # the names of some stacks alone


@pytest.mark.parametrize(
    ("value", "mib", "compliant"),
    [
        ("false", 1_024, True),
        ("false", None, True),
        ("true", 2_048, False),
        ("true", 2_049, True),
        ("True", 1_024, False),
        ("true", None, None),
    ],
)
def test_thanos(deployment: Deployment, value: str, mib: int | None, compliant: bool | None) -> None:
    """BP-75: Thanos is off, or has more memory than Prometheus alone needs."""
    known = facts(
        deployment,
        stack_parameter_info={("5-6", "UseLongTermStorage", value), ("5-4", "IncludeUDPGatewayServer", "true")},
        ecs_service_info={service("prometheus", "prometheus"), service("is")},
        ecs_task_memory_bytes={("c", "is"): 512 * MIB} | ({} if mib is None else {("c", "prometheus"): mib * MIB}),
    )

    found = judged(of("BP-75", "info"), known)

    assert {name: each.compliant for name, each in found.items()} == {"5-6": compliant}
    if mib and value != "false":
        assert found["5-6"].fact == f"Thanos is on, with {mib} MiB for it and Prometheus"


@pytest.mark.parametrize(
    ("sizes", "compliant"),
    [
        ({"a": 4_096, "b": 1_024}, False),
        ({"b": 4_096, "a": 1_024}, False),
        ({"a": 4_096}, None),
        ({"a": 1_024}, False),
        ({"a": 4_096, "b": 4_096}, True),
    ],
)
def test_thanos_in_two_clusters(deployment: Deployment, sizes: dict[str, int], compliant: bool | None) -> None:
    """BP-75: of several services of Prometheus each has to have the memory."""
    known = facts(
        deployment,
        stack_parameter_info={("5-6", "UseLongTermStorage", "true")},
        ecs_service_info={service("prometheus", "prometheus", cluster) for cluster in "ab"},
        ecs_task_memory_bytes={(cluster, "prometheus"): mib * MIB for cluster, mib in sizes.items()},
    )

    assert verdicts(of("BP-75", "info"), known) == {"5-6": compliant}


def test_thanos_without_prometheus(deployment: Deployment) -> None:
    """BP-75: switched on while nobody knows its task, it is unknown."""
    known = facts(deployment, stack_parameter_info={("5-6", "UseLongTermStorage", "true")})

    assert verdicts(of("BP-75", "info"), known) == {"5-6": None}


def test_container_insights(deployment: Deployment) -> None:
    """BP-76: on or off, for each cluster."""
    known = facts(deployment, ecs_container_insights_enabled={"on": 1, "off": 0})

    assert verdicts(of("BP-76", "info"), known) == {"on": True, "off": False}


# --- Leftovers


def test_removed_templates(deployment: Deployment) -> None:
    """BP-77: a stack of a template that the vendor removed; unknown templates and our own are neither."""
    known = facts(
        deployment,
        stack_info={
            ("old", "200-1-crypto", "3.23.2"),
            ("gcs", "5-3d-ecs-gcs-service", ""),
            ("vpc", "1-1-vpc", "3.36.1"),
            ("odd", "", ""),
            ("5-9", "5-9-ecs-aws-exporter", "0.1.0"),
        },
    )

    found = judged(of("BP-77", "info", "Stack"), known)

    assert {name: each.compliant for name, each in found.items()} == {"old": False, "gcs": False, "vpc": True}
    assert found["old"].fact == "the vendor has removed the template 200-1-crypto"


@pytest.mark.parametrize(("one", "other"), ["ab", "ba"])
def test_removed_services(deployment: Deployment, one: str, other: str) -> None:
    """BP-77: the UDP Gateway Server is a leftover, in whichever cluster it runs."""
    known = facts(
        deployment,
        ecs_service_info={service("gs", "udp_gs", one): 1, service("gs", "gs", other): 1, service("is"): 1},
    )

    assert verdicts(of("BP-77", "info", "Service"), known) == {"gs": False, "is": True}


# --- Load balancer


@pytest.mark.parametrize(
    ("listeners", "expected"),
    [
        ({("443", "TLS", "HTTP2Preferred"), ("8884", "TLS", "HTTP2Only")}, {"3-2": True}),
        ({("443", "TLS", "HTTP2Optional"), ("8884", "TLS", "")}, {"3-2": False}),
        ({("443", "TLS", "HTTP1Only")}, {"3-2": False}),
        ({("443", "TLS", "None")}, {"3-2": False}),
        ({("443", "TCP", ""), ("8884", "TLS", "HTTP2Preferred")}, {"3-2": True}),  # the proxy ends TLS
        ({("443", "TCP", ""), ("8884", "TCP", "")}, {}),
        ({("8882", "TLS", "")}, {}),
    ],
)
def test_http2(deployment: Deployment, listeners: set[tuple[str, str, str]], expected: dict[str, bool | None]) -> None:
    """BP-78: where the load balancer ends TLS for HTTP and gRPC, it offers HTTP/2."""
    known = facts(
        deployment,
        lb_listener_info={("lb", port, protocol, alpn, "") for port, protocol, alpn in listeners},
        stack_info={("3-2", "3-2-load-balancer-rules", "3.36.1")},
    )

    assert verdicts(of("BP-78", "info"), known) == expected


def test_ports_without_http2_are_said(deployment: Deployment) -> None:
    """BP-78: the ports are named, each once."""
    known = facts(
        deployment,
        lb_listener_info={("lb", "443", "TLS", "", ""), ("lb", "8884", "TLS", "", ""), ("b", "443", "TLS", "", "")},
        stack_info={("3-2", "3-2-load-balancer-rules", "3.36.1")},
    )

    assert judged(of("BP-78", "info"), known)["3-2"].fact == "no HTTP/2 by ALPN on 443, 8884"


# --- Sizes

SIZES = ("t1.micro", "t2.small", "t3.medium", "t3a.large", "t4g.medium", "m6g.large", "r6g.large", "trn1.2xlarge")
BURSTABLE = {size: not size.startswith(("t1", "t2", "t3", "t4")) for size in SIZES}


def test_sizes(deployment: Deployment) -> None:
    """BP-79: production's databases and ECS hosts are of no class that has CPU credits; other hosts may be."""
    of_hosts = [(size, "ecs") for size in SIZES] + [("t3.micro", "bastion"), ("t3.nano", "timescaledb")]
    known = facts(
        deployment,
        rds_instance_info={(size, "aurora", f"db.{size}", "13.8", "eu-west-1a") for size in SIZES},
        elasticache_replication_group_info={
            (size, "redis", "7.1", f"cache.{size}", "general", "2-3") for size in SIZES
        },
        ec2_instance_info={(size, "", role, size, "ami-1", "eu-west-1a", "5-1") for size, role in of_hosts},
    )

    for kind in ("DBInstance", "ReplicationGroup", "EC2::Instance"):
        assert verdicts(of("BP-79", "info", kind), known) == BURSTABLE


def test_serverless(deployment: Deployment) -> None:
    """BP-79: Aurora's serverless class has no credits."""
    known = facts(deployment, rds_instance_info={("a", "aurora", "db.serverless", "15.4", "eu-west-1a")})

    verdict = judged(of("BP-79", "info", "DBInstance"), known)["a"]

    assert (verdict.compliant, verdict.fact) == (True, "db.serverless")


@pytest.mark.parametrize(
    "practice",
    [each for each in PRACTICES if each.practice != "BP-72"],
    ids=lambda each: f"{each.practice}-{each.resource_type}",
)
def test_nothing_there(deployment: Deployment, practice: Practice) -> None:
    """A deployment that has nothing that a practice is about gets no verdict of it."""
    assert verdicts(practice, facts(deployment)) == {}
