"""What a change set would do to a resource, as CloudFormation describes it without the properties' values.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Change = Mapping[str, Any]  # a ResourceChange
Detail = Mapping[str, Any]  # a ResourceChangeDetail

_TIMESCALE = ("2-5-db-timescale-master", "2-6-db-timescale-replica")
_DATA = re.compile(
    "AWS::EC2::Volume|AWS::RDS::(DBCluster|DBInstance|GlobalCluster)|AWS::EFS::FileSystem|AWS::S3::Bucket"
    "|AWS::ElastiCache::(ReplicationGroup|CacheCluster|ServerlessCache|GlobalReplicationGroup)"
)
# What machines are made from.
_MACHINES = (
    "AWS::EC2::Instance",
    "AWS::EC2::LaunchTemplate",
    "AWS::AutoScaling::LaunchConfiguration",
    "AWS::AutoScaling::AutoScalingGroup",
)
_IMAGE_PARAMETER = re.compile("A(MI|mi)(?![a-z])|Image(Id|ID)")


def replaces(change: Change) -> bool:
    """Whether the resource may not survive. Dynamic: CloudFormation does not know yet what it will do with it."""
    if change["Action"] == "Modify":
        return bool(change["Replacement"] != "False")  # True or Conditional
    return change["Action"] in ("Remove", "Dynamic")


def endangers_data(change: Change, template: str | None) -> bool:
    """Whether data may be lost. A volume is not to be touched at all, but for its tags.

    A retained copy (PolicyAction) is no comfort: services would go on with an empty one.
    """
    volume = change["ResourceType"] == "AWS::EC2::Volume" or (
        template in _TIMESCALE and change["LogicalResourceId"].endswith("Volume")
    )
    labels = set(change.get("Scope", ())) in ({"Tags"}, {"Metadata"}, {"Tags", "Metadata"})
    if volume and change["Action"] == "Modify" and not labels:
        return True
    return replaces(change) and (volume or _DATA.fullmatch(change["ResourceType"]) is not None)


def only_images(changes: Iterable[Change]) -> bool | None:
    """Whether a change set gives machines another image and does nothing else; None where AWS does not say."""
    causes = {cause for change in changes for cause in _causes(change)}
    if "other" in causes or not causes:  # without any resource it changes outputs
        return False
    return None if "unknown" in causes else True


def _causes(change: Change) -> Iterator[str]:
    """Why a resource is changed: image, other, unknown; nothing if only because it refers to another that is."""
    if change["Action"] != "Modify" or change["ResourceType"] not in _MACHINES:
        yield "other"
    elif not change.get("Details"):
        yield "unknown"
    else:
        # Of a property that is computed from what changes, CloudFormation says besides that it may change anyhow.
        told = {_property(detail) for detail in change["Details"] if not _is_vague(detail)}
        for detail in change["Details"]:
            if not _is_vague(detail) or _property(detail) not in told:
                yield from _cause(detail)


def _is_vague(detail: Detail) -> bool:
    return detail.get("ChangeSource") == "DirectModification" and detail.get("Evaluation") != "Static"


def _property(detail: Detail) -> tuple[str | None, str | None]:
    """What is changed: a property by its name, or tags, metadata and so on, which have none."""
    return detail["Target"].get("Attribute"), detail["Target"].get("Name")


def _cause(detail: Detail) -> Iterator[str]:
    source, name = detail.get("ChangeSource"), detail["Target"].get("Name")
    if source in ("ResourceReference", "ResourceAttribute"):
        return
    if name == "ImageId":
        yield "image"
    elif source == "ParameterReference":
        yield "image" if _IMAGE_PARAMETER.search(detail["CausingEntity"]) else "other"
    elif name == "LaunchTemplateData" or _is_vague(detail):
        yield "unknown"  # the image is one part of it
    else:
        yield "other"
