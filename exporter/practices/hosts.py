"""Updating hosts: do they run a supported system from the present launch template, with agents and volumes of today?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..facts import Facts
from ..images import Version
from ..practice import DEPLOYMENT, Practice, Verdict
from .checks import Check, all_of, amount
from .updating import SERVICE, STACK, STACKS, TIMESCALEDB, stacks

INSTANCE, VOLUME = "AWS::EC2::Instance", "AWS::EC2::Volume"
GROUP = "AWS::AutoScaling::AutoScalingGroup"
# Template versions whose TimescaleDB hosts were Amazon Linux 2023, the last included.
AL2023 = (Version(3, 34, 1), Version(3, 35, 0))


def amazon_linux_2(facts: Facts) -> Iterator[Verdict]:
    stack_of = facts.words("ec2_instance_info", "instance_id", "stack")
    on_2023 = {
        stack_of.get(labels["instance_id"])
        for labels, _ in facts.rows("ssm_instance_info")
        if labels["platform"] == "Amazon Linux" and labels["platform_version"].startswith("2023")
    }
    for stack in stacks(facts):
        if stack.template not in TIMESCALEDB:
            continue
        if stack.name in on_2023:
            yield Verdict(stack.name, False, "its host runs Amazon Linux 2023")
        elif stack.version:
            window = AL2023[0] <= stack.version <= AL2023[1]
            yield Verdict(stack.name, not window, f"template {stack.version}")
        else:
            fact = "a template of before 3.16.2" if stack.old else "its template's version is not known"
            yield Verdict(stack.name, stack.old or None, fact)


def supported_system(facts: Facts) -> Iterator[Verdict]:
    ends = facts.by("ec2_os_support_end_timestamp_seconds", "instance_id")
    read_at = facts.read_at("ec2_os_support_end_timestamp_seconds")
    hosts = facts.by("ec2_instance_info", "instance_id").keys() | ends.keys()
    over = sorted(instance for instance, end in ends.items() if end < read_at)
    unknown = sorted(hosts - ends.keys())
    name = facts.deployment.name
    if over:
        fact = f"{amount(len(over), 'host')} on a system that AWS supports no more: {', '.join(over)}"
        yield Verdict(name, False, fact, min(ends[each] for each in over))
    elif unknown:
        yield Verdict(name, None, f"how long the system of {', '.join(unknown)} is supported is not known")
    elif hosts:
        yield Verdict(name, True, "every host's system is supported")


def launched_alike(facts: Facts) -> Iterator[Verdict]:
    """Groups of ECS hosts; TimescaleDB's are not to be replaced for a newer launch template alone (BP-16)."""
    ecs = facts.by("ec2_instance_info", "instance_id", role="ecs")
    outdated = facts.by("ec2_launch_template_outdated", "instance_id")
    groups: dict[str, list[str]] = defaultdict(list)
    for labels, _ in facts.rows("autoscaling_instance_info"):
        groups[labels["autoscaling_group"]].append(labels["instance_id"])
    for group, instances in groups.items():
        old = sorted(each for each in instances if outdated.get(each))
        if not ecs.keys() & set(instances):
            continue
        if old:
            yield Verdict(group, False, f"started from an older launch template or configuration: {', '.join(old)}")
        elif outdated.keys() >= set(instances):
            yield Verdict(group, True, "every host was started from the present launch template")
        else:
            yield Verdict(group, None, "what its hosts were started from is not known of all")


def gp3(facts: Facts) -> Iterator[Verdict]:
    for volume, kind in facts.words("timescaledb_volume_info", "volume_id", "volume_type").items():
        yield Verdict(volume, kind != "gp2", kind)


def keeps_tasks(facts: Facts) -> Iterator[Verdict]:
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, least in facts.rows("ecs_service_min_tasks"):
        if least > 1:
            kept = facts.value("ecs_service_minimum_healthy_ratio", **labels)
            fact = f"a deployment keeps at least {kept or 0:.0%} of its tasks"
            checks[labels["ecs_service"]].append(Check(kept, fact, "a deployment may stop all of its tasks"))
    for service, found in checks.items():
        yield all_of(service, *found)


def latest_agent(facts: Facts) -> Iterator[Verdict]:
    latest = facts.by("ssm_agent_latest", "instance_id")
    version = facts.words("ssm_instance_info", "instance_id", "agent_version")
    for instance in latest.keys() | version.keys():
        agent = f"SSM agent {version.get(instance, '')}".strip()
        yield Verdict.of(instance, latest.get(instance), f"{agent}, the newest", f"{agent}, not the newest")


PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-17",
        "warning",
        STACK,
        "Amazon Linux 2: a template before 3.34.1 or from 3.35.1 on",
        (*STACKS, "ec2_instance_info", "ssm_instance_info"),
        amazon_linux_2,
    ),
    Practice(
        "BP-18",
        "info",
        DEPLOYMENT,
        "hosts on a system that AWS supports",
        ("ec2_os_support_end_timestamp_seconds", "ec2_instance_info"),
        supported_system,
    ),
    Practice(
        "BP-19",
        "warning",
        GROUP,
        "ECS hosts started from the present launch template",
        ("autoscaling_instance_info", "ec2_launch_template_outdated", "ec2_instance_info"),
        launched_alike,
    ),
    Practice("BP-20", "info", VOLUME, "gp3", ("timescaledb_volume_info",), gp3),
    Practice(
        "BP-21",
        "warning",
        SERVICE,
        "a minimum healthy percent above 0",
        ("ecs_service_min_tasks", "ecs_service_minimum_healthy_ratio"),
        keeps_tasks,
    ),
    Practice("BP-24", "info", INSTANCE, "the newest agent", ("ssm_agent_latest", "ssm_instance_info"), latest_agent),
)
