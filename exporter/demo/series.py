"""What CloudWatch measures of a deployment: one series for each resource that there is, and its value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from exporter.demo.answers_compute import hosts
from exporter.demo.answers_load_balancer import load_balancer
from exporter.demo.answers_storage import file_systems
from exporter.demo.forms import number
from exporter.demo.inventory import View
from exporter.demo.names import cluster_name, members, target_group_arn

DAILY = 86400
MINUTE, FIVE_MINUTES = 60, 300


@dataclass(frozen=True)
class Series:
    """Its value never changes; `period` is how often a point comes, in seconds."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    value: float
    period: int = MINUTE


def series(view: View) -> list[Series]:
    """The values of the inventory (`cloudwatch_values`), and believable ones for everything else that runs."""
    found: dict[tuple[str, str, frozenset[tuple[str, str]]], Series] = {}
    for item in [*_all(view), *_given(view)]:
        key = (item.namespace, item.name, frozenset(item.dimensions))
        if key in found and item.period == MINUTE:  # a given value comes as often as the one that it replaces
            item = Series(item.namespace, item.name, item.dimensions, item.value, found[key].period)
        found[key] = item
    return list(found.values())


def _given(view: View) -> Iterator[Series]:
    for item in view.all("cloudwatch_values"):
        dimensions = tuple((item.get("Dimensions") or {}).items())
        period = DAILY if item.get("Namespace") == "AWS/S3" else MINUTE
        yield Series(item.get("Namespace", ""), item["MetricName"], dimensions, float(item.get("Value", 0)), period)


def _usual(name: str, low: int = 20, high: int = 40) -> float:
    """A quiet load between two percentages, always the same for one name."""
    return low + int(number(name, digits=6)) % ((high - low) * 10) / 10


def _of(namespace: str, dimensions: dict[str, str], values: dict[str, float], period: int = MINUTE) -> Iterator[Series]:
    for name, value in values.items():
        yield Series(namespace, name, tuple(dimensions.items()), value, period)


def _all(view: View) -> Iterator[Series]:
    yield from _ecs(view)
    yield from _databases(view)
    yield from _machines(view)
    yield from _storage(view)
    for queue in view.all("sqs"):
        age = float(queue.get("ApproximateAgeOfOldestMessage", 0))
        waiting = float(queue.get("ApproximateNumberOfMessages", 0))
        values = {"ApproximateAgeOfOldestMessage": age, "ApproximateNumberOfMessagesVisible": waiting}
        yield from _of("AWS/SQS", {"QueueName": queue["QueueUrl"].rpartition("/")[2]}, values, FIVE_MINUTES)
    for rule in view.all("events_rules"):
        if rule.get("State", "ENABLED") == "ENABLED":
            yield from _of("AWS/Events", {"RuleName": rule["Name"]}, {"FailedInvocations": 0.0})
    balancer = load_balancer(view)
    if balancer:
        at = {"LoadBalancer": balancer["LoadBalancerArn"].partition(":loadbalancer/")[2]}
        yield from _of("AWS/NetworkELB", at, {"ActiveFlowCount": 4600.0, "ProcessedBytes": 7.2e6})
        for group in view.all("elbv2", "target_groups"):
            health = group.get("_health") or {"healthy": 2}
            dimensions = {"TargetGroup": target_group_arn(view.facts, group).rpartition(":")[2], **at}
            values = {"HealthyHostCount": health.get("healthy", 0), "UnHealthyHostCount": health.get("unhealthy", 0)}
            yield from _of("AWS/NetworkELB", dimensions, {name: float(count) for name, count in values.items()})


def _ecs(view: View) -> Iterator[Series]:
    cluster = cluster_name(view.facts)
    services = [s for s in view.all("ecs", "services") if s.get("runningCount", s.get("desiredCount", 1))]
    for service in services:
        name = service["serviceName"]
        values = {"CPUUtilization": _usual(name), "MemoryUtilization": _usual(f"{name} memory", 35, 60)}
        yield from _of("AWS/ECS", {"ClusterName": cluster, "ServiceName": name}, values)
    if services:
        yield from _of("AWS/ECS", {"ClusterName": cluster}, {"CPUUtilization": 30.0, "MemoryUtilization": 45.0})


def _databases(view: View) -> Iterator[Series]:
    readers = {
        member["DBInstanceIdentifier"]
        for cluster in view.all("rds", "clusters")
        for member in cluster.get("DBClusterMembers") or ()
        if not member.get("IsClusterWriter")
    }
    for instance in view.all("rds", "instances"):
        name = instance["DBInstanceIdentifier"]
        values = {"CPUUtilization": _usual(name), "DatabaseConnections": 48.0, "FreeableMemory": 6.1e9}
        if name in readers:
            values["AuroraReplicaLag"] = 20.0  # milliseconds
        if (instance.get("DBInstanceClass") or "").startswith("db.t"):
            values["CPUCreditBalance"] = 280.0
        yield from _of("AWS/RDS", {"DBInstanceIdentifier": name}, values)
    overridden = {
        (item.get("Dimensions") or {}).get("ReplicationGroupId"): item for item in view.all("cloudwatch_values")
    }
    for group in view.all("elasticache", "replication_groups"):
        name = group["ReplicationGroupId"]
        values = {
            "CPUUtilization": _usual(name, 5, 20),
            "EngineCPUUtilization": _usual(f"{name} engine", 5, 25),
            "DatabaseMemoryUsagePercentage": _usual(f"{name} memory", 25, 50),
            "Evictions": 0.0,
            "CurrConnections": 120.0,
        }
        if name in overridden:
            values[overridden[name]["MetricName"]] = float(overridden[name].get("Value", 0))
        yield from _of("AWS/ElastiCache", {"ReplicationGroupId": name}, values)
        for index, member in enumerate(members(group)):
            own = values if index == 0 else {**values, "ReplicationLag": 0.2}
            yield from _of("AWS/ElastiCache", {"CacheClusterId": member}, own)
            yield from _of("AWS/ElastiCache", {"CacheClusterId": member, "CacheNodeId": "0001"}, own)


def _machines(view: View) -> Iterator[Series]:
    for host in hosts(view):
        if host["State"] != "running":
            continue
        name, at = host["InstanceId"], {"InstanceId": host["InstanceId"]}
        yield from _of("AWS/EC2", at, {"CPUUtilization": _usual(name), "StatusCheckFailed": 0.0}, FIVE_MINUTES)
        if host["InstanceType"].startswith("t"):
            yield from _of("AWS/EC2", at, {"CPUCreditBalance": 260.0}, FIVE_MINUTES)
        if host["_role"] == "timescale":
            yield from _of("CWAgent", at, {"mem_used_percent": _usual(f"{name} memory", 40, 60)})
            for path, device, low in (("/", "nvme0n1p1", 25), ("/data", "nvme1n1", 40)):
                disk = {**at, "path": path, "device": device, "fstype": "xfs"}
                yield from _of("CWAgent", disk, {"disk_used_percent": _usual(f"{name}{path}", low, low + 20)})


def _storage(view: View) -> Iterator[Series]:
    for system in file_systems(view):
        at = {"FileSystemId": system["FileSystemId"]}
        values = {"ClientConnections": 1.0}
        if system.get("ThroughputMode", "bursting") == "bursting":
            values["BurstCreditBalance"] = float(system.get("BurstCreditBalance", 2.1e12))
        if system.get("PerformanceMode", "generalPurpose") == "generalPurpose":
            values["PercentIOLimit"] = float(system.get("PercentIOLimit", 3.0))
        yield from _of("AWS/EFS", at, values)
    for bucket in view.all("s3"):
        if bucket.get("_keys") == []:
            continue  # an empty bucket has no measurements
        count = len(bucket["_keys"]) if bucket.get("_keys") else 1200
        name = bucket["Name"]
        sizes = {"BucketSizeBytes": 1024.0 * count if bucket.get("_keys") else 5.2e7}
        yield from _of("AWS/S3", {"BucketName": name, "StorageType": "StandardStorage"}, sizes, DAILY)
        yield from _of(
            "AWS/S3", {"BucketName": name, "StorageType": "AllStorageTypes"}, {"NumberOfObjects": float(count)}, DAILY
        )
