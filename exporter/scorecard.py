"""Verdicts over the facts of a deployment: what it follows, what it violates, what is unknown, and what was accepted.

Pure but for ``Scorecards``, which keeps them in step with what the collectors serve.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from .catalogue import catalogue
from .config import PracticeConfig, Waiver
from .errors import MISTAKES
from .facts import Facts
from .metrics import Family, Sample
from .practice import DEPLOYMENT, IMPACTS, Impact, Practice, Verdict

log = logging.getLogger(__name__)

INFO = Family(
    "tts_aws_best_practice_info",
    "A best practice that is judged, and the section of the vendor's page that it belongs to.",
    ("practice", "title", "section"),
    scope="exporter",
    stable=True,
)
COMPLIANT = Family(
    "tts_aws_best_practice_compliant",
    "Whether a resource follows a best practice; no series where the facts are unknown.",
    ("practice", "impact", "resource_type", "resource"),
    "flag",
    stable=True,
)
VERDICTS = Family(
    "tts_aws_best_practice_verdicts",
    "Verdicts by what a violation means: compliant, violated, unknown, or accepted by the configuration.",
    ("impact", "verdict"),
    stable=True,
)
ACCEPTED_UNTIL = Family(
    "tts_aws_best_practice_accepted_until_timestamp_seconds",
    "Until when the configuration accepts a violation (accept:); an expired one counts as violated again.",
    ("practice", "resource"),
    "time",
    stable=True,
)
FAMILIES = (INFO, COMPLIANT, VERDICTS, ACCEPTED_UNTIL)

State = Literal["compliant", "violated", "unknown", "accepted"]
STATES: tuple[State, ...] = ("violated", "unknown", "accepted", "compliant")


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict with all that is said of it.

    ``since``: when AWS says that it began; ``first_seen``: when this process saw it first. ``missing``: of an unknown
    one, the IAM actions that AWS refused. ``resource`` is "" where not even the resources, or not all, are known.
    ``mistake``: it is unknown because of a fault of this program.
    """

    deployment: str
    environment: str
    practice: str
    title: str
    section: str
    impact: Impact
    state: State
    resource_type: str
    resource: str
    fact: str
    expected: str
    since: float | None = None
    first_seen: float | None = None
    missing: tuple[str, ...] = ()
    accepted: Waiver | None = None
    mistake: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same finding as one of another time."""
        return self.practice, self.impact, self.resource_type, self.resource


def judge(
    facts: Facts,
    practices: Iterable[Practice],
    settings: Mapping[str, PracticeConfig],
    waivers: Sequence[Waiver],
) -> list[Finding]:
    """Judge a deployment by every practice that applies to it; the worst impact, then the practice's number, first."""
    found: dict[tuple[str, str, str, str], Finding] = {}
    for row in practices:
        setting = settings.get(row.practice, PracticeConfig())
        if not _applies(row, facts, setting):
            continue
        expected = row.expected if isinstance(row.expected, str) else row.expected(facts.deployment.expect)
        for verdict in _verdicts(row, facts):
            finding = _finding(row, setting.impact or row.impact, expected, verdict, facts, waivers)
            known = found.get(finding.key)  # rows that the configuration gave one impact
            if known is None or STATES.index(finding.state) < STATES.index(known.state):
                found[finding.key] = finding
    worst: dict[tuple[str, str, str], int] = {}
    for each in found.values():
        if each.state in ("violated", "accepted"):
            of = (each.practice, each.resource_type, each.resource)
            worst[of] = min(worst.get(of, len(IMPACTS)), IMPACTS.index(each.impact))
    # What is as bad as critical is not a warning beside.
    kept = [
        each
        for each in found.values()
        if IMPACTS.index(each.impact) <= worst.get((each.practice, each.resource_type, each.resource), len(IMPACTS))
    ]
    return sorted(kept, key=lambda each: (IMPACTS.index(each.impact), each.practice, each.resource_type, each.resource))


def _applies(row: Practice, facts: Facts, setting: PracticeConfig) -> bool:
    if setting.enabled is not None:
        return setting.enabled
    if row.scope == "prod":
        return facts.deployment.environment == "prod"
    return row.scope != "primary" or facts.deployment.role != "secondary"


def _verdicts(row: Practice, facts: Facts) -> list[Verdict]:
    """The row's verdicts; an unknown one as well where not everything was read that there could be a verdict about."""
    try:
        verdicts = list(row.judge(facts))
    except MISTAKES as error:  # of ours: it costs this row its verdicts, and no other
        log.exception("could not judge", extra={"deployment": facts.deployment.name, "practice": row.practice})
        return [Verdict("", None, f"could not be judged: {type(error).__name__}", mistake=True)]
    if not facts.known(*row.facts) and not (verdicts and row.resource_type == DEPLOYMENT):
        verdicts.append(Verdict("", None, "not everything could be read"))
    return verdicts


def _finding(
    row: Practice, impact: Impact, expected: str, verdict: Verdict, facts: Facts, waivers: Sequence[Waiver]
) -> Finding:
    words, deployment = catalogue()[row.practice], facts.deployment
    state: State = "unknown" if verdict.compliant is None else "compliant" if verdict.compliant else "violated"
    fact = verdict.fact
    missing: tuple[str, ...] = ()
    if state == "unknown":
        failures = [each for of in (facts, *row.beside(facts)) for each in of.failures(row.facts)]
        missing = tuple(dict.fromkeys(each.action for each in failures if each.action))
        reasons = [f"{each.operation}: {each.reason} {each.code}" for each in failures[:2]]
        reasons += [f"the collector {name} does not run" for name in facts.disabled(row.facts)]
        fact = "; ".join(filter(None, (fact, *reasons)))
    accepted = None
    if state == "violated" and (accepted := _waiver(row, verdict.resource, facts, waivers)):
        state = "accepted" if facts.now < end_of(accepted) else "violated"
    return Finding(
        deployment.name, deployment.environment, row.practice, words.title, words.section, impact, state,
        row.resource_type, verdict.resource, fact, expected, verdict.since, None, missing, accepted,
        verdict.mistake,
    )  # fmt: skip


def _waiver(row: Practice, resource: str, facts: Facts, waivers: Sequence[Waiver]) -> Waiver | None:
    """The waiver that holds longest of those that fit."""
    fits = [
        each
        for each in waivers
        if each.practice == row.practice
        and fnmatchcase(resource, each.resource)
        and fnmatchcase(facts.deployment.name, each.deployment or "*")
    ]
    return max(fits, key=lambda each: each.until, default=None)


def end_of(waiver: Waiver) -> float:
    """The end of the last day on which a waiver holds, UTC, in Unix seconds."""
    return datetime.combine(waiver.until + timedelta(days=1), time(), UTC).timestamp()


def counts(findings: Iterable[Finding]) -> Counter[tuple[Impact, State]]:
    """How many verdicts there are of each kind."""
    return Counter((each.impact, each.state) for each in findings)


def summary(findings: Iterable[Finding]) -> dict[str, int]:
    """Violations by impact, the worst first, and how many verdicts are otherwise."""
    number = counts(findings)
    return {impact: number[impact, "violated"] for impact in IMPACTS} | {
        state: sum(number[impact, state] for impact in IMPACTS) for state in ("unknown", "accepted", "compliant")
    }


def samples(findings: Sequence[Finding]) -> Iterator[Sample]:
    """The verdicts on a deployment as series; an accepted violation is one still, with the end of its waiver beside."""
    ends: dict[tuple[str, str], float] = {}
    for each in findings:
        if each.state != "unknown":
            yield COMPLIANT.sample(
                each.state == "compliant",
                practice=each.practice,
                impact=each.impact,
                resource_type=each.resource_type,
                resource=each.resource,
            )
        if each.accepted:  # resources of two types may have one name
            of = each.practice, each.resource
            ends[of] = max(end_of(each.accepted), ends.get(of, 0.0))
    for (practice, resource), end in ends.items():
        yield ACCEPTED_UNTIL.sample(end, practice=practice, resource=resource)
    number = counts(findings)
    for impact in IMPACTS:
        for state in STATES:
            yield VERDICTS.sample(number[impact, state], impact=impact, verdict=state)


def info_samples(practices: Iterable[Practice]) -> Iterator[Sample]:
    """Which practices are judged."""
    for number in dict.fromkeys(row.practice for row in practices):
        words = catalogue()[number]
        yield INFO.sample(1, practice=number, title=words.title, section=words.section)


def remembered(
    findings: Iterable[Finding], before: Mapping[tuple[str, str, str, str], Finding], now: float
) -> list[Finding]:
    """The findings with when each violation was seen first: now, unless it was one before."""
    out = []
    for each in findings:
        if each.state in ("violated", "accepted"):
            earlier = before.get(each.key)
            seen = earlier.first_seen if earlier and earlier.first_seen is not None else now
            each = replace(each, first_seen=seen)
        out.append(each)
    return out
