"""How often a schedule of EventBridge runs."""

from __future__ import annotations

import re

_UNITS = {"minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
# Of cron(minute hour day month weekday year): what is plainly regular, with the longest time between two runs.
_CRON = {
    r"\d+ \* [*?] \* [*?] \*": 3_600.0,
    r"\d+ \d+ [*?] \* [*?] \*": 86_400.0,
    r"\d+ \d+ \? \* (?:[1-7]|[A-Za-z]{3}) \*": 7 * 86_400.0,
    r"\d+ \d+ \d+ \* \? \*": 31 * 86_400.0,
}


def interval_of(expression: str) -> float | None:
    """Return the longest time in seconds between two runs; None for a schedule that is not plainly regular."""
    if rate := _RATE.fullmatch(expression):
        return int(rate[1]) * _UNITS[rate[2]]
    if expression.startswith("cron(") and expression.endswith(")"):
        fields = " ".join(expression[5:-1].split())
        return next((seconds for pattern, seconds in _CRON.items() if re.fullmatch(pattern, fields)), None)
    return None
