"""Alerting and monitoring: does anything watch the deployment, and does it reach somebody?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..facts import Facts
from ..practice import DEPLOYMENT, Practice, Verdict
from ..templates import CURRENT, REMOVED
from .checks import Check, all_of, amount
from .network import HTTP2, offers_http2
from .updating import switched_on

STACK, TOPIC, SERVICE, CLUSTER = (
    "AWS::CloudFormation::Stack",
    "AWS::SNS::Topic",
    "AWS::ECS::Service",
    "AWS::ECS::Cluster",
)
INSTANCE, DB_INSTANCE = "AWS::EC2::Instance", "AWS::RDS::DBInstance"
GROUP = "AWS::ElastiCache::ReplicationGroup"
MONITORING = "5-6-ecs-monitoring"
PROMETHEUS_MEMORY = 2_048 * 2**20
BURSTABLE = ("t1", "t2", "t3", "t3a", "t4g")


def reaches_somebody(facts: Facts) -> Iterator[Verdict]:
    name = facts.deployment.name
    enabled = facts.by("cloudwatch_alarm_actions_enabled", "alarm")
    notifies = facts.by("cloudwatch_alarm_notifies_pager", "alarm")
    heard = sum(bool(on and notifies.get(alarm)) for alarm, on in enabled.items())
    alarms, topics = facts.value("cloudwatch_alarms"), facts.value("sns_topics")
    # Who listens to a topic of another account only that account knows.
    unknown = any(on and alarm not in notifies for alarm, on in enabled.items())
    if heard:
        yield Verdict(name, True, f"{heard} of {amount(len(enabled), 'alarm')} told to a confirmed subscription")
    elif alarms is None or topics is None or unknown or not facts.known("cloudwatch_alarm_notifies_pager"):
        yield Verdict(name, None, "whether anybody is told of its alarms is not known")
    else:
        pending = sum(row.value for row in facts.rows("sns_topic_subscriptions", state="pending"))
        fact = f"none of {amount(alarms, 'alarm')} is told to a confirmed subscription; {amount(topics, 'topic')}"
        yield Verdict(name, False, fact + (f", {amount(pending, 'subscription')} pending" if pending else ""))


def beyond_opsgenie(facts: Facts) -> Iterator[Verdict]:
    count: dict[str, float] = {}
    for labels, value in facts.rows("sns_topic_subscriptions"):
        count[labels["topic"]] = count.get(labels["topic"], 0.0) + value * (labels["provider"] == "opsgenie")
    for topic, opsgenie in count.items():
        yield Verdict.of(
            topic, not opsgenie, "sends nothing to Opsgenie", "sends to Opsgenie, which ends on 2027-04-05"
        )


def monitored(facts: Facts) -> Iterator[Verdict]:
    templates = facts.words("stack_info", "stack", "template")
    stacks = [stack for stack, template in templates.items() if template == MONITORING]
    for stack in stacks:
        configured = facts.value("stack_alertmanager_configured", stack=stack)
        yield all_of(
            stack,
            Check(configured, "it has an Alertmanager", "no Alertmanager is configured: its alerts reach nobody"),
            Check(prometheus_runs(facts), "", "its Prometheus does not run"),
        )
    # It tells of mandatory templates where all stacks are known, and of nothing else.
    if not stacks and facts.known("stack_info") and facts.rows("stack_expected_present"):
        name = "-".join(filter(None, (facts.deployment.stack_prefix, MONITORING)))
        yield Verdict(name, False, "there is no such stack, under no name that it ever had")


def prometheus_runs(facts: Facts) -> bool | None:
    """Whether a task of it runs, or none is wanted where services may be switched off."""
    of = [(labels["ecs_cluster"], labels["ecs_service"]) for labels, _ in facts.rows(SERVICES, component="prometheus")]
    running = [facts.value(RUNNING, ecs_cluster=cluster, ecs_service=service) for cluster, service in of]
    wanted = [facts.value(WANTED, ecs_cluster=cluster, ecs_service=service) for cluster, service in of]
    asleep = facts.deployment.expect.may_sleep and bool(of) and set(wanted) == {0}
    return True if any(running) or asleep else False if facts.known(RUNNING) else None


def thanos_has_room(facts: Facts) -> Iterator[Verdict]:
    checks = []
    for labels, _ in facts.rows(SERVICES, component="prometheus"):
        size = facts.value(MEMORY, ecs_cluster=labels["ecs_cluster"], ecs_service=labels["ecs_service"])
        fact = f"Thanos is on, with {(size or 0) / 2**20:.0f} MiB for it and Prometheus"
        checks.append(Check(None if size is None else size > PROMETHEUS_MEMORY, fact, fact))
    for labels, _ in facts.rows("stack_parameter_info", parameter="UseLongTermStorage"):
        if switched_on(labels["value"]):
            yield all_of(labels["stack"], *(checks or [Check(None, "", "")]))
        else:
            yield Verdict(labels["stack"], True, "Thanos is off")


def insights(facts: Facts) -> Iterator[Verdict]:
    for cluster, on in facts.by("ecs_container_insights_enabled", "ecs_cluster").items():
        yield Verdict.of(cluster, on, "Container Insights is on", "Container Insights is off")


def no_removed_template(facts: Facts) -> Iterator[Verdict]:
    for stack, template in facts.words("stack_info", "stack", "template").items():
        if template in REMOVED:
            yield Verdict(stack, False, f"the vendor has removed the template {template}")
        elif template in CURRENT:
            yield Verdict(stack, True, "of a current template")


def no_removed_service(facts: Facts) -> Iterator[Verdict]:
    gone = {labels["ecs_service"] for labels, _ in facts.rows(SERVICES, component="udp_gs")}
    for service in facts.by(SERVICES, "ecs_service"):
        yield Verdict.of(
            service, service not in gone, "a current service", "the UDP Gateway Server was removed in 3.26.0"
        )


def not_burstable(family: str, label: str, kind: str, **having: str) -> Callable[[Facts], Iterator[Verdict]]:
    def judge(facts: Facts) -> Iterator[Verdict]:
        for resource, name in facts.words(family, label, kind, **having).items():
            class_ = name.removeprefix("db.").removeprefix("cache.")
            yield Verdict(resource, class_.partition(".")[0] not in BURSTABLE, name)

    return judge


SERVICES, RUNNING, WANTED = "ecs_service_info", "ecs_service_running_tasks", "ecs_service_desired_tasks"
MEMORY = "ecs_task_memory_bytes"
SIZED = "a class that is not burstable"
PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-72",
        "warning",
        DEPLOYMENT,
        "an alarm that acts, and a confirmed subscription to its topic",
        (
            "cloudwatch_alarms",
            "cloudwatch_alarm_actions_enabled",
            "cloudwatch_alarm_notifies_pager",
            "sns_topics",
            "sns_topic_subscriptions",
        ),
        reaches_somebody,
    ),
    Practice(
        "BP-73", "info", TOPIC, "a pager that goes on after 2027-04-05", ("sns_topic_subscriptions",), beyond_opsgenie
    ),
    Practice(
        "BP-74",
        "warning",
        STACK,
        "the stack 5-6, running, with an Alertmanager",
        ("stack_info", "stack_alertmanager_configured", "stack_expected_present", SERVICES, RUNNING, WANTED),
        monitored,
    ),
    Practice(
        "BP-75",
        "info",
        STACK,
        "off, or more than 2048 MiB of memory",
        ("stack_parameter_info", SERVICES, MEMORY),
        thanos_has_room,
    ),
    Practice("BP-76", "info", CLUSTER, "Container Insights on", ("ecs_container_insights_enabled",), insights),
    Practice("BP-77", "info", STACK, "no stack of a removed template", ("stack_info",), no_removed_template),
    Practice("BP-77", "info", SERVICE, "no service that was removed", ("ecs_service_info",), no_removed_service),
    Practice("BP-78", "info", STACK, "HTTP/2 by ALPN on 443 and 8884", HTTP2, offers_http2),
    Practice(
        "BP-79",
        "info",
        DB_INSTANCE,
        SIZED,
        ("rds_instance_info",),
        not_burstable("rds_instance_info", "db_instance", "instance_class"),
        "prod",
    ),
    Practice(
        "BP-79",
        "info",
        GROUP,
        SIZED,
        ("elasticache_replication_group_info",),
        not_burstable("elasticache_replication_group_info", "replication_group", "node_type"),
        "prod",
    ),
    Practice(
        "BP-79",
        "info",
        INSTANCE,
        SIZED,
        ("ec2_instance_info",),
        not_burstable("ec2_instance_info", "instance_id", "instance_type", role="ecs"),
        "prod",
    ),
)
