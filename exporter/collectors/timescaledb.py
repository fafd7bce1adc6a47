"""TimescaleDB's hosts and volumes: do they run, is the data on a volume that is attached, encrypted and copied?

Practice: BP-20 and BP-48 (volumes), BP-49 (lifecycle policies), BP-56 (replica).
Cost: 4, of which autoscaling, patches and backups share 3.
API: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeVolumes.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment
from ..hosts import Host, hosts
from ..metrics import Family, Malformed, Sample, each

VOLUME_TYPE, POLICY_TYPE = "AWS::EC2::Volume", "AWS::DLM::LifecyclePolicy"
VOLUME = ("volume_id",)

INFO = Family(
    "tts_aws_timescaledb_volume_info",
    "A data volume and the instance that it is attached to (EC2 Volume).",
    (*VOLUME, "instance_id", "volume_type", "availability_zone", "stack"),
)
SIZE = Family("tts_aws_timescaledb_volume_size_bytes", "Size of the volume (EC2 Volume.Size).", VOLUME)
ENCRYPTED = Family(
    "tts_aws_timescaledb_volume_encrypted", "The volume is encrypted (EC2 Volume.Encrypted).", VOLUME, "flag"
)
ATTACHED = Family(
    "tts_aws_timescaledb_volume_attached",
    "An instance has the volume (EC2 VolumeAttachment.State).",
    VOLUME,
    "flag",
)
POLICY = Family(
    "tts_aws_dlm_policy_enabled",
    "The lifecycle policy makes snapshots; 0 as well when it is in error (DLM LifecyclePolicySummary.State).",
    ("policy",),
    "flag",
)
RUNNING = Family(
    "tts_aws_timescaledb_instance_running",
    "The host runs; role (master, replica) by its stack's template (EC2 Instance.State).",
    ("instance_id", "role"),
    "flag",
)

ACTIONS = (
    "ec2:DescribeInstances",
    "autoscaling:DescribeAutoScalingGroups",
    "ec2:DescribeVolumes",
    "dlm:GetLifecyclePolicies",
)

ROLES = {"2-5-db-timescale-master": "master", "2-6-db-timescale-replica": "replica"}


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            "instances": aws.read("ec2", "DescribeInstances"),
            "groups": aws.read("autoscaling", "DescribeAutoScalingGroups"),
            "volumes": aws.read("ec2", "DescribeVolumes"),
            "policies": aws.read("dlm", "GetLifecyclePolicies"),
        }
    )


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    volumes = answer.get("volumes", {}).get("Volumes", ())
    policies = answer.get("policies", {}).get("Policies", ())
    if "volumes" in answer:
        # A volume in use belongs to whoever the instance belongs to.
        free = [
            (volume.get("VolumeId", ""), volume.get("Tags", ())) for volume in volumes if not volume.get("Attachments")
        ]
        yield UNASSIGNED.sample(deployment.unassigned(VOLUME_TYPE, free), resource_type=VOLUME_TYPE)
    if "policies" in answer:
        listed = [(policy.get("PolicyId", ""), policy.get("Tags", {})) for policy in policies]
        yield UNASSIGNED.sample(deployment.unassigned(POLICY_TYPE, listed), resource_type=POLICY_TYPE)
    yield from each(volumes, lambda volume: volume_samples(volume, deployment))
    yield from each(policies, lambda policy: policy_samples(policy, deployment))
    yield from each(hosts(answer, deployment), host_samples)


def volume_samples(volume: dict[str, Any], deployment: Deployment) -> Iterator[Sample]:
    """Samples of a data volume: of TimescaleDB's stacks, or as configured. Root volumes carry no tags."""
    id_ = volume["VolumeId"]
    stack = deployment.owner(VOLUME_TYPE, id_, volume.get("Tags", ()))
    if stack is None or volume["State"] in ("deleting", "deleted"):
        return
    if stack and deployment.template_of(stack) not in ROLES:
        return
    attached = [item for item in volume["Attachments"] if item["State"] == "attached"]
    yield INFO.sample(
        1,
        volume_id=id_,
        instance_id=attached[0]["InstanceId"] if attached else "",
        volume_type=volume["VolumeType"],
        availability_zone=volume["AvailabilityZone"],
        stack=stack,
    )
    yield SIZE.sample(volume["Size"] * 2**30, volume_id=id_)
    yield ENCRYPTED.sample(volume["Encrypted"], volume_id=id_)
    yield ATTACHED.sample(bool(attached), volume_id=id_)


def policy_samples(policy: dict[str, Any], deployment: Deployment) -> Iterator[Sample]:
    id_ = policy["PolicyId"]
    if deployment.owner(POLICY_TYPE, id_, policy.get("Tags", {})) is not None:
        yield POLICY.sample(policy["State"] == "ENABLED", policy=id_)


def host_samples(host: Host) -> Iterator[Sample]:
    if role := ROLES.get(host.template or ""):
        running = host.instance["State"]["Name"] == "running"
        yield RUNNING.sample(running, instance_id=host.instance["InstanceId"], role=role)


COLLECTOR = Collector(
    name="timescaledb",
    interval=300,
    actions=ACTIONS,
    families=(INFO, SIZE, ENCRYPTED, ATTACHED, POLICY, RUNNING, UNASSIGNED),
    fetch=fetch,
    samples=samples,
)
