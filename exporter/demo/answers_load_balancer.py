"""The load balancer: listeners, target groups and the health of the targets."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.demo.answers_stacks import BORN
from exporter.demo.answers_tasks import tasks
from exporter.demo.forms import Facts, aws, invented, named, pairs
from exporter.demo.inventory import View, World
from exporter.demo.names import target_group_arn
from exporter.demo.request import AwsError, Handler, Request

ZONE_OF_NLBS = "Z2IFOLAFXWLO4F"


def load_balancer(view: View) -> Facts | None:
    """The deployment's load balancer with its ARN; None without one."""
    given = view.get("elbv2", "load_balancer")
    if given is None and not view.all("elbv2", "listeners"):
        return None
    default = view.arn("elasticloadbalancing", f"loadbalancer/net/{view.name}/{invented('', view.name, digits=16)}")
    return {"LoadBalancerArn": default, **(given or {})}


def _target_groups(view: View) -> Iterator[tuple[Facts, Facts]]:
    balancer = load_balancer(view)
    forwarded = {listener.get("_forwardTo") for listener in view.all("elbv2", "listeners")}
    for item in view.all("elbv2", "target_groups"):
        name = item["TargetGroupName"]
        used = name.removeprefix(f"{view.name}-") in forwarded or name in forwarded
        yield (
            item,
            aws(
                item,
                Protocol="TCP",
                Port=1884,
                TargetType="ip",
                VpcId=view.get("vpc", "VpcId"),
                HealthCheckProtocol="TCP",
                HealthCheckPort="traffic-port",
                HealthCheckEnabled=True,
                HealthCheckIntervalSeconds=30,
                HealthyThresholdCount=3,
                UnhealthyThresholdCount=3,
                IpAddressType="ipv4",
            )
            | {
                "TargetGroupArn": target_group_arn(view.facts, item),
                "LoadBalancerArns": [balancer["LoadBalancerArn"]] if balancer and used else [],
            },
        )


def describe_load_balancers(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = []
    for view in world.views(request):
        item = load_balancer(view)
        if item:
            name = item["LoadBalancerArn"].split("/")[-2]
            subnets = {s.get("AvailabilityZone"): s for s in view.all("vpc", "Subnets") if s.get("_tier") == "public"}
            addresses = item.get("_eips") or []
            zones = [
                aws(
                    {},
                    ZoneName=zone,
                    SubnetId=subnets.get(zone, {}).get("SubnetId"),
                    LoadBalancerAddresses=[{"IpAddress": addresses[index]}] if index < len(addresses) else [],
                )
                for index, zone in enumerate(item.get("AvailabilityZones") or view.zones)
            ]
            found.append(
                aws(
                    item,
                    LoadBalancerName=name,
                    DNSName=f"{name}-{invented('', name, digits=16)}.elb.{view.region}.amazonaws.com",
                    CanonicalHostedZoneId=ZONE_OF_NLBS,
                    CreatedTime=view.now - BORN,
                    Scheme="internet-facing",
                    VpcId=view.get("vpc", "VpcId"),
                    Type="network",
                    IpAddressType="ipv4",
                )
                | {"State": {"Code": item.get("State", "active")}, "AvailabilityZones": zones}
            )
    found = named(found, "LoadBalancerArn", wanted.get("LoadBalancerArns"), "LoadBalancerNotFound")
    return {"LoadBalancers": named(found, "LoadBalancerName", wanted.get("Names"), "LoadBalancerNotFound")}


def describe_target_groups(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = [group for view in world.views(request) for _, group in _target_groups(view)]
    found = named(found, "TargetGroupArn", wanted.get("TargetGroupArns"), "TargetGroupNotFound")
    found = named(found, "TargetGroupName", wanted.get("Names"), "TargetGroupNotFound")
    balancer = wanted.get("LoadBalancerArn")
    return {"TargetGroups": [g for g in found if not balancer or balancer in g["LoadBalancerArns"]]}


def _target_group(world: World, request: Request) -> tuple[View, Facts, Facts]:
    wanted = request.parameters["TargetGroupArn"]
    for view in world.views(request):
        for item, group in _target_groups(view):
            if group["TargetGroupArn"] == wanted:
                return view, item, group
    raise AwsError("TargetGroupNotFound", f"Target groups '{wanted}' not found")


def describe_target_health(world: World, request: Request) -> Facts:
    """As many targets as `_health` counts, in the zones of the tasks behind; unused in a group without listener."""
    view, item, group = _target_group(world, request)
    name = group["TargetGroupName"]
    short = name.removeprefix(f"{view.name}-")
    behind = {
        f"service:{service['serviceName']}"
        for service in view.all("ecs", "services")
        if {name, short} & set(service.get("_targetGroups") or ())
    }
    running = [task for task in tasks(view) if task["group"] in behind and task["lastStatus"] == "RUNNING"]
    zones = [task["availabilityZone"] for task in running] or view.zones
    states = {
        "unhealthy": "Target.FailedHealthChecks",
        "initial": "Elb.InitialHealthChecking",
        "unused": "Target.NotInUse",
    }
    hosts = [host["_instanceId"] for host in view.all("ecs", "container_instances")]
    found: list[Facts] = []
    for state, count in (item.get("_health") or {"healthy": 2}).items():
        state = state if group["LoadBalancerArns"] else "unused"
        for _ in range(count):
            index = len(found)
            target = {"Id": f"10.10.{32 + index % 2 * 16}.{20 + index}", "AvailabilityZone": zones[index % len(zones)]}
            if group["TargetType"] == "instance":  # AWS does not say where that is
                target = {"Id": hosts[index] if index < len(hosts) else invented("i-0", name, index, digits=16)}
            reason = {"Reason": states[state]} if state in states else {}
            found.append(
                {
                    "Target": {**target, "Port": group["Port"]},
                    "HealthCheckPort": str(group["Port"]),
                    "TargetHealth": {"State": state, **reason},
                }
            )
    return {"TargetHealthDescriptions": found}


def describe_target_group_attributes(world: World, request: Request) -> Facts:
    _, item, _ = _target_group(world, request)
    default = {"deregistration_delay.timeout_seconds": "300", "preserve_client_ip.enabled": "false"}
    return {"Attributes": pairs({**default, **(item.get("_attributes") or {})})}


def describe_listeners(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found, known = [], False
    for view in world.views(request):
        balancer = load_balancer(view)
        groups = {group["TargetGroupName"]: group["TargetGroupArn"] for _, group in _target_groups(view)}
        if (
            balancer is None
            or wanted.get("LoadBalancerArn", balancer["LoadBalancerArn"]) != balancer["LoadBalancerArn"]
        ):
            continue
        known = True
        arn = str(balancer["LoadBalancerArn"])
        for item in view.all("elbv2", "listeners"):
            port, target = item.get("Port", 443), item.get("_forwardTo") or ""
            target_arn = groups.get(f"{view.name}-{target}") or groups.get(target)
            found.append(
                aws(
                    item,
                    ListenerArn=f"{arn.replace(':loadbalancer/', ':listener/')}/{invented('', arn, port, digits=16)}",
                    LoadBalancerArn=arn,
                    Port=port,
                    DefaultActions=[{"Type": "forward", "TargetGroupArn": target_arn}] if target_arn else [],
                )
                | (
                    {"Certificates": [{"CertificateArn": c} for c in item["Certificates"]]}
                    if item.get("Certificates")
                    else {}
                )
            )
    if wanted.get("LoadBalancerArn") and not known:
        raise AwsError("LoadBalancerNotFound", f"Load balancer '{wanted['LoadBalancerArn']}' not found")
    return {"Listeners": named(found, "ListenerArn", wanted.get("ListenerArns"), "ListenerNotFound")}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("elbv2", "DescribeLoadBalancers"): describe_load_balancers,
    ("elbv2", "DescribeTargetGroups"): describe_target_groups,
    ("elbv2", "DescribeTargetHealth"): describe_target_health,
    ("elbv2", "DescribeTargetGroupAttributes"): describe_target_group_attributes,
    ("elbv2", "DescribeListeners"): describe_listeners,
}
