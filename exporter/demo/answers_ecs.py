"""ECS: clusters, services, task definitions and account settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, number
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request
from exporter.demo.resources import cluster_name, service_arn, target_group_arn

NEWEST = "3.36.2"

# What an account has that never set anything: AWS's eleven settings.
_SETTINGS = {
    "serviceLongArnFormat": "enabled",
    "taskLongArnFormat": "enabled",
    "containerInstanceLongArnFormat": "enabled",
    "awsvpcTrunking": "enabled",
    "containerInsights": "enabled",
    "fargateFIPSMode": "disabled",
    "tagResourceAuthorization": "on",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "on",
    "fargateEventWindows": "disabled",
    "defaultLogDriverMode": "non-blocking",
}


def last(arn: str) -> str:
    return arn.rpartition("/")[2]


def _clusters(world: World, request: Request) -> dict[str, View]:
    """The views by the name of their cluster."""
    return {
        cluster_name(view.facts): view
        for view in world.views(request)
        if view.get("ecs", "cluster") or view.all("ecs", "services")
    }


def find_cluster(world: World, request: Request) -> View:
    """The view of the cluster that the request names; AWS's error if there is none."""
    view = _clusters(world, request).get(last(request.parameters.get("cluster") or "default"))
    if view is None:
        raise AwsError("ClusterNotFoundException", "Cluster not found.")
    return view


def cluster_arn(view: View) -> str:
    return view.arn("ecs", f"cluster/{cluster_name(view.facts)}")


def failures(arns: list[str]) -> list[Facts]:
    return [{"arn": arn, "reason": "MISSING"} for arn in arns]


def task_definitions(view: View) -> Iterator[tuple[Facts, str]]:
    """Every task definition with its ARN: those of the services, then those that are run without one."""
    for service in view.all("ecs", "services"):
        yield task_definition(view, service), _task_definition_arn(view, service)
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


def _task_definition_arn(view: View, service: Facts) -> str:
    task = service.get("_taskDefinition") or {}
    family = task.get("family", service["serviceName"])
    default = view.arn("ecs", f"task-definition/{family}:{task.get('revision', 1)}")
    return str(service.get("taskDefinition") or default)


def list_clusters(world: World, request: Request) -> Facts:
    return {"clusterArns": [cluster_arn(view) for view in _clusters(world, request).values()]}


def describe_clusters(world: World, request: Request) -> Facts:
    """Settings, statistics and tags only if they are included."""
    views, include = _clusters(world, request), request.parameters.get("include") or []
    wanted = request.parameters.get("clusters") or ["default"]
    found = []
    for name in dict.fromkeys(last(arn) for arn in wanted):
        if name not in views:
            continue
        view = views[name]
        all_services = [service for _, service in services(view)]
        ec2 = [service for service in all_services if service.get("launchType") == "EC2"]
        running = sum(service["runningCount"] for service in all_services)
        on_ec2 = sum(service["runningCount"] for service in ec2)
        optional = {
            "SETTINGS": {"settings": [{"name": "containerInsights", "value": "enabled"}]},
            "STATISTICS": {
                "statistics": [
                    {"name": "runningEC2TasksCount", "value": str(on_ec2)},
                    {"name": "runningFargateTasksCount", "value": str(running - on_ec2)},
                    {"name": "activeServicesCount", "value": str(len(all_services))},
                ]
            },
            "TAGS": {"tags": _tags(view, "AWS::ECS::Cluster", name)},
        }
        given = view.get("ecs", "cluster") or {}
        if given.get("settings"):
            optional["SETTINGS"] = {"settings": [aws(setting) for setting in given["settings"]]}
        found.append(
            aws(
                given,
                "settings",
                clusterName=name,
                clusterArn=cluster_arn(view),
                status="ACTIVE",
                registeredContainerInstancesCount=len(view.all("ecs", "container_instances")),
                runningTasksCount=running,
                pendingTasksCount=sum(service["pendingCount"] for service in all_services),
                activeServicesCount=len(all_services),
                capacityProviders=[],
            )
            | {key: value for name in include for key, value in optional.get(name, {}).items()}
        )
    return {"clusters": found, "failures": failures([arn for arn in wanted if last(arn) not in views])}


def _tags(view: View, type_: str, id_: str) -> list[Facts]:
    return [{"key": tag["Key"], "value": tag["Value"]} for tag in view.tags(type_, id_)]


def services(view: View) -> Iterator[tuple[Facts, Facts]]:
    """Each service as the inventory has it, and as AWS tells it."""
    for item in view.all("ecs", "services"):
        name, arn = item["serviceName"], service_arn(view.facts, item)
        desired = item.get("desiredCount", len(item.get("_taskAvailabilityZones") or ()) or 2)
        running = item.get("runningCount", desired)
        launch = item.get("launchType", "FARGATE")
        task = _task_definition_arn(view, item)
        groups = {group["TargetGroupName"]: group for group in view.all("elbv2", "target_groups")}
        balancers = []
        for short in item.get("_targetGroups") or ():
            group = groups.get(f"{view.name}-{short}") or groups.get(short)
            if group:
                port = group.get("Port", 1884)
                balancers.append(
                    {
                        "targetGroupArn": target_group_arn(view.facts, group),
                        "containerName": "ttes",
                        "containerPort": port,
                    }
                )
        deployments = []
        for given in item.get("deployments") or [{}]:
            updated = given.get("updatedAt") or view.now - timedelta(days=30)
            failed = given.get("rolloutState") == "FAILED"
            deployments.append(
                aws(
                    given,
                    id=f"ecs-svc/{number(arn, given.get('status', 'PRIMARY'))}",
                    status="PRIMARY",
                    taskDefinition=task,
                    desiredCount=desired,
                    runningCount=running,
                    pendingCount=item.get("pendingCount", 0),
                    failedTasks=3 if failed else 0,
                    createdAt=updated - timedelta(minutes=10),
                    updatedAt=updated,
                    launchType=launch,
                    rolloutState="COMPLETED",
                    rolloutStateReason="tasks failed to start." if failed else "ECS deployment completed.",
                )
            )
        yield (
            item,
            aws(
                item,
                serviceArn=arn,
                clusterArn=cluster_arn(view),
                status="ACTIVE",
                launchType=launch,
                schedulingStrategy="REPLICA",
                desiredCount=desired,
                runningCount=running,
                pendingCount=max(desired - running, 0) if "runningCount" not in item else 0,
                taskDefinition=task,
                deploymentConfiguration={"minimumHealthyPercent": 100, "maximumPercent": 200},
                loadBalancers=balancers,
                serviceRegistries=[],
                events=[],
                createdAt=view.now - BORN,
                propagateTags="NONE",
                enableECSManagedTags=False,
                enableExecuteCommand=False,
                availabilityZoneRebalancing="DISABLED",
            )
            | {"deployments": deployments, "serviceName": name},
        )


def list_services(world: World, request: Request) -> Facts:
    wanted = request.parameters
    return {
        "serviceArns": [
            service["serviceArn"]
            for _, service in services(find_cluster(world, request))
            if wanted.get("launchType") in (None, service.get("launchType"))
            and wanted.get("schedulingStrategy", service["schedulingStrategy"]) == service["schedulingStrategy"]
        ]
    }


def describe_services(world: World, request: Request) -> Facts:
    """Unknown services come as failures, not as an error; more than ten names are one."""
    wanted = request.parameters["services"]
    if len(wanted) > 10:
        raise AwsError("InvalidParameterException", "Services cannot have more than 10 elements.")
    view = find_cluster(world, request)
    found = {service["serviceName"]: service for _, service in services(view)}
    asked = [last(arn) for arn in wanted]
    if "TAGS" in (request.parameters.get("include") or ()):
        for service in found.values():
            service["tags"] = _tags(view, "AWS::ECS::Service", service["serviceArn"])
    missing = [view.arn("ecs", f"service/{name}") for name in asked if name not in found]
    return {"services": [found[name] for name in asked if name in found], "failures": failures(missing)}


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
            tags = (
                _tags(view, "AWS::ECS::TaskDefinition", arn) if "TAGS" in request.parameters.get("include", ()) else []
            )
            return {"taskDefinition": definition, "tags": tags}
    raise AwsError("ClientException", "Unable to describe task definition.")


def list_account_settings(world: World, request: Request) -> Facts:
    """Only what was set explicitly; all eleven with effectiveSettings."""
    wanted = request.parameters
    given = {item["name"]: item["value"] for view in world.views(request) for item in view.all("ecs_account_settings")}
    values = {**_SETTINGS, **given} if wanted.get("effectiveSettings") else given
    return {
        "settings": [
            {
                "name": name,
                "value": value,
                "principalArn": f"arn:aws:iam::{request.account}:root",
                "type": "aws_managed" if name == "guardDutyActivate" else "user",
            }
            for name, value in values.items()
            if wanted.get("name", name) == name and wanted.get("value", value) == value
        ]
    }


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ecs", "ListClusters"): list_clusters,
    ("ecs", "DescribeClusters"): describe_clusters,
    ("ecs", "ListServices"): list_services,
    ("ecs", "DescribeServices"): describe_services,
    ("ecs", "DescribeTaskDefinition"): describe_task_definition,
    ("ecs", "ListAccountSettings"): list_account_settings,
}
