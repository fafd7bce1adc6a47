"""A line of a plan: a question, its answer, and what the verdicts by a practice say to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from ..facts import Facts
from ..images import Version
from ..scorecard import Finding
from .running import Running, some

Answer = Literal["yes", "no", "unknown", "info"]


class Line(NamedTuple):
    """A question and its answer. ``blocks``: whether no, or not knowing, means that the upgrade has to wait.

    ``source``: the practice, or what else the answer rests on. ``left_out``: what was looked at and does not apply.
    """

    name: str
    question: str
    answer: Answer
    evidence: tuple[str, ...]
    source: str
    blocks: bool = False
    left_out: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What a question is asked of: a deployment's facts, the verdicts on it, and the release."""

    facts: Facts
    findings: Sequence[Finding]
    target: Version
    running: Running

    def of(self, *practices: str) -> list[Finding]:
        """The verdicts by these practices; none where the configuration switched them off."""
        return [each for each in self.findings if each.practice in practices]

    def waived(self, practice: str, resource: str) -> str:
        """Why nothing has to wait for what a resource violates: it is accepted, or the practice is switched off."""
        verdicts = self.of(practice)
        for each in verdicts:
            if each.resource == resource and each.state == "accepted" and each.accepted:
                return f"accepted: {each.accepted.reason}"
        return "" if verdicts or not practice else f"{practice} is switched off"


def by_practice(asked: Asked, name: str, question: str, practice: str) -> Line:
    """What the verdicts by a practice say; where there are none it is switched off, and nothing has to wait for it."""
    verdicts = asked.of(practice)
    line = Line(name, question, "info", (f"{practice} is switched off or does not apply",), practice)
    if not verdicts:
        return line
    states, evidence = summed_up(verdicts)
    good = [each for each in verdicts if each.state == "compliant"]
    facts = {each.fact for each in good}
    evidence = evidence or ([*facts] if len(facts) == 1 else [f"{len(good)} checked"])
    return line._replace(answer=worst(states), evidence=tuple(evidence), blocks=True)


def summed_up(findings: Iterable[Finding], *, with_practice: bool = False) -> tuple[set[bool | None], list[str]]:
    """Whether each is followed, and what is to say of those that are not; many for one reason are one sentence."""
    answers: dict[str, bool | None] = {"violated": False, "unknown": None}
    found: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    states = set()
    for each in findings:
        states.add(answers.get(each.state, True))
        if each.state != "compliant":
            reason = f" (accepted: {each.accepted.reason})" if each.state == "accepted" and each.accepted else ""
            found[f"{each.practice} " if with_practice else "", f"{each.fact or 'not known'}{reason}"].append(each)
    evidence = []
    for (practice, fact), members in found.items():
        missing = sorted({action for each in members for action in each.missing})
        lacks = f" (missing IAM actions: {', '.join(missing)})" if missing else ""
        names = [each.resource for each in members if each.resource]
        evidence.append(f"{practice}{some(names)}: {fact}{lacks}" if names else f"{practice}{fact}{lacks}")
    return states, evidence


def worst(states: Iterable[bool | None]) -> Answer:
    found = set(states)
    return "no" if False in found else "unknown" if None in found else "yes"
