"""A deployment's load balancers, what listens on them, and where that sends traffic.

For the collectors that look at them: who gathers ``reads`` asks AWS nothing that another has just asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping
from typing import Any

from .answer import Answer
from .aws import Aws
from .deployment import Deployment

# CloudFormation's physical ids of both, and so ours, are their ARNs.
BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"

# Seconds: what listens where is changed by hand or by a stack, not by traffic.
EVERY = 300.0
# Protocols that end TLS at the load balancer. Source: Elastic Load Balancing API Reference, Listener.Certificates
SERVING = ("TLS", "HTTPS")

Raw = Mapping[str, Any]


def reads(aws: Aws, deployment: Deployment) -> dict[str, Awaitable[Any]]:
    """The parts "balancers" (all of the account and region) and "listeners" (the deployment's, by load balancer)."""
    return {"balancers": _balancers(aws), "listeners": _listeners(aws, deployment)}


async def target_groups(aws: Aws, deployment: Deployment) -> list[Raw]:
    """Those that a stack of the deployment made, and those that its load balancers send traffic to."""
    arns = {each["LoadBalancerArn"] for each in balancers({"balancers": await _balancers(aws)}, deployment)}
    listed = await aws.read("elbv2", "DescribeTargetGroups", max_age=_every(aws))
    return [
        each
        for each in listed["TargetGroups"]
        if arns.intersection(each["LoadBalancerArns"])
        or deployment.owner(TARGET_GROUP, each["TargetGroupArn"]) is not None
    ]


async def _balancers(aws: Aws) -> dict[str, Any]:
    return await aws.read("elbv2", "DescribeLoadBalancers", max_age=_every(aws))


async def _listeners(aws: Aws, deployment: Deployment) -> Answer:
    """By the load balancer's ARN, its listeners; empty if it was deleted meanwhile."""
    mine = balancers({"balancers": await _balancers(aws)}, deployment)
    gone = ("LoadBalancerNotFound",)
    return await aws.gather(
        {
            arn: aws.read("elbv2", "DescribeListeners", LoadBalancerArn=arn, absent=gone, max_age=_every(aws))
            for arn in [each["LoadBalancerArn"] for each in mine]
        }
    )


def _every(aws: Aws) -> float:
    return max(EVERY, aws.interval / 2)


def balancers(answer: Raw, deployment: Deployment) -> list[Raw]:
    """The deployment's load balancers as AWS describes them, from an answer's part "balancers"."""
    listed = answer.get("balancers", {}).get("LoadBalancers", ())
    return [each for each in listed if deployment.owner(BALANCER, each.get("LoadBalancerArn", "")) is not None]


def listeners(answer: Raw) -> list[Raw]:
    """The listeners of the deployment's load balancers that could be read, from an answer's part "listeners"."""
    return [each for part in answer.get("listeners", {}).values() if part for each in part["Listeners"]]


def served(answer: Raw, deployment: Deployment) -> Counter[str] | None:
    """Certificate's ARN -> by how many of the deployment's listeners it is served; None where a listener is unknown.

    The default certificate of each: those that a listener has beside it would cost a call for each listener.
    """
    known = answer.get("listeners", {})
    if (
        deployment.incomplete
        or "balancers" not in answer
        or not all(known.get(each["LoadBalancerArn"]) for each in balancers(answer, deployment))
    ):
        return None
    found = [_certificates(listener) for listener in listeners(answer)]
    return None if None in found else Counter(arn for arns in found if arns for arn in arns)


def _certificates(listener: Raw) -> list[str] | None:
    """The ARNs of a listener's certificates; None where AWS does not tell them."""
    if (protocol := listener.get("Protocol")) is None:
        return None
    arns = [each.get("CertificateArn") for each in listener.get("Certificates", ())]
    return None if (protocol in SERVING and not arns) or None in arns else arns


def name_of(arn: str) -> str:
    """The name in the ARN of a load balancer or target group: ...:loadbalancer/net/NAME/ID."""
    return arn.split("/")[-2]
