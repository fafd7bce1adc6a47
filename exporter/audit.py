"""``tts-aws-exporter audit``: the verdicts of one moment for people and pipelines, and whether they may pass.

``gather`` makes a Report of what the engine read; exporter/reports writes it. What could not be read is in the report
as such: it is never a pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import NamedTuple

from . import __version__
from .catalogue import catalogue
from .config import ConfigError, Waiver
from .config_values import close
from .deployment import Deployment
from .engine import Engine
from .errors import Failure, iam_action
from .metrics import PREFIX
from .practice import IMPACTS, Impact, Practice
from .scorecard import Finding, State, end_of

# Reading a fleet takes as long as AWS's limits say; a report that lacks half of it is worth less than one that is late.
PATIENCE = 600.0
OUTPUTS = ("table", "json", "markdown", "html", "junit")


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for: deployments by name or pattern, practices by number (none: all), an impact or worse.

    ``compliant``: whether what is as it should be is wanted too.
    """

    deployments: tuple[str, ...] = ()
    practices: tuple[str, ...] = ()
    impact: Impact = "info"
    compliant: bool = False

    def names(self, known: Iterable[str]) -> list[str]:
        """The deployments that are meant, sorted. Raises ConfigError for a name or pattern that means none of them."""
        known = sorted(known)
        nothing = [each for each in self.deployments if not any(fnmatchcase(name, each) for name in known)]
        if nothing:
            raise ConfigError(
                tuple(
                    f"--deployment {each}: there is no such deployment; there is {', '.join(known)}" for each in nothing
                )
            )
        return [name for name in known if _is_any(name, self.deployments)]

    def has(self, finding: Finding) -> bool:
        """Whether a finding on a chosen deployment is wanted."""
        wanted = IMPACTS.index(finding.impact) <= IMPACTS.index(self.impact)
        return wanted and (not self.practices or finding.practice in self.practices)


class Unread(NamedTuple):
    """What could not be read. ``deployment`` is "" where it concerns the whole account and region."""

    deployment: str
    account_id: str
    region: str
    collector: str
    failure: Failure


class Waived(NamedTuple):
    """A waiver of the configuration, and how many violations it fits; an expired one accepts none of them."""

    waiver: Waiver
    fits: int
    expired: bool


class Audited(NamedTuple):
    """A deployment and the verdicts on it that were asked for, compliant ones included; the worst first."""

    deployment: Deployment
    findings: list[Finding]

    def of(self, *states: State) -> list[Finding]:
        """The findings of some states."""
        return [each for each in self.findings if each.state in states]


@dataclass(frozen=True, slots=True)
class Report:
    """An audit as of a moment (Unix seconds). ``waivers``: all that the configuration has, whatever was asked for."""

    at: float
    selection: Selection
    audited: tuple[Audited, ...]
    unread: tuple[Unread, ...]
    waivers: tuple[Waived, ...]
    version: str = __version__

    @property
    def findings(self) -> list[Finding]:
        """What was asked for of all deployments, compliant ones included."""
        return [finding for each in self.audited for finding in each.findings]

    @property
    def idle_waivers(self) -> list[Waived]:
        """The waivers that do nothing: they have ended, or nothing violates what they accept."""
        return [each for each in self.waivers if each.expired or not each.fits]

    def missing(self) -> list[str]:
        """The IAM actions that AWS refused."""
        return sorted({each.failure.action for each in self.unread if each.failure.action})

    def mistakes(self) -> list[str]:
        """The practices that a fault of this program kept from being judged."""
        return sorted({each.practice for each in self.findings if each.mistake})


def selection(
    deployments: Iterable[str], practices: Iterable[str], impact: Impact, *, compliant: bool = False
) -> Selection:
    """What the flags ask for. Raises ConfigError for a practice that is not judged."""
    numbers = [each.upper() for each in practices]
    wrong = []
    for number in numbers:
        known = catalogue().get(number)
        if known is None:
            wrong.append(f"--practice {number}: there is no such practice: {close(number, catalogue())}")
        elif known.unjudged:
            wrong.append(f"--practice {number}: it is not judged: {known.unjudged}")
    if wrong:
        raise ConfigError(tuple(wrong))
    return Selection(tuple(deployments), tuple(numbers), impact, compliant)


def gather(machine: Engine, practices: Iterable[Practice], wanted: Selection, now: float) -> Report:
    """What the engine knows now. Raises ConfigError where a deployment is asked for that there is not."""
    watched = machine.watched()
    names = wanted.names(watched)
    # When this process saw it first is now, which says nothing.
    audited = tuple(
        Audited(
            watched[name][0],
            [replace(each, first_seen=None) for each in machine.scorecards.findings(name) if wanted.has(each)],
        )
        for name in names
    )
    every = [each for name in watched for each in machine.scorecards.findings(name)]
    return Report(
        now,
        wanted,
        audited,
        tuple(_unread(machine, tuple(practices), wanted, audited)),
        tuple(_waived(waiver, every, now) for waiver in machine.config.accept),
    )


def exit_code(report: Report, fail_on: Impact | None) -> int:
    """1 where something could not be read or judged, or is violated that is as bad as ``fail_on``; else 0."""
    if report.unread or report.mistakes() or not report.audited:
        return 1
    bad = IMPACTS[: IMPACTS.index(fail_on) + 1] if fail_on else ()
    return int(any(each.state == "violated" and each.impact in bad for each in report.findings))


def _is_any(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(name, each) for each in patterns)


def _unread(
    machine: Engine, practices: Sequence[Practice], wanted: Selection, audited: Iterable[Audited]
) -> Iterable[Unread]:
    """What could not be read of these deployments, and of those beside, as far as the chosen practices need it."""
    needed = _needed(machine, practices, wanted, audited)
    for source in machine.sources.values():
        account = source.reads.account
        if wanted.deployments and not needed.keys() & {each.name for each in source.found}:
            continue
        if not source.surveyed:
            yield Unread("", account.account_id, source.key[0], "discovery", _unfinished())
        for operation, reason, code, subject in sorted(source.failures):
            denied = reason == "access_denied" and "." in operation
            action = iam_action(*operation.split(".", 1)) if denied else None
            failure = Failure(operation, reason, code, "", action, subject)
            yield Unread("", account.account_id, source.key[0], "discovery", failure)
    for (name, collector), job in sorted(machine.jobs.items(), key=lambda item: item[0]):
        if not needed.get(name, set()) & {family.name for family in job.collector.families}:
            continue
        where = (name, job.deployment.account_id, job.deployment.region, collector)
        if not job.attempted:
            yield Unread(*where, _unfinished())
        for failure in job.failures:
            yield Unread(*where, failure)


def _needed(
    machine: Engine, practices: Sequence[Practice], wanted: Selection, audited: Iterable[Audited]
) -> dict[str, set[str]]:
    """By deployment, the families that the report is made of: those of the network's others for what looks at them."""
    chosen = [row for row in practices if row.practice in wanted.practices]
    every = {family.name for job in machine.jobs.values() for family in job.collector.families}
    own = {PREFIX + name for row in chosen for name in row.facts} if wanted.practices else every
    needed: dict[str, set[str]] = defaultdict(set)
    for each in audited:
        needed[each.deployment.name] |= own
        judged = {finding.practice for finding in each.findings}
        facts = machine.scorecards.facts.get(each.deployment.name)
        for row in practices:
            for other in row.beside(facts) if facts and row.practice in judged else ():
                needed[other.deployment.name] |= {PREFIX + name for name in row.facts}
    return needed


def _unfinished() -> Failure:
    return Failure("", "timeout", "", f"not finished after {PATIENCE:.0f} s")


def _waived(waiver: Waiver, findings: Iterable[Finding], now: float) -> Waived:
    fits = sum(
        each.practice == waiver.practice
        and each.state in ("violated", "accepted")
        and fnmatchcase(each.resource, waiver.resource)
        and fnmatchcase(each.deployment, waiver.deployment or "*")
        for each in findings
    )
    return Waived(waiver, fits, now >= end_of(waiver))
