"""Utilization: does a service, database, Redis group or host run out of CPU, memory or disk?

Practice: none. The Things Stack watches its own hosts from inside; CloudWatch sees also what has no inside.
Cost: nothing of its own but 2 an hour; metrics every five minutes: 2 a running ECS service, 1 a database instance, 2 a
Redis node, 1 a host, and of a host with the CloudWatch agent 1 and 1 a disk. One costs 0.09 USD a month.
API: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from typing import Any

from .. import cloudwatch_agent as agent
from .. import ecs
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..measured import Gauge, gauges
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

RESOURCE = ("resource_type", "resource")

CPU = Family(
    "tts_aws_cpu_utilization_ratio",
    "Mean of five minutes, of what was reserved or is there; of a group its busiest node's "
    "(CloudWatch CPUUtilization, of ElastiCache EngineCPUUtilization).",
    RESOURCE,
)
MEMORY = Family(
    "tts_aws_memory_utilization_ratio",
    "Mean of five minutes; none of RDS, of hosts where the CloudWatch agent runs, of a group its fullest node's "
    "(CloudWatch MemoryUtilization, DatabaseMemoryUsagePercentage, mem_used_percent).",
    RESOURCE,
)
DISK = Family(
    "tts_aws_disk_utilization_ratio",
    "Mean of five minutes, of hosts where the CloudWatch agent runs (CloudWatch disk_used_percent).",
    (*RESOURCE, "path"),
)
MISSING = Family(
    "tts_aws_cloudwatch_missing_data",
    "CloudWatch had no value of the last twenty minutes of something that runs, so that a gap is not read as 0; "
    "statistic: cpu, memory, disk (CloudWatch MetricDataResult.Values).",
    (*RESOURCE, "statistic"),
    "flag",
)

ACTIONS = (
    "ecs:ListServices",
    "ecs:DescribeServices",
    "rds:DescribeDBInstances",
    "elasticache:DescribeReplicationGroups",
    "ec2:DescribeInstances",
    "autoscaling:DescribeAutoScalingGroups",
    "cloudwatch:ListMetrics",
    "cloudwatch:GetMetricData",
)

HOUR = 3_600


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({**listings(aws, deployment), "values": values(aws, deployment)})


def listings(aws: Aws, deployment: Deployment) -> dict[str, Awaitable[Any]]:
    """What there is to measure, in the words of the collectors that watch it, with which it is shared."""
    parts: dict[str, Awaitable[Any]] = {
        "services": aws.gather({name: services(aws, name) for name in sorted(deployment.resources(ecs.CLUSTER))}),
        "databases": aws.read("rds", "DescribeDBInstances"),
        "caches": aws.read("elasticache", "DescribeReplicationGroups"),
        "instances": aws.read("ec2", "DescribeInstances"),
        "groups": aws.read("autoscaling", "DescribeAutoScalingGroups"),
    }
    if aws.list_agent_metrics:
        parts["agent"] = aws.gather({name: agent_metrics(aws, name) for name in (agent.MEMORY, agent.DISK)})
    return parts


async def services(aws: Aws, cluster: str) -> list[dict[str, Any]]:
    listed = await aws.read("ecs", "ListServices", cluster=cluster, absent=ecs.GONE)
    arns = listed.get("serviceArns")
    return (await ecs.describe(aws, cluster, "services", arns, ecs.SERVICES_A_CALL, include=["TAGS"])).found


async def agent_metrics(aws: Aws, name: str) -> dict[str, Any]:
    """Asked by name, as an agent may publish hundreds of others."""
    asked: dict[str, Any] = {"Namespace": agent.NAMESPACE, "MetricName": name, "RecentlyActive": "PT3H"}
    return await aws.read("cloudwatch", "ListMetrics", max_age=HOUR, **asked)


async def values(aws: Aws, deployment: Deployment) -> dict[Metric, float | None]:
    """The value of each metric, None where CloudWatch has none; what could not be read is not there."""
    listed = await aws.gather(listings(aws, deployment))
    wanted = [metric for gauge in gauges(listed, deployment) for metric in gauge.metrics]
    known = await aws.metrics(wanted)
    if any(failure.operation == "cloudwatch.GetMetricData" for failure in aws.failures):
        return dict(known)
    return {metric: known.get(metric) for metric in wanted}


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    known = answer.get("values", {})
    yield from each(gauges(answer, deployment), lambda gauge: gauge_samples(gauge, known))


def gauge_samples(gauge: Gauge, known: Mapping[Metric, float | None]) -> Iterator[Sample]:
    if not known.keys() >= set(gauge.metrics):
        return
    percent: dict[str, float] = {}
    for part, metrics in gauge.parts.items():
        if found := [value for metric in metrics if (value := known[metric]) is not None]:
            percent[part] = max(found)
    complete = len(percent) == len(gauge.parts)
    labels = {"resource_type": gauge.resource_type, "resource": gauge.resource}
    yield MISSING.sample(not complete, **labels, statistic=gauge.statistic)
    if gauge.statistic == "disk":
        for path, value in percent.items():
            yield DISK.sample(value / 100, **labels, path=path)
    elif complete:  # a node that is missing may be the busiest
        family = {"cpu": CPU, "memory": MEMORY}[gauge.statistic]
        yield family.sample(max(percent.values()) / 100, **labels)


COLLECTOR = Collector(
    name="utilization",
    interval=300,
    actions=ACTIONS,
    families=(CPU, MEMORY, DISK, MISSING),
    fetch=fetch,
    samples=samples,
)
