"""ECS: clusters, services, task definitions and account settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_stacks import BORN
from exporter.demo.answers_task_definitions import last, tag_list, task_definition_arn
from exporter.demo.forms import Facts, aws, number
from exporter.demo.inventory import View, World
from exporter.demo.names import cluster_name, service_arn, target_group_arn
from exporter.demo.request import AwsError, Handler, Request

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
            "TAGS": {"tags": tag_list(view, "AWS::ECS::Cluster", name)},
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


def services(view: View) -> Iterator[tuple[Facts, Facts]]:
    """Each service as the inventory has it, and as AWS tells it."""
    for item in view.all("ecs", "services"):
        name, arn = item["serviceName"], service_arn(view.facts, item)
        desired = item.get("desiredCount", len(item.get("_taskAvailabilityZones") or ()) or 2)
        running = item.get("runningCount", desired)
        launch = item.get("launchType", "FARGATE")
        task = task_definition_arn(view, item)
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
            service["tags"] = tag_list(view, "AWS::ECS::Service", service["serviceArn"])
    missing = [view.arn("ecs", f"service/{name}") for name in asked if name not in found]
    return {"services": [found[name] for name in asked if name in found], "failures": failures(missing)}


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
    ("ecs", "ListAccountSettings"): list_account_settings,
}
