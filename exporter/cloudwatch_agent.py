"""What the CloudWatch agent publishes about a host: which metrics, under the dimensions that its configuration gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .metric_data import Metric

NAMESPACE = "CWAgent"
MEMORY, DISK = "mem_used_percent", "disk_used_percent"
# What is mounted but is no disk that could fill up. By default the agent publishes every mount, a container's too.
_NO_DISK = ("devtmpfs", "iso9660", "overlay", "proc", "squashfs", "sysfs", "tmpfs")

Raw = Mapping[str, Any]


def metrics_of(instance: Raw, name: str, listed: Iterable[Raw]) -> dict[str, tuple[Metric, ...]]:
    """The metrics of one name and host by path of the disk, "" of what is of no disk; from ListMetrics' answer.

    Those with the most dimensions count: one with fewer is the agent's own aggregate of them. Of a path there can be
    two, as a disk has another device's name after a restart and CloudWatch lists the old one for hours.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for metric in listed:
        dimensions = {each.get("Name", ""): each.get("Value", "") for each in metric.get("Dimensions", ())}
        # Of a host that was given another type or image, CloudWatch lists what it was for hours, too.
        now = ("InstanceId", "InstanceType", "ImageId")
        if "InstanceId" not in dimensions or any(dimensions.get(key) not in (None, instance.get(key)) for key in now):
            continue
        if name == DISK and ("path" not in dimensions or dimensions.get("fstype") in _NO_DISK):
            continue
        found.setdefault(dimensions.get("path", ""), []).append(dimensions)
    return {
        path: tuple(
            Metric(NAMESPACE, name, tuple(sorted(each.items())))
            for each in alternatives
            if len(each) == max(len(other) for other in alternatives)
        )
        for path, alternatives in found.items()
    }
