"""Auto Scaling: groups, what they start instances from, and what they started."""

from __future__ import annotations

from datetime import timedelta

from exporter.demo.answers_compute import hosts, versions
from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request

_GROUP = "AWS::AutoScaling::AutoScalingGroup"


def _source(view: View, group: Facts) -> Facts:
    """What a group starts its instances from: a launch configuration, or the template and version that it names."""
    if group.get("LaunchConfigurationName"):
        return {"LaunchConfigurationName": group["LaunchConfigurationName"]}
    named_template = group.get("LaunchTemplate") or {}
    templates = view.launch_templates
    template = next(
        (
            t
            for t in templates
            if t["LaunchTemplateId"] == named_template.get("LaunchTemplateId")
            or t.get("LaunchTemplateName") in (named_template.get("LaunchTemplateName"), group["AutoScalingGroupName"])
        ),
        {"LaunchTemplateId": invented("lt-0", group["AutoScalingGroupName"], digits=16)},
    )
    latest = str(versions(view, template)[-1]["VersionNumber"])
    default = {
        "LaunchTemplateId": template["LaunchTemplateId"],
        "LaunchTemplateName": template.get("LaunchTemplateName", group["AutoScalingGroupName"]),
        "Version": latest,
    }
    return {"LaunchTemplate": {**default, **named_template}}


def _group(view: View, item: Facts) -> Facts:
    name = item["AutoScalingGroupName"]
    source = _source(view, item)
    own = [host for host in hosts(view) if host.get("_asg") == name and host["State"] in ("running", "pending")]
    in_service = item.get("_inService", len(own))
    zones = sorted({host["AvailabilityZone"] for host in own}) or view.zones
    # The inventory may count instances that it does not list.
    own += [
        {
            "InstanceId": invented("i-0", name, number, digits=16),
            "AvailabilityZone": zones[number % len(zones)],
            "InstanceType": "m6g.large",
            "ImageId": "",
        }
        for number in range(len(own), in_service)
    ]
    members = []
    for index, host in enumerate(own):
        serves = index < in_service
        member = {
            "InstanceId": host["InstanceId"],
            "InstanceType": host["InstanceType"],
            "AvailabilityZone": host["AvailabilityZone"],
            "LifecycleState": "InService" if serves else "Pending",
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": False,
        }
        if "LaunchTemplate" in source:
            version = host.get("_asgLaunchTemplateVersion") or _number(view, source["LaunchTemplate"])
            member["LaunchTemplate"] = {**source["LaunchTemplate"], "Version": version}
            member["ImageId"] = host["ImageId"]
        else:
            # AWS leaves the name out once the configuration that an instance came from is deleted.
            member["LaunchConfigurationName"] = host.get(
                "_asgLaunchConfigurationName", source["LaunchConfigurationName"]
            )
        members.append({key: value for key, value in member.items() if value not in (None, "")})
    return aws(
        item,
        AutoScalingGroupARN=next((r.arn for r in view.resources if (r.type, r.id) == (_GROUP, name)), ""),
        MinSize=1,
        MaxSize=max(len(own), 1),
        DesiredCapacity=len(own),
        DefaultCooldown=300,
        AvailabilityZones=view.zones,
        HealthCheckType="EC2",
        HealthCheckGracePeriod=0,
        CreatedTime=view.now - BORN,
        Instances=members,
        NewInstancesProtectedFromScaleIn=False,
        **source,
    ) | {
        **source,
        "Tags": [
            {"ResourceId": name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True, **tag}
            for tag in view.tags(_GROUP, name)
        ],
    }


def _number(view: View, template: Facts) -> str:
    """A template's version as the number that $Latest or $Default stand for."""
    version = str(template.get("Version", "$Default"))
    known = next((t for t in view.launch_templates if t["LaunchTemplateId"] == template["LaunchTemplateId"]), None)
    if known is None or not version.startswith("$"):
        return version.replace("$Latest", "1").replace("$Default", "1")
    every = versions(view, known)
    default = next((v for v in every if v["DefaultVersion"]), every[-1])
    return str((every[-1] if version == "$Latest" else default)["VersionNumber"])


def describe_auto_scaling_groups(world: World, request: Request) -> Facts:
    wanted = request.parameters.get("AutoScalingGroupNames")
    found = [_group(view, item) for view in world.views(request) for item in view.all("ec2", "auto_scaling_groups")]
    # Unknown names are no error to Auto Scaling.
    return {"AutoScalingGroups": [group for group in found if not wanted or group["AutoScalingGroupName"] in wanted]}


def describe_scaling_activities(world: World, request: Request) -> Facts:
    """Newest first. A launch loop (`_scalingActivitiesLastHour`) goes on: its launches keep their age."""
    wanted = request.parameters.get("AutoScalingGroupName")
    activities = []
    known = set()
    for view in world.views(request):
        for item in view.all("ec2", "auto_scaling_groups"):
            name = item["AutoScalingGroupName"]
            known.add(name)
            launches = item.get("_scalingActivitiesLastHour", 0)
            starts = [view.now - timedelta(minutes=5 + 50 * n / launches) for n in range(launches)]
            first = [host["LaunchTime"] for host in hosts(view) if host.get("_asg") == name]
            starts += [start for start in first if not launches]
            for start in sorted(starts, reverse=True):
                instance = invented("i-0", name, start.isoformat(), digits=16)
                activities.append(
                    {
                        "ActivityId": invented("", name, start.isoformat(), digits=32),
                        "AutoScalingGroupName": name,
                        "Description": f"Launching a new EC2 instance: {instance}",
                        "Cause": "An instance was started in response to a difference between desired and actual.",
                        "StartTime": start,
                        "EndTime": start + timedelta(seconds=40),
                        "StatusCode": "Successful",
                        "Progress": 100,
                        "Details": "{}",
                    }
                )
    if wanted and wanted not in known:
        raise AwsError("ValidationError", f"AutoScalingGroup name not found - AutoScalingGroup {wanted} not found")
    found = [activity for activity in activities if not wanted or activity["AutoScalingGroupName"] == wanted]
    return {"Activities": sorted(found, key=lambda activity: activity["StartTime"], reverse=True)}


def describe_launch_configurations(world: World, request: Request) -> Facts:
    wanted = request.parameters.get("LaunchConfigurationNames")
    found = {}
    for view in world.views(request):
        given = {item["LaunchConfigurationName"]: item for item in view.all("ec2", "launch_configurations")}
        for group in view.all("ec2", "auto_scaling_groups"):
            name = group.get("LaunchConfigurationName")
            if name and name not in given:
                given[name] = {"LaunchConfigurationName": name}
        for name, item in given.items():
            uses = (host for host in hosts(view) if host.get("_asgLaunchConfigurationName", name) == name)
            host = next(uses, {})
            found[name] = aws(
                item,
                LaunchConfigurationARN=view.arn("autoscaling", f"launchConfiguration::launchConfigurationName/{name}"),
                ImageId=host.get("ImageId", invented("ami-0", name, digits=16)),
                InstanceType=host.get("InstanceType", "m5.large"),
                CreatedTime=view.now - BORN,
            )
    return {"LaunchConfigurations": [item for name, item in found.items() if not wanted or name in wanted]}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("autoscaling", "DescribeAutoScalingGroups"): describe_auto_scaling_groups,
    ("autoscaling", "DescribeScalingActivities"): describe_scaling_activities,
    ("autoscaling", "DescribeLaunchConfigurations"): describe_launch_configurations,
}
