"""CloudWatch: metrics and alarms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws
from exporter.demo.inventory import View, World
from exporter.demo.names import cluster_name
from exporter.demo.request import AwsError, Handler, Request
from exporter.demo.series import DAILY, Series, series

# CloudWatch shows a point only when it has been received: minutes later, hours for the daily ones of S3.
_LATENCY = timedelta(minutes=2)

_DAILY_LATENCY = timedelta(hours=8)


def _points(item: Series, start: datetime, end: datetime, period: int, now: datetime) -> list[datetime]:
    """The times of the points, newest first: aligned to the period, none before start, none at or after end."""
    step = max(period, item.period)
    latest = min(end - timedelta(microseconds=1), now - (_DAILY_LATENCY if item.period == DAILY else _LATENCY))
    newest = datetime.fromtimestamp(latest.timestamp() // step * step, UTC)
    count = int((newest - start) / timedelta(seconds=step)) + 1 if newest >= start else 0
    return [newest - timedelta(seconds=step * n) for n in range(count)]


def get_metric_data(world: World, request: Request) -> Facts:
    """One result a query; a metric that does not exist has no points."""
    wanted = request.parameters
    if len(wanted["MetricDataQueries"]) > 500:
        raise AwsError("ValidationError", "The collection MetricDataQueries must not have a size greater than 500.")
    known = {
        (item.namespace, item.name, frozenset(item.dimensions)): item
        for view in world.views(request)
        for item in series(view)
    }
    ids = [query["Id"] for query in wanted["MetricDataQueries"]]
    if len(set(ids)) < len(ids) or not all(id_[:1].islower() for id_ in ids):
        raise AwsError("ValidationError", "Ids must be unique and begin with a lower-case letter.")
    results = []
    for query in wanted["MetricDataQueries"]:
        if "MetricStat" not in query:
            raise AwsError("ValidationError", "The stand-in evaluates no expressions.")
        stat = query["MetricStat"]
        metric = stat["Metric"]
        dimensions = frozenset((each["Name"], each["Value"]) for each in metric.get("Dimensions") or ())
        item = known.get((metric.get("Namespace", ""), metric.get("MetricName", ""), dimensions))
        times = _points(item, wanted["StartTime"], wanted["EndTime"], stat["Period"], request.now) if item else []
        if wanted.get("ScanBy") == "TimestampAscending":
            times.reverse()
        if query.get("ReturnData", True):
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or metric.get("MetricName", ""),
                    "Timestamps": times,
                    "Values": [item.value for _ in times] if item else [],
                    "StatusCode": "Complete",
                }
            )
    return {"MetricDataResults": results, "Messages": []}


def list_metrics(world: World, request: Request) -> Facts:
    """RecentlyActive leaves nothing out: all that is measured here is."""
    wanted = request.parameters
    asked = {(each["Name"], each.get("Value")) for each in wanted.get("Dimensions") or ()}
    return {
        "Metrics": [
            {
                "Namespace": item.namespace,
                "MetricName": item.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in item.dimensions],
            }
            for view in world.views(request)
            for item in series(view)
            if wanted.get("Namespace", item.namespace) == item.namespace
            and wanted.get("MetricName", item.name) == item.name
            and all(any(n == name and value in (None, v) for n, v in item.dimensions) for name, value in asked)
        ]
    }


def _alarm(view: View, item: Facts) -> Facts:
    """The metric's dimensions, where the inventory leaves them out, are those of the resource that the name tells."""
    name, cluster = item["AlarmName"], cluster_name(view.facts)
    ids = {
        "AWS/RDS": ("DBClusterIdentifier", [c["DBClusterIdentifier"] for c in view.all("rds", "clusters")]),
        "AWS/ElastiCache": (
            "ReplicationGroupId",
            [g["ReplicationGroupId"] for g in view.all("elasticache", "replication_groups")],
        ),
        "AWS/ECS": ("ServiceName", [s["serviceName"] for s in view.all("ecs", "services")]),
    }
    dimension, known = ids.get(item.get("Namespace", ""), ("", []))
    own = [id_ for id_ in known if f"-{id_.removeprefix(view.name).strip('-')}-" in f"-{name}-"]
    dimensions = {dimension: max(own, key=len)} if own else {}
    if dimension == "ServiceName" and own:
        dimensions = {"ClusterName": cluster, **dimensions}
    common = aws(
        item,
        "Namespace",
        "MetricName",
        "Dimensions",
        AlarmArn=view.arn("cloudwatch", f"alarm:{name}"),
        AlarmConfigurationUpdatedTimestamp=view.now - BORN,
        ActionsEnabled=True,
        AlarmActions=[],
        OKActions=[],
        InsufficientDataActions=[],
        StateValue="OK",
        StateReason="Threshold Crossed",
        StateUpdatedTimestamp=view.now - timedelta(days=2),
        StateTransitionedTimestamp=view.now - timedelta(days=2),
    )
    if item.get("Namespace") == "(composite)":
        return {**common, "AlarmRule": "FALSE"}
    given = item.get("Dimensions") or dimensions
    return {
        **common,
        "Namespace": item.get("Namespace", "AWS/ECS"),
        "MetricName": item.get("MetricName", "CPUUtilization"),
        "Dimensions": [{"Name": key, "Value": value} for key, value in given.items()],
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 2,
        "Threshold": 90.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing",
    }


def describe_alarms(world: World, request: Request) -> Facts:
    """Composite alarms only if AlarmTypes asks for them."""
    wanted = request.parameters
    types = wanted.get("AlarmTypes") or ["MetricAlarm"]
    found = [
        alarm
        for view in world.views(request)
        for alarm in (_alarm(view, item) for item in view.all("cloudwatch_alarms"))
        if (not wanted.get("AlarmNames") or alarm["AlarmName"] in wanted["AlarmNames"])
        and alarm["AlarmName"].startswith(wanted.get("AlarmNamePrefix", ""))
        and wanted.get("StateValue", alarm["StateValue"]) == alarm["StateValue"]
        and any(action.startswith(wanted.get("ActionPrefix", "")) for action in [*alarm["AlarmActions"], ""])
    ]
    return {
        "CompositeAlarms": [a for a in found if "AlarmRule" in a and "CompositeAlarm" in types],
        "MetricAlarms": [a for a in found if "AlarmRule" not in a and "MetricAlarm" in types],
    }


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("cloudwatch", "GetMetricData"): get_metric_data,
    ("cloudwatch", "ListMetrics"): list_metrics,
    ("cloudwatch", "DescribeAlarms"): describe_alarms,
}
