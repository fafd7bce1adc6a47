"""ElastiCache: replication groups, their members, snapshots, parameters and service updates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_databases import dated
from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, named
from exporter.demo.inventory import View, World
from exporter.demo.names import members
from exporter.demo.request import AwsError, Handler, Request


def _shards(group: Facts) -> list[list[str]]:
    """The members by shard: one shard without cluster mode, else as many as `_shards` says, or one for each member."""
    names = members(group)
    count = (group.get("_shards") or len(names)) if group.get("ClusterEnabled") else 1
    size = -(-len(names) // max(count, 1))
    return [names[start : start + size] for start in range(0, len(names), size)]


def _groups(view: View) -> Iterator[tuple[Facts, Facts]]:
    """Each replication group as the inventory has it, and as AWS tells it."""
    for item in view.all("elasticache", "replication_groups"):
        name = item["ReplicationGroupId"]
        names, zones = members(item), item.get("_nodeAZs") or view.zones
        zone_of = {member: zones[index % len(zones)] for index, member in enumerate(names)}
        encrypted = item.get("AtRestEncryptionEnabled", True)
        in_transit = item.get("TransitEncryptionEnabled", True)
        cluster_mode = item.get("ClusterEnabled", False)
        nodes = []
        for number, shard in enumerate(_shards(item), 1):
            in_shard = []
            for index, member in enumerate(shard):
                node = {
                    "CacheClusterId": member,
                    "CacheNodeId": "0001",
                    "PreferredAvailabilityZone": zone_of.get(member, zones[0]),
                }
                # Which node is the primary is told only without cluster mode.
                role = {} if cluster_mode else {"CurrentRole": "replica" if index else "primary"}
                in_shard.append(node | role)
            nodes.append({"NodeGroupId": f"{number:04}", "Status": "available", "NodeGroupMembers": in_shard})
        yield (
            item,
            aws(
                item,
                Description=f"{name} of {view.name}",
                Status="available",
                CacheNodeType="cache.r7g.large",
                Engine="redis",
                AutomaticFailover="enabled",
                MultiAZ="enabled",
                ClusterEnabled=cluster_mode,
                ClusterMode="enabled" if cluster_mode else "disabled",
                SnapshotRetentionLimit=7,
                SnapshotWindow="03:00-04:00",
                SnapshottingClusterId=names[-1] if not cluster_mode else None,
                MemberClusters=names,
                NodeGroups=nodes,
                TransitEncryptionEnabled=in_transit,
                TransitEncryptionMode="required" if in_transit else None,
                AtRestEncryptionEnabled=encrypted,
                StorageEncryptionType="sse-elasticache" if encrypted else "none",
                AuthTokenEnabled=False,
                AutoMinorVersionUpgrade=False,
                ReplicationGroupCreateTime=view.now - BORN,
                PendingModifiedValues={},
                ARN=view.arn("elasticache", f"replicationgroup:{name}"),
            ),
        )


def describe_replication_groups(world: World, request: Request) -> Facts:
    found = [group for view in world.views(request) for _, group in _groups(view)]
    wanted = request.parameters.get("ReplicationGroupId")
    return {
        "ReplicationGroups": named(found, "ReplicationGroupId", wanted, "ReplicationGroupNotFoundFault", status=404)
    }


def _parameter_group(group: Facts) -> str:
    """Groups share a parameter group only if they share the policy for a full memory."""
    return f"{group['ReplicationGroupId']}-parameters"


def describe_cache_clusters(world: World, request: Request) -> Facts:
    found = []
    for view in world.views(request):
        for item, group in _groups(view):
            copied = (
                "CacheNodeType",
                "Engine",
                "SnapshotWindow",
                "TransitEncryptionEnabled",
                "AtRestEncryptionEnabled",
            )
            for shard in group["NodeGroups"]:
                for node in shard["NodeGroupMembers"]:
                    name, zone = node["CacheClusterId"], node["PreferredAvailabilityZone"]
                    created = group["ReplicationGroupCreateTime"]
                    cluster = {
                        **{key: group[key] for key in copied},
                        "CacheClusterId": name,
                        "CacheClusterStatus": "available",
                        "ReplicationGroupId": group["ReplicationGroupId"],
                        "EngineVersion": item.get("_engineVersion", "7.1.0"),
                        "NumCacheNodes": 1,
                        "PreferredAvailabilityZone": zone,
                        "PreferredMaintenanceWindow": "sun:05:00-sun:06:00",
                        "CacheClusterCreateTime": created,
                        "AutoMinorVersionUpgrade": group["AutoMinorVersionUpgrade"],
                        # Backups are the group's; of its members one alone repeats the retention.
                        "SnapshotRetentionLimit": (
                            group["SnapshotRetentionLimit"] if name == group.get("SnapshottingClusterId") else 0
                        ),
                        "CacheParameterGroup": {
                            "CacheParameterGroupName": _parameter_group(item),
                            "ParameterApplyStatus": "in-sync",
                        },
                        "ARN": view.arn("elasticache", f"cluster:{name}"),
                    }
                    if request.parameters.get("ShowCacheNodeInfo"):
                        cluster["CacheNodes"] = [
                            {
                                "CacheNodeId": "0001",
                                "CacheNodeStatus": "available",
                                "CacheNodeCreateTime": created,
                                "ParameterGroupStatus": "in-sync",
                                "CustomerAvailabilityZone": zone,
                            }
                        ]
                    found.append(cluster)
    if request.parameters.get("ShowCacheClustersNotInReplicationGroups"):
        found = []
    wanted = request.parameters.get("CacheClusterId")
    return {"CacheClusters": named(found, "CacheClusterId", wanted, "CacheClusterNotFound", status=404)}


def describe_cache_snapshots(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = []
    for view in world.views(request):
        groups = {item["ReplicationGroupId"]: group for item, group in _groups(view)}
        for item in view.all("elasticache", "snapshots"):
            group = groups.get(item.get("ReplicationGroupId", ""), {})
            times = [n["SnapshotCreateTime"] for n in item.get("NodeSnapshots") or () if n.get("SnapshotCreateTime")]
            snapshot = aws(
                {**item, "SnapshotName": dated(item["SnapshotName"], max(times, default=None))},
                SnapshotSource="automated",
                SnapshotStatus="available",
                Engine="redis",
                EngineVersion="7.1.0",
                CacheNodeType=group.get("CacheNodeType"),
                SnapshotRetentionLimit=group.get("SnapshotRetentionLimit"),
                SnapshotWindow=group.get("SnapshotWindow"),
                ARN=view.arn("elasticache", f"snapshot:{item['SnapshotName']}"),
            )
            if not group.get("ClusterEnabled"):
                # Taken from one node, and said to be of that node alone.
                snapshot.pop("ReplicationGroupId", None)
                member = f"{item.get('ReplicationGroupId', item['SnapshotName'])}-001"
                snapshot.setdefault("CacheClusterId", group.get("SnapshottingClusterId", member))
            snapshot["NodeSnapshots"] = [
                aws(node, CacheNodeId="0001", CacheSize="412 MB", NodeGroupId=f"{number:04}")
                for number, node in enumerate(item.get("NodeSnapshots") or (), 1)
            ]
            found.append(snapshot)
    # The request says system and user where the answer says automated and manual.
    source = {"system": "automated", "user": "manual"}.get(wanted.get("SnapshotSource", ""))
    asked = [key for key in ("SnapshotName", "ReplicationGroupId", "CacheClusterId") if wanted.get(key)]
    return {
        "Snapshots": [
            snapshot
            for snapshot in found
            if (not source or snapshot["SnapshotSource"] == source)
            and all(snapshot.get(key) == wanted[key] for key in asked)
        ]
    }


def describe_update_actions(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = [
        aws(
            item,
            ServiceUpdateReleaseDate=view.now - timedelta(days=20),
            ServiceUpdateSeverity="important",
            ServiceUpdateStatus="available",
            ServiceUpdateType="security-update",
            ServiceUpdateRecommendedApplyByDate=view.now + timedelta(days=20),
            UpdateActionStatus="not-applied",
            SlaMet="n/a",
            Engine="redis",
        )
        for view in world.views(request)
        for item in view.all("elasticache", "update_actions")
    ]
    return {
        "UpdateActions": [
            action
            for action in found
            if (not wanted.get("ServiceUpdateStatus") or action["ServiceUpdateStatus"] in wanted["ServiceUpdateStatus"])
            and (not wanted.get("UpdateActionStatus") or action["UpdateActionStatus"] in wanted["UpdateActionStatus"])
            and (
                not wanted.get("ReplicationGroupIds")
                or action.get("ReplicationGroupId") in wanted["ReplicationGroupIds"]
            )
        ]
    }


def describe_cache_parameters(world: World, request: Request) -> Facts:
    name = request.parameters["CacheParameterGroupName"]
    for view in world.views(request):
        for item, _ in _groups(view):
            if _parameter_group(item) == name:
                values = {
                    "maxmemory-policy": item.get("_maxmemoryPolicy", "noeviction"),
                    "notify-keyspace-events": "",
                    "timeout": "0",
                }
                return {
                    "Parameters": [
                        {
                            "ParameterName": parameter,
                            "ParameterValue": value,
                            "Source": "user",
                            "DataType": "integer" if value.isdigit() else "string",
                            "IsModifiable": True,
                            "MinimumEngineVersion": "2.8.6",
                            "ChangeType": "immediate",
                        }
                        for parameter, value in values.items()
                    ],
                    "CacheNodeTypeSpecificParameters": [],
                }
    raise AwsError("CacheParameterGroupNotFound", f"CacheParameterGroup {name} not found.", 404)


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("elasticache", "DescribeReplicationGroups"): describe_replication_groups,
    ("elasticache", "DescribeCacheClusters"): describe_cache_clusters,
    ("elasticache", "DescribeSnapshots"): describe_cache_snapshots,
    ("elasticache", "DescribeUpdateActions"): describe_update_actions,
    ("elasticache", "DescribeCacheParameters"): describe_cache_parameters,
}
