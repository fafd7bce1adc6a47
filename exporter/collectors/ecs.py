"""ECS: do as many tasks run as are needed, in several zones, and why did others stop?

Practice: BP-21, BP-30 to BP-33, BP-35 to BP-37 and BP-59 (services, deployments, account settings, hosts, schedules).
Cost: a minute and cluster 3 + services/10 + running tasks/100 + stopped tasks/100; every five minutes 1 + hosts/100 a
cluster and 2; once 1 for each task definition; a day 2.
API: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from .. import ecs
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..components import is_exporter, least_tasks, recognise
from ..deployment import Deployment, component_of
from ..metrics import Family, Malformed, Sample, each
from ..schedules import interval_of

CLUSTER, SERVICE, RULE = "AWS::ECS::Cluster", "AWS::ECS::Service", "AWS::Events::Rule"
IN_CLUSTER = ("ecs_cluster",)
OF_SERVICE = (*IN_CLUSTER, "ecs_service")
OF_HOST = (*IN_CLUSTER, "instance_id")

DESIRED = Family("tts_aws_ecs_service_desired_tasks", "Tasks that should run (ECS Service.desiredCount).", OF_SERVICE)
RUNNING = Family("tts_aws_ecs_service_running_tasks", "Tasks that run (ECS Service.runningCount).", OF_SERVICE)
PENDING = Family("tts_aws_ecs_service_pending_tasks", "Tasks about to run (ECS Service.pendingCount).", OF_SERVICE)
INFO = Family(
    "tts_aws_ecs_service_info",
    "The component of The Things Stack that a service runs, and on what (ECS Service, TaskDefinition).",
    (*OF_SERVICE, "component", "launch_type", "stack"),
)
MIN_TASKS = Family(
    "tts_aws_ecs_service_min_tasks",
    "Tasks that high availability asks for: 2, 1 of what runs only once, 0 of what is switched off, or as configured.",
    OF_SERVICE,
    lasting=True,
)
ZONES = Family(
    "tts_aws_ecs_service_availability_zones", "Zones of the running tasks (ECS Task.availabilityZone).", OF_SERVICE
)
ROLLOUT = Family(
    "tts_aws_ecs_service_deployment_rollout",
    "State of the primary deployment, one of them 1 (ECS Deployment.rolloutState).",
    (*OF_SERVICE, "rollout_state"),
    "flag",
)
CREATED = Family(
    "tts_aws_ecs_service_deployment_created_timestamp_seconds",
    "When the primary deployment began (ECS Deployment.createdAt).",
    OF_SERVICE,
    "time",
)
FAILED = Family(
    "tts_aws_ecs_service_failed_tasks",
    "Tasks of the primary deployment that failed to start, in a row (ECS Deployment.failedTasks).",
    OF_SERVICE,
)
MIN_HEALTHY = Family(
    "tts_aws_ecs_service_minimum_healthy_ratio",
    "Part of the tasks that a deployment keeps running (ECS DeploymentConfiguration.minimumHealthyPercent).",
    OF_SERVICE,
)
MEMORY = Family("tts_aws_ecs_task_memory_bytes", "Memory of a task (ECS TaskDefinition.memory).", OF_SERVICE)
STOPPED = Family(
    "tts_aws_ecs_service_stopped_tasks",
    "Stopped tasks that AWS remembers, about an hour (ECS Task.stopCode and stoppedReason, Container.reason).",
    (*OF_SERVICE, "reason"),
)
INSIGHTS = Family(
    "tts_aws_ecs_container_insights_enabled", "Container Insights is on (ECS Cluster.settings).", IN_CLUSTER, "flag"
)
HOSTS = Family(
    "tts_aws_ecs_container_instances", "Hosts by status (ECS ContainerInstance.status).", (*IN_CLUSTER, "status")
)
AGENT = Family(
    "tts_aws_ecs_container_instance_agent_connected",
    "The host's agent reaches ECS (ECS ContainerInstance.agentConnected).",
    OF_HOST,
    "flag",
)
HEALTHY = Family(
    "tts_aws_ecs_container_instance_healthy",
    "ECS finds the host healthy; none before it knows (ECS ContainerInstance.healthStatus.overallStatus).",
    OF_HOST,
    "flag",
)
SETTING = Family(
    "tts_aws_ecs_account_setting_enabled",
    "In effect for the role of the exporter (ECS Setting.value).",
    ("setting",),
    "flag",
    "account",
)
SCHEDULED = Family(
    "tts_aws_ecs_scheduled_task_enabled", "The schedule is on (EventBridge Rule.State).", ("rule",), "flag"
)
SCHEDULE = Family(
    "tts_aws_ecs_scheduled_task_interval_seconds",
    "Longest time between runs; none for an irregular schedule (EventBridge Rule.ScheduleExpression).",
    ("rule",),
)

ACTIONS = (
    "ecs:DescribeClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:ListContainerInstances",
    "ecs:DescribeContainerInstances",
    "ecs:ListAccountSettings",
    "events:ListRules",
)

SETTINGS = ("serviceLongArnFormat", "taskLongArnFormat", "containerInstanceLongArnFormat", "awsvpcTrunking")
SETTINGS_EVERY = 86_400.0  # seconds
ROLLOUTS = ("COMPLETED", "IN_PROGRESS", "FAILED")
STATUSES = ("ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED")
UNREAD = ecs.Described([], [], complete=False)


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    names, seldom = sorted(deployment.resources(CLUSTER)), ecs.HOSTS_EVERY
    parts: dict[Any, Awaitable[Any]] = {
        "settings": aws.read("ecs", "ListAccountSettings", effectiveSettings=True, max_age=SETTINGS_EVERY),
        "rules": aws.read("events", "ListRules", max_age=seldom),
    }
    if names:  # asked without names, ECS describes a cluster called "default"
        parts["clusters"] = aws.read("ecs", "DescribeClusters", clusters=names, include=["SETTINGS"], max_age=seldom)
    for name in names:
        parts["services", name] = ecs.services(aws, name)
        parts["running", name] = ecs.tasks(aws, name, "RUNNING")
        parts["stopped", name] = ecs.tasks(aws, name, "STOPPED")
        parts["hosts", name] = ecs.container_instances(aws, name)
    return await aws.gather(parts)


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    yield from each(answer.get("settings", {}).get("settings", ()), setting_samples)
    yield from each(answer.get("rules", {}).get("Rules", ()), lambda rule: rule_samples(rule, deployment))
    clusters = answer.get("clusters", {}).get("clusters", ())
    yield from each(clusters, cluster_samples)
    gone = {cluster.get("clusterName") for cluster in clusters if cluster.get("status") == "INACTIVE"}
    for cluster in sorted(deployment.resources(CLUSTER).keys() - gone):
        yield from in_cluster(cluster, answer, deployment)


def in_cluster(cluster: str, answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    services, definitions = answer.get(("services", cluster), (UNREAD, {}))
    running, stopped, hosts = (answer.get((what, cluster), UNREAD) for what in ("running", "stopped", "hosts"))
    for described in (services, running, stopped, hosts):
        for failure in described.failures:
            yield Malformed(str(failure.get("arn")), f"ECS could not describe it: {failure.get('reason')}")

    active = [service for service in services.found if service.get("status") == "ACTIVE"]  # not DRAINING, INACTIVE
    yield from each(active, lambda service: service_samples(service, cluster, definitions, deployment))
    yield from each(active, lambda service: task_samples(service, cluster, running, stopped))
    yield from each(hosts.found, lambda host: host_samples(host, cluster))
    yield from each([hosts] if hosts.complete else [], lambda listed: status_samples(listed, cluster))


def service_samples(
    service: dict[str, Any], cluster: str, definitions: Mapping[str, Any], deployment: Deployment
) -> Iterator[Sample]:
    name = service["serviceName"]
    labels = {"ecs_cluster": cluster, "ecs_service": name}
    yield DESIRED.sample(service["desiredCount"], **labels)
    yield RUNNING.sample(service["runningCount"], **labels)
    yield PENDING.sample(service["pendingCount"], **labels)

    definition = definitions.get(service.get("taskDefinition", ""), {}).get("taskDefinition", {})
    stack = deployment.owner(SERVICE, service["serviceArn"], service.get("tags", ())) or ""
    containers, template = definition.get("containerDefinitions", ()), deployment.template_of(stack)
    component = component_of(deployment, name) or recognise(service, containers, template)
    yield INFO.sample(1, **labels, component=component, launch_type=ecs.launch_type(service), stack=stack)
    ours = is_exporter(service, containers, template)
    least = least_tasks(component, service["desiredCount"], exporter=ours)
    expected = deployment.expect.min_tasks
    yield MIN_TASKS.sample(expected.get(name, expected.get(component, least)), **labels)
    if (memory := ecs.memory_of(definition)) is not None:
        yield MEMORY.sample(memory, **labels)

    if (percent := service.get("deploymentConfiguration", {}).get("minimumHealthyPercent")) is not None:
        yield MIN_HEALTHY.sample(percent / 100, **labels)
    for primary in (item for item in service.get("deployments", ()) if item["status"] == "PRIMARY"):
        if "rolloutState" in primary:  # CODE_DEPLOY and EXTERNAL have none
            for state in ROLLOUTS:
                yield ROLLOUT.sample(primary["rolloutState"] == state, **labels, rollout_state=state.lower())
        if "createdAt" in primary:
            yield CREATED.sample(primary["createdAt"], **labels)
        if "failedTasks" in primary:
            yield FAILED.sample(primary["failedTasks"], **labels)


def task_samples(
    service: dict[str, Any], cluster: str, running: ecs.Described, stopped: ecs.Described
) -> Iterator[Sample]:
    """Samples from the service's tasks; from all of them or none, as a part would look like an outage."""
    labels = {"ecs_cluster": cluster, "ecs_service": service["serviceName"]}
    group = f"service:{service['serviceName']}"
    if running.complete:
        tasks = [task for task in running.found if task["group"] == group and task["lastStatus"] == "RUNNING"]
        zones = {task.get("availabilityZone") for task in tasks}
        if None not in zones:  # a task on a host outside AWS (EXTERNAL) is in none
            yield ZONES.sample(len(zones), **labels)
    if stopped.complete:
        ends = Counter(ecs.reason_of(task) for task in stopped.found if task["group"] == group)
        for reason in ecs.REASONS:
            yield STOPPED.sample(ends[reason], **labels, reason=reason)


def host_samples(host: dict[str, Any], cluster: str) -> Iterator[Sample]:
    labels = {"ecs_cluster": cluster, "instance_id": host["ec2InstanceId"]}
    yield AGENT.sample(host["agentConnected"], **labels)
    health = host.get("healthStatus", {}).get("overallStatus")
    if health in ("OK", "IMPAIRED"):
        yield HEALTHY.sample(health == "OK", **labels)


def status_samples(hosts: ecs.Described, cluster: str) -> Iterator[Sample]:
    counts = Counter(host["status"] for host in hosts.found)
    for status in STATUSES:
        yield HOSTS.sample(counts[status], ecs_cluster=cluster, status=status.lower())


def cluster_samples(cluster: dict[str, Any]) -> Iterator[Sample]:
    for setting in cluster.get("settings", ()):
        if setting["name"] == "containerInsights" and cluster["status"] == "ACTIVE":
            yield INSIGHTS.sample(setting["value"] != "disabled", ecs_cluster=cluster["clusterName"])


def setting_samples(setting: dict[str, Any]) -> Iterator[Sample]:
    if setting["name"] in SETTINGS:
        yield SETTING.sample(setting["value"] == "enabled", setting=setting["name"])


def rule_samples(rule: dict[str, Any], deployment: Deployment) -> Iterator[Sample]:
    name = rule["Name"]
    if deployment.owner(RULE, name) is None or "ScheduleExpression" not in rule:
        return
    yield SCHEDULED.sample(rule["State"].startswith("ENABLED"), rule=name)
    if (seconds := interval_of(rule["ScheduleExpression"])) is not None:
        yield SCHEDULE.sample(seconds, rule=name)


COLLECTOR = Collector(
    name="ecs",
    interval=60,
    actions=ACTIONS,
    families=(
        *(DESIRED, RUNNING, PENDING, INFO, MIN_TASKS, ZONES, ROLLOUT, CREATED, FAILED, MIN_HEALTHY, MEMORY, STOPPED),
        *(INSIGHTS, HOSTS, AGENT, HEALTHY, SETTING, SCHEDULED, SCHEDULE),
    ),
    fetch=fetch,
    samples=samples,
)
