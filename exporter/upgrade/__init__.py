"""May I upgrade today? A plan for a deployment: whether anything stands in the way of a release, and the way there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .. import releases
from ..deployment import Deployment
from ..facts import Facts
from ..images import Version
from ..practices.checks import amount
from ..scorecard import Finding
from . import readiness, versions, way
from .line import Answer, Asked, Line
from .running import components, running, some
from .way import Step

__all__ = ["Answer", "Line", "Plan", "Step", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upgrade to a release takes. ``at``: Unix seconds. ``steps``: what is done, in this order."""

    at: float
    deployment: Deployment
    target: Version
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]

    @property
    def answer(self) -> Answer:
        """No if a line that blocks says no; else unknown if one does not know; else yes."""
        answers = {line.answer for line in self.lines if line.blocks}
        return "no" if "no" in answers else "unknown" if "unknown" in answers else "yes"

    @property
    def in_the_way(self) -> list[Line]:
        """The lines that block and have no good answer."""
        return [line for line in self.lines if line.blocks and line.answer in ("no", "unknown")]


def plan(facts: Facts, target: Version, findings: Sequence[Finding]) -> Plan:
    """Plan the upgrade of a deployment by its facts and the verdicts on them. Pure: ages are as of the reading."""
    asked = Asked(facts, findings, target, running(facts))
    due = way.migrations(facts, asked.running, target)
    steps = way.steps(facts, target, due.here)
    lines = (
        versions.released(asked),
        versions.newer(asked),
        versions.one_version(asked),
        versions.templates(asked),
        versions.staging(asked),
        direct(asked),
        readiness.sound(asked),
        readiness.undrifted(asked),
        readiness.backed_up(asked),
        readiness.snapshots(asked),
        readiness.change_sets(asked),
        readiness.in_the_way(asked),
        readiness.aws_health(asked),
        readiness.maintenance(asked),
        order(asked, steps),
        migrations(asked, due),
        traps(asked),
    )
    return Plan(facts.now, facts.deployment, target, tuple(line for line in lines if line), tuple(steps))


def direct(asked: Asked) -> Line:
    """Whether no database has to be migrated with a release in between."""
    line = Line("stopovers", "Is there a direct way?", "yes", (), "release notes (BP-14)", blocks=True)
    stops, left_out = way.stopovers(asked.facts, asked.running, asked.target)
    line = line._replace(left_out=tuple(left_out))
    if stops:
        first = [f"go to {stop.version} first and migrate {stop.database} with it" for stop in stops]
        return line._replace(answer="no", evidence=tuple(first))
    known = asked.running
    untold = sorted({way.USED_BY[stop.database] for stop in releases.load().stopovers} & set(known.unknown))
    if known.lowest is None or untold or not known.complete:
        return line._replace(
            answer="unknown", evidence=(f"which release runs is not known of {some(untold) or 'all'}",)
        )
    ahead = releases.minors_between(known.lowest, asked.target)
    return line._replace(evidence=(f"{amount(ahead, 'minor release')} ahead, and none to stop at",))


def order(asked: Asked, steps: Sequence[Step]) -> Line:
    """How much there is to do; the steps say what."""
    evidence = [
        f"{number} to {kind}"
        for kind in ("prepare", "snapshot", "update", "deploy", "migrate", "finish", "remove")
        if (number := sum(step.kind == kind for step in steps))
    ]
    words = [", ".join(evidence) or "none"]
    if any(step.kind == "update" and step.template.startswith("5-") for step in steps):
        words.append("with the image parameters of every stack 5-x, whether or not its template has changed (BP-12)")
    question, source = "Which stacks are updated, in which order?", "order of the templates (BP-09, BP-10)"
    if not asked.facts.known("stack_info"):
        return Line("order", question, "unknown", ("of the stacks that are known:", *words), source)
    return Line("order", question, "info", tuple(words), source)


def migrations(asked: Asked, due: way.Split[way.Due]) -> Line:
    """Which databases are migrated, after 5-2 and before the services."""
    line = _as_far_as_known(asked, Line("migrations", "Which migrations are due?", "info", (), "release notes (BP-13)"))
    evidence = [
        f"{each.line} ({', '.join(map(str, each.versions))})" + ("; may be left out" if each.optional else "")
        for each in due.here
    ]
    evidence = [*line.evidence, *(evidence or ["none"]), *(f"not {each}" for each in due.left_out)]
    known = asked.running
    if known.all_known():
        return line._replace(evidence=tuple(evidence))
    by = f"as far as is known, of what runs {components(known)}" if known.versions else "what runs is not known"
    return line._replace(answer="unknown", evidence=(by, *evidence) if known.versions else (by,))


def traps(asked: Asked) -> Line:
    """What surprises who upgrades there."""
    line = _as_far_as_known(asked, Line("traps", "Which traps are on the way?", "info", (), "template changelog"))
    crossed, left_out = way.traps(asked.facts, asked.running, asked.target)
    evidence = [*line.evidence, *([f"{trap.version}: {trap.text}" for trap in crossed] or ["none"])]
    if not asked.facts.known("stack_info") or asked.running.lowest is None:
        line, evidence = line._replace(answer="unknown"), ["not all is known of stacks and of what runs", *evidence]
    return line._replace(evidence=tuple(evidence), left_out=tuple(left_out))


def _as_far_as_known(asked: Asked, line: Line) -> Line:
    """A line about what releases ask for, when nothing is known of the one that is upgraded to."""
    known = releases.load().releases
    if asked.target in known:
        return line
    last = max((each for each in known if each < asked.target), default=None)
    until = (
        f"as far as is known here, up to {last}:" if last else f"nothing is known here of what was before {min(known)}"
    )
    return line._replace(answer="unknown", evidence=(until,))
