"""ElastiCache: is every Redis group up, spread over zones with failover, encrypted, and safe for what it keeps?

Practice: BP-39 (Multi-AZ, replicas), BP-40 (no evictions), BP-42 (engine), BP-48 (encryption).
Cost: 2 every five minutes, the groups shared with backups, 1 an hour, 1 a parameter group every 6 hours, one metric a node.
API: https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeReplicationGroups.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ..aws import Answer, Aws, Metric
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment
from ..metrics import Family, Malformed, Sample, each

TYPE = "AWS::ElastiCache::ReplicationGroup"
GROUP = ("replication_group",)

INFO = Family(
    "tts_aws_elasticache_replication_group_info",
    "A Redis group; purpose (general, cache, events) from its stack's name (ElastiCache ReplicationGroup, CacheCluster).",
    (*GROUP, "engine", "engine_version", "node_type", "purpose", "stack"),
)
AVAILABLE = Family(
    "tts_aws_elasticache_available",
    "It is available, or a snapshot is being taken (ElastiCache ReplicationGroup.Status).",
    GROUP,
    "flag",
)
NODES = Family(
    "tts_aws_elasticache_nodes",
    "Nodes by role (primary, replica; unknown in cluster mode) (ElastiCache NodeGroupMember.CurrentRole).",
    (*GROUP, "role"),
)
ZONES = Family(
    "tts_aws_elasticache_availability_zones",
    "Distinct zones that hold a node (ElastiCache NodeGroupMember.PreferredAvailabilityZone).",
    GROUP,
)
MULTI_AZ = Family(
    "tts_aws_elasticache_multi_az_enabled", "It is on (ElastiCache ReplicationGroup.MultiAZ).", GROUP, "flag"
)
FAILOVER = Family(
    "tts_aws_elasticache_automatic_failover_enabled",
    "It is on, not just being switched on or off (ElastiCache ReplicationGroup.AutomaticFailover).",
    GROUP,
    "flag",
)
AUTO_UPGRADE = Family(
    "tts_aws_elasticache_auto_minor_version_upgrade_enabled",
    "AWS upgrades to minor versions by itself (ElastiCache ReplicationGroup.AutoMinorVersionUpgrade).",
    GROUP,
    "flag",
)
AT_REST = Family(
    "tts_aws_elasticache_at_rest_encryption_enabled",
    "Data on disk is encrypted, by any key (ElastiCache ReplicationGroup.StorageEncryptionType).",
    GROUP,
    "flag",
)
IN_TRANSIT = Family(
    "tts_aws_elasticache_transit_encryption_enabled",
    "Nodes speak TLS (ElastiCache ReplicationGroup.TransitEncryptionEnabled).",
    GROUP,
    "flag",
)
UPDATES = Family(
    "tts_aws_elasticache_pending_service_updates",
    "Available updates that are not complete and apply (ElastiCache UpdateAction.UpdateActionStatus).",
    (*GROUP, "update_severity"),
)
POLICY = Family(
    "tts_aws_elasticache_maxmemory_policy_info",
    "What is dropped when memory is full (ElastiCache Parameter maxmemory-policy).",
    (*GROUP, "policy"),
)
EVICTIONS = Family(
    "tts_aws_elasticache_evictions",
    "Keys that all nodes dropped for lack of memory in the last period (CloudWatch Evictions).",
    GROUP,
)

ACTIONS = (
    "elasticache:DescribeReplicationGroups",
    "elasticache:DescribeCacheClusters",
    "elasticache:DescribeUpdateActions",
    "elasticache:DescribeCacheParameters",
    "cloudwatch:GetMetricData",
)

HOUR = 3_600
SEVERITIES = ("critical", "important", "medium", "low")


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    """Return the groups, nodes and updates of the account and region, and the deployment's parameters and evictions."""
    updates = {"ServiceUpdateStatus": ["available"]}
    return await aws.gather(
        {
            "groups": aws.read("elasticache", "DescribeReplicationGroups"),
            "nodes": aws.read("elasticache", "DescribeCacheClusters"),
            "updates": aws.read("elasticache", "DescribeUpdateActions", ServiceUpdateStatus=["available"], max_age=HOUR),
            "parameters": _parameters(aws, deployment),
            "evictions": _evictions(aws, deployment),
        }
    )


async def _parameters(aws: Aws, deployment: Deployment) -> Answer:
    """The parameters of each parameter group that the deployment's nodes name."""
    nodes = (await aws.read("elasticache", "DescribeCacheClusters"))["CacheClusters"]
    names = {_parameter_group(node) for node in nodes if deployment.owner(TYPE, node.get("ReplicationGroupId", "")) is not None}
    operation = "DescribeCacheParameters"
    return await aws.gather(
        {
            name: aws.read("elasticache", operation, CacheParameterGroupName=name, max_age=6 * HOUR)
            for name in sorted(names - {None})
        }
    )


async def _evictions(aws: Aws, deployment: Deployment) -> dict[Metric, float]:
    groups = (await aws.read("elasticache", "DescribeReplicationGroups"))["ReplicationGroups"]
    owned = [group for group in groups if deployment.owner(TYPE, group["ReplicationGroupId"]) is not None]
    return await aws.metrics(_evictions_of(node) for group in owned for node in group.get("MemberClusters", ()))


def _evictions_of(node: str) -> Metric:
    return Metric("AWS/ElastiCache", "Evictions", (("CacheClusterId", node),), "Sum")


def _parameter_group(node: Mapping[str, Any]) -> str | None:
    name: str | None = node.get("CacheParameterGroup", {}).get("CacheParameterGroupName")
    return name


def _purpose(group: str, discriminator: str) -> str:
    """The last of the three words in the text behind the template's name, else in the group's name; else general."""
    for name in (discriminator, group):
        if words := re.findall(r"(?<![a-z])(general|cache|events)(?![a-z])", name.lower()):
            return str(words[-1])
    return "general"


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Map the deployment's groups, with the nodes, updates, parameters and evictions that are known of each."""
    groups = answer.get("groups", {}).get("ReplicationGroups", ())
    nodes = answer.get("nodes", {}).get("CacheClusters", ())

    def of_group(group: Mapping[str, Any]) -> Iterator[Sample]:
        name = group["ReplicationGroupId"]
        labels = {"replication_group": name}
        stack = deployment.owner(TYPE, name)
        if stack is None:
            return
        mine = [node for node in nodes if node.get("ReplicationGroupId") == name]
        if mine:
            # Only nodes have a version.
            found = deployment.stack(stack)
            yield INFO.sample(
                1,
                **labels,
                engine=mine[0]["Engine"],
                engine_version=mine[0]["EngineVersion"],
                node_type=group["CacheNodeType"],
                purpose=_purpose(name, found.discriminator if found else ""),
                stack=stack,
            )
        yield AVAILABLE.sample(group["Status"] in ("available", "snapshotting"), **labels)
        yield from _spread(group, labels)
        ...
