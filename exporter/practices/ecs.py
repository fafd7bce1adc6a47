"""ECS: does each service run often enough and in several zones, and can its hosts carry it?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from ..facts import Facts
from ..practice import SETTING, Practice, Verdict
from .checks import HOUR, Check, age, all_of, amount, at_least

SERVICE, CLUSTER = "AWS::ECS::Service", "AWS::ECS::Cluster"
INSTANCE, GROUP = "AWS::EC2::Instance", "AWS::AutoScaling::AutoScalingGroup"
# One writer on storage that cannot be shared.
SINGLE = ("prometheus", "trm_prometheus", "trm_alertmanager")
PROMETHEUS_MIB = 2_048
ROLLOUT = HOUR  # one that takes longer hangs
BURSTABLE = ("t2.", "t3.", "t3a.", "t4g.")  # AWS has no trunks for them


def clusters_of_hosts(facts: Facts) -> Counter[str]:
    """The clusters that need hosts, and how many services are wanted there whose launch type is EC2."""
    wanted = facts.by("ecs_service_desired_tasks", "ecs_service")
    on_hosts = facts.rows("ecs_service_info", launch_type="EC2")
    return Counter(labels["ecs_cluster"] for labels, _ in on_hosts if wanted.get(labels["ecs_service"], 1))


def settings(facts: Facts) -> Iterator[Verdict]:
    hosts = clusters_of_hosts(facts) or facts.rows("ecs_container_instance_agent_connected")
    known = facts.known("ecs_service_info", "ecs_container_instance_agent_connected")
    for setting, on in facts.by("ecs_account_setting_enabled", "setting").items():
        verdict = Verdict(setting, on == 1, "enabled" if on else "not enabled")
        if setting != "awsvpcTrunking" or hosts:
            yield verdict
        elif not known:
            yield Verdict(setting, on == 1 or None, verdict.fact if on else "")


def runs(facts: Facts) -> Iterator[Verdict]:
    running = facts.by("ecs_service_running_tasks", "ecs_service")
    for service, wanted in facts.by("ecs_service_desired_tasks", "ecs_service").items():
        if wanted:
            count = running.get(service)
            fact = f"{count or 0:g} of {wanted or 0:g} tasks run"
            yield all_of(service, Check(at_least(count, 1), fact, fact))


def runs_twice(facts: Facts) -> Iterator[Verdict]:
    desired = facts.by("ecs_service_desired_tasks", "ecs_service")
    running = facts.by("ecs_service_running_tasks", "ecs_service")
    zones = facts.by("ecs_service_availability_zones", "ecs_service")
    all_read = facts.known("ecs_service_availability_zones")
    for service, least in facts.by("ecs_service_min_tasks", "ecs_service").items():
        wanted, count, spread = desired.get(service), running.get(service), zones.get(service)
        if wanted == 0 and facts.deployment.expect.may_sleep:
            yield Verdict(service, True, "switched off, as it may be")
        elif least >= 1:
            enough = None if count is None or wanted is None else count >= min(least, wanted)
            fact = f"{count or 0:g} of {wanted or 0:g} tasks run"
            apart = None if spread is None else spread != 1
            # A task outside AWS is in no zone; where all was read and there is no number, there are such.
            if least < 2 or (count or 0) < 2 or (spread is None and all_read):
                apart = True
            yield all_of(
                service,
                Check(at_least(wanted, least), "", f"{amount(wanted, 'task')} wanted, {least:g} needed"),
                Check(enough, fact, fact),
                Check(
                    apart, f"in {amount(spread, 'zone')}" if spread else "", f"its {count or 0:g} tasks are in one zone"
                ),
            )


def single(facts: Facts) -> Iterator[Verdict]:
    desired = facts.by("ecs_service_desired_tasks", "ecs_service")
    for service, component in facts.words("ecs_service_info", "ecs_service", "component").items():
        if component in SINGLE:
            wanted = desired.get(service)
            fact = f"{amount(wanted, 'task')} of a service that has to be alone"
            yield all_of(service, Check(None if wanted is None else wanted <= 1, f"{amount(wanted, 'task')}", fact))


def deployed(facts: Facts) -> Iterator[Verdict]:
    rollouts = facts.rows("ecs_service_deployment_rollout")
    states = {labels["ecs_service"]: labels["rollout_state"] for labels, value in rollouts if value}
    created = facts.by("ecs_service_deployment_created_timestamp_seconds", "ecs_service")
    running = facts.by("ecs_service_running_tasks", "ecs_service")
    read_at = facts.read_at("ecs_service_deployment_created_timestamp_seconds")
    for service, wanted in facts.by("ecs_service_desired_tasks", "ecs_service").items():
        state, began, count = states.get(service), created.get(service), running.get(service)
        if state == "failed":
            yield Verdict(service, False, "the rollout failed", began)
        elif state == "completed":
            yield Verdict(service, True, "the rollout is complete")
        elif count is not None and count >= wanted:
            yield Verdict(service, True, "as many tasks run as are wanted")
        elif count is None or began is None:
            yield Verdict(service, None)
        else:
            late = read_at - began > ROLLOUT
            fact = f"the rollout began {age(read_at - began)} ago, {count:g} of {wanted:g} tasks run"
            yield Verdict(service, not late, fact, began + ROLLOUT if late else None)


def carries_many(facts: Facts) -> Iterator[Verdict]:
    trunks = facts.by("ecs_container_instance_eni_trunking", "instance_id")
    types = facts.words("ec2_instance_info", "instance_id", "instance_type")
    needed = clusters_of_hosts(facts)
    groups: dict[str, list[str]] = defaultdict(list)
    hosts = facts.by("ecs_container_instance_agent_connected", "instance_id")
    for labels, _ in facts.rows("autoscaling_instance_info"):
        if labels["instance_id"] in hosts:
            groups[labels["autoscaling_group"]].append(labels["instance_id"])
    for group, instances in groups.items():
        if needed:
            checks = []
            for instance in instances:
                kind, trunk = types.get(instance), trunks.get(instance)
                met = None if kind is None else True if not kind.startswith(BURSTABLE) else trunk
                checks.append(Check(met, f"{instance} is {kind}", f"{instance} is {kind} without a trunk"))
            yield all_of(group, *checks)


def has_hosts(facts: Facts) -> Iterator[Verdict]:
    active = facts.by("ecs_container_instances", "ecs_cluster", status="active")
    all_read = facts.known("ecs_container_instance_agent_connected")
    for cluster, services in clusters_of_hosts(facts).items():
        agents = [on for _, on in facts.rows("ecs_container_instance_agent_connected", ecs_cluster=cluster)]
        connected = True if any(agents) else False if all_read else None
        fact = f"{amount(active.get(cluster), 'active host')} for {amount(services, 'service')} on EC2"
        yield all_of(
            cluster,
            Check(at_least(active.get(cluster), 1), fact, fact),
            Check(connected, f"{sum(agents):g} of {len(agents)} agents connected", "no host's agent is connected"),
        )


def hosts_apart(facts: Facts) -> Iterator[Verdict]:
    """Two hosts, in two zones. Where too few of them are connected, the others have findings of their own instead."""
    zones = facts.words("ec2_instance_info", "instance_id", "availability_zone")
    all_read = facts.known("ecs_container_instance_agent_connected")
    for cluster in clusters_of_hosts(facts):
        agents = facts.by("ecs_container_instance_agent_connected", "instance_id", ecs_cluster=cluster)
        connected = [instance for instance, on in agents.items() if on]
        hosts = amount(len(agents), "host")
        if len(agents) < 2:
            yield all_of(cluster, Check(False if all_read else None, "", f"{hosts} only"))
        elif len(connected) >= 2:
            known = {zones[instance] for instance in connected if instance in zones}
            unread = len(known) < 2 and not zones.keys() >= set(connected)
            fact = f"{hosts}, the connected ones in {amount(len(known), 'zone')}"
            yield all_of(cluster, Check(None if unread else len(known) >= 2, fact, fact))


def agents_connected(facts: Facts) -> Iterator[Verdict]:
    zones = facts.words("ec2_instance_info", "instance_id", "availability_zone")
    hosts = facts.by("ecs_container_instance_agent_connected", "instance_id")
    one_zone = len(hosts) > 1 and zones.keys() >= hosts.keys() and len({zones[each] for each in hosts}) == 1
    beside = "; all hosts are in one zone" if one_zone else ""
    for instance, on in hosts.items():
        yield all_of(instance, Check(on, "its agent is connected", f"its agent is disconnected{beside}"))


def roomy(facts: Facts) -> Iterator[Verdict]:
    memory = facts.by("ecs_task_memory_bytes", "ecs_service")
    for service in facts.words("ecs_service_info", "ecs_service", "component", component="prometheus"):
        size = memory.get(service)
        fact = f"{(size or 0) / 2**20:.0f} MiB"
        yield all_of(
            service, Check(at_least(size, PROMETHEUS_MIB * 2**20), fact, f"{fact}, less than {PROMETHEUS_MIB}")
        )


INFO, WANTED, RUNNING = "ecs_service_info", "ecs_service_desired_tasks", "ecs_service_running_tasks"
CREATED = "ecs_service_deployment_created_timestamp_seconds"
ZONES, AGENTS = "ecs_service_availability_zones", "ecs_container_instance_agent_connected"
TWICE = (WANTED, RUNNING, ZONES, "ecs_service_min_tasks")
TRUNKS = ("ecs_container_instance_eni_trunking", "ec2_instance_info")

PRACTICES: tuple[Practice, ...] = (
    Practice("BP-30", "warning", SETTING, "enabled", ("ecs_account_setting_enabled", INFO, WANTED, AGENTS), settings),
    Practice("BP-31", "critical", SERVICE, "a task that runs", (WANTED, RUNNING), runs),
    Practice("BP-31", "warning", SERVICE, "as many tasks as are needed, in two zones or more", TWICE, runs_twice),
    Practice("BP-32", "warning", SERVICE, "one task", (INFO, WANTED), single),
    Practice(
        "BP-33",
        "warning",
        SERVICE,
        "rollouts that finish within an hour",
        (WANTED, RUNNING, CREATED, "ecs_service_deployment_rollout"),
        deployed,
    ),
    Practice(
        "BP-35",
        "warning",
        GROUP,
        "hosts of a type that has trunk interfaces, or on which few tasks run",
        ("autoscaling_instance_info", INFO, WANTED, AGENTS, *TRUNKS),
        carries_many,
    ),
    Practice(
        "BP-36",
        "critical",
        CLUSTER,
        "a connected host for services on EC2",
        (INFO, WANTED, AGENTS, "ecs_container_instances"),
        has_hosts,
    ),
    Practice(
        "BP-36", "warning", CLUSTER, "two hosts, in two zones", (INFO, WANTED, AGENTS, "ec2_instance_info"), hosts_apart
    ),
    Practice("BP-36", "warning", INSTANCE, "a connected agent", (AGENTS, "ec2_instance_info"), agents_connected),
    Practice("BP-37", "warning", SERVICE, f"{PROMETHEUS_MIB} MiB of memory", (INFO, "ecs_task_memory_bytes"), roomy),
)
