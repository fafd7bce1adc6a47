"""Whose a resource is: the deployment's whose stack owns it (docs/adr/0002-whose-is-a-resource.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .deployment import STACK_TAG, Deployment, Stack, as_dict

# The service and resource part of an ARN -> CloudFormation's name of the type.
TYPES = {
    "rds:cluster": "AWS::RDS::DBCluster",
    "rds:db": "AWS::RDS::DBInstance",
    "elasticache:replicationgroup": "AWS::ElastiCache::ReplicationGroup",
    "elasticfilesystem:file-system": "AWS::EFS::FileSystem",
    "elasticloadbalancing:loadbalancer": "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "elasticloadbalancing:targetgroup": "AWS::ElasticLoadBalancingV2::TargetGroup",
    "ec2:instance": "AWS::EC2::Instance",
    "ec2:security-group": "AWS::EC2::SecurityGroup",
    "ec2:volume": "AWS::EC2::Volume",
    "ec2:vpc": "AWS::EC2::VPC",
    "cloudwatch:alarm": "AWS::CloudWatch::Alarm",
    "ecs:cluster": "AWS::ECS::Cluster",
    "dlm:policy": "AWS::DLM::LifecyclePolicy",
    "events:rule": "AWS::Events::Rule",
    "s3:": "AWS::S3::Bucket",
    "sns:": "AWS::SNS::Topic",
    "sqs:": "AWS::SQS::Queue",
}


def resource_of(arn: str) -> tuple[str, str] | None:
    """CloudFormation's type and the id of a resource, from its ARN; None for a type that no collector reads."""
    _, _, service, _, _, resource = (arn.split(":", 5) + [""] * 5)[:6]
    if service in ("s3", "sns", "sqs"):
        return TYPES[f"{service}:"], resource
    # A load balancer's last part is unique but is no id that anything else knows: for CloudFormation it is the ARN.
    if service == "elasticloadbalancing":
        type_ = TYPES.get(f"{service}:{resource.partition('/')[0]}")
        return (type_, arn) if type_ else None
    kind, separator, id_ = resource.partition("/" if "/" in resource.partition(":")[0] else ":")
    type_ = TYPES.get(f"{service}:{kind}")
    if service != "cloudwatch":  # in an alarm's name anything may stand
        id_ = id_.rpartition("/")[2]
    return (type_, id_) if type_ and separator else None


def resources_in_outputs(stack: Stack) -> list[tuple[str, str]]:
    """Resources (type, id) that a stack's outputs name."""
    named = [("AWS::S3::Bucket", value) for key, value in stack.outputs.items() if key.endswith("Bucket") and value]
    arguments = stack.outputs.get("OpsRunTaskArguments", "").split()
    return named + ([("AWS::ECS::Cluster", arguments[1])] if len(arguments) > 1 else [])


def assign(
    deployments: Sequence[Deployment],
    tagged: Iterable[Mapping[str, Any]],
    listed: Mapping[str, Iterable[Mapping[str, Any]]],
) -> list[Deployment]:
    """Give each deployment its resources, and all of them the knowledge of what is anybody's."""
    owned: dict[str, dict[str, dict[str, str]]] = {deployment.name: {} for deployment in deployments}
    tags_of: dict[str, dict[tuple[str, str], Mapping[str, str]]] = {deployment.name: {} for deployment in deployments}

    def give(deployment: Deployment, type_: str, id_: str, stack: str) -> None:
        owned[deployment.name].setdefault(type_, {}).setdefault(id_, stack)

    for each in tagged:
        tags = as_dict(each["Tags"])
        found = resource_of(each["ResourceARN"])
        for deployment in deployments:
            if found and deployment.has_stack(tags.get(STACK_TAG, "")):
                give(deployment, *found, tags[STACK_TAG])
                tags_of[deployment.name][found] = tags
    for deployment in deployments:
        for stack in deployment.stacks:
            for type_, id_ in resources_in_outputs(stack):
                give(deployment, type_, id_, stack.name)
            for each in listed.get(stack.name, ()):
                if "PhysicalResourceId" in each and each["ResourceStatus"] != "DELETE_COMPLETE":
                    # A rule of another event bus than the default one has the bus in front.
                    give(deployment, each["ResourceType"], each["PhysicalResourceId"].rpartition("|")[2], stack.name)
        for type_, ids in deployment.include.items():
            for id_ in ids:
                give(deployment, type_, id_, "")

    assigned: dict[str, set[str]] = {}
    for by_type in owned.values():
        for type_, by_id in by_type.items():
            assigned.setdefault(type_, set()).update(by_id)
    frozen = {type_: frozenset(ids) for type_, ids in assigned.items()}
    names = frozenset(stack.name for deployment in deployments for stack in deployment.stacks)
    return [
        replace(
            deployment,
            owned=owned[deployment.name],
            assigned=frozen,
            assigned_stacks=names,
            tagged=tags_of[deployment.name],
        )
        for deployment in deployments
    ]


def with_siblings(deployments: Sequence[Deployment], siblings: Sequence[Deployment]) -> list[Deployment]:
    """Let deployments know what is owned by others of the same account and region that are reached another way."""
    if not siblings:
        return list(deployments)
    types = {type_ for each in siblings for type_ in each.owned}
    foreign = {type_: frozenset(id_ for each in siblings for id_ in each.resources(type_)) for type_ in types}
    stacks = frozenset(stack.name for each in siblings for stack in each.stacks)
    return [
        replace(
            each,
            assigned={
                type_: each.assigned.get(type_, frozenset()) | foreign.get(type_, frozenset())
                for type_ in each.assigned.keys() | types
            },
            assigned_stacks=each.assigned_stacks | stacks,
        )
        for each in deployments
    ]
