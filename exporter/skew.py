"""Production against its staging twin: which needs the facts of two deployments, so that no collector can tell."""

from __future__ import annotations

from collections.abc import Iterator

from .facts import Facts
from .metrics import Family, Sample

AHEAD = Family(
    "tts_aws_version_ahead_of_staging",
    "Whether this production deployment runs a higher version of a component than its staging twin runs now.",
    ("component",),
    "flag",
    stable=True,
)
STAGING_CONFIGURED = Family(
    "tts_aws_staging_configured",
    "Whether a production deployment has a staging twin.",
    kind="flag",
    stable=True,
)
FAMILIES = (AHEAD, STAGING_CONFIGURED)
VERSION = "component_version_number"


def samples(facts: Facts, twin: str) -> Iterator[Sample]:
    """``twin``: the name of the staging twin, "" for none. Versions are compared only where both sides were read."""
    if facts.deployment.environment == "staging":
        return
    yield STAGING_CONFIGURED.sample(bool(twin))
    staging = facts.twin
    if staging is None or not (facts.known(VERSION) and staging.known(VERSION)):
        return
    lowest = staging.by(VERSION, "component", bound="lowest")
    for component, highest in facts.by(VERSION, "component", bound="highest").items():
        if component in lowest:
            yield AHEAD.sample(highest > lowest[component], component=component)
