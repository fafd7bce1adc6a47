"""What resources are called: names and ARNs that the inventory tells, or that follow from what it tells."""

from __future__ import annotations

from typing import Any

from exporter.demo.forms import invented

Facts = dict[str, Any]


def stack_id(facts: Facts, name: str) -> str:
    unique = invented("", facts["account_id"], name, digits=32)
    dashed = "-".join((unique[:8], unique[8:12], unique[12:16], unique[16:20], unique[20:]))
    return f"arn:aws:cloudformation:{facts['region']}:{facts['account_id']}:stack/{name}/{dashed}"


def members(group: Facts) -> list[str]:
    """The cache clusters of a replication group, two if it says nothing."""
    name = group["ReplicationGroupId"]
    return group.get("MemberClusters") or [f"{name}-001", f"{name}-002"]


def cluster_name(facts: Facts) -> str:
    name: str = ((facts.get("ecs") or {}).get("cluster") or {}).get("clusterName") or facts["id"]
    return name


def _ecs_arn(facts: Facts, resource: str) -> str:
    return f"arn:aws:ecs:{facts['region']}:{facts['account_id']}:{resource}"


def service_arn(facts: Facts, service: Facts) -> str:
    default = _ecs_arn(facts, f"service/{cluster_name(facts)}/{service['serviceName']}")
    return str(service.get("serviceArn") or default)


def target_group_arn(facts: Facts, group: Facts) -> str:
    name = group["TargetGroupName"]
    default = f"targetgroup/{name}/{invented('', name, digits=16)}"
    arn = f"arn:aws:elasticloadbalancing:{facts['region']}:{facts['account_id']}:{default}"
    return str(group.get("TargetGroupArn") or arn)


def secret_arn(facts: Facts, name: str) -> str:
    """A secret's ARN, as an output of a stack has it or with invented six characters at its end."""
    start = f"arn:aws:secretsmanager:{facts['region']}:{facts['account_id']}:secret:{name}-"
    for stack in (facts.get("cloudformation") or {}).get("stacks") or ():
        for value in (stack.get("Outputs") or {}).values():
            if value.startswith(start) and len(value) == len(start) + 6:
                return str(value)
    return invented(start, digits=6)
