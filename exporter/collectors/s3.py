"""S3: would a lost or overwritten object come back, is every bucket closed, and is in it what services need?

Practice: BP-51 (versioning), BP-52 (required objects).
Cost: 4 calls a bucket, 1 more if it is versioned, 1 more for a required object; 2 billed metrics a bucket.
API: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketVersioning.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..buckets import purpose
from ..collector import Collector
from ..deployment import Deployment
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

BUCKET_TYPE = "AWS::S3::Bucket"
BUCKET = ("bucket",)

INFO = Family(
    "tts_aws_s3_bucket_info", "The bucket and what it is for (S3 Bucket.Name).", (*BUCKET, "purpose", "stack")
)
VERSIONED = Family(
    "tts_aws_s3_bucket_versioning_enabled", "Overwritten objects are kept (S3 Versioning.Status).", BUCKET, "flag"
)
MFA_DELETE = Family(
    "tts_aws_s3_bucket_mfa_delete_enabled", "Deleting a version takes MFA (S3 Versioning.MFADelete).", BUCKET, "flag"
)
BLOCKED = Family(
    "tts_aws_s3_bucket_public_access_blocked",
    "All four blocks are on at bucket level; the account may block as well (S3 PublicAccessBlockConfiguration).",
    BUCKET,
    "flag",
)
KMS = Family(
    "tts_aws_s3_bucket_encrypted_with_kms",
    "New objects are encrypted with a KMS key, else with S3's own (S3 ServerSideEncryptionByDefault.SSEAlgorithm).",
    BUCKET,
    "flag",
)
REPLICATED = Family(
    "tts_aws_s3_bucket_replication_enabled", "A replication rule is on (S3 ReplicationRule.Status).", BUCKET, "flag"
)
EXPIRATION = Family(
    "tts_aws_s3_bucket_noncurrent_expiration_seconds",
    "How long overwritten objects are kept at least; none if for ever (S3 NoncurrentVersionExpiration.NoncurrentDays).",
    BUCKET,
)
PRESENT = Family(
    "tts_aws_s3_required_object_present",
    "The object that services read at their start is there (S3 ListObjectsV2 Object.Key).",
    (*BUCKET, "key"),
    "flag",
)
SIZE = Family(
    "tts_aws_s3_bucket_size_bytes",
    "Bytes in the Standard class, the only one asked for; measured daily (CloudWatch AWS/S3 BucketSizeBytes).",
    (*BUCKET, "storage_class"),
)
OBJECTS = Family("tts_aws_s3_bucket_objects", "Objects, measured daily (CloudWatch AWS/S3 NumberOfObjects).", BUCKET)

ACTIONS = (
    "s3:GetEncryptionConfiguration",
    "s3:GetBucketVersioning",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration",
    "s3:ListBucket",
    "cloudwatch:GetMetricData",
)

REQUIRED = {"interop": "config.yml", "edcs": "config.yml", "plugins": "plugins.yml", "mtls": "index.yml"}
BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
DAY = 86_400


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    buckets = deployment.resources(BUCKET_TYPE)
    parts: dict[Any, Any] = {
        ("bucket", name): configuration(aws, name, required(name, stack, deployment)) for name, stack in buckets.items()
    }
    if buckets:
        parts["metrics"] = aws.metrics([metric(name) for name in buckets for metric in (size_of, objects_in)])
    return await aws.gather(parts)


async def configuration(aws: Aws, name: str, key: str | None) -> dict[str, Any] | None:
    """What is configured for a bucket, each call a part of its own; None if the bucket is gone."""
    # AWS encrypts every bucket, so that only a deleted one, which the tagging API lists for a while, has no answer.
    first = await aws.gather(
        {"encryption": aws.read("s3", "GetBucketEncryption", Bucket=name, absent=("NoSuchBucket",))}
    )
    if first.get("encryption") == {}:
        return None
    parts = {
        "versioning": aws.read("s3", "GetBucketVersioning", Bucket=name),
        "public_access": aws.read(
            "s3", "GetPublicAccessBlock", Bucket=name, absent=("NoSuchPublicAccessBlockConfiguration",)
        ),
        "lifecycle": aws.read(
            "s3", "GetBucketLifecycleConfiguration", Bucket=name, absent=("NoSuchLifecycleConfiguration",)
        ),
    }
    if key:
        # An object of exactly this name comes before all others that begin so.
        parts["objects"] = aws.read("s3", "ListObjectsV2", Bucket=name, Prefix=key, MaxKeys=1, pages=1)
    second = await aws.gather(parts)
    third: dict[str, Any] = {}
    if second.get("versioning", {}).get("Status") == "Enabled":  # AWS replicates no other bucket
        none = ("ReplicationConfigurationNotFoundError",)
        third = await aws.gather({"replication": aws.read("s3", "GetBucketReplication", Bucket=name, absent=none)})
    return {**first, **second, **third}


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    metrics = answer.get("metrics", {})
    buckets = deployment.resources(BUCKET_TYPE)
    there = [(name, stack) for name, stack in buckets.items() if answer.get(("bucket", name)) is not None]
    yield from each(there, lambda item: bucket_samples(item[0], item[1], answer["bucket", item[0]], deployment))
    for name, _ in there:
        if (size := metrics.get(size_of(name))) is not None:
            yield SIZE.sample(size, bucket=name, storage_class="standard")
        if (objects := metrics.get(objects_in(name))) is not None:
            yield OBJECTS.sample(objects, bucket=name)


def bucket_samples(name: str, stack: str, parts: dict[str, Any], deployment: Deployment) -> Iterator[Sample]:
    labels = {"bucket": name}
    yield INFO.sample(1, **labels, purpose=purpose(name, deployment.stack(stack)), stack=stack)
    if "versioning" in parts:
        # A bucket that never was versioned has no Status, one that never asked for MFA no MFADelete.
        versioned = parts["versioning"].get("Status") == "Enabled"
        yield VERSIONED.sample(versioned, **labels)
        yield MFA_DELETE.sample(parts["versioning"].get("MFADelete") == "Enabled", **labels)
        if not versioned:
            yield REPLICATED.sample(0, **labels)
    # Of these an empty answer is none that was ever configured; in any other everything is there.
    if (replication := parts.get("replication")) is not None:
        rules = replication["ReplicationConfiguration"]["Rules"] if replication else []
        yield REPLICATED.sample(any(rule["Status"] == "Enabled" for rule in rules), **labels)
    if (access := parts.get("public_access")) is not None:
        blocks = [access["PublicAccessBlockConfiguration"][block] for block in BLOCKS] if access else [False]
        yield BLOCKED.sample(all(blocks), **labels)
    if (lifecycle := parts.get("lifecycle")) is not None:
        enabled = [rule for rule in lifecycle["Rules"] if rule["Status"] == "Enabled"] if lifecycle else []
        limits = [rule["NoncurrentVersionExpiration"] for rule in enabled if "NoncurrentVersionExpiration" in rule]
        if days := [limit["NoncurrentDays"] for limit in limits if "NoncurrentDays" in limit]:
            yield EXPIRATION.sample(min(days) * DAY, **labels)
    if "encryption" in parts:
        rules = parts["encryption"]["ServerSideEncryptionConfiguration"]["Rules"]
        defaults = [rule.get("ApplyServerSideEncryptionByDefault") for rule in rules]
        if algorithms := [default["SSEAlgorithm"] for default in defaults if default]:
            yield KMS.sample(any(algorithm.startswith("aws:kms") for algorithm in algorithms), **labels)
    key = required(name, stack, deployment)
    if key and "objects" in parts:
        objects = parts["objects"]["Contents"] if parts["objects"]["KeyCount"] else []  # S3 leaves empty lists out
        yield PRESENT.sample(any(item["Key"] == key for item in objects), **labels, key=key)


def required(name: str, stack: str, deployment: Deployment) -> str | None:
    """The object that has to be in a bucket of this purpose."""
    return REQUIRED.get(purpose(name, deployment.stack(stack)))


def size_of(bucket: str) -> Metric:
    dimensions = (("BucketName", bucket), ("StorageType", "StandardStorage"))
    return Metric("AWS/S3", "BucketSizeBytes", dimensions, period=DAY)


def objects_in(bucket: str) -> Metric:
    dimensions = (("BucketName", bucket), ("StorageType", "AllStorageTypes"))
    return Metric("AWS/S3", "NumberOfObjects", dimensions, period=DAY)


COLLECTOR = Collector(
    name="s3",
    interval=21_600,
    actions=ACTIONS,
    families=(INFO, VERSIONED, MFA_DELETE, BLOCKED, KMS, REPLICATED, EXPIRATION, PRESENT, SIZE, OBJECTS),
    fetch=fetch,
    samples=samples,
)
