"""Which stack of a deployment made which resource: what CloudFormation would list and put on it as tags."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from exporter.demo.forms import camel, invented
from exporter.demo.machines import instances, launch_templates
from exporter.demo.names import cluster_name, members, secret_arn, service_arn, stack_id, target_group_arn

Facts = dict[str, Any]

# Type -> the resource's part of its ARN; a type that is missing has a physical id that is an ARN itself.
_ARNS = {
    "AWS::AutoScaling::AutoScalingGroup": "autoscaling:autoScalingGroup:{uuid}:autoScalingGroupName/{id}",
    "AWS::CloudWatch::Alarm": "cloudwatch:alarm:{id}",
    "AWS::DLM::LifecyclePolicy": "dlm:policy/{id}",
    "AWS::EC2::Instance": "ec2:instance/{id}",
    "AWS::EC2::LaunchTemplate": "ec2:launch-template/{id}",
    "AWS::EC2::NatGateway": "ec2:natgateway/{id}",
    "AWS::EC2::SecurityGroup": "ec2:security-group/{id}",
    "AWS::EC2::Subnet": "ec2:subnet/{id}",
    "AWS::EC2::VPC": "ec2:vpc/{id}",
    "AWS::EC2::Volume": "ec2:volume/{id}",
    "AWS::ECS::Cluster": "ecs:cluster/{id}",
    "AWS::EFS::FileSystem": "elasticfilesystem:file-system/{id}",
    "AWS::ElastiCache::CacheCluster": "elasticache:cluster:{id}",
    "AWS::ElastiCache::ParameterGroup": "elasticache:parametergroup:{id}",
    "AWS::ElastiCache::ReplicationGroup": "elasticache:replicationgroup:{id}",
    "AWS::Events::Rule": "events:rule/{id}",
    "AWS::Logs::LogGroup": "logs:log-group:{id}",
    "AWS::RDS::DBCluster": "rds:cluster:{id}",
    "AWS::RDS::DBInstance": "rds:db:{id}",
    "AWS::SSM::Parameter": "ssm:parameter{id}",
}
# Made by the resource itself, not by the stack: they carry its tags and are no resources of the stack.
_FOLLOWERS = {"AWS::ElastiCache::CacheCluster"}
_BY_GROUP = "aws:autoscaling:groupName"
# The tagging API knows neither.
_UNTAGGABLE = {"AWS::AutoScaling::AutoScalingGroup", "AWS::IAM::Role", "AWS::Route53::HostedZone"}
_RESTORABLE = {
    "aurora": "AWS::RDS::DBCluster",
    "elasticache": "AWS::ElastiCache::ReplicationGroup",
    "timescaledb": "AWS::EC2::Volume",
    "efs": "AWS::EFS::FileSystem",
    "s3": "AWS::S3::Bucket",
}


@dataclass
class Resource:
    type: str
    id: str
    arn: str
    stack: Facts | None = None
    logical_id: str = ""
    made_by_stack: bool = True
    tags: dict[str, str] = field(default_factory=dict)


class Resources:
    """The resources of one deployment, by type and physical id."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self.stacks = [
            {"StackId": stack_id(facts, stack["StackName"]), **stack}
            for stack in (facts.get("cloudformation") or {}).get("stacks") or ()
        ]
        self._stacks = [stack for stack in self.stacks if stack.get("StackStatus") != "DELETE_COMPLETE"]
        self._found: dict[tuple[str, str], Resource] = {}
        for stack in self._stacks:
            for listed in stack.get("Resources") or ():
                self._add(
                    listed["ResourceType"],
                    listed["PhysicalResourceId"],
                    stack["StackName"],
                    listed["LogicalResourceId"],
                )
        self._fill()
        for test in facts.get("recorded_restore_tests") or ():
            resource = self._found.get((_RESTORABLE.get(test.get("storage", ""), ""), test["resource"]))
            if resource is not None and test.get("date"):
                resource.tags["last-restore-test"] = test["date"].date().isoformat()

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._found.values())

    def tags(self, type_: str, id_: str) -> dict[str, str]:
        resource = self._found.get((type_, id_))
        return tags_of(resource) if resource else {}

    def stack(self, owner: str | None) -> Facts | None:
        """The stack of this name, else the first whose template's name begins so."""
        if not owner:
            return None
        exact = (stack for stack in self._stacks if stack["StackName"] == owner)
        by_template = (stack for stack in self._stacks if (stack.get("_template") or "").startswith(owner))
        return next(exact, None) or next(by_template, None)

    def stack_of(self, type_: str, id_: str) -> Facts | None:
        resource = self._found.get((type_, id_))
        return resource.stack if resource else None

    def _add(
        self,
        type_: str,
        id_: str,
        owner: str | None,
        logical_id: str = "",
        tags: dict[str, str] | None = None,
        *,
        name: str = "",
        by_stack: bool = True,
    ) -> None:
        resource = self._found.get((type_, id_))
        if resource is None:
            stack = self.stack(owner)
            logical_id = logical_id or f"{camel(self._short(name or id_))}{type_.rpartition('::')[2]}"
            resource = Resource(type_, id_, self._arn(type_, id_), stack, logical_id, by_stack)
            self._found[type_, id_] = resource
        resource.tags.update(tags or {})

    def _short(self, name: str) -> str:
        """A name without the deployment's own, which every resource has in front."""
        return name.rpartition("/")[2].removeprefix(self._facts["id"]).partition(":")[0]

    def _arn(self, type_: str, id_: str) -> str:
        region, account = self._facts["region"], self._facts["account_id"]
        if type_ == "AWS::S3::Bucket":
            return f"arn:aws:s3:::{id_}"
        if type_ == "AWS::SQS::Queue":
            return f"arn:aws:sqs:{region}:{account}:{id_.rpartition('/')[2]}"
        if id_.startswith("arn:"):
            return id_
        default = f"{type_.partition('::')[2].partition('::')[0].lower() or 'custom'}:{{id}}"
        service, _, resource = _ARNS.get(type_, default).partition(":")
        return f"arn:aws:{service}:{region}:{account}:{resource.format(id=id_, uuid=invented('', id_, digits=32))}"

    def _fill(self) -> None:
        """What the sections of the inventory hold; an owner that they do not name is the template that makes such."""
        facts = self._facts

        def each(*keys: str) -> list[Facts]:
            value: Any = facts
            for key in keys:
                value = value.get(key) if isinstance(value, dict) else None
            return value or []

        def own(item: Facts, template: str) -> str:
            return item.get("_stack") or item.get("_owner") or item.get("_for") or template

        vpc = facts.get("vpc") or {}
        if vpc.get("VpcId"):
            self._add("AWS::EC2::VPC", vpc["VpcId"], "1-1", "VPC")
        for subnet in each("vpc", "Subnets"):
            self._add("AWS::EC2::Subnet", subnet["SubnetId"], "1-1")
        for gateway in each("vpc", "NatGateways"):
            self._add("AWS::EC2::NatGateway", gateway["NatGatewayId"], "1-1")
        for rule in each("security_group_rules"):
            self._add("AWS::EC2::SecurityGroup", rule["GroupId"], own(rule, "3-1"))
        for cluster in each("rds", "clusters"):
            self._add("AWS::RDS::DBCluster", cluster["DBClusterIdentifier"], own(cluster, "2-1"))
        for instance in each("rds", "instances"):
            self._add("AWS::RDS::DBInstance", instance["DBInstanceIdentifier"], own(instance, "2-1"))
        for group in each("elasticache", "replication_groups"):
            self._add("AWS::ElastiCache::ReplicationGroup", group["ReplicationGroupId"], own(group, "2-3"))
            for member in members(group):
                owner = (self.stack_of("AWS::ElastiCache::ReplicationGroup", group["ReplicationGroupId"]) or {}).get(
                    "StackName"
                )
                self._add("AWS::ElastiCache::CacheCluster", member, owner, by_stack=False)
        self._hosts(each, own)
        self._services(each, own)
        for bucket in each("s3"):
            stack = next((s for s in self._stacks if bucket["Name"] in (s.get("Outputs") or {}).values()), {})
            self._add("AWS::S3::Bucket", bucket["Name"], own(bucket, stack.get("StackName", "2-4a")))
        for system in each("efs"):
            self._add("AWS::EFS::FileSystem", system["FileSystemId"], own(system, "5-6"), name=system.get("Name", ""))
        for queue in each("sqs"):
            self._add("AWS::SQS::Queue", queue["QueueUrl"], own(queue, "2-7"))
        for topic in each("sns"):
            self._add("AWS::SNS::Topic", topic["TopicArn"], own(topic, "1-3"))
        for secret in each("secrets"):
            self._add("AWS::SecretsManager::Secret", secret_arn(facts, secret["Name"]), own(secret, "4-1"))
        for alarm in each("cloudwatch_alarms"):
            template = {"AWS/RDS": "2-1", "AWS/ElastiCache": "2-3"}.get(alarm.get("Namespace", ""), "5-4")
            for group in each("elasticache", "replication_groups"):
                if (
                    template == "2-3"
                    and f"-{group.get('_purpose') or group['ReplicationGroupId']}-" in alarm["AlarmName"]
                ):
                    template = own(group, template)
            self._add("AWS::CloudWatch::Alarm", alarm["AlarmName"], own(alarm, template))
        for log_group in each("log_groups"):
            self._add("AWS::Logs::LogGroup", log_group["logGroupName"], own(log_group, "5-1"))

    def _hosts(self, each: Any, own: Any) -> None:
        for policy in each("ec2", "dlm_policies"):
            self._add("AWS::DLM::LifecyclePolicy", policy["PolicyId"], own(policy, "2-5"))
        for group in each("ec2", "auto_scaling_groups"):
            self._add("AWS::AutoScaling::AutoScalingGroup", group["AutoScalingGroupName"], own(group, "5-1"))
        for template in launch_templates(self._facts):
            group = self._found.get(("AWS::AutoScaling::AutoScalingGroup", template["LaunchTemplateName"]))
            owner = group.stack["StackName"] if group and group.stack else "5-1"
            self._add("AWS::EC2::LaunchTemplate", template["LaunchTemplateId"], owner, "LaunchTemplate")
        stacks: dict[str, str | None] = {}
        for instance in instances(self._facts):
            group = self._found.get(("AWS::AutoScaling::AutoScalingGroup", instance.get("_asg") or ""))
            by_group = group.stack["StackName"] if group and group.stack else None
            tags = {_BY_GROUP: instance["_asg"]} if instance.get("_asg") else {}
            default = {"bastion": "1-2", "timescale": "2-5", "ecs": "5-1"}.get(instance["_role"], "")
            owner = instance.get("_stack") or instance.get("_owner") or by_group or default
            stacks[instance["InstanceId"]] = owner
            name = f"{self._facts['id']}-{instance['_role']}"
            # A group's machines carry the tags of its stack, though the stack did not make them itself.
            self._add(
                "AWS::EC2::Instance",
                instance["InstanceId"],
                owner,
                group.logical_id if group else "Instance",
                {"Name": name, **tags},
                by_stack=not group,
            )
        for volume in each("ec2", "volumes"):
            self._add(
                "AWS::EC2::Volume",
                volume["VolumeId"],
                own(volume, stacks.get(volume.get("_attachedTo", "")) or "2-5"),
                "Volume",
                volume.get("Tags"),
            )

    def _services(self, each: Any, own: Any) -> None:
        facts = self._facts
        cluster = (facts.get("ecs") or {}).get("cluster")
        if cluster or each("ecs", "services"):
            self._add("AWS::ECS::Cluster", cluster_name(facts), "5-1", "ECSCluster")
        families = [(task, own(task, "5-2")) for task in each("ecs", "task_families_without_service")]
        for service in each("ecs", "services"):
            self._add("AWS::ECS::Service", service_arn(facts, service), own(service, "5-4"))
            families.append((service.get("_taskDefinition") or {}, own(service, "5-4")))
        for task, owner in families:
            if "family" in task:
                arn = f"arn:aws:ecs:{facts['region']}:{facts['account_id']}:task-definition/"
                self._add("AWS::ECS::TaskDefinition", f"{arn}{task['family']}:{task.get('revision', 1)}", owner)
        balancer = (facts.get("elbv2") or {}).get("load_balancer")
        if balancer and balancer.get("LoadBalancerArn"):
            self._add("AWS::ElasticLoadBalancingV2::LoadBalancer", balancer["LoadBalancerArn"], "1-1", "LoadBalancer")
        for group in each("elbv2", "target_groups"):
            self._add("AWS::ElasticLoadBalancingV2::TargetGroup", target_group_arn(facts, group), own(group, "3-2"))
        for rule in each("events_rules"):
            self._add("AWS::Events::Rule", rule["Name"], own(rule, "5-8b"))


def tags_of(resource: Resource) -> dict[str, str]:
    """A resource's tags: its own, those of its stack, and the three that CloudFormation adds."""
    stack = resource.stack
    if stack is None:
        return dict(resource.tags)
    return {
        "aws:cloudformation:stack-name": stack["StackName"],
        "aws:cloudformation:stack-id": stack["StackId"],
        "aws:cloudformation:logical-id": resource.logical_id,
        **(stack.get("Tags") or {}),
        **resource.tags,
    }


def taggable(resource: Resource) -> bool:
    return resource.type not in _UNTAGGABLE
