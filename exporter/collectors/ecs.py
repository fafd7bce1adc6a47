"""ECS: do as many tasks run as are needed, in several zones, and why did others stop?

Practice: BP-21 and BP-31 to BP-33 (services, deployments), BP-37 (memory), BP-70 (tasks), BP-76 (Container Insights).
Cost: a minute and cluster 3 + services/10 + running tasks/100 + stopped tasks/100; every five minutes 1, which
container_instances shares; once 1 for each task definition.
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

SERVICE = "AWS::ECS::Service"
IN_CLUSTER = ("ecs_cluster",)
OF_SERVICE = (*IN_CLUSTER, "ecs_service")

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

ACTIONS = (
    "ecs:DescribeClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
)

ROLLOUTS = ("COMPLETED", "IN_PROGRESS", "FAILED")


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    names = sorted(deployment.resources(ecs.CLUSTER))
    parts: dict[Any, Awaitable[Any]] = {"clusters": ecs.clusters(aws, names)}
    for name in names:
        parts["services", name] = ecs.services(aws, name)
        parts["running", name] = ecs.tasks(aws, name, "RUNNING")
        parts["stopped", name] = ecs.tasks(aws, name, "STOPPED")
    return await aws.gather(parts)


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    clusters = answer.get("clusters", ())
    yield from each(clusters, cluster_samples)
    for cluster in ecs.living(clusters, deployment):
        yield from in_cluster(cluster, answer, deployment)


def in_cluster(cluster: str, answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    services, definitions = answer.get(("services", cluster), (ecs.UNREAD, {}))
    running, stopped = (answer.get((what, cluster), ecs.UNREAD) for what in ("running", "stopped"))
    for described in (services, running, stopped):
        yield from described.refused()
    active = [service for service in services.found if service.get("status") == "ACTIVE"]  # not DRAINING, INACTIVE
    yield from each(active, lambda service: service_samples(service, cluster, definitions, deployment))
    yield from each(active, lambda service: task_samples(service, cluster, running, stopped))


def cluster_samples(cluster: dict[str, Any]) -> Iterator[Sample]:
    for setting in cluster.get("settings", ()):
        if setting["name"] == "containerInsights" and cluster["status"] == "ACTIVE":
            yield INSIGHTS.sample(setting["value"] != "disabled", ecs_cluster=cluster["clusterName"])


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


COLLECTOR = Collector(
    name="ecs",
    interval=60,
    actions=ACTIONS,
    families=(
        *(DESIRED, RUNNING, PENDING, INFO, MIN_TASKS, ZONES, ROLLOUT, CREATED, FAILED, MIN_HEALTHY, MEMORY, STOPPED),
        INSIGHTS,
    ),
    fetch=fetch,
    samples=samples,
)
