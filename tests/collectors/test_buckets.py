"""What a bucket is for, from what little tells it."""

from __future__ import annotations

import pytest

from exporter.buckets import purpose
from exporter.deployment import Stack


@pytest.mark.parametrize(
    ("name", "template", "expected"),
    [
        ("acme-prod-eu1-profile-2069068d", "2-4a-is-s3", "profile_pictures"),
        ("acme-prod-eu1-2-4a-is-s3-enddevicepicturesbucket-1x8k", "2-4a-is-s3", "device_pictures"),
        ("device-makers-prod-eu1-profile-2069068d", "2-4a-is-s3", "profile_pictures"),
        ("acme-prod-eu1-edcs-2706f3cd", "2-4b-routing-s3", "edcs"),
        ("acme-prod-eu1-8bd71793", "2-4c-mtls-s3", "mtls"),
        ("acme-prod-eu1-2e559cc7", "1-1-vpc", "logs"),
        ("acme-prod-eu1-2e559cc7", "2-4b-routing-s3", "other"),
        ("acme-prod-eu1-2e559cc7", "5-6-ecs-monitoring", "other"),
        ("acme-prod-eu1-thanos-logs", "5-6-ecs-monitoring", "logs"),
    ],
)
def test_purpose(name: str, template: str, expected: str) -> None:
    """The stack's template says what its buckets can be for, the end of the name which of them it is."""
    assert purpose(name, Stack("s", template)) == expected


def test_purpose_by_output() -> None:
    """The routing stack's outputs name its buckets, whatever they are called."""
    stack = Stack("s", "2-4b-routing-s3", outputs={"InteropConfigBucket": "one", "PluginsConfigBucket": "edcs-two"})

    assert [purpose(name, stack) for name in ("one", "edcs-two")] == ["interop", "plugins"]


def test_purpose_without_stack() -> None:
    """A bucket that the configuration assigned is known by its name alone."""
    assert purpose("our-mtls-certificates", None) == "mtls"
    assert purpose("something", None) == "other"
