"""What a load balancer does not say of its targets, and what lingers in EC2's listings of a network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed
from hypothesis import given
from hypothesis import strategies as st

from exporter.answer import Answer
from exporter.collectors.load_balancer import COLLECTOR, STATES, VPC, samples
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.load_balancers import BALANCER, TARGET_GROUP, name_of
from exporter.metrics import Sample

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
ELB = "arn:aws:elasticloadbalancing:eu-west-1:111122223333"
NLB = f"{ELB}:loadbalancer/net/acme-prod-eu1/0123"
GROUP = f"{ELB}:targetgroup/acme-prod-eu1-gs-udp/4567"
SERVICES = ("ec2", "elbv2", "cloudformation", "resourcegroupstaggingapi")
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/a"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One load balancer and one network."""
    stack = "acme-prod-eu1-1-1-vpc"
    return replace(deployment, owned={BALANCER: {NLB: stack}, VPC: {"vpc-1": stack}})


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of an answer with these parts, without the common beginning of the names."""

    def serve(**parts: Any) -> dict[str, float]:
        answer = Answer()
        answer.update(parts)
        found = series(samples(answer, deployment))
        return {name.removeprefix("tts_aws_"): value for name, value in found.items()}

    return serve


def group(**more: Any) -> dict[str, Any]:
    return {
        "TargetGroupArn": GROUP,
        "TargetGroupName": "acme-prod-eu1-gs-udp",
        "Protocol": "UDP",
        "Port": 1700,
        "TargetType": "ip",
        "LoadBalancerArns": [NLB],
        **more,
    }


def target(state: str, zone: str | None = "eu-west-1a", id_: str = "10.0.0.1") -> dict[str, Any]:
    placed = {"AvailabilityZone": zone} if zone else {}
    return {"Target": {"Id": id_, "Port": 32768, **placed}, "TargetHealth": {"State": state}}


def health(*targets: dict[str, Any]) -> dict[str, Any]:
    return {GROUP: {"TargetHealthDescriptions": list(targets)}}


def by_health(found: dict[str, float]) -> dict[str, float]:
    return {
        name.partition('health="')[2].rstrip('"}'): value
        for name, value in found.items()
        if name.startswith("lb_target_group_targets")
    }


def zones(found: dict[str, float]) -> float | None:
    return next((value for name, value in found.items() if "availability_zones" in name), None)


def test_every_state_is_counted(served: Served) -> None:
    """Each state has its number, 0 too, by the group's port and not the target's; one of the future is not lost."""
    found = served(groups=[group()], health=health(target("healthy"), target("unhealthy.draining"), target("asleep")))

    expected = dict.fromkeys(STATES, 0.0) | {"healthy": 1, "unhealthy.draining": 1, "asleep": 1}
    assert by_health(found) == expected
    assert all('port="1700"' in name for name in found if "targets{" in name)


def test_no_targets(served: Served) -> None:
    """A group without any target has 0 in every state and in no zone: that is known."""
    found = served(groups=[group()], health=health())

    assert by_health(found) == dict.fromkeys(STATES, 0)
    assert zones(found) == 0


def test_zones_of_healthy_targets(served: Served) -> None:
    """Only zones with a healthy target count."""
    targets = [target("healthy"), target("healthy"), target("unhealthy", "eu-west-1b")]

    assert zones(served(groups=[group()], health=health(*targets))) == 1
    assert zones(served(groups=[group()], health=health(*targets, target("healthy", "eu-west-1b")))) == 2


def test_zones_of_instances(served: Served) -> None:
    """Of an instance that is a target only EC2 tells the zone; where it does not, the number of zones is unknown."""
    targets = health(target("healthy", None, "i-1"), target("healthy", None, "i-2"), target("unhealthy", None, "i-3"))
    hosts = [
        {"InstanceId": "i-1", "Placement": {"AvailabilityZone": "eu-west-1a"}},
        {"InstanceId": "i-2", "Placement": {"AvailabilityZone": "eu-west-1b"}},
    ]
    by_instance = group(TargetType="instance")

    every = served(groups=[by_instance], health=targets, instances={"Reservations": [{"Instances": hosts}]})
    one = served(groups=[by_instance], health=targets, instances={"Reservations": [{"Instances": hosts[:1]}]})

    assert zones(every) == 2
    assert zones(one) is None
    assert zones(served(groups=[by_instance], health=targets)) is None
    assert by_health(one)["healthy"] == 2


def test_addresses_outside_of_the_network(served: Served) -> None:
    """The zone "all" is none: where such a target is, nobody says."""
    assert zones(served(groups=[group()], health=health(target("healthy"), target("healthy", "all")))) is None


def test_group_that_was_not_read_or_is_gone(served: Served) -> None:
    """Of a group whose targets could not be read its targets are unknown; one that was deleted has no series."""
    assert [name.partition("{")[0] for name in served(groups=[group()], health={})] == ["lb_target_group_info"]
    assert served(groups=[group()], health={GROUP: {}}) == {}


def test_group_without_a_load_balancer(served: Served) -> None:
    """A group that nothing listens for is shown without a load balancer, its targets unused."""
    found = served(groups=[group(LoadBalancerArns=[])], health=health(target("unused")))

    assert by_health(found)["unused"] == 1
    assert all('load_balancer=""' in name for name in found)


def test_group_of_functions(served: Served) -> None:
    """A group of functions has neither port nor protocol, and is nothing of the stack's."""
    functions = group(TargetType="lambda")
    del functions["Port"], functions["Protocol"]

    assert served(groups=[functions], health=health(target("healthy", None, "arn"))) == {}


def listener(port: int, protocol: str, **more: Any) -> dict[str, Any]:
    return {"LoadBalancerArn": NLB, "Port": port, "Protocol": protocol, **more}


def test_listeners(served: Served) -> None:
    """A listener without TLS has neither certificate nor HTTP/2; one with TLS need not offer HTTP/2."""
    with_tls = {"Certificates": [{"CertificateArn": CERTIFICATE}]}
    part = [
        listener(1883, "TCP"),
        listener(8883, "TLS", **with_tls),
        listener(8884, "TLS", **with_tls, AlpnPolicy=["HTTP2Preferred"]),
    ]
    common = 'lb_listener_info{load_balancer="acme-prod-eu1",port='

    assert served(listeners={NLB: {"Listeners": part}, "gone": {}}) == {
        f'{common}"1883",protocol="TCP",alpn="",certificate=""}}': 1,
        f'{common}"8883",protocol="TLS",alpn="",certificate="{CERTIFICATE}"}}': 1,
        f'{common}"8884",protocol="TLS",alpn="HTTP2Preferred",certificate="{CERTIFICATE}"}}': 1,
    }


@given(
    st.sampled_from(["app", "net", "gwy"]),
    st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?", fullmatch=True),
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)
def test_names(kind: str, name: str, id_: str) -> None:
    """The name of a load balancer or target group is read from its ARN, whatever it looks like."""
    assert name_of(f"{ELB}:loadbalancer/{kind}/{name}/{id_}") == name
    assert name_of(f"{ELB}:targetgroup/{name}/{id_}") == name


SUBNETS = {
    "Subnets": [
        {"SubnetId": "subnet-a", "VpcId": "vpc-1", "AvailabilityZone": "eu-west-1a"},
        {"SubnetId": "subnet-b", "VpcId": "vpc-1", "AvailabilityZone": "eu-west-1b"},
        {"SubnetId": "subnet-c", "VpcId": "vpc-2", "AvailabilityZone": "eu-west-1c"},
    ]
}


def gateway(subnet: str = "subnet-a", state: str = "available", vpc: str = "vpc-1", **more: Any) -> dict[str, Any]:
    return {"VpcId": vpc, "SubnetId": subnet, "State": state, "ConnectivityType": "public", **more}


def network(id_: str = "vpc-1", *cidrs: str, state: str = "associated") -> dict[str, Any]:
    blocks = [{"CidrBlock": cidr, "CidrBlockState": {"State": state}} for cidr in cidrs]
    return {"VpcId": id_, "OwnerId": "111122223333", "CidrBlockAssociationSet": blocks}


@pytest.mark.parametrize(
    ("gateways", "expected"),
    [
        ([gateway(), gateway("subnet-b")], {"a available": 1, "b available": 1}),
        ([gateway()], {"a available": 1, "b available": 0}),
        ([], {"a available": 0, "b available": 0}),
        ([gateway(state="deleted"), gateway()], {"a available": 1, "b available": 0}),
        ([gateway(state="failed"), gateway(state="pending")],
         {"a available": 0, "a failed": 1, "a pending": 1, "b available": 0}),
        ([gateway(ConnectivityType="private")], {"a available": 0, "b available": 0}),
        ([gateway("subnet-c", vpc="vpc-2")], {"a available": 0, "b available": 0}),
        ([{"VpcId": "vpc-1", "State": "available", "AvailabilityMode": "regional"}],
         {"a available": 1, "b available": 1}),
    ],
)  # fmt: skip
def test_ways_to_the_internet(served: Served, gateways: list[dict[str, Any]], expected: dict[str, float]) -> None:
    """A zone of the network without a public gateway has 0; deleted ones linger, a regional one serves every zone."""
    found = served(vpcs={"Vpcs": [network()]}, subnets=SUBNETS, gateways={"NatGateways": gateways})

    prefix = 'nat_gateways{availability_zone="eu-west-1'
    assert found == {
        f'{prefix}{zone}",state="{state}"}}': value
        for (zone, state), value in ((key.split(), value) for key, value in expected.items())
    }


def test_ways_that_are_unknown(served: Served) -> None:
    """Where subnets or gateways could not be read, no zone is without a way."""
    vpcs = {"Vpcs": [network()]}

    assert served(vpcs=vpcs, subnets=SUBNETS) == {}
    assert served(vpcs=vpcs, gateways={"NatGateways": []}) == {}


def test_gateway_in_a_subnet_that_is_gone(served: Served) -> None:
    """A gateway that failed can be listed for longer than its subnet: it costs no other gateway's count."""
    gateways = [gateway("subnet-gone", state="failed"), gateway()]

    found = served(vpcs={"Vpcs": [network()]}, subnets=SUBNETS, gateways={"NatGateways": gateways})

    assert list(found.values()) == [1, 0]


@pytest.mark.parametrize("unplaced", [gateway("subnet-new"), {"VpcId": "vpc-1", "State": "available"}])
def test_gateway_that_may_be_anywhere(deployment: Deployment, unplaced: dict[str, Any]) -> None:
    """While it is not known where a gateway is, no zone is known to be without one; those with one stay."""
    answer = Answer()
    answer.update(vpcs={"Vpcs": [network()]}, subnets=SUBNETS, gateways={"NatGateways": [unplaced, gateway()]})

    found = [each for each in samples(answer, deployment) if isinstance(each, Sample)]

    assert [(each.labels, each.value) for each in found] == [(("eu-west-1a", "available"), 1)]


@pytest.mark.parametrize("account_id", ["444455556666", ""])
def test_network_that_another_account_shares(deployment: Deployment, series: Series, account_id: str) -> None:
    """Gateways are listed for the network's owner alone: whether others, or we know not whom, have one is unknown."""
    answer = Answer()
    answer.update(vpcs={"Vpcs": [network()]}, subnets=SUBNETS, gateways={"NatGateways": []})

    assert not series(samples(answer, replace(deployment, account_id=account_id)))


def test_ranges_of_the_network(served: Served) -> None:
    """A network has every range that is associated, not the first only, and other networks are not the deployment's."""
    former = network("vpc-1", "10.9.0.0/16", state="disassociated")["CidrBlockAssociationSet"]
    ours = network("vpc-1", "10.0.0.0/16", "10.1.0.0/16")
    ours["CidrBlockAssociationSet"] += former

    assert served(vpcs={"Vpcs": [ours, network("vpc-default", "172.31.0.0/16")]}) == {
        'vpc_cidr_info{vpc="vpc-1",cidr="10.0.0.0/16"}': 1,
        'vpc_cidr_info{vpc="vpc-1",cidr="10.1.0.0/16"}': 1,
    }


def test_network_that_no_stack_made(served: Served) -> None:
    """The network in which the deployment's load balancer stands is its own too; that of another's is not."""
    listed = [
        {"LoadBalancerArn": NLB, "VpcId": "vpc-8"},
        {"LoadBalancerArn": f"{ELB}:loadbalancer/x", "VpcId": "vpc-9"},
    ]
    vpcs = [network("vpc-8", "10.8.0.0/16"), network("vpc-9", "10.9.0.0/16")]

    found = served(balancers={"LoadBalancers": listed}, vpcs={"Vpcs": vpcs})

    assert [name for name in found if "vpc" in name] == ['vpc_cidr_info{vpc="vpc-8",cidr="10.8.0.0/16"}']


def test_load_balancers_of_nobody(deployment: Deployment, series: Series) -> None:
    """A load balancer that no deployment owns is counted for the account."""
    answer = Answer()
    answer["balancers"] = {"LoadBalancers": [{"LoadBalancerArn": NLB}, {"LoadBalancerArn": "other"}]}
    known = replace(deployment, assigned={BALANCER: frozenset([NLB])})

    assert list(series(samples(answer, known)).values()) == [1]


def fetched(
    clock: FrozenClock, change: Callable[[Deployment], Deployment] = lambda each: each, attempts: int = 1
) -> tuple[Answer, list[str]]:
    """The stand-in's answer for the production example after attempts a minute apart, and the reasons of failures."""

    async def fetch() -> tuple[Answer, list[str]]:
        async with account(clock, services=SERVICES) as reads:
            [deployment] = [change(each) for each in await surveyed(reads)]
            for _ in range(attempts):
                aws = attempt(reads, COLLECTOR.interval)
                answer = await COLLECTOR.fetch(aws, deployment)
                clock.now += 60
            return answer, [failure.reason for failure in aws.failures]

    return asyncio.run(fetch())


def test_groups_are_the_deployments_in_two_ways(standin: Standin, clock: FrozenClock) -> None:
    """A target group is the deployment's by its stack, or by the load balancer that sends traffic to it."""

    def only(type_: str) -> Callable[[Deployment], Deployment]:
        return lambda each: replace(each, owned={type_: each.owned[type_]}, tagged={})

    by_balancer, _ = fetched(clock, only(BALANCER))
    by_stack, _ = fetched(clock, only(TARGET_GROUP))
    by_nothing, _ = fetched(clock, lambda each: replace(each, owned={}, tagged={}))

    assert len(by_balancer["health"]) == len(by_stack["health"]) == 11
    assert by_nothing["health"] == by_nothing["listeners"] == {}


@pytest.mark.parametrize(
    ("operation", "code", "part"),
    [
        ("DescribeTargetHealth", "TargetGroupNotFound", "health"),
        ("DescribeListeners", "LoadBalancerNotFound", "listeners"),
    ],
)
def test_deleted_meanwhile(standin: Standin, clock: FrozenClock, operation: str, code: str, part: str) -> None:
    """What is deleted between being listed and being asked is no failure."""
    standin.faults.add(kind="error", code=code, operation=operation)

    answer, failures = fetched(clock)

    assert failures == []
    assert {str(each) for each in answer[part].values()} == {"{}"}


def test_only_health_is_asked_each_minute(standin: Standin, clock: FrozenClock) -> None:
    """Of five minutes each asks for the health of every target group, the first alone for all that changes seldom."""
    fetched(clock, attempts=5)

    calls = {operation: count for (_, _, _, operation, _), count in standin.calls.items()}
    once = ("DescribeLoadBalancers", "DescribeTargetGroups", "DescribeNatGateways", "DescribeSubnets", "DescribeVpcs")
    assert [calls[operation] for operation in (*once, "DescribeListeners")] == [1] * 6
    assert calls["DescribeTargetHealth"] == 5 * 11
    assert "DescribeInstances" not in calls
