"""The vendor's CloudFormation templates, and how a stack's name gives its template away.

The numbers were changed several times and a stack keeps the name that it was born with, so a stack is recognised by
the name behind the number, under any number, with free text allowed behind it (several stacks of one template).
Source: The Things Stack documentation, pages Architecture, Deployment and Template Changelog for AWS ECS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

# Current template -> the names, without number, that its stacks have or had. In the order in which a deployment's
# stacks are made, and updated: later ones use what earlier ones export.
CURRENT: dict[str, tuple[str, ...]] = {
    "1-1-vpc": ("vpc",),
    "1-2-bastion": ("bastion",),
    "1-3-opsgenie": ("opsgenie",),
    "2-1-db-aurora-master": ("db-aurora-master",),
    "2-2-db-aurora-replica": ("db-aurora-replica",),
    "2-3-db-redis": ("db-redis",),
    "2-4a-is-s3": ("is-s3",),
    "2-4b-routing-s3": ("routing-s3",),
    "2-4c-mtls-s3": ("mtls-s3",),
    "2-5-db-timescale-master": ("db-timescale-master", "db-timescale"),
    "2-6-db-timescale-replica": ("db-timescale-replica",),
    "2-7-queue-sqs": ("queue-sqs", "sqs"),
    "3-1-security-group-rules": ("security-group-rules",),
    "3-2-load-balancer-rules": ("load-balancer-rules", "load-balancer"),
    "4-1-secrets": ("secrets",),
    "4-2a-configuration": ("configuration",),
    "4-2b-configuration-rate-limiting": ("configuration-rate-limiting",),
    "4-2c-configuration-resource-limiting": ("configuration-resource-limiting",),
    "5-1-ecs-cluster": ("ecs-cluster",),
    "5-2-ecs-ops": ("ecs-ops",),
    "5-3a-ecs-is-service": ("ecs-is-service", "is-ecs-service"),
    "5-3b-ecs-external-is-proxy": ("ecs-external-is-proxy",),
    "5-3c-ecs-tbs-service": ("ecs-tbs-service", "tbs-service"),
    "5-4-ecs-services": ("ecs-services",),
    "5-5-tenant-resource-monitoring": ("tenant-resource-monitoring",),
    "5-6-ecs-monitoring": ("ecs-monitoring", "monitoring"),
    "5-7-ecs-proxy": ("ecs-proxy",),
    "5-8a-certs-le": ("certs-le",),
    "5-8b-ecs-certbot-scheduled-task": ("ecs-certbot-scheduled-task",),
}
# Removed by the vendor; a stack that is left of them is a finding.
REMOVED: dict[str, tuple[str, ...]] = {
    "5-3d-ecs-gcs-service": ("ecs-gcs-service",),
    "200-1-crypto": ("crypto",),
    "6-1-vpc-peering": ("vpc-peering",),
}
OURS: dict[str, tuple[str, ...]] = {
    "5-9-ecs-aws-exporter": ("ecs-aws-exporter",),
}
TEMPLATES = {**CURRENT, **REMOVED, **OURS}

# What no cluster works without, and what only those of one role have besides: the network's primary cluster has the
# Identity Server and its database, the others a proxy to it. All other templates are a choice.
_EVERYWHERE = (
    "1-1-vpc",
    "2-3-db-redis",
    "2-4b-routing-s3",
    "3-1-security-group-rules",
    "3-2-load-balancer-rules",
    "4-1-secrets",
    "4-2a-configuration",
    "4-2b-configuration-rate-limiting",
    "5-1-ecs-cluster",
    "5-2-ecs-ops",
    "5-4-ecs-services",
    "5-7-ecs-proxy",
)
_BY_ROLE = {
    "primary": ("2-1-db-aurora-master", "2-4a-is-s3", "5-3a-ecs-is-service"),
    "secondary": ("5-3b-ecs-external-is-proxy",),
}

_BY_NAME = {name: template for template, names in TEMPLATES.items() for name in names}
_STACK_NAME = re.compile(
    r"(?:(?P<prefix>.*[^-])-)?\d+-\d+[a-z]?-(?P<name>"
    + "|".join(sorted(map(re.escape, _BY_NAME), key=len, reverse=True))
    + r")(?:-(?P<discriminator>.+))?",
)

# Outputs and parameters that only one template has, for stacks whose name says nothing.
_FINGERPRINTS = {
    "OpsRunTaskArguments": "5-2-ecs-ops",
    "RunCertbotTaskCLICommand": "5-8a-certs-le",
    "HTTPMetricsPasswordSecret": "4-1-secrets",
    "InteropConfigBucket": "2-4b-routing-s3",
    "UseLongTermStorage": "5-6-ecs-monitoring",
    "RedisMultiAZ": "2-3-db-redis",
}


class StackName(NamedTuple):
    """A stack's name taken apart: the operator's prefix, the current template's name, the free text behind it."""

    prefix: str
    template: str
    discriminator: str


def parse(stack_name: str) -> StackName | None:
    """Take a stack's name apart; None where no template is recognised."""
    match = _STACK_NAME.fullmatch(stack_name)
    if match is None:
        return None
    return StackName(match["prefix"] or "", _BY_NAME[match["name"]], match["discriminator"] or "")


def fingerprint(parameters: Mapping[str, str], outputs: Mapping[str, str]) -> str | None:
    """Recognise a template by a parameter or output that no other template has; None where there is none."""
    found = {template for key, template in _FINGERPRINTS.items() if key in parameters or key in outputs}
    return found.pop() if len(found) == 1 else None


def mandatory(role: str | None) -> list[str]:
    """The templates that a cluster of this role must have, in their order; of an unknown role (None) what all have."""
    wanted = (*_EVERYWHERE, *_BY_ROLE.get(role or "", ()))
    return [template for template in CURRENT if template in wanted]
