"""Container instances: are the hosts of ECS there, connected and healthy, and can each carry many tasks?

Practice: BP-30 (account settings), BP-35 (ENI trunking), BP-36 (hosts).
Cost: a cluster 1 + hosts/100, and 1 that ecs shares; a day 2.
API: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeContainerInstances.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterator
from functools import partial
from typing import Any

from .. import ecs
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..metrics import Family, Malformed, Sample, each

IN_CLUSTER = ("ecs_cluster",)
OF_HOST = (*IN_CLUSTER, "instance_id")

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
TRUNKING = Family(
    "tts_aws_ecs_container_instance_eni_trunking",
    "The host has a trunk network interface, so that more than two or three tasks with interfaces of their own fit; "
    "none while it is made or removed (ECS ContainerInstance.attributes).",
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

ACTIONS = (
    "ecs:DescribeClusters",
    "ecs:ListContainerInstances",
    "ecs:DescribeContainerInstances",
    "ecs:ListAccountSettings",
)

SETTINGS = ("serviceLongArnFormat", "taskLongArnFormat", "containerInstanceLongArnFormat", "awsvpcTrunking")
SETTINGS_EVERY = 86_400.0  # seconds
STATUSES = ("ACTIVE", "DRAINING", "REGISTERING", "DEREGISTERING", "REGISTRATION_FAILED")
# Source: ECS API Reference, ContainerInstance.status.
TRUNK_IN_BETWEEN = ("REGISTERING", "DEREGISTERING")


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    names = sorted(deployment.resources(ecs.CLUSTER))
    parts: dict[Any, Awaitable[Any]] = {
        "settings": aws.read("ecs", "ListAccountSettings", effectiveSettings=True, max_age=SETTINGS_EVERY),
        "clusters": ecs.clusters(aws, names),
    }
    return await aws.gather(parts | {("hosts", name): ecs.container_instances(aws, name) for name in names})


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    yield from each(answer.get("settings", {}).get("settings", ()), setting_samples)
    for cluster in ecs.living(answer.get("clusters", ()), deployment):
        hosts = answer.get(("hosts", cluster), ecs.UNREAD)
        yield from hosts.refused()
        yield from each(hosts.found, partial(host_samples, cluster))
        yield from each([hosts] if hosts.complete else [], partial(status_samples, cluster))


def setting_samples(setting: dict[str, Any]) -> Iterator[Sample]:
    if setting["name"] in SETTINGS:
        yield SETTING.sample(setting["value"] == "enabled", setting=setting["name"])


def host_samples(cluster: str, host: dict[str, Any]) -> Iterator[Sample]:
    labels = {"ecs_cluster": cluster, "instance_id": host["ec2InstanceId"]}
    yield AGENT.sample(host["agentConnected"], **labels)
    health = host.get("healthStatus", {}).get("overallStatus")
    if health in ("OK", "IMPAIRED"):
        yield HEALTHY.sample(health == "OK", **labels)
    if "attributes" in host and host["status"] not in TRUNK_IN_BETWEEN:
        names = {attribute["name"] for attribute in host["attributes"]}
        yield TRUNKING.sample("ecs.awsvpc-trunk-id" in names, **labels)


def status_samples(cluster: str, hosts: ecs.Described) -> Iterator[Sample]:
    counts = Counter(host["status"] for host in hosts.found)
    for status in STATUSES:
        yield HOSTS.sample(counts[status], ecs_cluster=cluster, status=status.lower())


COLLECTOR = Collector(
    name="container_instances",
    interval=300,
    actions=ACTIONS,
    families=(HOSTS, AGENT, HEALTHY, TRUNKING, SETTING),
    fetch=fetch,
    samples=samples,
)
