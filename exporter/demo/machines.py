"""The EC2 instances of a deployment and what they were started from, in one form wherever the inventory has them."""

from __future__ import annotations

from typing import Any

from exporter.demo.forms import invented

Facts = dict[str, Any]


def instances(facts: Facts) -> list[Facts]:
    """Every EC2 instance, in one form: its facts plus `_role`, `_asg`, `_ssm` and the template version it came from."""
    ec2, ecs = facts.get("ec2") or {}, facts.get("ecs") or {}
    found = [{"_role": "bastion", **ec2["bastion"]}] if ec2.get("bastion") else []
    found += [{"_role": "timescale", **instance} for instance in ec2.get("timescale") or ()]
    found += [{"_role": "other", **instance} for instance in ec2.get("instances") or ()]
    taken = {instance.get("_asg") for instance in found}
    groups = [group["AutoScalingGroupName"] for group in ec2.get("auto_scaling_groups") or ()]
    hosts = next((group for group in groups if group not in taken), None)
    for host in ecs.get("container_instances") or ():
        common = {"_role": "ecs", "_asg": hosts, "_ssm": host.get("_ssm"), "InstanceId": host["_instanceId"]}
        attributes = host.get("attributes") or {}
        named = {
            "InstanceType": attributes.get("ecs.instance-type"),
            "ImageId": attributes.get("ecs.ami-id"),
            "AvailabilityZone": attributes.get("ecs.availability-zone"),
        }
        found.append({**common, **{k: v for k, v in named.items() if v}, **(host.get("_ec2") or {})})
    return found


def launch_templates(facts: Facts) -> list[Facts]:
    """The launch templates, with one for each group that names none, as every group starts from something."""
    ec2 = facts.get("ec2") or {}
    found = list(ec2.get("launch_templates") or ())
    for group in ec2.get("auto_scaling_groups") or ():
        if not group.get("LaunchTemplate") and not group.get("LaunchConfigurationName"):
            own = next((i for i in instances(facts) if i.get("_asg") == group["AutoScalingGroupName"]), {})
            found.append(
                {
                    "LaunchTemplateId": invented("lt-0", group["AutoScalingGroupName"], digits=16),
                    "LaunchTemplateName": group["AutoScalingGroupName"],
                    "_latestImageId": own.get("ImageId"),
                    "_created": own.get("LaunchTime"),
                }
            )
    return found
