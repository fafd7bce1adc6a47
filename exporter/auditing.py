"""The command ``audit`` at work: everything is read once, and then reported as verdicts or as plans of an upgrade."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from . import audit, diagnosis, oneshot, reports
from .clock import SystemClock
from .config import Config
from .engine import Engine
from .images import Version
from .practice import Impact
from .practices import PRACTICES
from .publication import Publication
from .upgrade import command, report

T = TypeVar("T")


async def judged(
    config: Config, publication: Publication, selection: audit.Selection, output: str, fail_on: Impact | None
) -> int:
    """Report the verdicts; return 1 if they are too bad or not the whole truth."""
    found = await _gathered(config, publication, lambda machine, now: audit.gather(machine, PRACTICES, selection, now))
    if found is None:
        return 1
    reports.write(found, output, sys.stdout)
    for line in diagnosis.warnings(found):
        sys.stderr.write(f"{line}\n")
    return audit.exit_code(found, fail_on)


async def planned(
    config: Config, publication: Publication, selection: audit.Selection, output: str, target: Version
) -> int:
    """Plan upgrades to a release; return 1 if one may not be begun, or nobody knows."""
    found = await _gathered(config, publication, lambda machine, now: command.gather(machine, selection, target, now))
    if found is None:
        return 1
    report.write(found, output, sys.stdout)
    return command.exit_code(found)


async def _gathered(config: Config, publication: Publication, gather: Callable[[Engine, float], T]) -> T | None:
    """What is to be said of what was read, as of now; None, with the reason on stderr, if there is no deployment."""
    with reports.progress(sys.stderr) as look:
        async with oneshot.complete(config, publication, audit.PATIENCE, look) as machine:
            nothing = diagnosis.nothing_found(machine)
            found = None if nothing else gather(machine, SystemClock().time())
    if nothing:
        sys.stderr.write(f"{nothing}\n")
    return found
