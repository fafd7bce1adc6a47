"""EC2: instances, images and launch templates."""

from __future__ import annotations

from datetime import datetime, timedelta

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, filtered, invented, named
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request

_STATES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

AMAZON = "137112412989"  # Amazon's own account for its Linux images


def hosts(view: View) -> list[Facts]:
    """The instances with their facts and what they leave out: they run, in the first zone, for some months."""
    return [
        {
            "InstanceType": "m6g.large",
            "ImageId": invented("ami-0", view.name, host["_role"], digits=16),
            "State": "running",
            "AvailabilityZone": view.zones[0],
            "LaunchTime": view.now - timedelta(days=60),
            **{key: value for key, value in host.items() if value is not None},
        }
        for host in view.instances
    ]


def _volumes_of(view: View, host: Facts) -> list[str]:
    attached = [v["VolumeId"] for v in view.all("ec2", "volumes") if v.get("_attachedTo") == host["InstanceId"]]
    return [root_volume(host["InstanceId"]), *attached]


def root_volume(instance: str) -> str:
    return invented("vol-0", instance, digits=16)


def _subnet(view: View, host: Facts) -> Facts:
    tier = "public" if host["_role"] == "bastion" else "private"
    return next(
        (
            subnet
            for subnet in view.all("vpc", "Subnets")
            if subnet.get("_tier") == tier and subnet.get("AvailabilityZone") == host["AvailabilityZone"]
        ),
        {},
    )


def _groups(view: View, host: Facts) -> list[Facts]:
    """The security groups made by the stack of a host's template."""
    owner = {"bastion": "1-2", "timescale": "2-5", "ecs": "5-1"}.get(host["_role"])
    owners = {owner, "2-6"} if owner == "2-5" else {owner}
    ids = dict.fromkeys(rule["GroupId"] for rule in view.all("security_group_rules") if rule.get("_owner") in owners)
    return [{"GroupId": id_, "GroupName": f"{view.name}-{host['_role']}"} for id_ in ids]


def _interface(view: View, host: Facts, private: str, public: str | None) -> Facts:
    """Its only network interface; the inventory's own `NetworkInterfaces` replace it."""
    association = {"Association": {"PublicIp": public, "IpOwnerId": "amazon"}} if public else {}
    return {
        "NetworkInterfaceId": invented("eni-0", host["InstanceId"], digits=16),
        "Status": "in-use",
        "InterfaceType": "interface",
        "SubnetId": _subnet(view, host).get("SubnetId", ""),
        "VpcId": view.get("vpc", "VpcId") or "",
        "OwnerId": view.account,
        "Groups": host.get("SecurityGroups", _groups(view, host)),
        "PrivateIpAddress": private,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": private, **association}],
        "Ipv6Addresses": [],
        **association,
    }


def _instance(view: View, host: Facts) -> Facts:
    number = int(invented("", host["InstanceId"], digits=4), 16)
    private = f"10.10.{number % 64}.{number // 256}"
    running = host["State"] == "running"
    public = f"203.0.113.{number % 250}" if running and host["_role"] == "bastion" else None
    devices = [
        {
            "DeviceName": f"/dev/sd{'afgh'[index]}" if index < 4 else f"/dev/sdz{index}",
            "Ebs": {
                "VolumeId": volume,
                "Status": "attached",
                "AttachTime": host["LaunchTime"],
                "DeleteOnTermination": not index,
            },
        }
        for index, volume in enumerate(_volumes_of(view, host))
    ]
    return aws(
        host,
        "AvailabilityZone",
        PrivateIpAddress=private if running else None,
        PublicIpAddress=public,
        VpcId=view.get("vpc", "VpcId"),
        SubnetId=_subnet(view, host).get("SubnetId"),
        Architecture="arm64" if "g." in host["InstanceType"] else "x86_64",
        MetadataOptions={"State": "applied", "HttpTokens": "required", "HttpEndpoint": "enabled"},
        Monitoring={"State": "disabled"},
        IamInstanceProfile={"Arn": f"arn:aws:iam::{view.account}:instance-profile/{view.name}-{host['_role']}"},
        SecurityGroups=_groups(view, host),
        NetworkInterfaces=[_interface(view, host, private, host.get("PublicIpAddress", public))],
        BlockDeviceMappings=devices,
        RootDeviceName="/dev/sda",
        Tags=view.tags("AWS::EC2::Instance", host["InstanceId"]),
    ) | {
        "State": {"Code": _STATES.get(host["State"], 16), "Name": host["State"]},
        "Placement": {"AvailabilityZone": host["AvailabilityZone"], "Tenancy": "default"},
    }


def refuse_both(request: Request, ids: str) -> None:
    if request.parameters.get(ids) and request.parameters.get("MaxResults"):
        raise AwsError(
            "InvalidParameterCombination", f"The parameter {ids} cannot be used with the parameter maxResults"
        )


def describe_instances(world: World, request: Request) -> Facts:
    refuse_both(request, "InstanceIds")
    wanted = request.parameters
    found = [(view, _instance(view, host)) for view in world.views(request) for host in hosts(view)]
    named([i for _, i in found], "InstanceId", wanted.get("InstanceIds"), "InvalidInstanceID.NotFound")
    return {
        "Reservations": [
            {
                "ReservationId": invented("r-0", instance["InstanceId"], digits=16),
                "OwnerId": view.account,
                "Instances": [instance],
            }
            for view, instance in found
            if (not wanted.get("InstanceIds") or instance["InstanceId"] in wanted["InstanceIds"])
            and filtered([instance], wanted.get("Filters"))
        ]
    }


def describe_instance_status(world: World, request: Request) -> Facts:
    wanted = request.parameters
    found = [_instance(view, host) for view in world.views(request) for host in hosts(view)]
    found = named(found, "InstanceId", wanted.get("InstanceIds"), "InvalidInstanceID.NotFound")
    ok = {"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]}
    return {
        "InstanceStatuses": [
            {
                "InstanceId": instance["InstanceId"],
                "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
                "InstanceState": instance["State"],
                "InstanceStatus": ok,
                "SystemStatus": ok,
            }
            for instance in filtered(found, wanted.get("Filters"))
            if instance["State"]["Name"] == "running" or wanted.get("IncludeAllInstances")
        ]
    }


def versions(view: View, template: Facts) -> list[Facts]:
    """All versions of a launch template, the newest last."""
    default = template.get("DefaultVersionNumber", 1)
    latest = {
        "VersionNumber": template.get("LatestVersionNumber", default),
        "ImageId": template.get("_latestImageId"),
        "CreateTime": template.get("_created"),
    }
    given = template.get("_versions") or [latest]
    return [
        {
            "LaunchTemplateId": template["LaunchTemplateId"],
            "LaunchTemplateName": template.get("LaunchTemplateName", template["LaunchTemplateId"]),
            "VersionNumber": version.get("VersionNumber", 1),
            "CreateTime": version.get("CreateTime") or view.now - BORN,
            "CreatedBy": f"arn:aws:iam::{view.account}:role/deployer",
            "DefaultVersion": version.get("VersionNumber", 1) == default,
            "LaunchTemplateData": {"ImageId": version["ImageId"]} if version.get("ImageId") else {},
        }
        for version in given
    ]


def describe_launch_template_versions(world: World, request: Request) -> Facts:
    """Without an id: of every template of the account, and then only what Versions asks for."""
    wanted = request.parameters
    asked = wanted.get("Versions")
    one = wanted.get("LaunchTemplateId") or wanted.get("LaunchTemplateName")
    if not one and not set(asked or ()) & {"$Latest", "$Default"}:
        raise AwsError("MissingParameter", "Without a template, Versions must be $Latest, $Default or both")
    found = []
    known = False
    for view in world.views(request):
        for template in view.launch_templates:
            if not one or one in (template["LaunchTemplateId"], template.get("LaunchTemplateName")):
                known = True
                every = versions(view, template)
                for version in every:
                    names = {str(version["VersionNumber"])}
                    names |= {"$Latest"} if version is every[-1] else set()
                    names |= {"$Default"} if version["DefaultVersion"] else set()
                    if not asked or names & set(asked):
                        found.append(version)
    if one and not known:
        raise AwsError("InvalidLaunchTemplateId.NotFound", f"The specified launch template does not exist: {one}")
    return {"LaunchTemplateVersions": filtered(found, wanted.get("Filters"))}


def describe_images(world: World, request: Request) -> Facts:
    """Deprecated images only with IncludeDeprecated; one that was deregistered (`_deregistered`) is gone."""
    wanted = request.parameters
    found: dict[str, Facts] = {}
    for view in world.views(request):
        made: dict[str, datetime] = {}
        systems: dict[str, Facts] = {}
        for host in hosts(view):
            made[host["ImageId"]] = min(host["LaunchTime"], made.get(host["ImageId"], view.now))
            systems[host["ImageId"]] = host
        for template in view.launch_templates:
            for version in versions(view, template):
                image_id = version["LaunchTemplateData"].get("ImageId")
                if image_id:
                    made[image_id] = min(version["CreateTime"], made.get(image_id, view.now))
        given = {image["ImageId"]: image for image in view.all("ec2", "images")}
        for image_id, first_used in {**dict.fromkeys(given, view.now), **made}.items():
            image, host = given.get(image_id, {}), systems.get(image_id, {})
            created = image.get("CreationDate") or first_used - timedelta(days=14)
            system = (host.get("_ssm") or {}).get("PlatformVersion", "2")
            start = "al2023-ami" if system.startswith("2023") else "amzn2-ami"
            kind = "-ecs-hvm" if host.get("_role") == "ecs" else "-hvm"
            if image.get("_deregistered"):
                continue
            found[image_id] = aws(
                image,
                ImageId=image_id,
                Name=f"{start}{kind}-2.0.{created:%Y%m%d}-x86_64-ebs",
                State="available",
                OwnerId=AMAZON,
                ImageOwnerAlias="amazon",
                Public=True,
                Architecture="x86_64",
                ImageType="machine",
                RootDeviceType="ebs",
                VirtualizationType="hvm",
                DeprecationTime=_stamp(created + timedelta(days=730)),
            ) | {"CreationDate": _stamp(created)}
    images = named(list(found.values()), "ImageId", wanted.get("ImageIds"), "InvalidAMIID.NotFound")
    owners = {request.account if owner == "self" else owner for owner in wanted.get("Owners") or ()}
    images = [i for i in images if not owners or i["OwnerId"] in owners or i.get("ImageOwnerAlias") in owners]
    if not wanted.get("IncludeDeprecated"):
        images = [i for i in images if i["DeprecationTime"] > _stamp(request.now)]
    return {"Images": filtered(images, wanted.get("Filters"))}


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ec2", "DescribeInstances"): describe_instances,
    ("ec2", "DescribeInstanceStatus"): describe_instance_status,
    ("ec2", "DescribeLaunchTemplateVersions"): describe_launch_template_versions,
    ("ec2", "DescribeImages"): describe_images,
}
