"""EBS: volumes, their status, snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_compute import AMAZON, hosts, refuse_both, root_volume
from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, filtered, invented, named, pairs
from exporter.demo.inventory import View, World
from exporter.demo.request import Handler, Request


def volumes(view: View) -> Iterator[Facts]:
    """The data volumes of the inventory, then each instance's root volume, which carries no tag."""
    machines = {host["InstanceId"]: host for host in hosts(view)}
    for item in view.all("ec2", "volumes"):
        host = machines.get(item.get("_attachedTo") or "", {})
        attachment = {
            "InstanceId": item.get("_attachedTo"),
            "VolumeId": item["VolumeId"],
            "Device": "/dev/sdf",
            "State": "attached",
            "AttachTime": host.get("LaunchTime", view.now - BORN),
            "DeleteOnTermination": False,
        }
        encrypted = item.get("Encrypted", True)
        yield aws(
            item,
            Size=100,
            VolumeType="gp3",
            Encrypted=encrypted,
            KmsKeyId=view.arn("kms", f"key/{invented('', view.name, digits=32)}") if encrypted else None,
            State="in-use" if item.get("_attachedTo") else "available",
            AvailabilityZone=host.get("AvailabilityZone", view.zones[0]),
            CreateTime=view.now - BORN,
            SnapshotId="",
            Attachments=[attachment] if item.get("_attachedTo") else [],
        ) | {"Tags": view.tags("AWS::EC2::Volume", item["VolumeId"])}
    for host in machines.values():
        if host["State"] != "terminated":
            volume = root_volume(host["InstanceId"])
            yield {
                "VolumeId": volume,
                "Size": 30,
                "VolumeType": "gp3",
                "Iops": 3000,
                "Encrypted": True,
                "State": "in-use",
                "AvailabilityZone": host["AvailabilityZone"],
                "CreateTime": host["LaunchTime"],
                "SnapshotId": invented("snap-0", host["ImageId"], digits=16),
                "Attachments": [
                    {
                        "InstanceId": host["InstanceId"],
                        "VolumeId": volume,
                        "Device": "/dev/sda",
                        "State": "attached",
                        "AttachTime": host["LaunchTime"],
                        "DeleteOnTermination": True,
                    }
                ],
                "Tags": [],
            }


def _wanted_volumes(world: World, request: Request) -> list[Facts]:
    refuse_both(request, "VolumeIds")
    found = [volume for view in world.views(request) for volume in volumes(view)]
    found = named(found, "VolumeId", request.parameters.get("VolumeIds"), "InvalidVolume.NotFound")
    return filtered(found, request.parameters.get("Filters"))


def describe_volumes(world: World, request: Request) -> Facts:
    return {"Volumes": _wanted_volumes(world, request)}


def describe_volume_status(world: World, request: Request) -> Facts:
    return {
        "VolumeStatuses": [
            {
                "VolumeId": volume["VolumeId"],
                "AvailabilityZone": volume["AvailabilityZone"],
                "VolumeStatus": {"Status": "ok", "Details": []},
                "Actions": [],
                "Events": [],
            }
            for volume in _wanted_volumes(world, request)
        ]
    }


def _snapshots(view: View) -> Iterator[Facts]:
    policies = {policy.get("_for"): policy["PolicyId"] for policy in view.all("ec2", "dlm_policies")}
    for volume in view.all("ec2", "volumes"):
        if volume.get("_latestSnapshot"):
            stack = view.resources.stack_of("AWS::EC2::Volume", volume["VolumeId"]) or {}
            policy = next(
                (id_ for for_, id_ in policies.items() if (stack.get("_template") or "-").startswith(for_ or "?")), ""
            )
            yield _snapshot(
                view, volume, volume["_latestSnapshot"], {"aws:dlm:lifecycle-policy-id": policy} if policy else {}
            )
    for item in view.all("ec2", "snapshots"):
        volume = next((v for v in view.all("ec2", "volumes") if v["VolumeId"] == item.get("VolumeId")), {})
        yield _snapshot(view, volume, item, item.get("Tags") or {})


def _snapshot(view: View, volume: Facts, item: Facts, tags: dict[str, str]) -> Facts:
    return aws(
        item,
        SnapshotId=invented("snap-0", volume.get("VolumeId"), digits=16),
        # A copy of a snapshot carries an arbitrary volume.
        VolumeId=volume.get("VolumeId", "vol-ffffffff"),
        VolumeSize=volume.get("Size", 100),
        Encrypted=volume.get("Encrypted", True),
        State="completed",
        Progress="100%",
        StartTime=view.now - timedelta(hours=11),
        StorageTier="standard",
        TransferType="standard",
        OwnerId=view.account,
        Description="",
    ) | {"Tags": pairs(tags)}


def describe_snapshots(world: World, request: Request) -> Facts:
    """The account's own only when asked for; otherwise also what others have made public, here two of Amazon's."""
    wanted = request.parameters
    found = [snapshot for view in world.views(request) for snapshot in _snapshots(view)]
    owners = {request.account if owner == "self" else owner for owner in wanted.get("OwnerIds") or ()}
    for number in range(2):
        public = {
            "SnapshotId": invented("snap-0", request.region, number, digits=16),
            "VolumeId": "vol-ffffffff",
            "VolumeSize": 8,
            "Encrypted": False,
            "State": "completed",
            "Progress": "100%",
            "StartTime": request.now - timedelta(days=7 + number),
            "StorageTier": "standard",
            "OwnerId": AMAZON,
            "OwnerAlias": "amazon",
            "Description": "Somebody else's, made public",
            "Tags": [],
        }
        found.append(public)
    found = named(found, "SnapshotId", wanted.get("SnapshotIds"), "InvalidSnapshot.NotFound")
    found = [s for s in found if not owners or s["OwnerId"] in owners or s.get("OwnerAlias") in owners]
    return {"Snapshots": filtered(found, wanted.get("Filters"))}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ec2", "DescribeVolumes"): describe_volumes,
    ("ec2", "DescribeVolumeStatus"): describe_volume_status,
    ("ec2", "DescribeSnapshots"): describe_snapshots,
}
