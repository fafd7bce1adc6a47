"""S3 and EFS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented, named
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request

_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")

_FILE_SYSTEM = "AWS::EFS::FileSystem"


def _bucket(world: World, request: Request) -> tuple[View, Facts]:
    """The bucket of the request; another account's is refused, one that nobody has does not exist."""
    wanted = request.parameters["Bucket"]
    for view in world.views(request, everywhere=True):
        for item in view.all("s3"):
            if item["Name"] == wanted:
                return view, item
    for facts in world.deployments:
        if any(item["Name"] == wanted for item in facts.get("s3") or ()):
            raise AwsError("AccessDenied", "Access Denied", 403)
    raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)


def list_buckets(world: World, request: Request) -> Facts:
    """A bucket's region is told only to who asked for one region."""
    region, prefix = request.parameters.get("BucketRegion"), request.parameters.get("Prefix", "")
    buckets = [
        {"Name": item["Name"], "CreationDate": item.get("CreationDate", view.now - BORN)}
        | ({"BucketRegion": view.region} if region else {})
        for view in world.views(request, everywhere=True)
        for item in view.all("s3")
        if item["Name"].startswith(prefix) and (not region or view.region == region)
    ]
    owner = {"DisplayName": request.account, "ID": invented("", request.account, digits=64)}
    return {"Buckets": sorted(buckets, key=lambda bucket: bucket["Name"]), "Owner": owner}


def head_bucket(world: World, request: Request) -> Facts:
    view, _ = _bucket(world, request)
    return {"BucketRegion": view.region, "AccessPointAlias": False}


def get_bucket_location(world: World, request: Request) -> Facts:
    view, _ = _bucket(world, request)
    return {} if view.region == "us-east-1" else {"LocationConstraint": view.region}


def get_bucket_versioning(world: World, request: Request) -> Facts:
    """No Status at all where versioning never was on (`Versioning` null)."""
    _, item = _bucket(world, request)
    return aws({"Status": item.get("Versioning", "Enabled"), "MFADelete": item.get("MFADelete")})


def get_bucket_encryption(world: World, request: Request) -> Facts:
    """At least AES256, which S3 applies to every object."""
    _, item = _bucket(world, request)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": item.get("_sseAlgorithm", "AES256")}}
    return {"ServerSideEncryptionConfiguration": {"Rules": [{**rule, "BucketKeyEnabled": False}]}}


def _configured(item: Facts, key: str, default: Any, code: str) -> Any:
    value = item.get(key, default)
    if not value:
        raise AwsError(code, "The configuration does not exist", 404)
    return value


def get_public_access_block(world: World, request: Request) -> Facts:
    """All four are on by default; `_publicAccessBlock` null: none at bucket level."""
    _, item = _bucket(world, request)
    blocks = _configured(
        item, "_publicAccessBlock", dict.fromkeys(_BLOCKS, True), "NoSuchPublicAccessBlockConfiguration"
    )
    return {"PublicAccessBlockConfiguration": blocks}


def get_bucket_replication(world: World, request: Request) -> Facts:
    view, item = _bucket(world, request)
    target = _configured(item, "_replicatedTo", None, "ReplicationConfigurationNotFoundError")
    rule = {"ID": "all", "Priority": 1, "Status": "Enabled", "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    role = f"arn:aws:iam::{view.account}:role/{view.name}-replication"
    return {"ReplicationConfiguration": {"Role": role, "Rules": [rule]}}


def get_bucket_lifecycle_configuration(world: World, request: Request) -> Facts:
    """`_noncurrentDays` is after how many days old versions go."""
    _, item = _bucket(world, request)
    days = _configured(item, "_noncurrentDays", None, "NoSuchLifecycleConfiguration")
    old_versions = {"NoncurrentDays": days}
    rule = {"ID": "old-versions", "Status": "Enabled", "Filter": {"Prefix": ""}}
    return {"Rules": [{**rule, "NoncurrentVersionExpiration": old_versions}]}


def list_objects_v2(world: World, request: Request) -> Facts:
    """The keys that the inventory names; a bucket that names none (no `_keys`) holds a few pictures."""
    view, item = _bucket(world, request)
    wanted = request.parameters
    keys = item.get("_keys")
    if keys is None:
        keys = [f"{invented('', item['Name'], n, digits=20)}.jpg" for n in range(3)]
    keys = sorted(
        key for key in keys if key.startswith(wanted.get("Prefix", "")) and key > wanted.get("StartAfter", "")
    )
    return {
        "Name": item["Name"],
        "Prefix": wanted.get("Prefix", ""),
        "Contents": [
            {
                "Key": key,
                "LastModified": view.now - BORN,
                "ETag": f'"{invented("", key, digits=32)}"',
                "Size": 1024,
                "StorageClass": "STANDARD",
            }
            for key in keys
        ],
    }


def file_systems(view: View) -> Iterator[Facts]:
    """The file systems with what `efs_details` knows of them beside."""
    details = {item["FileSystemId"]: item for item in view.all("efs_details")}
    for item in view.all("efs"):
        yield {**item, **details.get(item["FileSystemId"], {})}


def _file_systems(world: World, request: Request) -> list[tuple[View, Facts]]:
    found = [(view, item) for view in world.views(request) for item in file_systems(view)]
    wanted = request.parameters.get("FileSystemId", "").rpartition("/")[2]
    chosen = named([item for _, item in found], "FileSystemId", wanted, "FileSystemNotFound", status=404)
    return [(view, item) for view, item in found if item in chosen]


def describe_file_systems(world: World, request: Request) -> Facts:
    systems = []
    for view, item in _file_systems(world, request):
        size = item.get("SizeInBytes")
        total = size.get("Value", 0) if isinstance(size, dict) else size or 6 * 2**30
        sizes = {"Value": total, "ValueInStandard": total, "ValueInIA": 0, "ValueInArchive": 0}
        encrypted = item.get("Encrypted", True)
        name = item.get("Name", view.name)
        tags = [{"Key": "Name", "Value": name}, *view.tags(_FILE_SYSTEM, item["FileSystemId"])]
        left_out = ("BackupPolicy", "MountTargetZones", "BurstCreditBalance", "PercentIOLimit")
        systems.append(
            aws(
                item,
                *left_out,
                OwnerId=view.account,
                CreationToken=invented("", item["FileSystemId"], digits=32),
                FileSystemArn=view.arn("elasticfilesystem", f"file-system/{item['FileSystemId']}"),
                CreationTime=view.now - BORN,
                LifeCycleState="available",
                Name=name,
                NumberOfMountTargets=len(_mount_zones(view, item)),
                PerformanceMode="generalPurpose",
                ThroughputMode="bursting",
                Encrypted=encrypted,
                KmsKeyId=view.arn("kms", f"key/{invented('', view.name, digits=32)}") if encrypted else None,
                FileSystemProtection={"ReplicationOverwriteProtection": "ENABLED"},
                Tags=tags,
            )
            | {"SizeInBytes": {**sizes, **(size if isinstance(size, dict) else {}), "Timestamp": _metered(view)}}
        )
    token = request.parameters.get("CreationToken")
    return {"FileSystems": [s for s in systems if not token or s["CreationToken"] == token]}


def _metered(view: View) -> Any:
    return view.now - timedelta(minutes=40)


def _mount_zones(view: View, item: Facts) -> list[str]:
    default = [view.zones[n % len(view.zones)] for n in range(item.get("NumberOfMountTargets") or len(view.zones))]
    return item.get("MountTargetZones") or default


def describe_mount_targets(world: World, request: Request) -> Facts:
    if not request.parameters.get("FileSystemId"):
        raise AwsError("BadRequest", "Exactly one of FileSystemId, MountTargetId or AccessPointId is needed")
    [(view, item)] = _file_systems(world, request)
    subnets = {s.get("AvailabilityZone"): s for s in view.all("vpc", "Subnets") if s.get("_tier") != "public"}
    return {
        "MountTargets": [
            aws(
                {},
                OwnerId=view.account,
                MountTargetId=invented("fsmt-0", item["FileSystemId"], zone, digits=16),
                FileSystemId=item["FileSystemId"],
                SubnetId=subnets.get(zone, {}).get("SubnetId", invented("subnet-0", view.name, zone, digits=16)),
                LifeCycleState="available",
                AvailabilityZoneName=zone,
                VpcId=view.get("vpc", "VpcId"),
            )
            for zone in _mount_zones(view, item)
        ]
    }


def describe_backup_policy(world: World, request: Request) -> Facts:
    """A file system that never got a policy has none: an error (`BackupPolicy` null)."""
    [(_, item)] = _file_systems(world, request)
    policy = item.get("BackupPolicy", {"Status": "ENABLED"})
    if not policy:
        raise AwsError("PolicyNotFound", f"No backup policy for {item['FileSystemId']}", 404)
    return {"BackupPolicy": policy}


def describe_lifecycle_configuration(world: World, request: Request) -> Facts:
    [(_, item)] = _file_systems(world, request)
    size = item.get("SizeInBytes")
    tiered = isinstance(size, dict) and size.get("ValueInIA")
    return {"LifecyclePolicies": [{"TransitionToIA": "AFTER_30_DAYS"}] if tiered else []}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("s3", "ListBuckets"): list_buckets,
    ("s3", "HeadBucket"): head_bucket,
    ("s3", "GetBucketLocation"): get_bucket_location,
    ("s3", "GetBucketVersioning"): get_bucket_versioning,
    ("s3", "GetBucketEncryption"): get_bucket_encryption,
    ("s3", "GetPublicAccessBlock"): get_public_access_block,
    ("s3", "GetBucketReplication"): get_bucket_replication,
    ("s3", "GetBucketLifecycleConfiguration"): get_bucket_lifecycle_configuration,
    ("s3", "ListObjectsV2"): list_objects_v2,
    ("efs", "DescribeFileSystems"): describe_file_systems,
    ("efs", "DescribeMountTargets"): describe_mount_targets,
    ("efs", "DescribeBackupPolicy"): describe_backup_policy,
    ("efs", "DescribeLifecycleConfiguration"): describe_lifecycle_configuration,
}
