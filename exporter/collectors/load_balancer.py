"""Load balancer: does traffic reach healthy targets in two zones, on which ports, and has the network a way out?

Practice: BP-05 (networks that do not overlap), BP-62 (healthy targets), BP-63 (TLS ports only), BP-78 (HTTP/2).
Cost: 1 a target group; every five minutes 4 and 1 a load balancer, 1 more with instances as targets; 1 an hour.
API: https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeTargetHealth.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment
from ..load_balancers import BALANCER, EVERY, SERVING, balancers, listeners, name_of, reads, target_groups
from ..metrics import Family, Malformed, Sample, each

VPC = "AWS::EC2::VPC"
GROUP = ("load_balancer", "target_group")

TARGETS = Family(
    "tts_aws_lb_target_group_targets",
    "Registered targets by health; the port is the group's (Elastic Load Balancing TargetHealth.State).",
    (*GROUP, "port", "health"),
)
ZONES = Family(
    "tts_aws_lb_target_group_availability_zones",
    "Zones with a healthy target (Elastic Load Balancing TargetDescription.AvailabilityZone, EC2 Placement).",
    GROUP,
)
GROUP_INFO = Family(
    "tts_aws_lb_target_group_info",
    "A target group; without a load balancer nothing listens for it (Elastic Load Balancing TargetGroup).",
    (*GROUP, "protocol", "target_type"),
)
LISTENER = Family(
    "tts_aws_lb_listener_info",
    "A listener, how it offers HTTP/2, and its default certificate (Elastic Load Balancing Listener).",
    ("load_balancer", "port", "protocol", "alpn", "certificate"),
)
GATEWAYS = Family(
    "tts_aws_nat_gateways",
    "Ways to the internet; a regional one counts in every zone of the network (EC2 NatGateway.State).",
    ("availability_zone", "state"),
)
CIDR = Family(
    "tts_aws_vpc_cidr_info", "An IPv4 range of the network (EC2 Vpc.CidrBlockAssociationSet).", ("vpc", "cidr")
)

ACTIONS = (
    *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeListeners"),
    *("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
    *("ec2:DescribeInstances", "ec2:DescribeNatGateways", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
)

HOUR = 3_600
# Source: Elastic Load Balancing API Reference, TargetHealth.State
STATES = ("healthy", "unhealthy", "initial", "draining", "unused", "unavailable", "unhealthy.draining")

Raw = Mapping[str, Any]


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            **reads(aws, deployment),
            "groups": target_groups(aws, deployment),
            "health": health(aws, deployment),
            "instances": instances(aws, deployment),
            "gateways": aws.read("ec2", "DescribeNatGateways", max_age=EVERY),
            "subnets": aws.read("ec2", "DescribeSubnets", max_age=EVERY),  # as old as what is in them
            "vpcs": aws.read("ec2", "DescribeVpcs", max_age=HOUR),
        }
    )


async def health(aws: Aws, deployment: Deployment) -> Answer:
    """By a target group's ARN, its targets; empty if the group was deleted meanwhile."""
    # Where no load balancer is, nothing is checked and every target is unused.
    ages = {
        group["TargetGroupArn"]: None if group["LoadBalancerArns"] else EVERY
        for group in await target_groups(aws, deployment)
    }
    gone = ("TargetGroupNotFound",)
    return await aws.gather(
        {
            arn: aws.read("elbv2", "DescribeTargetHealth", TargetGroupArn=arn, absent=gone, max_age=max_age)
            for arn, max_age in ages.items()
        }
    )


async def instances(aws: Aws, deployment: Deployment) -> dict[str, Any]:
    """All instances, if some are targets: of these the load balancer does not tell the zone."""
    if all(group["TargetType"] != "instance" for group in await target_groups(aws, deployment)):
        return {}
    return await aws.read("ec2", "DescribeInstances", max_age=EVERY)


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    reservations = answer.get("instances", {}).get("Reservations", ())
    zones = {
        instance.get("InstanceId"): instance.get("Placement", {}).get("AvailabilityZone")
        for reservation in reservations
        for instance in reservation.get("Instances", ())
    }
    healths = answer.get("health", {})
    yield from each(
        answer.get("groups", ()),
        lambda group: group_samples(group, healths.get(group["TargetGroupArn"]), zones),
    )
    yield from each(listeners(answer), listener_samples)
    if "vpcs" in answer:
        mine = [vpc for vpc in answer["vpcs"]["Vpcs"] if is_ours(vpc, answer, deployment)]
        yield from each(mine, cidr_samples)
        if "gateways" in answer and "subnets" in answer:
            # A network that another account shares has gateways that only that account can list.
            own = {vpc.get("VpcId") for vpc in mine if vpc.get("OwnerId") == deployment.account_id} - {None}
            yield from each([own], lambda vpcs: gateway_samples(vpcs, answer))
    if "balancers" in answer:
        listed = [(balancer.get("LoadBalancerArn", ""), ()) for balancer in answer["balancers"]["LoadBalancers"]]
        yield UNASSIGNED.sample(deployment.unassigned(BALANCER, listed), resource_type=BALANCER)


def group_samples(group: Raw, health: Raw | None, zones: Mapping[str, str | None]) -> Iterator[Sample]:
    if health == {} or group["TargetType"] == "lambda":  # deleted meanwhile; has no port
        return
    users = group["LoadBalancerArns"]  # one at most
    labels = {"load_balancer": name_of(users[0]) if users else "", "target_group": group["TargetGroupName"]}
    yield GROUP_INFO.sample(1, **labels, protocol=group["Protocol"], target_type=group["TargetType"])
    if health is None:
        return
    states = [(target["TargetHealth"]["State"], target["Target"]) for target in health["TargetHealthDescriptions"]]
    counts = Counter(state for state, _ in states)
    for state in (*STATES, *sorted(counts.keys() - STATES)):
        yield TARGETS.sample(counts[state], **labels, port=str(group["Port"]), health=state)
    held = {zone_of(target, zones) for state, target in states if state == "healthy"}
    if None not in held:
        yield ZONES.sample(len(held), **labels)


def zone_of(target: Raw, instances: Mapping[str, str | None]) -> str | None:
    """The zone that a target is in; "all" are addresses outside of the network."""
    zone = target.get("AvailabilityZone") or instances.get(target["Id"])
    return None if zone == "all" else zone


def listener_samples(listener: Raw) -> Iterator[Sample]:
    protocol = listener["Protocol"]
    yield LISTENER.sample(
        1,
        load_balancer=name_of(listener["LoadBalancerArn"]),
        port=str(listener["Port"]),
        protocol=protocol,
        alpn=",".join(listener.get("AlpnPolicy", ())),
        certificate=listener["Certificates"][0]["CertificateArn"] if protocol in SERVING else "",
    )


def is_ours(vpc: Raw, answer: Answer, deployment: Deployment) -> bool:
    """Whether a stack of the deployment made the network, or a load balancer of the deployment stands in it."""
    id_ = vpc.get("VpcId", "")
    used = any(balancer.get("VpcId") == id_ for balancer in balancers(answer, deployment))
    return used or deployment.owner(VPC, id_, vpc.get("Tags", ())) is not None


def cidr_samples(vpc: Raw) -> Iterator[Sample]:
    for block in vpc["CidrBlockAssociationSet"]:
        if block["CidrBlockState"]["State"] == "associated":
            yield CIDR.sample(1, vpc=vpc["VpcId"], cidr=block["CidrBlock"])


def gateway_samples(vpcs: set[str], answer: Answer) -> Iterator[Sample | Malformed]:
    """Gateways by zone. While it is not known where one is, no zone is known to be without."""
    subnets = [subnet for subnet in answer["subnets"]["Subnets"] if subnet["VpcId"] in vpcs]
    places = {subnet["SubnetId"]: subnet["AvailabilityZone"] for subnet in subnets}
    zones = set(places.values())
    counts: Counter[tuple[str, str]] = Counter()

    def count(gateway: Raw) -> tuple[()]:
        # AWS lists deleted ones for about an hour; private ones lead to other networks.
        if gateway["VpcId"] in vpcs and gateway["State"] != "deleted" and gateway.get("ConnectivityType") != "private":
            # A regional one is in no subnet; the subnet of one that failed may be gone before it.
            regional = gateway.get("AvailabilityMode") == "regional"
            found = zones if regional else {places.get(gateway["SubnetId"], "")}
            counts.update((zone, gateway["State"]) for zone in found)
        return ()

    malformed = list(each(answer["gateways"]["NatGateways"], count))
    yield from malformed
    if not malformed and ("", "available") not in counts:
        counts.update(dict.fromkeys(((zone, "available") for zone in zones), 0))
    for (zone, state), number in sorted(counts.items()):
        if zone:
            yield GATEWAYS.sample(number, availability_zone=zone, state=state)


COLLECTOR = Collector(
    name="load_balancer",
    interval=60,
    actions=ACTIONS,
    families=(TARGETS, ZONES, GROUP_INFO, LISTENER, GATEWAYS, CIDR, UNASSIGNED),
    fetch=fetch,
    samples=samples,
)
