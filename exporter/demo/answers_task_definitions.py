"""ECS: task definitions."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws
from exporter.demo.inventory import View, World
from exporter.demo.names import service_arn
from exporter.demo.request import AwsError, Handler, Request

NEWEST = "3.36.2"


def last(arn: str) -> str:
    return arn.rpartition("/")[2]


def task_definitions(view: View) -> Iterator[tuple[Facts, str]]:
    """Every task definition with its ARN: those of the services, then those that are run without one."""
    for service in view.all("ecs", "services"):
        yield task_definition(view, service), task_definition_arn(view, service)
    for task in view.all("ecs", "task_families_without_service"):
        yield task, view.arn("ecs", f"task-definition/{task['family']}:{task.get('revision', 1)}")


def task_definition(view: View, service: Facts) -> Facts:
    given: Facts = service.get("_taskDefinition") or {}
    short = service["serviceName"].removeprefix(f"{view.name}-")
    stack = view.resources.stack_of("AWS::ECS::Service", service_arn(view.facts, service)) or {}
    version = (stack.get("Outputs") or {}).get("VersionTag", NEWEST)
    flavour = f"-{short}" if short in ("proxy", "prometheus") or short.startswith("trm-") else ""
    image = f"docker.io/thethingsindustries/lorawan-stack:{version}-aws{flavour}"
    command = {} if flavour else {"command": ["tti-lw-stack", "start", short]}
    memory = "2048" if short == "prometheus" else "1024"
    return {
        "family": service["serviceName"],
        "cpu": "512",
        "memory": memory,
        "requiresCompatibilities": [service.get("launchType", "FARGATE")],
        "containerDefinitions": [{"name": "ttes", "image": image, **command}],
        **{key: value for key, value in given.items() if value is not None},
    }


def task_definition_arn(view: View, service: Facts) -> str:
    task = service.get("_taskDefinition") or {}
    family = task.get("family", service["serviceName"])
    default = view.arn("ecs", f"task-definition/{family}:{task.get('revision', 1)}")
    return str(service.get("taskDefinition") or default)


def tag_list(view: View, type_: str, id_: str) -> list[Facts]:
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in view.tags(type_, id_)]


def describe_task_definition(world: World, request: Request) -> Facts:
    """By ARN, family:revision or family; the Identity Server's tells a multi-tenant network by its variable."""
    wanted = last(request.parameters["taskDefinition"])
    for view in world.views(request):
        for task, arn in task_definitions(view):
            if wanted not in (last(arn), last(arn).rpartition(":")[0]):
                continue
            family, _, revision = last(arn).rpartition(":")
            containers = []
            for container in task["containerDefinitions"]:
                environment = [{"name": "TTN_LW_LOG_LEVEL", "value": "info"}]
                if view.facts.get("multi_tenant") and container.get("command", [])[-2:] == ["start", "is"]:
                    environment.append({"name": "TTN_LW_TENANCY_DEFAULT_ID", "value": view.facts["network"]})
                containers.append(aws(container, essential=True, environment=environment, cpu=0, portMappings=[]))
            definition = aws(
                task,
                taskDefinitionArn=arn,
                family=family,
                revision=int(revision) if revision.isdigit() else 1,
                status="ACTIVE",
                cpu="512",
                memory="1024",
                networkMode="awsvpc",
                requiresCompatibilities=["FARGATE"],
                runtimePlatform={"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
                compatibilities=["EC2", "FARGATE"],
                registeredAt=view.now - BORN,
                volumes=[],
                placementConstraints=[],
            ) | {"containerDefinitions": containers}
            included = "TAGS" in request.parameters.get("include", ())
            tags = tag_list(view, "AWS::ECS::TaskDefinition", arn) if included else []
            return {"taskDefinition": definition, "tags": tags}
    raise AwsError("ClientException", "Unable to describe task definition.")


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ecs", "DescribeTaskDefinition"): describe_task_definition,
}
