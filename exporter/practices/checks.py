"""One verdict out of several conditions, in words."""

from __future__ import annotations

from typing import NamedTuple

from ..practice import Verdict

MINUTE, HOUR, DAY = 60, 3_600, 86_400


class Check(NamedTuple):
    """A condition: whether it is met (None: unknown), what to say if it is and if not, and since when it is not."""

    met: bool | float | None
    right: str
    wrong: str
    since: float | None = None


def all_of(resource: str, *checks: Check) -> Verdict:
    """Violated by any condition that is not met, else unknown by any that is, and then it says of none that it is met.

    It began with the first of those that are not met, unless one does not tell.
    """
    wrong = [each for each in checks if each.met is not None and not each.met]
    if wrong:
        began = [each.since for each in wrong if each.since is not None]
        since = min(began) if len(began) == len(wrong) else None
        return Verdict(resource, False, "; ".join(each.wrong for each in wrong), since)
    if any(each.met is None for each in checks):
        return Verdict(resource, None)
    return Verdict(resource, True, "; ".join(each.right for each in checks if each.right))


def at_least(value: float | None, least: float) -> bool | None:
    """Whether a value is as large as that; None where it is not known."""
    return None if value is None else value >= least


def amount(count: float | None, what: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count or 0:g} {what}{'' if count == 1 else 's'}"


def age(seconds: float) -> str:
    """A duration as people say it: ``90 min``, ``58 h``, ``9 days``."""
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    return f"{seconds / HOUR:.0f} h" if seconds < 3 * DAY else f"{seconds / DAY:.0f} days"
