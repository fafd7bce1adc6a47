"""A deployment in moto's server: somebody else's reading of AWS's APIs, to hold ours against.

Stacks are deployed through moto's CloudFormation where moto has the type; the rest is made by API and tagged as
CloudFormation tags it. What no API sets (a host's agent, a service's running tasks) is set on moto's own objects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import boto3
import flask
import pytest
from moto.backends import get_backend
from moto.moto_api import state_manager
from moto.server import ThreadedMotoServer

ACCOUNT, REGION, PREFIX = "111122223333", "eu-west-1", "acme-prod-eu1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/tts-aws-exporter"
IDENTITY = {"NetworkName": "acme", "Environment": "prod", "Cluster": "eu1"}
STACK_TAG = "aws:cloudformation:stack-name"
WEEK_AGO = (datetime.now(UTC) - timedelta(days=7)).replace(microsecond=0)

Template = Mapping[str, Any]


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server in this process and make it the AWS of the environment; yields its address."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
            patch.delenv(name)
        patch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # 1,291 images and as many snapshots
        # moto calls what its older services answer text/html; AWS never does, and we refuse such an answer.
        patch.setattr(flask.Response, "default_mimetype", "application/json")
        # A task ages at each look at it; here it stays as it is.
        patch.setitem(state_manager._transitions, "ecs::task", {"progression": "manual", "times": 10**9})
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            environment = {
                "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "of-another-account",
                "AWS_SECRET_ACCESS_KEY": "of-moto",
                "AWS_REGION": REGION,
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
            for name, value in environment.items():
                patch.setenv(name, value)
            yield environment["AWS_ENDPOINT_URL"]
        finally:
            server.stop()


@dataclass
class World:
    """What was deployed, by the names that tests know it by."""

    ids: dict[str, str] = field(default_factory=dict)

    @cached_property
    def session(self) -> boto3.Session:
        """The role's session: moto has one world for each account."""
        assumed = boto3.client("sts", REGION).assume_role(RoleArn=ROLE, RoleSessionName="moto-world")["Credentials"]
        keys = (assumed["AccessKeyId"], assumed["SecretAccessKey"], assumed["SessionToken"])
        return boto3.Session(*keys, region_name=REGION)

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.client(service)
        return self._clients[service]

    def backend(self, service: str) -> Any:
        """moto's own objects of a service."""
        return get_backend(service)[ACCOUNT][REGION]  # type: ignore[call-overload]  # moto lists literals

    def stack(self, name: str, resources: Mapping[str, Template], outputs: Mapping[str, str] | None = None) -> str:
        """Deploy a stack as the vendor's templates are: who it belongs to as parameters, its version as an output.

        ``outputs``: name -> the logical id of the resource that it names.
        """
        named = {output: {"Value": {"Ref": id_}} for output, id_ in (outputs or {}).items()}
        template = {
            "AWSTemplateFormatVersion": "2010-09-09",
            "Parameters": {key: {"Type": "String"} for key in IDENTITY},
            "Resources": resources,
            "Outputs": {"VersionTag": {"Value": "v3.30.2"}, **named},
        }
        self.client("cloudformation").create_stack(
            StackName=f"{PREFIX}-{name}",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in IDENTITY.items()],
        )
        listed = self.client("cloudformation").list_stack_resources(StackName=f"{PREFIX}-{name}")
        for each in listed["StackResourceSummaries"]:
            self.ids[each["LogicalResourceId"]] = each["PhysicalResourceId"]
        return f"{PREFIX}-{name}"


def tags(stack: str, **more: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in {STACK_TAG: stack, **more}.items()]


def deploy() -> World:
    """Deploy acme-prod-eu1 and return what it consists of."""
    world = World()
    _buckets(world)
    _aurora(world)
    _redis(world)
    _timescaledb(world)
    _ecs(world)
    _monitoring(world)
    _access(world)
    _queues(world)
    _network(world)
    _secrets(world)
    _metrics(world)
    return world


def _topic() -> dict[str, Template]:
    """What stands for a resource whose type moto's CloudFormation lacks: a stack without any is not one to moto."""
    return {"Topic": {"Type": "AWS::SNS::Topic"}}


def _buckets(world: World) -> None:
    versioned = {"VersioningConfiguration": {"Status": "Enabled"}}
    world.stack(
        "2-4b-routing-s3",
        {
            "InteropConfig": {"Type": "AWS::S3::Bucket", "Properties": versioned},
            "EDCSConfig": {"Type": "AWS::S3::Bucket", "Properties": versioned},
            "PluginsConfig": {"Type": "AWS::S3::Bucket"},
        },
        {
            "InteropConfigBucket": "InteropConfig",
            "EDCSConfigBucket": "EDCSConfig",
            "PluginsConfigBucket": "PluginsConfig",
        },
    )
    # Without outputs: only CloudFormation's listing of the stack names these.
    world.stack("2-4a-is-s3", {name: {"Type": "AWS::S3::Bucket"} for name in ("ProfilePictures", "DevicePictures")})
    s3 = world.client("s3")
    interop, edcs, plugins, profile = (
        world.ids[name] for name in ("InteropConfig", "EDCSConfig", "PluginsConfig", "ProfilePictures")
    )
    for bucket, algorithm in ((interop, "aws:kms"), (edcs, "AES256"), (plugins, "AES256"), (profile, "AES256")):
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}}
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    for bucket, status in ((interop, "Enabled"), (edcs, "Suspended")):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    blocks = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    for bucket, count in ((interop, 4), (edcs, 3)):
        configuration = {block: index < count for index, block in enumerate(blocks)}
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=configuration)
    rules = [
        {"ID": "old", "Status": "Enabled", "Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 90}},
        {"ID": "off", "Status": "Disabled", "Prefix": "", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
    ]
    s3.put_bucket_lifecycle_configuration(Bucket=interop, LifecycleConfiguration={"Rules": rules})
    s3.create_bucket(Bucket="acme-copies", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="acme-copies", VersioningConfiguration={"Status": "Enabled"})
    replication = {
        "Role": f"arn:aws:iam::{ACCOUNT}:role/replication",
        "Rules": [
            {"ID": "copy", "Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::acme-copies"}}
        ],
    }
    s3.put_bucket_replication(Bucket=interop, ReplicationConfiguration=replication)
    for bucket, key in ((interop, "config.yml"), (interop, "config.yml.old"), (edcs, "config.yml.old")):
        s3.put_object(Bucket=bucket, Key=key, Body=b"{}")


def _aurora(world: World) -> None:
    stack = world.stack("2-1-db-aurora-master", _topic())
    rds = world.client("rds")
    login = {"MasterUsername": "root", "MasterUserPassword": "not-a-secret"}
    cluster = world.ids["aurora"] = f"{PREFIX}-aurora"
    rds.create_db_cluster(
        DBClusterIdentifier=cluster,
        Engine="aurora-postgresql",
        EngineVersion="15.4",
        BackupRetentionPeriod=7,
        DeletionProtection=True,
        StorageEncrypted=True,
        Tags=tags(stack),
        **login,
    )
    for name, zone in (("one", "a"), ("two", "b")):
        rds.create_db_instance(
            DBInstanceIdentifier=f"{cluster}-{name}",
            DBClusterIdentifier=cluster,
            DBInstanceClass="db.r6g.large",
            Engine="aurora-postgresql",
            EngineVersion="15.4",
            AvailabilityZone=f"{REGION}{zone}",
            AutoMinorVersionUpgrade=name == "two",
            PubliclyAccessible=False,
            Tags=tags(stack),
        )
    rds.create_db_cluster_snapshot(DBClusterIdentifier=cluster, DBClusterSnapshotIdentifier="before-upgrade")
    world.backend("rds").cluster_snapshots["before-upgrade"].created = WEEK_AGO
    # Encrypted with a key of AWS, which StorageEncrypted does not say.
    reporting = world.ids["reporting"] = f"{PREFIX}-reporting"
    rds.create_db_cluster(DBClusterIdentifier=reporting, Engine="aurora-postgresql", Tags=tags(stack), **login)
    world.backend("rds").clusters[reporting].storage_encryption_type = "sse-rds"
    # Somebody else's, of another engine: no Aurora cluster, and no unassigned one either.
    rds.create_db_cluster(DBClusterIdentifier="graph", Engine="neptune", **login)
    rds.create_db_cluster(DBClusterIdentifier="elsewhere", Engine="aurora-postgresql", **login)


def _redis(world: World) -> None:
    world.stack("2-3-db-redis-general", _topic())
    elasticache = world.client("elasticache")
    group = world.ids["redis"] = f"{PREFIX}-redis-general"
    elasticache.create_replication_group(
        ReplicationGroupId=group,
        ReplicationGroupDescription="general",
        Engine="redis",
        EngineVersion="7.1",
        CacheNodeType="cache.r7g.large",
        NumCacheClusters=2,
        PreferredCacheClusterAZs=[f"{REGION}a", f"{REGION}b"],
        MultiAZEnabled=True,
        AutomaticFailoverEnabled=True,
        SnapshotRetentionLimit=5,
        TransitEncryptionEnabled=True,
        AtRestEncryptionEnabled=True,
    )
    elasticache.create_snapshot(ReplicationGroupId=group, SnapshotName="by-hand")


def _timescaledb(world: World) -> None:
    ec2 = world.client("ec2")
    image = world.ids["image"] = ec2.register_image(Name="amzn2-ami-hvm-2.0.20260101.0-x86_64-gp2")["ImageId"]
    stack = f"{PREFIX}-2-5-db-timescale-master"
    world.stack(
        "2-5-db-timescale-master",
        {
            "Volume": {"Type": "AWS::EC2::Volume", "Properties": {"AvailabilityZone": f"{REGION}a", "Size": 100}},
            "Template": {
                "Type": "AWS::EC2::LaunchTemplate",
                "Properties": {"LaunchTemplateData": {"ImageId": image, "InstanceType": "t3.large"}},
            },
            "Group": {
                "Type": "AWS::AutoScaling::AutoScalingGroup",
                "Properties": {
                    "MinSize": "1",
                    "MaxSize": "1",
                    "DesiredCapacity": "1",
                    "AvailabilityZones": [f"{REGION}a"],
                    "LaunchTemplate": {"LaunchTemplateId": {"Ref": "Template"}, "Version": "$Latest"},
                    # CloudFormation sets this one itself.
                    "Tags": [{"Key": STACK_TAG, "Value": stack, "PropagateAtLaunch": True}],
                },
            },
        },
    )
    described = world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]
    host = world.ids["host"] = described[0]["Instances"][0]["InstanceId"]
    ec2.attach_volume(VolumeId=world.ids["Volume"], InstanceId=host, Device="/dev/sdf")
    # The group starts from the newest version, its host was started from the first.
    ec2.create_launch_template_version(
        LaunchTemplateId=world.ids["Template"], LaunchTemplateData={"ImageId": image, "InstanceType": "m7i.large"}
    )
    replica = world.stack("2-6-db-timescale-replica", _topic())
    world.ids["replica"] = ec2.create_volume(
        AvailabilityZone=f"{REGION}b",
        Size=200,
        VolumeType="gp3",
        Encrypted=True,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags(replica)}],
    )["VolumeId"]
    ec2.create_volume(AvailabilityZone=f"{REGION}b", Size=1)
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    for name, more in (("by-policy", {"aws:dlm:lifecycle-policy-id": "policy-1"}), ("by-hand", {})):
        specification = {"ResourceType": "snapshot", "Tags": tags(stack, **more)}
        id_ = ec2.create_snapshot(VolumeId=world.ids["Volume"], TagSpecifications=[specification])["SnapshotId"]
        world.ids[name] = id_
    world.backend("ec2").snapshots[world.ids["by-policy"]].start_time = WEEK_AGO


def _ecs(world: World) -> None:
    world.stack("5-1-ecs-cluster", {"ECSCluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": PREFIX}}})
    stack = world.stack("5-4-ecs-services", _topic())
    ecs = world.client("ecs")
    container = {"name": "tts", "image": "registry.example/stack:3.30.2-aws", "command": ["start", "ns"], "memory": 512}
    definition = ecs.register_task_definition(family="ns", containerDefinitions=[container])["taskDefinition"]
    _container_instances(world, 2)
    for name, desired in (("network-server", 2), ("application-server", 12)):
        ecs.create_service(
            cluster=PREFIX,
            serviceName=name,
            taskDefinition=definition["taskDefinitionArn"],
            desiredCount=desired,
            launchType="EC2",
            deploymentConfiguration={"minimumHealthyPercent": 50, "maximumPercent": 200},
            tags=[{"key": STACK_TAG, "value": stack}],
        )
    for number in range(11):  # with the two, more than DescribeServices takes at once
        ecs.create_service(cluster=PREFIX, serviceName=f"more-{number}", taskDefinition="ns", desiredCount=0)
    service = world.backend("ecs").services[f"{PREFIX}:network-server"]
    service.running_count, service.pending_count = 1, 1
    service.deployments[0].update(rolloutState="FAILED", failedTasks=7)
    started = ecs.run_task(cluster=PREFIX, taskDefinition="ns", count=2, group="service:network-server")["tasks"]
    world.backend("ecs").tasks[PREFIX][started[0]["taskArn"]].availability_zone = f"{REGION}a"
    ecs.stop_task(
        cluster=PREFIX, task=started[1]["taskArn"], reason="Task failed ELB health checks in (target-group x)"
    )
    for setting, value in (("serviceLongArnFormat", "enabled"), ("awsvpcTrunking", "disabled")):
        ecs.put_account_setting(name=setting, value=value)
    rule = world.ids["certbot"] = f"{PREFIX}-certbot"
    world.client("events").put_rule(Name=rule, ScheduleExpression="rate(12 hours)", State="DISABLED")


def _container_instances(world: World, count: int) -> None:
    ecs = world.client("ecs")
    instances = world.client("ec2").run_instances(
        ImageId=world.ids["image"],
        MinCount=count,
        MaxCount=count,
        InstanceType="m7i.large",
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags(f"{PREFIX}-5-1-ecs-cluster")}],
    )["Instances"]
    for number, instance in enumerate(instances):
        id_ = world.ids[f"ecs-host-{number}"] = instance["InstanceId"]
        ecs.register_container_instance(cluster=PREFIX, instanceIdentityDocument=json.dumps({"instanceId": id_}))
    for host in world.backend("ecs").container_instances[PREFIX].values():
        host.agent_connected = host.ec2_instance_id != world.ids["ecs-host-1"]


def _monitoring(world: World) -> None:
    efs = world.client("efs")
    stack = world.stack("5-6-ecs-monitoring", _topic())
    id_ = world.ids["efs"] = efs.create_file_system(
        CreationToken="monitoring", Encrypted=True, Backup=True, ThroughputMode="bursting", Tags=tags(stack, Name="noc")
    )["FileSystemId"]
    subnets = world.client("ec2").describe_subnets()["Subnets"]
    for subnet in sorted(subnets, key=lambda each: each["AvailabilityZone"])[:2]:
        efs.create_mount_target(FileSystemId=id_, SubnetId=subnet["SubnetId"])
    world.ids["efs-without-backup"] = efs.create_file_system(CreationToken="trm", Tags=tags(stack))["FileSystemId"]
    efs.create_file_system(CreationToken="elsewhere")
    world.client("backup").create_backup_vault(BackupVaultName="Default")


def _access(world: World) -> None:
    """One host is in a group that is open by all protocols, one in a group with a prefix list."""
    ec2 = world.client("ec2")
    entries = [{"Cidr": "10.0.0.0/8"}, {"Cidr": "203.0.113.0/24"}]
    list_ = ec2.create_managed_prefix_list(
        PrefixListName="offices", AddressFamily="IPv4", MaxEntries=9, Entries=entries
    )["PrefixList"]["PrefixListId"]
    every_port = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65_535}
    rules = {
        "open": {"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}], "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        "offices": {**every_port, "PrefixListIds": [{"PrefixListId": list_}]},
        "inside": {**every_port, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
    }
    for name, permission in rules.items():
        specification = {"ResourceType": "security-group", "Tags": tags(f"{PREFIX}-5-1-ecs-cluster")}
        id_ = world.ids[name] = ec2.create_security_group(
            GroupName=name, Description=name, TagSpecifications=[specification]
        )["GroupId"]
        members = {**every_port, "UserIdGroupPairs": [{"GroupId": id_}]}
        ec2.authorize_security_group_ingress(GroupId=id_, IpPermissions=[permission, members])
    for host, name in (("ecs-host-0", "open"), ("ecs-host-1", "offices")):
        ec2.modify_instance_attribute(InstanceId=world.ids[host], Groups=[world.ids[name]])
    ec2.modify_instance_metadata_options(InstanceId=world.ids["ecs-host-0"], HttpTokens="required")


def _queues(world: World) -> None:
    names = {"Undelivered": f"{PREFIX}-ars-undelivered.fifo", "Queue": f"{PREFIX}-ars.fifo"}
    target = {"Fn::GetAtt": ["Undelivered", "Arn"]}
    redrive = {"RedrivePolicy": {"deadLetterTargetArn": target, "maxReceiveCount": 3}}
    made: dict[str, Template] = {
        logical: {"QueueName": name, "FifoQueue": True, **(redrive if logical == "Queue" else {})}
        for logical, name in names.items()
    }
    made["Plain"] = {}
    world.stack("2-7-queue-sqs", {id_: {"Type": "AWS::SQS::Queue", "Properties": each} for id_, each in made.items()})
    sqs = world.client("sqs")
    for logical, count in (("Undelivered", 2), ("Queue", 3)):
        for number in range(count):
            text = f"{logical}-{number}"
            sqs.send_message(
                QueueUrl=world.ids[logical], MessageBody=text, MessageGroupId="g", MessageDeduplicationId=text
            )


def _network(world: World) -> None:
    """A load balancer with one healthy target of two, in a network with one way out for two zones; and its names."""
    ec2, elb = world.client("ec2"), world.client("elbv2")
    vpc = world.ids["vpc"] = ec2.create_vpc(CidrBlock="10.10.0.0/16")["Vpc"]["VpcId"]
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.11.0.0/16")
    ec2.attach_internet_gateway(
        VpcId=vpc, InternetGatewayId=ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    )
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.10.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]
        for number, zone in enumerate("ab")
    ]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnets[0]["SubnetId"], AllocationId=address)
    ec2.create_nat_gateway(SubnetId=subnets[1]["SubnetId"], ConnectivityType="private")
    balancer = elb.create_load_balancer(Name=PREFIX, Type="network", Subnets=[each["SubnetId"] for each in subnets])
    made = balancer["LoadBalancers"][0]
    arn = world.ids["balancer"] = made["LoadBalancerArn"]
    elb.create_load_balancer(Name="elsewhere", Type="network", Subnets=[subnets[0]["SubnetId"]])
    group = elb.create_target_group(Name=f"{PREFIX}-gs-udp", Protocol="UDP", Port=1700, VpcId=vpc)["TargetGroups"][0]
    targets = [{"Id": world.ids[f"ecs-host-{number}"], "Port": 1700} for number in range(2)]
    elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=targets)
    elb.deregister_targets(TargetGroupArn=group["TargetGroupArn"], Targets=targets[1:])
    acm = world.client("acm")
    for name in ("served", "spare"):
        world.ids[name] = acm.request_certificate(
            DomainName="lora.acme.example",
            SubjectAlternativeNames=["lora.acme.example", "*.lora.acme.example"],
            KeyAlgorithm="EC_prime256v1",
            IdempotencyToken=name,
        )["CertificateArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    serving = {"Certificates": [{"CertificateArn": world.ids["served"]}], "AlpnPolicy": ["HTTP2Preferred"]}
    elb.create_listener(LoadBalancerArn=arn, Port=1700, Protocol="UDP", DefaultActions=forward)
    elb.create_listener(LoadBalancerArn=arn, Port=443, Protocol="TLS", DefaultActions=forward, **serving)
    route53 = world.client("route53")
    for private in (False, True):
        within = {"VPC": {"VPCRegion": REGION, "VPCId": vpc}} if private else {}
        zone = route53.create_hosted_zone(
            Name="acme.example",
            CallerReference=f"private-{private}",
            HostedZoneConfig={"PrivateZone": private, "Comment": ""},
            **within,
        )["HostedZone"]["Id"]
        for name, looks in (
            ("lora.acme.example", not private),
            ("*.lora.acme.example", False),
            ("a.acme.example", True),
        ):
            alias = {"HostedZoneId": "Z2IFOLAFXWLO4F", "DNSName": made["DNSName"], "EvaluateTargetHealth": looks}
            record = {"Name": name, "Type": "A", "AliasTarget": alias}
            changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)


def _secrets(world: World) -> None:
    """One that is kept, one that is about to be deleted, and one of somebody else's."""
    manager = world.client("secretsmanager")
    for name in (f"{PREFIX}-license", f"{PREFIX}-old-license", "elsewhere"):
        manager.create_secret(Name=name, SecretString="nothing")
    manager.delete_secret(SecretId=f"{PREFIX}-old-license", RecoveryWindowInDays=7)


def _metrics(world: World) -> None:
    cloudwatch, now = world.client("cloudwatch"), datetime.now(UTC) - timedelta(minutes=5)
    for namespace, name, dimension, value in (
        ("AWS/RDS", "AuroraReplicaLag", ("DBInstanceIdentifier", f"{world.ids['aurora']}-two"), 21.5),
        ("AWS/EC2", "CPUCreditBalance", ("InstanceId", world.ids["host"]), 576.0),
        ("AWS/EFS", "BurstCreditBalance", ("FileSystemId", world.ids["efs"]), 2.31e12),
        ("AWS/SQS", "ApproximateAgeOfOldestMessage", ("QueueName", f"{PREFIX}-ars.fifo"), 3_600.0),
    ):
        dimensions = [{"Name": dimension[0], "Value": dimension[1]}]
        datum = {"MetricName": name, "Dimensions": dimensions, "Timestamp": now, "Value": value}
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=[datum])
