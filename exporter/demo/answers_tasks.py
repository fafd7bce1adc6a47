"""ECS: tasks, and the container instances that run some of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_ecs import cluster_arn, failures, find_cluster, services
from exporter.demo.answers_task_definitions import last, task_definition
from exporter.demo.forms import Facts, aws, invented
from exporter.demo.inventory import View, World
from exporter.demo.names import cluster_name
from exporter.demo.request import AwsError, Handler, Request


def tasks(view: View) -> Iterator[Facts]:
    """The tasks of every service: running ones, those that are pending, and those that stopped in the last hour."""
    machines = {}
    for index, host in enumerate(view.all("ecs", "container_instances")):
        machines[(host.get("attributes") or {}).get("ecs.availability-zone", index)] = _instance_arn(view, host)
    for item, service in services(view):
        name, definition = service["serviceName"], task_definition(view, item)
        zones = item.get("_taskAvailabilityZones") or view.zones
        stopped = item.get("_stoppedTasks") or []
        states: list[tuple[str, Facts]] = [("RUNNING", {})] * service["runningCount"]
        states += [("PENDING", {})] * service["pendingCount"] + [("STOPPED", fact) for fact in stopped]
        for index, (status, fact) in enumerate(states):
            zone = zones[index % len(zones)]
            arn = view.arn("ecs", f"task/{cluster_name(view.facts)}/{invented('', name, status, index, digits=32)}")
            started = service["deployments"][0].get("updatedAt", view.now - timedelta(days=30)) - timedelta(minutes=2)
            ended = fact.get("stoppedAt") or view.now - timedelta(minutes=5 + 50 * index / len(states))
            if status == "STOPPED":
                started = ended - timedelta(minutes=3)
            containers = []
            for position, container in enumerate(definition["containerDefinitions"]):
                image, _, digest = container["image"].partition("@")
                given = (fact.get("containers") or [{}] * (position + 1))[position : position + 1] or [{}]
                containers.append(
                    aws(
                        given[0],
                        containerArn=view.arn("ecs", f"container/{invented('', arn, container['name'], digits=32)}"),
                        taskArn=arn,
                        name=container["name"],
                        image=container["image"],
                        imageDigest=digest or invented("sha256:", image, digits=64),
                        lastStatus=status,
                        healthStatus="UNKNOWN",
                        cpu="0",
                    )
                )
            yield aws(
                fact,
                "containers",
                taskArn=arn,
                clusterArn=cluster_arn(view),
                taskDefinitionArn=service["taskDefinition"],
                group=f"service:{name}",
                startedBy=service["deployments"][0]["id"],
                availabilityZone=zone,
                containerInstanceArn=machines.get(zone) if service.get("launchType") == "EC2" else None,
                launchType=service.get("launchType", "FARGATE"),
                lastStatus=status,
                desiredStatus="STOPPED" if status == "STOPPED" else "RUNNING",
                healthStatus="UNKNOWN",
                connectivity="CONNECTED" if status == "RUNNING" else None,
                createdAt=started - timedelta(minutes=1),
                startedAt=started if status != "PENDING" else None,
                stoppedAt=ended if status == "STOPPED" else None,
                stopCode="EssentialContainerExited" if status == "STOPPED" else None,
                stoppedReason="Essential container in task exited" if status == "STOPPED" else None,
                cpu=definition["cpu"],
                memory=definition["memory"],
                version=1,
            ) | {"containers": containers}


def list_tasks(world: World, request: Request) -> Facts:
    """Running and pending tasks unless desiredStatus asks for the stopped ones."""
    wanted = request.parameters
    status = wanted.get("desiredStatus", "RUNNING")
    return {
        "taskArns": [
            task["taskArn"]
            for task in tasks(find_cluster(world, request))
            if task["desiredStatus"] == status
            and wanted.get("launchType", task["launchType"]) == task["launchType"]
            and ("serviceName" not in wanted or task["group"] == f"service:{last(wanted['serviceName'])}")
            and ("family" not in wanted or last(task["taskDefinitionArn"]).rpartition(":")[0] == wanted["family"])
            and wanted.get("containerInstance", "") in task.get("containerInstanceArn", "")
        ]
    }


def describe_tasks(world: World, request: Request) -> Facts:
    wanted = request.parameters["tasks"]
    if len(wanted) > 100:
        raise AwsError("InvalidParameterException", "Tasks cannot have more than 100 elements.")
    view = find_cluster(world, request)
    found = {last(task["taskArn"]): task for task in tasks(view)}
    missing = [arn for arn in wanted if last(arn) not in found]
    return {"tasks": [found[last(a)] for a in wanted if last(a) in found], "failures": failures(missing)}


def _instance_arn(view: View, host: Facts) -> str:
    default = f"container-instance/{cluster_name(view.facts)}/{invented('', host['_instanceId'], digits=32)}"
    return str(host.get("containerInstanceArn") or view.arn("ecs", default))


def list_container_instances(world: World, request: Request) -> Facts:
    view, status = find_cluster(world, request), request.parameters.get("status")
    return {
        "containerInstanceArns": [
            _instance_arn(view, host)
            for host in view.all("ecs", "container_instances")
            if not status or host.get("status", "ACTIVE") == status
        ]
    }


def describe_container_instances(world: World, request: Request) -> Facts:
    wanted, include = request.parameters["containerInstances"], request.parameters.get("include") or ()
    if len(wanted) > 100:
        raise AwsError("InvalidParameterException", "Container instances cannot have more than 100 elements.")
    view = find_cluster(world, request)
    on_host: dict[str, int] = {}
    for task in tasks(view):
        if task["lastStatus"] == "RUNNING":
            on_host[task.get("containerInstanceArn", "")] = on_host.get(task.get("containerInstanceArn", ""), 0) + 1
    found = {}
    for host in view.all("ecs", "container_instances"):
        arn = _instance_arn(view, host)
        instance = aws(
            host,
            containerInstanceArn=arn,
            ec2InstanceId=host["_instanceId"],
            status="ACTIVE",
            agentConnected=True,
            versionInfo={"agentVersion": "1.98.0", "agentHash": "52d3b1a1", "dockerVersion": "DockerVersion: 25.0.8"},
            runningTasksCount=on_host.get(arn, 0),
            pendingTasksCount=0,
            registeredAt=(host.get("_ec2") or {}).get("LaunchTime", view.now - timedelta(days=60)),
            version=1,
        )
        instance["attributes"] = [{"name": k, "value": v} for k, v in (host.get("attributes") or {}).items()]
        if "CONTAINER_INSTANCE_HEALTH" in include:
            overall = "OK" if instance["agentConnected"] else "IMPAIRED"
            instance["healthStatus"] = {"overallStatus": overall, "details": []}
        if "TAGS" in include:
            instance["tags"] = []
        found[last(arn)] = instance
    missing = [arn for arn in wanted if last(arn) not in found]
    asked = [found[last(arn)] for arn in wanted if last(arn) in found]
    return {"containerInstances": asked, "failures": failures(missing)}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ecs", "ListTasks"): list_tasks,
    ("ecs", "DescribeTasks"): describe_tasks,
    ("ecs", "ListContainerInstances"): list_container_instances,
    ("ecs", "DescribeContainerInstances"): describe_container_instances,
}
