"""Whether a file is an inventory: the first thing that is not is told with its key path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

_REQUIRED = {
    "network": r"\S+",
    "environment": r"prod|staging",
    "cluster": r"\S+",
    "account_id": r"\d{12}",
    "region": r"[a-z]{2}(-[a-z]+)+-\d",
}

# Every list of things, and the key that identifies each of them.
_LISTS = {
    "cloudformation/stacks": "StackName",
    "cloudformation/change_sets": "ChangeSetName",
    "vpc/Subnets": "SubnetId",
    "vpc/NatGateways": "NatGatewayId",
    "security_group_rules": "GroupId",
    "rds/clusters": "DBClusterIdentifier",
    "rds/instances": "DBInstanceIdentifier",
    "rds/cluster_snapshots": "DBClusterSnapshotIdentifier",
    "rds/pending_maintenance_actions": "ResourceIdentifier",
    "elasticache/replication_groups": "ReplicationGroupId",
    "elasticache/snapshots": "SnapshotName",
    "elasticache/update_actions": "ServiceUpdateName",
    "ec2/timescale": "InstanceId",
    "ec2/instances": "InstanceId",
    "ec2/volumes": "VolumeId",
    "ec2/snapshots": "SnapshotId",
    "ec2/images": "ImageId",
    "ec2/launch_templates": "LaunchTemplateId",
    "ec2/launch_configurations": "LaunchConfigurationName",
    "ec2/auto_scaling_groups": "AutoScalingGroupName",
    "ec2/dlm_policies": "PolicyId",
    "ecs/container_instances": "_instanceId",
    "ecs/services": "serviceName",
    "ecs/task_families_without_service": "family",
    "ecs_account_settings": "name",
    "elbv2/listeners": "Protocol",
    "elbv2/target_groups": "TargetGroupName",
    "acm": "CertificateArn",
    "events_rules": "Name",
    "s3": "Name",
    "efs": "FileSystemId",
    "efs_details": "FileSystemId",
    "sqs": "QueueUrl",
    "sns": "TopicArn",
    "cloudwatch_alarms": "AlarmName",
    "cloudwatch_values": "MetricName",
    "secrets": "Name",
    "log_groups": "logGroupName",
    "ssm_patch_states": "InstanceId",
    "backup/recovery_points": "ResourceArn",
    "backup/backup_jobs": "BackupJobId",
    "backup/restore_jobs": "RestoreJobId",
    "recorded_restore_tests": "resource",
    "route53/records": "Name",
    "health_events": "eventTypeCode",
}
_MAPPINGS = {"cloudformation", "vpc", "rds", "elasticache", "ec2", "ec2/bastion", "ecs", "ecs/cluster", "elbv2"} | {
    "elbv2/load_balancer",
    "backup",
    "route53",
}

# What the keys hold, wherever they stand; keys that are not here are answered as they are.
_KINDS: dict[type | tuple[type, ...], str] = {
    bool: "EnableTerminationProtection StorageEncrypted AutoMinorVersionUpgrade DeletionProtection "
    "PubliclyAccessible IsClusterWriter ClusterEnabled TransitEncryptionEnabled AtRestEncryptionEnabled Encrypted "
    "agentConnected IsLatestVersion ActionsEnabled FifoQueue EvaluateTargetHealth multi_tenant _inUse",
    int: "BackupRetentionPeriod SnapshotRetentionLimit Size MinSize MaxSize DesiredCapacity LatestVersionNumber "
    "DefaultVersionNumber VersionNumber registeredContainerInstancesCount desiredCount runningCount pendingCount "
    "failedTasks minimumHealthyPercent maximumPercent revision Port FromPort ToPort healthy unhealthy "
    "NumberOfMountTargets ApproximateNumberOfMessages MissingCount FailedCount CriticalNonCompliantCount "
    "SecurityNonCompliantCount OtherNonCompliantCount InstalledPendingRebootCount _inService "
    "_scalingActivitiesLastHour _shards _noncurrentDays retentionInDays exitCode ValueInStandard ValueInIA "
    "ValueInArchive",
    (int, float): "ApproximateAgeOfOldestMessage BurstCreditBalance PercentIOLimit Value",
    list: "MemberClusters NodeSnapshots DBClusterMembers Resources Changes deployments containerDefinitions command "
    "AlarmActions subscriptions SubjectAlternativeNames Certificates AlpnPolicy MountTargetZones settings "
    "AvailabilityZones private_zones requiresCompatibilities _nodeAZs _keys _targetGroups _taskAvailabilityZones "
    "_versions _stoppedTasks containers",
    dict: "DriftInformation Parameters Outputs Tags LaunchTemplate attributes _attributes _health _ssm _ec2 "
    "_latestSnapshot _taskDefinition deploymentConfiguration runtimePlatform Dimensions BackupPolicy CreatedBy",
    (bool, str): "MultiAZ",
    (int, dict): "SizeInBytes",
    str: "Action AgentVersion AlarmName AliasTarget AutoScalingGroupName AutomaticFailover AvailabilityZone "
    "BackupJobId BackupVaultName BucketName CacheNodeType CertificateArn ChangeSetId ChangeSetName CidrBlock "
    "CidrIpv4 CidrIpv6 ClusterName DBClusterIdentifier DBClusterSnapshotIdentifier DBInstanceClass "
    "DBInstanceIdentifier DBInstanceStatus Description DomainName Endpoint Engine EngineVersion ExecutionStatus "
    "FileSystemId GroupId ImageId InstanceId InstanceType InternetGatewayId IpProtocol KeyName "
    "LaunchConfigurationName LaunchTemplateId LaunchTemplateName LifeCycleState LoadBalancerArn LogicalResourceId "
    "MetricName Name Namespace NatGatewayId Operation PatchGroup PerformanceMode PhysicalResourceId PingStatus "
    "PlatformName PlatformVersion PolicyId Protocol QueueUrl Replacement ReplicationGroupId ResourceArn "
    "ResourceIdentifier ResourceType RestoreJobId RestoreTestingPlanArn ScheduleExpression ServiceName "
    "ServiceUpdateName ServiceUpdateSeverity SnapshotId SnapshotName SnapshotSource SnapshotStatus SnapshotType "
    "SnapshotWindow SourceResourceArn SslPolicy StackDriftStatus StackId StackName StackStatus State StateValue "
    "Status StatusMessage StorageEncryptionType StorageType SubnetId SubscriptionArn TargetGroupArn "
    "TargetGroupName TargetType ThroughputMode TopicArn Type UpdateActionStatus ValidationStatus Version "
    "Versioning VolumeId VolumeType VpcId _asg _asgLaunchConfigurationName _asgLaunchTemplateVersion _attachedTo "
    "_component _eip _engineVersion _external_id _for _forwardTo _instanceId _latestImageId _maxmemoryPolicy "
    "_owner _purpose _replicatedTo _schedule _sseAlgorithm _stack _template _tier clusterArn clusterName "
    "containerInstanceArn cpu cpuArchitecture domain family image launchType logGroupName memory name networkMode "
    "operatingSystemFamily public_zone reason resource role rolloutState schedulingStrategy serviceArn "
    "serviceName status stopCode stoppedReason storage taskDefinition value",
}
# What the items of nested lists must name; every other list holds strings.
_NAMED = {
    "Resources": ("LogicalResourceId", "ResourceType", "PhysicalResourceId"),
    "DBClusterMembers": ("DBInstanceIdentifier",),
    "containerDefinitions": ("name", "image"),
    "settings": ("name", "value"),
    **dict.fromkeys(
        ("NodeSnapshots", "Changes", "deployments", "subscriptions", "_versions", "_stoppedTasks", "containers"), ()
    ),
}
_KIND_OF = {key: kind for kind, keys in _KINDS.items() for key in keys.split()}
# The keys that hold times.
TIMES = re.compile(r"as_of|date|Not(After|Before)|ValidTill|\w*[a-z](Time|Timestamp|Date|At)|(Start|End)Time")


def parse_time(text: str) -> datetime:
    """An ISO 8601 time or date; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check(inventory: object) -> dict[str, Any]:
    """The inventory, each deployment with an `id`; raises ValueError with the key path of the first fault."""
    if not isinstance(inventory, dict):
        raise ValueError("an inventory is a mapping with the key `deployments`")
    if not isinstance(inventory.get("meta", {}), dict):
        raise ValueError("meta: expected a mapping")
    deployments = inventory.get("deployments")
    if not isinstance(deployments, list) or not deployments:
        raise ValueError("deployments: expected a list of at least one deployment")
    checked = [_deployment(deployment, f"deployments[{index}]") for index, deployment in enumerate(deployments)]
    names = [deployment["id"] for deployment in checked]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"deployments: two of them have the id {name!r}")
    for path, key, value in _walk({"meta": inventory.get("meta") or {}, "deployments": checked}, ""):
        _fact(path, key, value)
    return {**inventory, "deployments": checked}


def _deployment(deployment: object, path: str) -> dict[str, Any]:
    if not isinstance(deployment, dict):
        raise ValueError(f"{path}: expected a mapping")
    for key, pattern in _REQUIRED.items():
        if key not in deployment:
            raise ValueError(f"{path}.{key}: missing")
        if not isinstance(deployment[key], str) or not re.fullmatch(pattern, deployment[key]):
            raise ValueError(f"{path}.{key}: {deployment[key]!r} does not match {pattern} (quote numbers)")
    name = deployment.get("id", f"{deployment['network']}-{deployment['environment']}-{deployment['cluster']}")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{path}.id: expected a string")
    for section in _MAPPINGS:
        if not isinstance(_at(deployment, section), dict | None):
            raise ValueError(f"{path}.{section.replace('/', '.')}: expected a mapping")
    for section, key in _LISTS.items():
        items = _at(deployment, section)
        where = f"{path}.{section.replace('/', '.')}"
        if not isinstance(items, list | None):
            raise ValueError(f"{where}: expected a list")
        for index, item in enumerate(items or []):
            if not isinstance(item, dict) or not isinstance(item.get(key), str) or not item[key]:
                raise ValueError(f"{where}[{index}].{key}: missing, or no string")
    return {"id": name, **deployment}


def _at(deployment: dict[str, Any], section: str) -> Any:
    value: Any = deployment
    for key in section.split("/"):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _walk(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Every fact that stands under a key, with its path; the operator's free text left out."""
    if isinstance(value, dict):
        for key, fact in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{path}.{key}: a key is no string")
            yield f"{path}.{key}".lstrip("."), key, fact
            if key not in {"Parameters", "Outputs", "Tags", "attributes", "_attributes", "expected_findings"}:
                yield from _walk(fact, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")


def _fact(path: str, key: str, value: Any) -> None:
    """Raise ValueError unless the value is of the kind that its key holds; null is "nothing" everywhere."""
    kind = _KIND_OF.get(key)
    if value is None or (kind is None and not TIMES.fullmatch(key)):
        return
    misread = isinstance(value, bool) and kind in (int, (int, float), (int, dict))  # a bool is an int to Python
    if kind is not None and (misread or not isinstance(value, kind)):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        raise ValueError(f"{path}: expected {' or '.join(k.__name__ for k in kinds)}, not {value!r}")
    if key in {"Parameters", "Outputs", "Tags", "attributes", "_attributes"}:
        for name, text in value.items():
            if not isinstance(text, str):
                raise ValueError(f"{path}.{name}: expected a string, not {text!r} (quote it)")
    if kind is list:
        for index, item in enumerate(value):
            _item(f"{path}[{index}]", item, _NAMED.get(key))
    if kind is None:
        try:
            parse_time(value)
        except (ValueError, TypeError):
            raise ValueError(f"{path}: {value!r} is no ISO 8601 time") from None


def _item(path: str, item: Any, names: tuple[str, ...] | None) -> None:
    """One item of a list: a mapping with strings under `names`, or a string where None is asked for."""
    if names is None and not isinstance(item, str):
        raise ValueError(f"{path}: expected a string, not {item!r}")
    if names is not None and not isinstance(item, dict):
        raise ValueError(f"{path}: expected a mapping")
    for name in names or ():
        if not isinstance(item.get(name), str) or not item[name]:
            raise ValueError(f"{path}.{name}: missing, or no string")
