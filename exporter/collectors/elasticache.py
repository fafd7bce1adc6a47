"""ElastiCache: is every Redis group up, spread over zones with failover, encrypted, and safe for what it keeps?

Practice: BP-39 (Multi-AZ, replicas), BP-40 (no evictions), BP-42 (engine), BP-48 (encryption).
Cost: 2 every five minutes, of which backups shares 1, 1 an hour, 1 a parameter group every 6 hours, 1 metric a node.
API: https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_DescribeReplicationGroups.html
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment, Stack
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

TYPE = "AWS::ElastiCache::ReplicationGroup"
GROUP = ("replication_group",)

INFO = Family(
    "tts_aws_elasticache_replication_group_info",
    "A Redis group; purpose general, cache or events, by its stack's name (ElastiCache CacheCluster).",
    (*GROUP, "engine", "engine_version", "node_type", "purpose", "stack"),
)
AVAILABLE = Family(
    "tts_aws_elasticache_available", "Up, or taking a snapshot (ElastiCache ReplicationGroup.Status).", GROUP, "flag"
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
CLUSTER_MODE = Family(
    "tts_aws_elasticache_cluster_mode_enabled",
    "It is on, which The Things Stack does not support (ElastiCache ReplicationGroup.ClusterEnabled).",
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
    "tts_aws_elasticache_evictions", "Keys dropped for lack of memory in five minutes (CloudWatch Evictions).", GROUP
)

ACTIONS = (
    "elasticache:DescribeReplicationGroups",
    "elasticache:DescribeCacheClusters",
    "elasticache:DescribeUpdateActions",
    "elasticache:DescribeCacheParameters",
    "cloudwatch:GetMetricData",
)

HOUR = 3_600
OFFERED, DONE = ["available"], ("complete", "not-applicable")
ENABLED: dict[Any, bool] = {"enabled": True, "disabled": False, "enabling": False, "disabling": False}
SEVERITIES = ("critical", "important", "medium", "low")


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    """Return the groups, nodes and updates of the account and region, and the deployment's parameters and evictions."""
    return await aws.gather(
        {
            "groups": aws.read("elasticache", "DescribeReplicationGroups"),
            "nodes": aws.read("elasticache", "DescribeCacheClusters"),
            "updates": aws.read("elasticache", "DescribeUpdateActions", ServiceUpdateStatus=OFFERED, max_age=HOUR),
            "parameters": _parameters(aws, deployment),
            "evictions": _evictions(aws, deployment),
        }
    )


async def _parameters(aws: Aws, deployment: Deployment) -> Answer:
    """The parameters of each parameter group that a node of the deployment uses."""
    nodes = (await aws.read("elasticache", "DescribeCacheClusters"))["CacheClusters"]
    owned = [node for node in nodes if deployment.owner(TYPE, node.get("ReplicationGroupId", "")) is not None]
    names = {_parameter_group(node) for node in owned} - {""}
    read, operation = partial(aws.read, "elasticache", max_age=6 * HOUR), "DescribeCacheParameters"
    return await aws.gather({name: read(operation, CacheParameterGroupName=name) for name in names})


async def _evictions(aws: Aws, deployment: Deployment) -> dict[Metric, float]:
    groups = (await aws.read("elasticache", "DescribeReplicationGroups"))["ReplicationGroups"]
    owned = [group for group in groups if deployment.owner(TYPE, group["ReplicationGroupId"]) is not None]
    return await aws.metrics(_evictions_of(node) for group in owned for node in group["MemberClusters"])


def _evictions_of(node: str) -> Metric:
    return Metric("AWS/ElastiCache", "Evictions", (("CacheClusterId", node),), "Sum")


def _parameter_group(node: Mapping[str, Any]) -> str:
    return str(node.get("CacheParameterGroup", {}).get("CacheParameterGroupName", ""))


def _purpose(group: str, stack: Stack | None) -> str:
    """The last word of the three behind the template's name in the stack's, else in the group's name; else general."""
    name = f"{group} {stack.discriminator}" if stack else group
    words = re.findall(r"(?<![a-z])(general|cache|events)(?![a-z])", name)
    return str(words[-1]) if words else "general"


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Map the deployment's groups, with the nodes, updates, parameters and evictions that are known of each."""
    groups = answer.get("groups", {}).get("ReplicationGroups", ())
    nodes = answer.get("nodes", {}).get("CacheClusters", ())

    def of_group(group: Mapping[str, Any]) -> Iterator[Sample]:
        name = group["ReplicationGroupId"]
        stack = deployment.owner(TYPE, name)
        if stack is None:
            return
        of = {"replication_group": name}
        yield AVAILABLE.sample(group["Status"] in ("available", "snapshotting"), **of)
        if "NodeGroups" in group:
            members = [member for shard in group["NodeGroups"] for member in shard["NodeGroupMembers"]]
            roles = [member.get("CurrentRole") for member in members]
            if group.get("ClusterEnabled"):  # then AWS tells no roles
                yield NODES.sample(len(members), **of, role="unknown")
            elif None not in roles:
                for role in ("primary", "replica"):
                    yield NODES.sample(roles.count(role), **of, role=role)
            zones = {member.get("PreferredAvailabilityZone") for member in members}
            if None not in zones:
                yield ZONES.sample(len(zones), **of)
        for family, value in (
            (MULTI_AZ, ENABLED.get(group.get("MultiAZ"))),
            (FAILOVER, ENABLED.get(group.get("AutomaticFailover"))),
            (CLUSTER_MODE, group.get("ClusterEnabled")),
            (AUTO_UPGRADE, group.get("AutoMinorVersionUpgrade")),
            (IN_TRANSIT, group.get("TransitEncryptionEnabled")),
        ):
            if value is not None:
                yield family.sample(value, **of)
        # AtRestEncryptionEnabled is false for some groups that are encrypted, so only its true is proof.
        if (type_ := group.get("StorageEncryptionType")) or group.get("AtRestEncryptionEnabled"):
            yield AT_REST.sample(type_ != "none", **of)
        dropped = [answer.get("evictions", {}).get(_evictions_of(node)) for node in group.get("MemberClusters", ())]
        if dropped and None not in dropped:
            yield EVICTIONS.sample(sum(dropped), **of)
        mine = [node for node in nodes if node.get("ReplicationGroupId") == name]
        if mine:  # a group itself has no version; while it is upgraded its nodes have two, and the older one counts
            oldest = min(mine, key=lambda node: [int(part) for part in re.findall(r"\d+", node["EngineVersion"])])
            kind = {"engine": oldest["Engine"], "engine_version": oldest["EngineVersion"]}
            purpose = _purpose(name, deployment.stack(stack))
            yield INFO.sample(1, **of, **kind, node_type=oldest["CacheNodeType"], purpose=purpose, stack=stack)
        for parameter_group in sorted({_parameter_group(node) for node in mine}):
            for parameter in answer.get("parameters", {}).get(parameter_group, {}).get("Parameters", ()):
                if parameter["ParameterName"] == "maxmemory-policy" and "ParameterValue" in parameter:
                    yield POLICY.sample(1, **of, policy=parameter["ParameterValue"])

    def updates(group: Mapping[str, Any]) -> Iterator[Sample]:
        name = group["ReplicationGroupId"]
        if deployment.owner(TYPE, name) is None or "updates" not in answer:
            return
        # An update is of a group, or of a cluster (Memcached's) that is in none.
        of_groups = [update for update in answer["updates"]["UpdateActions"] if "CacheClusterId" not in update]
        mine = [update for update in of_groups if update["ReplicationGroupId"] == name]
        pending = Counter(each["ServiceUpdateSeverity"] for each in mine if each["UpdateActionStatus"] not in DONE)
        for severity in SEVERITIES:
            yield UPDATES.sample(pending[severity], replication_group=name, update_severity=severity)

    yield from each(groups, of_group)
    yield from each(groups, updates)
    if "groups" in answer:
        listed = [(group.get("ReplicationGroupId", ""), ()) for group in groups]
        yield UNASSIGNED.sample(deployment.unassigned(TYPE, listed), resource_type=TYPE)


COLLECTOR = Collector(
    name="elasticache",
    interval=300,
    actions=ACTIONS,
    families=(
        *(INFO, AVAILABLE, NODES, ZONES, MULTI_AZ, FAILOVER, CLUSTER_MODE, AUTO_UPGRADE, AT_REST, IN_TRANSIT),
        *(UPDATES, POLICY, EVICTIONS, UNASSIGNED),
    ),
    fetch=fetch,
    samples=samples,
)
