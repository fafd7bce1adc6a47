"""Which containers a deployment runs, of which component and release: in its services, and in tasks without a service.

During a roll-out a service runs two task definitions, and certbot and ops have one that only a stack's output names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, NamedTuple

from . import ecs, images
from .aws import Aws
from .components import component_in
from .deployment import Deployment
from .images import Image, Version

_OPTION = re.compile(r"""--(cluster|task-definition)[=\s]+["']?([^\s"']+)""")

Raw = Mapping[str, Any]


class OneOff(NamedTuple):
    """A task that no service runs; ``name`` is its task definition as a stack's output names it."""

    component: str
    name: str
    cluster: str


def one_offs(deployment: Deployment) -> list[OneOff]:
    """The tasks that outputs of the deployment's stacks tell how to run: ops, and a certbot for each certificate."""
    found = set()
    for stack in deployment.stacks:
        arguments = stack.outputs.get("OpsRunTaskArguments", "").split()
        if len(arguments) > 1:
            found.add(OneOff("ops", arguments[0], arguments[1]))
        options = dict(_OPTION.findall(stack.outputs.get("RunCertbotTaskCLICommand", "")))
        if "task-definition" in options:
            found.add(OneOff("certbot", options["task-definition"], options.get("cluster", "").rpartition("/")[2]))
    return sorted(found)


async def one_off(aws: Aws, task: OneOff) -> dict[str, Any]:
    """The task definition of a task without a service; empty if it was deleted."""
    # A revision never changes; of a family without one ECS describes the newest.
    kept = inf if task.name.rpartition(":")[2].isdecimal() else None
    gone = ("ClientException",)  # ECS says nothing finer of one that is not there
    answer = await aws.read("ecs", "DescribeTaskDefinition", taskDefinition=task.name, max_age=kept, absent=gone)
    found: dict[str, Any] = answer.get("taskDefinition", {})
    return found


async def services(aws: Aws, cluster: str) -> tuple[ecs.Described, dict[str, Raw]]:
    """All services of a cluster; by ARN their task definitions, also those that a roll-out has not replaced yet."""
    described, read = await ecs.services(aws, cluster)
    deployments = [each for service in described.found for each in service.get("deployments", ())]
    running = {each.get("taskDefinition") for each in deployments if each.get("runningCount")}
    older = running - {service.get("taskDefinition") for service in described.found} - {None}
    more = await aws.gather(
        {arn: aws.read("ecs", "DescribeTaskDefinition", taskDefinition=arn, max_age=inf) for arn in sorted(older)}
    )
    return described, {arn: part["taskDefinition"] for arn, part in {**read, **more}.items()}


def what_runs(
    service: Raw, definitions: Mapping[str, Raw], deployment: Deployment
) -> Iterator[tuple[str, Version | None]]:
    """Component and release of each of the vendor's containers in a service's running tasks; None if not known."""
    deployments = service.get("deployments", ())
    running = {each.get("taskDefinition") for each in deployments if each["runningCount"]}
    if not running and service["runningCount"]:  # CodeDeploy and other controllers: there are no deployments
        running = {service.get("taskDefinition")}
    for arn in running:
        if arn not in definitions:
            yield component_in(service, (), deployment), None
            continue
        for container in definitions[arn]["containerDefinitions"]:
            image = image_of(container)
            if image.vendors:
                yield component_in(service, (container,), deployment), image.version


def image_of(container: Raw) -> Image:
    """The image of a container definition; one that starts the vendor's binary is the vendor's under any name."""
    words = (*container.get("entryPoint", ()), *container.get("command", ()))
    return images.parse(container["image"], starts_stack=any("-lw-stack" in word for word in words))
