"""Which of CloudWatch's metrics tell how busy and how full the resources of a deployment are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from . import cloudwatch_agent as agent
from .deployment import Deployment
from .hosts import hosts
from .metric_data import Metric

GROUP, DB_CLUSTER, DB_INSTANCE = "AWS::ElastiCache::ReplicationGroup", "AWS::RDS::DBCluster", "AWS::RDS::DBInstance"
# States of databases and Redis groups in which CloudWatch measures nothing; None where AWS does not tell.
_IDLE = (None, "creating", "create-failed", "deleting", "failed", "starting", "stopped", "stopping")


class Gauge(NamedTuple):
    """How busy or full one resource is: ``statistic`` is cpu, memory or disk, all in percent.

    ``parts``: its nodes, or a disk's paths, else only itself; with the metrics of each, of which one is published now.
    """

    statistic: str
    resource_type: str
    resource: str
    parts: Mapping[str, tuple[Metric, ...]]

    @property
    def metrics(self) -> list[Metric]:
        return [metric for metrics in self.parts.values() for metric in metrics]


def gauges(answer: Mapping[Any, Any], deployment: Deployment) -> Iterator[Gauge]:
    """What is measured of the deployment's resources that run, from an answer's parts; it may lack any.

    "services" has the ECS services by cluster; "databases", "caches", "instances", "groups" are AWS's answers, "agent"
    those of ListMetrics by name. Resources that AWS does not name are left out: the collector of their kind tells.
    """
    yield from _of_services(answer.get("services", {}))
    yield from _of_databases(answer.get("databases", {}).get("DBInstances", ()), deployment)
    yield from _of_caches(answer.get("caches", {}).get("ReplicationGroups", ()), deployment)
    yield from _of_hosts(answer, deployment)


def _of_services(by_cluster: Mapping[str, list[Mapping[str, Any]]]) -> Iterator[Gauge]:
    """A service goes by its name, and by its cluster's as well where two clusters have one of that name."""
    named = Counter(service.get("serviceName") for services in by_cluster.values() for service in services)
    for cluster, services in by_cluster.items():
        for service in services:
            name = service.get("serviceName")
            if not name or not service.get("runningCount"):
                continue
            resource = name if named[name] == 1 else f"{cluster}/{name}"
            for statistic, metric in (("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")):
                dimensions = (("ClusterName", cluster), ("ServiceName", name))
                yield Gauge(statistic, "ecs_service", resource, {resource: (Metric("AWS/ECS", metric, dimensions),)})


def _of_databases(databases: list[Mapping[str, Any]], deployment: Deployment) -> Iterator[Gauge]:
    """No API tells how much memory a database has, so that what is free of it means nothing."""
    for database in databases:
        name, tags = database.get("DBInstanceIdentifier"), database.get("TagList", ())
        if not name or database.get("DBInstanceStatus") in _IDLE:
            continue
        cluster = database.get("DBClusterIdentifier", "")
        if (deployment.owner(DB_INSTANCE, name, tags), deployment.owner(DB_CLUSTER, cluster)) != (None, None):
            metric = Metric("AWS/RDS", "CPUUtilization", (("DBInstanceIdentifier", name),))
            yield Gauge("cpu", "rds_instance", name, {name: (metric,)})


def _of_caches(groups: list[Mapping[str, Any]], deployment: Deployment) -> Iterator[Gauge]:
    """Of each node, as the mean of a group hides the primary. Redis works on one core: the host's CPU says little."""
    for group in groups:
        name, nodes = group.get("ReplicationGroupId"), group.get("MemberClusters")
        if not name or not nodes or group.get("Status") in _IDLE or deployment.owner(GROUP, name) is None:
            continue
        for statistic, metric in (("cpu", "EngineCPUUtilization"), ("memory", "DatabaseMemoryUsagePercentage")):
            parts = {node: (Metric("AWS/ElastiCache", metric, (("CacheClusterId", node),)),) for node in nodes}
            yield Gauge(statistic, "elasticache_replication_group", name, parts)


def _of_hosts(answer: Mapping[Any, Any], deployment: Deployment) -> Iterator[Gauge]:
    listed = answer.get("agent", {})
    for host in hosts(answer, deployment):
        id_ = host.instance.get("InstanceId")
        if not id_ or host.instance.get("State", {}).get("Name") != "running":
            continue
        yield Gauge("cpu", "ec2_instance", id_, {id_: (Metric("AWS/EC2", "CPUUtilization", (("InstanceId", id_),)),)})
        for statistic, name in (("memory", agent.MEMORY), ("disk", agent.DISK)):
            if parts := agent.metrics_of(host.instance, name, listed.get(name, {}).get("Metrics", ())):
                yield Gauge(statistic, "ec2_instance", id_, parts)
