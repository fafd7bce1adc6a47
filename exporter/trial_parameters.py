"""What to ask each read operation for when the question is only whether it is allowed: the data of trials.py.

An operation that needs nothing needs no entry here, and one whose required members are in ``MEMBERS`` neither. Values
are learned only from operations that finding deployments or the same collector declares, so that trying permissions
takes no further permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .assignment import TYPES
from .deployment import STACK_TAG

# What shows the resources of deployments.
SURVEY = (("resourcegroupstaggingapi", "GetResources"), ("cloudformation", "DescribeStacks"))

# No page is smaller: RDS and ElastiCache accept no less than 20, and what is not listed under ``GIVEN`` accepts 20.
PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class From:
    """A value that another operation's answer shows; ``path``: the members on the way, lists are walked through."""

    service: str
    operation: str
    path: str


@dataclass(frozen=True, slots=True)
class Owned:
    """The id of a deployment's resource, by CloudFormation's type."""

    type: str


STACK = Owned("AWS::CloudFormation::Stack")
CLUSTER = Owned("AWS::ECS::Cluster")
FILE_SYSTEM = (Owned("AWS::EFS::FileSystem"), From("efs", "DescribeFileSystems", "FileSystems.FileSystemId"))

# Where the value of a required member comes from, by service and member: of several sources from the first that has
# one. A list gets one value.
MEMBERS: Mapping[tuple[str, str], Any] = {
    ("backup", "BackupVaultName"): From("backup", "ListBackupVaults", "BackupVaultList.BackupVaultName"),
    # IAM knows the stack only: that there is no such change set is answered to those who may read it.
    ("cloudformation", "ChangeSetName"): "tts-aws-exporter-check-config",
    ("cloudformation", "StackName"): STACK,
    ("ec2", "PrefixListId"): From("ec2", "DescribeSecurityGroupRules", "SecurityGroupRules.PrefixListId"),
    ("ecs", "containerInstances"): From("ecs", "ListContainerInstances", "containerInstanceArns"),
    ("ecs", "services"): From("ecs", "ListServices", "serviceArns"),
    ("ecs", "taskDefinition"): (
        From("ecs", "DescribeServices", "services.taskDefinition"),
        From("ecs", "DescribeTasks", "tasks.taskDefinitionArn"),
    ),
    ("ecs", "tasks"): From("ecs", "ListTasks", "taskArns"),
    ("efs", "FileSystemId"): FILE_SYSTEM,
    ("elasticache", "CacheParameterGroupName"): From(
        "elasticache", "DescribeCacheClusters", "CacheClusters.CacheParameterGroup.CacheParameterGroupName"
    ),
    ("elbv2", "TargetGroupArn"): From("elbv2", "DescribeTargetGroups", "TargetGroups.TargetGroupArn"),
    ("route53", "HostedZoneId"): From("route53", "ListHostedZones", "HostedZones.Id"),
    ("s3", "Bucket"): Owned("AWS::S3::Bucket"),
    ("sqs", "QueueName"): Owned("AWS::SQS::Queue"),
    ("sqs", "QueueUrl"): From("sqs", "GetQueueUrl", "QueueUrl"),
    ("ssm", "InstanceIds"): (
        Owned("AWS::EC2::Instance"),
        From("ec2", "DescribeInstances", "Reservations.Instances.InstanceId"),
    ),
}

# What AWS needs, or had better be asked for, though its model does not require it.
GIVEN: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("cloudformation", "DescribeChangeSet"): {"StackName": STACK},
    ("cloudwatch", "GetMetricData"): {
        "MetricDataQueries": [  # of one metric, for USD 0.00001
            {
                "Id": "check",
                "MetricStat": {
                    "Metric": {"Namespace": "AWS/Usage", "MetricName": "CallCount"},
                    "Period": 300,
                    "Stat": "Sum",
                },
            }
        ]
    },
    ("ec2", "DescribeImages"): {"Owners": ["self"]},  # not all that are public
    ("ec2", "DescribeLaunchTemplateVersions"): {"Versions": ["$Latest"]},  # of all templates
    ("ec2", "DescribeSecurityGroupRules"): {"MaxResults": 1000},  # since few name a prefix list to try another on
    ("ec2", "DescribeSnapshots"): {"OwnerIds": ["self"]},
    # Left out, ECS would take a cluster called "default".
    ("ecs", "DescribeClusters"): {"clusters": [CLUSTER]},
    **{
        ("ecs", operation): {"cluster": CLUSTER}
        for operation in (
            *("ListServices", "DescribeServices", "ListTasks", "DescribeTasks"),
            *("ListContainerInstances", "DescribeContainerInstances"),
        )
    },
    ("ecs", "ListAccountSettings"): {"maxResults": 10},
    ("efs", "DescribeMountTargets"): {"FileSystemId": FILE_SYSTEM},
    ("elbv2", "DescribeListeners"): {
        "LoadBalancerArn": From("elbv2", "DescribeLoadBalancers", "LoadBalancers.LoadBalancerArn")
    },
    ("resourcegroupstaggingapi", "GetResources"): {
        "TagFilters": [{"Key": STACK_TAG}],
        "ResourceTypeFilters": [kind.rstrip(":") for kind in TYPES],
    },
    ("s3", "ListObjectsV2"): {"Prefix": "config.yml", "MaxKeys": 1},  # what the exporter itself looks for
    ("sqs", "GetQueueAttributes"): {"AttributeNames": ["ApproximateNumberOfMessages"]},
}


def parameters(service: str, operation: Any, now: datetime) -> tuple[dict[str, Any], list[str]]:
    """The parameters of an operation (botocore's model of it), and the required members without a value.

    The values may hold ``From``, ``Owned`` and tuples of these at any depth.
    """
    found = dict(GIVEN.get((service, operation.name), {}))
    lately = {"StartTime": now - timedelta(minutes=10), "EndTime": now}
    without = []
    shape = operation.input_shape
    for member in shape.required_members if shape else ():
        if member in found:
            continue
        if (service, member) in MEMBERS:
            value = MEMBERS[service, member]
            found[member] = [value] if shape.members[member].type_name == "list" else value
        elif member in lately:
            found[member] = lately[member]
        else:
            without.append(member)
    return found, without
