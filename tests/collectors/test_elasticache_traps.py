"""What ElastiCache says that misleads, and what it says elsewhere or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.answer import Answer
from exporter.collectors.elasticache import samples
from exporter.deployment import Deployment, Stack
from exporter.metric_data import Metric
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]

TYPE = "AWS::ElastiCache::ReplicationGroup"
NAME = "acme-prod-eu1-general"
STACK = "acme-prod-eu1-2-3-db-redis-general"
NODES = (f"{NAME}-001", f"{NAME}-002")


def member(node: str, zone: str, role: str | None) -> dict[str, Any]:
    told = {"CurrentRole": role} if role else {}
    return {"CacheClusterId": node, "PreferredAvailabilityZone": zone} | told


def group(**more: Any) -> dict[str, Any]:
    members = [member(NODES[0], "eu-west-1a", "primary"), member(NODES[1], "eu-west-1b", "replica")]
    return {
        "ReplicationGroupId": NAME,
        "Status": "available",
        "ClusterEnabled": False,
        "MemberClusters": list(NODES),
        "NodeGroups": [{"NodeGroupId": "0001", "NodeGroupMembers": members}],
    } | more


def node(name: str = NODES[0], version: str = "6.2.6", **more: Any) -> dict[str, Any]:
    return {
        "CacheClusterId": name,
        "ReplicationGroupId": NAME,
        "CacheNodeType": "cache.r7g.large",
        "Engine": "redis",
        "EngineVersion": version,
        "CacheParameterGroup": {"CacheParameterGroupName": "ours"},
    } | more


def update(status: str = "not-applied", severity: str = "important", **more: Any) -> dict[str, Any]:
    return {"ReplicationGroupId": NAME, "UpdateActionStatus": status, "ServiceUpdateSeverity": severity} | more


def evictions(*values: float) -> dict[Metric, float]:
    names = [Metric("AWS/ElastiCache", "Evictions", (("CacheClusterId", name),), "Sum") for name in NODES]
    return dict(zip(names, values, strict=False))


def read(*groups: dict[str, Any], **parts: Any) -> Answer:
    answer = Answer()
    answer["groups"] = {"ReplicationGroups": groups or (group(),)}
    answer.update(parts)
    return answer


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    return replace(deployment, owned={TYPE: {NAME: STACK}}, assigned={TYPE: frozenset({NAME})})


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of the group, without the common beginning of the names and without its own label."""

    def serve(*groups: dict[str, Any], **parts: Any) -> dict[str, float]:
        found = series(samples(read(*groups, **parts), deployment))
        short = {}
        for name, value in found.items():
            family, _, labels = name.removeprefix("tts_aws_elasticache_").rstrip("}").partition("{")
            own = [label.split('"')[1] for label in labels.split(",") if f'replication_group="{NAME}"' != label]
            short[" ".join([family, *own])] = value
        return short

    return serve


def test_only_what_was_read(served: Served) -> None:
    """From a group that tells no more than it must nothing else is made up."""
    assert served() == {
        "available": 1,
        "nodes primary": 1,
        "nodes replica": 1,
        "availability_zones": 2,
        "cluster_mode_enabled": 0,
        "tts_aws_unassigned_resources AWS::ElastiCache::ReplicationGroup": 0,
    }


def test_groups_of_nobody(served: Served) -> None:
    """A group that no stack of a deployment owns is counted, and nothing else is said of it."""
    found = served(group(ReplicationGroupId="somebody-elses"))

    assert found == {"tts_aws_unassigned_resources AWS::ElastiCache::ReplicationGroup": 1}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"AtRestEncryptionEnabled": False, "StorageEncryptionType": "sse-elasticache"}, 1),
        ({"AtRestEncryptionEnabled": True, "StorageEncryptionType": "sse-kms"}, 1),
        ({"AtRestEncryptionEnabled": True}, 1),
        ({"AtRestEncryptionEnabled": False, "StorageEncryptionType": "none"}, 0),
        ({"AtRestEncryptionEnabled": False}, None),
    ],
)
def test_at_rest_encryption(served: Served, told: dict[str, Any], expected: float | None) -> None:
    """AtRestEncryptionEnabled is false for some groups that are encrypted, so false alone proves nothing."""
    assert served(group(**told)).get("at_rest_encryption_enabled") == expected


@pytest.mark.parametrize(
    ("state", "expected"), [("enabled", 1), ("disabled", 0), ("enabling", 0), ("disabling", 0), (None, None)]
)
def test_automatic_failover(served: Served, state: str | None, expected: float | None) -> None:
    """Of the four states of automatic failover one protects."""
    told = {"AutomaticFailover": state} if state else {}

    assert served(group(**told)).get("automatic_failover_enabled") == expected


def test_switches(served: Served) -> None:
    """A switch that is off is 0."""
    off = group(MultiAZ="disabled", AutoMinorVersionUpgrade=False, TransitEncryptionEnabled=False)

    found = served(off)

    names = ("multi_az_enabled", "auto_minor_version_upgrade_enabled", "transit_encryption_enabled")
    assert [found[name] for name in names] == [0, 0, 0]


@pytest.mark.parametrize(
    ("status", "expected"), [("available", 1), ("snapshotting", 1), ("modifying", 0), ("create-failed", 0)]
)
def test_available(served: Served, status: str, expected: float) -> None:
    """The nightly snapshot is no outage."""
    assert served(group(Status=status))["available"] == expected


def test_cluster_mode_tells_no_roles(served: Served) -> None:
    """In cluster mode AWS names no primary: the nodes are counted, and none is said to be missing."""
    shards = [{"NodeGroupMembers": [member(name, "eu-west-1a", None)]} for name in NODES]

    found = served(group(ClusterEnabled=True, NodeGroups=shards))

    assert {name: value for name, value in found.items() if name.startswith("nodes")} == {"nodes unknown": 2}
    assert found["availability_zones"] == 1


def test_unknown_role_or_zone(served: Served) -> None:
    """A node without a role or zone leaves the numbers unknown rather than one too low."""
    partly = [member(NODES[0], "eu-west-1a", "primary"), {"CacheClusterId": NODES[1]}]

    found = served(group(NodeGroups=[{"NodeGroupMembers": partly}]))

    assert not [name for name in found if name.startswith(("nodes", "availability_zones"))]


def test_version_of_the_nodes(served: Served) -> None:
    """A group has no version of its own; while its nodes are upgraded the older one counts, as numbers."""
    nodes = {
        "CacheClusters": (
            node(version="6.10.0"),
            node(NODES[1], version="6.2.6"),
            node("other", ReplicationGroupId="x"),
        )
    }

    found = served(nodes=nodes)

    assert found[f"replication_group_info redis 6.2.6 cache.r7g.large general {STACK}"] == 1
    assert len([name for name in found if name.startswith("replication_group_info")]) == 1


@pytest.mark.parametrize(
    ("name", "discriminator", "purpose"),
    [
        ("acme-prod-eu1-general", "general", "general"),
        ("acme-prod-eu1-redis", "", "general"),
        ("acme-prod-eu1-redis", "cache", "cache"),
        ("acme-prod-eu1-events", "", "events"),
        ("cache-prod-eu1-redis", "events", "events"),
        ("cachet-prod-eu1-redis", "", "general"),
    ],
)
def test_purpose(deployment: Deployment, series: Series, name: str, discriminator: str, purpose: str) -> None:
    """What a group is for is told by the text behind the template's name, else by its own name, else it is general."""
    stack = Stack("acme-prod-eu1-2-3-db-redis-x", "2-3-db-redis", "acme-prod-eu1", discriminator)
    owning = replace(deployment, owned={TYPE: {name: stack.name}}, stacks=(stack,))
    nodes = {"CacheClusters": (node(ReplicationGroupId=name),)}

    found = series(samples(read(group(ReplicationGroupId=name), nodes=nodes), owning))

    [info] = [series for series in found if "info" in series]
    assert f'purpose="{purpose}"' in info


def test_pending_updates(served: Served) -> None:
    """An update that is complete or does not apply is not pending; every other state is, and none is 0."""
    updates = (
        *(update("complete"), update("not-applicable"), update("stopped"), update("scheduled")),
        *(update(severity="critical"), update(severity="critical", ReplicationGroupId="somebody-elses")),
        {"CacheClusterId": "memcached", "UpdateActionStatus": "not-applied", "ServiceUpdateSeverity": "critical"},
    )

    found = served(updates={"UpdateActions": updates})

    pending = {name: value for name, value in found.items() if name.startswith("pending")}
    counts = {"critical": 1, "important": 2, "medium": 0, "low": 0}
    assert pending == {f"pending_service_updates {severity}": count for severity, count in counts.items()}
    assert not [name for name in served() if name.startswith("pending")]


def test_malformed_update(deployment: Deployment) -> None:
    """An update without a status could be pending or not: it is reported, none is counted, the rest is served."""
    unclear = {"ReplicationGroupId": NAME, "ServiceUpdateSeverity": "critical"}

    found = list(samples(read(updates={"UpdateActions": (unclear,)}), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    families = {each.family.name for each in found if not isinstance(each, Malformed)}
    assert "tts_aws_elasticache_available" in families
    assert "tts_aws_elasticache_pending_service_updates" not in families


def test_maxmemory_policy(served: Served) -> None:
    """The policy is that of the parameter group that the nodes name; without a value there is none."""
    nodes = {"CacheClusters": (node(), node(NODES[1]))}
    parameters = [{"ParameterName": "timeout", "ParameterValue": "0"}, {"ParameterName": "maxmemory-policy"}]

    def policies(name: str) -> list[str]:
        found = served(nodes=nodes, parameters={name: {"Parameters": parameters}})
        return [series for series in found if series.startswith("maxmemory_policy")]

    assert policies("ours") == []
    parameters[1]["ParameterValue"] = "volatile-lru"
    assert policies("ours") == ["maxmemory_policy_info volatile-lru"]
    assert policies("not-ours") == []


def test_evictions_of_all_nodes(served: Served) -> None:
    """Evictions are summed over the nodes, and unknown while one of them has no datum."""
    assert served(evictions=evictions(3, 4))["evictions"] == 7
    assert served(evictions=evictions(0, 0))["evictions"] == 0
    assert "evictions" not in served(evictions=evictions(3))
    assert "evictions" not in served(group(MemberClusters=[]), evictions={})
