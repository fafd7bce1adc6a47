"""Patches: which hosts lack security fixes, run an old image, or an operating system that gets no fixes any more?

Practice: BP-17, BP-18 and BP-24 (operating system), BP-66 (patches), BP-67 (bastion).
Cost: 2 that others share, 1 for each 50 hosts and 1 for each 200 images; 1 billed metric for each burstable host.
API: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeInstancePatchStates.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import UNASSIGNED, Deployment, as_dict
from ..hosts import INSTANCE, Host, hosts, tagged_instances
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

HOST = ("instance_id",)

INFO = Family(
    "tts_aws_ec2_instance_info",
    "A host; role (bastion, ecs, timescaledb, other) by its stack's template (EC2 Instance).",
    (*HOST, "name", "role", "instance_type", "image_id", "availability_zone", "stack"),
)
MISSING = Family(
    "tts_aws_ec2_patches_missing",
    "Patches missing, failed, rejected or waiting for a reboot (SSM InstancePatchState.*NonCompliantCount).",
    (*HOST, "patch_severity"),
)
APPLICABLE = Family(
    "tts_aws_ec2_patches_applicable_missing", "Approved, not installed (SSM InstancePatchState.MissingCount).", HOST
)
FAILED = Family(
    "tts_aws_ec2_patches_failed", "Patches that failed to install (SSM InstancePatchState.FailedCount).", HOST
)
REBOOT = Family(
    "tts_aws_ec2_patches_pending_reboot",
    "Installed patches that wait for a reboot (SSM InstancePatchState.InstalledPendingRebootCount).",
    HOST,
)
SCANNED = Family(
    "tts_aws_ec2_patch_scan_timestamp_seconds",
    "When the newest scan or installation, which scans as well, ended (SSM InstancePatchState.OperationEndTime).",
    HOST,
    "time",
)
LAUNCHED = Family(
    "tts_aws_ec2_instance_launched_timestamp_seconds", "Last launch (EC2 Instance.LaunchTime).", HOST, "time"
)
IMAGE_CREATED = Family(
    "tts_aws_ec2_image_created_timestamp_seconds", "When its image was made (EC2 Image.CreationDate).", HOST, "time"
)
SUPPORT_END = Family(
    "tts_aws_ec2_os_support_end_timestamp_seconds", "When fixes for its system end (EC2 Image.Name).", HOST, "time"
)
CREDITS = Family(
    "tts_aws_ec2_cpu_credit_balance", "CPU credits of a burstable host (CloudWatch AWS/EC2 CPUCreditBalance).", HOST
)

HOSTS = (INFO, LAUNCHED, IMAGE_CREATED, SUPPORT_END, CREDITS)
PATCHES = (SCANNED, APPLICABLE, FAILED, REBOOT, MISSING)

ACTIONS = (
    "ec2:DescribeInstances",
    "autoscaling:DescribeAutoScalingGroups",
    "ec2:DescribeImages",
    "ssm:DescribeInstancePatchStates",
    "cloudwatch:GetMetricData",
)

STATES_A_CALL, FILTER_VALUES = 50, 200
# A count that is missing is unknown. AvailableSecurityUpdateCount is of Windows only.
COUNTS: tuple[tuple[Family, str, dict[str, str]], ...] = (
    (APPLICABLE, "MissingCount", {}),
    (FAILED, "FailedCount", {}),
    (REBOOT, "InstalledPendingRebootCount", {}),
    (MISSING, "CriticalNonCompliantCount", {"patch_severity": "critical"}),
    (MISSING, "SecurityNonCompliantCount", {"patch_severity": "security"}),
    (MISSING, "OtherNonCompliantCount", {"patch_severity": "other"}),
)
# How Amazon names its images -> end of support. Source: Amazon Linux 2 FAQs; Amazon Linux 2023 User Guide.
SUPPORT = {"amzn2-ami-": datetime(2026, 6, 30, tzinfo=UTC), "al2023-ami-": datetime(2029, 6, 30, tzinfo=UTC)}


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({**listings(aws), "details": details(aws, deployment)})


def listings(aws: Aws) -> dict[str, Any]:
    return {
        "instances": aws.read("ec2", "DescribeInstances"),
        "groups": aws.read("autoscaling", "DescribeAutoScalingGroups"),
    }


async def details(aws: Aws, deployment: Deployment) -> Answer:
    """What has to be asked for by the ids of the deployment's hosts."""
    owned = hosts(await aws.gather(listings(aws)), deployment)
    ids = sorted(host.instance["InstanceId"] for host in owned if "InstanceId" in host.instance)
    images = sorted({host.instance["ImageId"] for host in owned if "ImageId" in host.instance})
    # A filter, as asking by id fails for all of them if one was deregistered.
    filters = {batch[0]: [{"Name": "image-id", "Values": batch}] for batch in batches(images, FILTER_VALUES)}
    every: dict[str, Any] = {"IncludeDeprecated": True, "IncludeDisabled": True}
    parts: dict[str, Awaitable[Any]] = {
        "patches": aws.gather(
            {
                batch[0]: aws.read("ssm", "DescribeInstancePatchStates", InstanceIds=batch)
                for batch in batches(ids, STATES_A_CALL)
            }
        ),
        "images": aws.gather(
            {first: aws.read("ec2", "DescribeImages", Filters=by_id, **every) for first, by_id in filters.items()}
        ),
    }
    if burstable := [credits_of(host) for host in owned if host.burstable]:
        parts["credits"] = aws.metrics(burstable)
    return await aws.gather(parts)


def batches(ids: list[str], size: int) -> list[list[str]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    owned, details = hosts(answer, deployment), answer.get("details", {})
    described = details.get("images", {}).values()
    images = {image.get("ImageId"): image for part in described for image in part["Images"]}
    if "instances" in answer and "groups" in answer:
        unassigned = deployment.unassigned(INSTANCE, tagged_instances(answer))
        yield UNASSIGNED.sample(unassigned, resource_type=INSTANCE)
    yield from each(owned, lambda host: host_samples(host, details.get("credits", {})))
    yield from each(owned, lambda host: image_samples(host, images))
    for part in details.get("patches", {}).values():
        yield from each(part["InstancePatchStates"], patch_samples)


def host_samples(host: Host, balances: Mapping[Metric, float]) -> Iterator[Sample]:
    instance = host.instance
    id_ = instance["InstanceId"]
    yield INFO.sample(
        1,
        instance_id=id_,
        name=as_dict(instance.get("Tags", ())).get("Name", ""),
        role=host.role,
        instance_type=instance["InstanceType"],
        image_id=instance["ImageId"],
        availability_zone=instance["Placement"]["AvailabilityZone"],
        stack=host.stack,
    )
    yield LAUNCHED.sample(instance["LaunchTime"], instance_id=id_)
    if (balance := balances.get(credits_of(host))) is not None:
        yield CREDITS.sample(balance, instance_id=id_)


def image_samples(host: Host, images: Mapping[str, Mapping[str, Any]]) -> Iterator[Sample]:
    id_, image = host.instance["InstanceId"], images.get(host.instance["ImageId"])
    if image is None:
        return
    # Unlike all other times of EC2 this one is a string.
    yield IMAGE_CREATED.sample(datetime.fromisoformat(image["CreationDate"]), instance_id=id_)
    for prefix, end in SUPPORT.items():
        if image.get("Name", "").startswith(prefix):
            yield SUPPORT_END.sample(end, instance_id=id_)


def patch_samples(state: dict[str, Any]) -> Iterator[Sample]:
    id_ = state["InstanceId"]
    yield SCANNED.sample(state["OperationEndTime"], instance_id=id_)
    for family, field, labels in COUNTS:
        if (count := state.get(field)) is not None:
            yield family.sample(count, instance_id=id_, **labels)


def credits_of(host: Host) -> Metric:
    return Metric("AWS/EC2", "CPUCreditBalance", (("InstanceId", host.instance.get("InstanceId", "")),))


COLLECTOR = Collector(
    name="patches",
    interval=1_800,
    actions=ACTIONS,
    families=(*HOSTS, *PATCHES, UNASSIGNED),
    fetch=fetch,
    samples=samples,
)
