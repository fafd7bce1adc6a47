"""docs/metrics.md, made from the families that the code declares."""

from __future__ import annotations

from collections.abc import Iterable

from .collector import Collector
from .metrics import TARGET_LABELS, Family, Scope

_SCOPES: dict[Scope, str] = {
    scope: ", ".join(f"`{label}`" for label in labels) or "none" for scope, labels in TARGET_LABELS.items()
}


def markdown(own: Iterable[Family], collectors: Iterable[Collector]) -> str:
    """The reference of every family: those of the exporter itself, then collector by collector."""
    parts = [
        "# Metrics\n\nMade by `make update`; do not edit. Every name is API: a stable family is renamed or dropped only"
        " after two minor releases of notice (CHANGELOG.md). A fact that could not be read has no series.\n\n"
        "Target labels, beside a family's own: "
        + "; ".join(f"scope {scope}: {labels}" for scope, labels in _SCOPES.items())
        + ".\n"
    ]
    parts.append(_section("exporter", "", own))
    for collector in collectors:
        intro = f"Every {collector.interval:.0f} s. IAM actions: " + ", ".join(
            f"`{each}`" for each in collector.actions
        )
        parts.append(_section(collector.name, intro + ".\n\n", collector.families))
    return "\n".join(parts)


def _section(name: str, intro: str, families: Iterable[Family]) -> str:
    rows = "".join(
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{label}`' for label in each.labels)} | {each.scope} | "
        f"{'stable' if each.stable else 'experimental'} | {each.help.replace('|', '/')} |\n"
        for each in families
    )
    return f"## {name}\n\n{intro}| name | type | labels | scope | stability | help |\n|---|---|---|---|---|---|\n{rows}"
