"""Whose a CloudWatch alarm is, and whom it tells: by its stack, by what it watches, by the topic that it acts on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .deployment import Deployment

TYPES = ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
TOPIC = "AWS::SNS::Topic"

Raw = Mapping[str, Any]
Resource = tuple[str, str]  # CloudFormation's type and the id

# What the metrics of a kind of resource are told apart by -> its type, where the dimension's value is the id.
_DIMENSIONS = {
    "BucketName": "AWS::S3::Bucket",
    "ClusterName": "AWS::ECS::Cluster",
    "DBClusterIdentifier": "AWS::RDS::DBCluster",
    "DBInstanceIdentifier": "AWS::RDS::DBInstance",
    "FileSystemId": "AWS::EFS::FileSystem",
    "InstanceId": "AWS::EC2::Instance",
    "QueueName": "AWS::SQS::Queue",
    "ReplicationGroupId": "AWS::ElastiCache::ReplicationGroup",
    "RuleName": "AWS::Events::Rule",
    "TopicName": TOPIC,
    "VolumeId": "AWS::EC2::Volume",
}
# Those of load balancers are the end of their ARN, which is the id.
_LOAD_BALANCING = {
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", "loadbalancer/"),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", ""),
}
# The hosts that pagers take the notifications of SNS at.
_PAGERS = {"opsgenie": ("opsgenie.com",), "jira_service_management": ("atlassian.com", "atlassian.net")}
PROVIDERS = (*_PAGERS, "other")


class Topic(NamedTuple):
    """An SNS topic that an alarm acts on; topics may be in other accounts."""

    account: str
    region: str
    name: str


def topic_of(arn: str) -> Topic | None:
    """The topic that an ARN is of; None for what is no topic, such as a scaling policy or a function."""
    _, _, service, region, account, name = (arn.split(":", 5) + [""] * 5)[:6]
    return Topic(account, region, name) if service == "sns" else None


def topics_of(alarm: Raw) -> list[Topic]:
    """The topics that are told of the state ALARM."""
    return [topic for arn in alarm.get("AlarmActions", ()) if (topic := topic_of(arn))]


def is_local(topic: Topic, deployment: Deployment) -> bool:
    """Whether a topic is in the deployment's account and region, where its subscriptions can be read."""
    return (topic.account, topic.region) == (deployment.account_id, deployment.region)


def is_of_autoscaling(alarm: Raw) -> bool:
    """Whether an alarm only steers Auto Scaling, whose alarms are meant to go off."""
    actions = alarm.get("AlarmActions", ())
    steers = bool(actions) and all(action.split(":")[2:3] == ["autoscaling"] for action in actions)
    return steers or str(alarm.get("AlarmName")).startswith("TargetTracking-")


def is_ours(alarm: Raw, deployment: Deployment) -> bool:
    """Whether an alarm is the deployment's: its stack says so, else what it watches, else the topic that it tells.

    What is another deployment's is not ours for a topic that we share.
    """
    for resources in _evidence(alarm, deployment):
        if any(deployment.owner(type_, id_) is not None for type_, id_ in resources):
            return True
        if _somebodys(resources, deployment):
            return False
    return False


def is_nobodys(alarm: Raw, deployment: Deployment) -> bool:
    """Whether no deployment of this account and region owns an alarm."""
    return not any(_somebodys(resources, deployment) for resources in _evidence(alarm, deployment))


def _somebodys(resources: list[Resource], deployment: Deployment) -> bool:
    return any(id_ in deployment.assigned.get(type_, ()) for type_, id_ in resources)


def _evidence(alarm: Raw, deployment: Deployment) -> Iterator[list[Resource]]:
    """What tells whose an alarm is, the surest first: itself, what it watches, the topics that it tells."""
    yield [(type_, alarm.get("AlarmName", "")) for type_ in TYPES]
    yield list(_watched(alarm))
    told = [topic.name for topic in topics_of(alarm) if is_local(topic, deployment)]
    yield [(TOPIC, name) for name in told] + [(TOPIC, arn) for arn in alarm.get("AlarmActions", ())]


def _watched(alarm: Raw) -> Iterator[Resource]:
    """The resources whose metrics an alarm watches; one that computes with metrics names them in its queries."""
    metrics = [alarm, *(each["MetricStat"]["Metric"] for each in alarm.get("Metrics", ()) if "MetricStat" in each)]
    arn = alarm.get("AlarmArn", "").split(":")
    for dimension in (each for metric in metrics for each in metric.get("Dimensions", ())):
        name, value = dimension.get("Name"), dimension.get("Value", "")
        if name in _DIMENSIONS:
            yield _DIMENSIONS[name], value
        elif name == "CacheClusterId":  # a node, named after its group
            yield "AWS::ElastiCache::ReplicationGroup", re.sub(r"(-\d{4})?-\d{3}$", "", value)
        elif name in _LOAD_BALANCING:
            type_, kind = _LOAD_BALANCING[name]
            yield type_, ":".join([*arn[:2], "elasticloadbalancing", *arn[3:5], kind + value])


def host_of(endpoint: str) -> str:
    """The host of a subscription's endpoint, "" of what is no URL. The rest of a URL may hold a key."""
    found = re.match(r"https?://(?:[^/?#]*@)?([^/?#:@]*)", endpoint, re.IGNORECASE)
    return found[1].lower() if found else ""


def provider_of(host: str) -> str:
    """The pager whose host that is: one of PROVIDERS."""
    for provider, domains in _PAGERS.items():
        if any(f".{host}".endswith(f".{domain}") for domain in domains):
            return provider
    return "other"
