"""What ECS is asked, so that collectors ask the same and share the answers, and how its answers are understood."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

from .answer import Answer
from .aws import Aws
from .deployment import Deployment
from .errors import ReadFailed
from .metrics import Malformed

CLUSTER = "AWS::ECS::Cluster"
# The most that ECS describes in one call.
SERVICES_A_CALL, OTHERS_A_CALL = 10, 100
# Clusters change less often than tasks; seconds.
CLUSTERS_EVERY = 300.0
# The tagging API still lists a deleted cluster for a while.
GONE = ("ClusterNotFoundException",)

# What AWS says when a task stops; the first that fits, as a task killed for its memory is an exited one as well.
REASONS = {
    "out_of_memory": "OutOfMemory",
    "image_pull": "CannotPull|pull image|unable to pull",
    "health_check": "health check|unhealthy",
    "spot": "Spot",  # not every TerminationNotice: on-demand hosts are terminated as well
    "placement": "unable to place|RESOURCE:|[Cc]apacity is unavailable|network interface",
    "deployment": "ServiceSchedulerInitiated|initiated by \\(deployment|capacity provider scale-in",
    "essential_exited": "EssentialContainerExited|Essential container",
    "other": "",
}


class Described(NamedTuple):
    """What ECS described; ``complete`` if that is all that it had listed, but for what ended meanwhile."""

    found: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    complete: bool

    def refused(self) -> Iterator[Malformed]:
        """What ECS would not describe, inside an answer that is good otherwise."""
        for failure in self.failures:
            yield Malformed(str(failure.get("arn")), f"ECS could not describe it: {failure.get('reason')}")


UNREAD = Described([], [], complete=False)


async def clusters(aws: Aws, names: list[str]) -> list[dict[str, Any]]:
    """The clusters with their settings."""
    if not names:  # asked without names, ECS describes a cluster called "default"
        return []
    asked: dict[str, Any] = {"clusters": names, "include": ["SETTINGS"]}
    answer = await aws.read("ecs", "DescribeClusters", max_age=CLUSTERS_EVERY, **asked)
    found: list[dict[str, Any]] = answer["clusters"]
    return found


def living(described: Iterable[Mapping[str, Any]], deployment: Deployment) -> list[str]:
    """The names of the deployment's clusters, without those that are deleted: ECS describes them for a while."""
    gone = {cluster.get("clusterName") for cluster in described if cluster.get("status") == "INACTIVE"}
    return sorted(deployment.resources(CLUSTER).keys() - gone)


async def services(aws: Aws, cluster: str) -> tuple[Described, Answer]:
    """All services of a cluster, and their task definitions by ARN, which never change."""
    listed = await aws.read("ecs", "ListServices", cluster=cluster, absent=GONE)
    described = await describe(aws, cluster, "services", listed.get("serviceArns"), SERVICES_A_CALL, include=["TAGS"])
    definitions = {service["taskDefinition"] for service in described.found if "taskDefinition" in service}
    return described, await aws.gather(
        {arn: aws.read("ecs", "DescribeTaskDefinition", taskDefinition=arn, max_age=inf) for arn in sorted(definitions)}
    )


async def tasks(aws: Aws, cluster: str, status: str) -> Described:
    """All tasks of a cluster that should run, or that have stopped; one listing for all services."""
    listed = await aws.read("ecs", "ListTasks", cluster=cluster, desiredStatus=status, absent=GONE)
    described = await describe(aws, cluster, "tasks", listed.get("taskArns"), OTHERS_A_CALL, of=status)
    if aws.failures and listed and not described.complete and not described.failures:
        raise ReadFailed(aws.failures[-1])  # a part of the tasks is no fact about any service
    return described


async def container_instances(aws: Aws, cluster: str) -> Described:
    """The hosts of a cluster, with what ECS knows of their health."""
    listed = await aws.read("ecs", "ListContainerInstances", cluster=cluster, absent=GONE)
    arns, health = listed.get("containerInstanceArns"), ["CONTAINER_INSTANCE_HEALTH"]
    return await describe(aws, cluster, "containerInstances", arns, OTHERS_A_CALL, include=health)


async def describe(
    aws: Aws, cluster: str, what: str, arns: list[str] | None, size: int, *, of: str = "", **more: Any
) -> Described:
    """Describe what was listed, in batches side by side; None was listed in a cluster that is gone.

    What is listed changes all the time, hence a slot for each batch (``of`` tells listings of one kind apart): else
    the answers about every list that there ever was would be kept.
    """
    operation = f"Describe{what[0].upper()}{what[1:]}"
    ordered = sorted(arns or ())
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    asked: list[dict[str, Any]] = [{"cluster": cluster, what: batch, **more} for batch in batches]
    answers = await aws.gather(
        {number: aws.read("ecs", operation, slot=(cluster, of, number), **each) for number, each in enumerate(asked)}
    )
    found = [item for answer in answers.values() for item in answer[what]]
    # MISSING: it was listed and has ended since.
    failures = [
        failure
        for answer in answers.values()
        for failure in answer.get("failures", ())
        if failure.get("reason") != "MISSING"
    ]
    return Described(found, failures, arns is not None and len(answers) == len(batches) and not failures)


def reason_of(task: dict[str, Any]) -> str:
    """Why a task stopped, by the first pattern that fits what ECS and its containers say."""
    said = [task.get("stopCode"), task.get("stoppedReason")]
    said += [container.get("reason") for container in task.get("containers", ())]
    words = " ".join(filter(None, said))
    return next(reason for reason, pattern in REASONS.items() if re.search(pattern, words))


def launch_type(service: dict[str, Any]) -> str:
    """FARGATE, EC2 or EXTERNAL, by the capacity providers where ECS does not say; "" if nothing says."""
    providers = {item["capacityProvider"] for item in service.get("capacityProviderStrategy", ())}
    by_providers = ("FARGATE" if providers <= {"FARGATE", "FARGATE_SPOT"} else "EC2") if providers else ""
    return service.get("launchType") or by_providers


def memory_of(definition: dict[str, Any]) -> int | None:
    """Memory of a task in bytes; on EC2 it may be given by container only, or not at all."""
    if definition.get("memory"):
        return int(definition["memory"]) * 2**20
    each_has = [container.get("memory") for container in definition.get("containerDefinitions", ())]
    return sum(each_has) * 2**20 if each_has and None not in each_has else None
