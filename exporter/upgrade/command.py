"""``audit --upgrade-to``: for which deployments plans are made, and what the exit code says of them."""

from __future__ import annotations

from collections.abc import Sequence

from ..audit import Selection
from ..config import ConfigError
from ..engine import Engine
from ..facts import Facts
from ..images import Version
from . import Plan, plan


def gather(machine: Engine, selection: Selection, target: Version, now: float) -> list[Plan]:
    """Plans by what the engine knows now: of production, or of the deployments that were chosen.

    Raises ConfigError where there is no such deployment.
    """
    watched, cards = machine.watched(), machine.scorecards
    names = selection.names(watched)
    if not selection.deployments:
        names = [name for name in names if watched[name][0].environment != "staging"]
    if not names:
        raise ConfigError((f"no deployment but staging: choose with --deployment, {', '.join(sorted(watched))}",))
    return [
        plan(cards.facts.get(name) or Facts(watched[name][0], {}, {}, now), target, cards.findings(name))
        for name in names
    ]


def exit_code(plans: Sequence[Plan]) -> int:
    """0 if every deployment may be upgraded, else 1."""
    return int(any(each.answer != "yes" for each in plans))
