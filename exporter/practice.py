"""The record that makes a best practice a row: a verdict over facts, what is expected, and what a violation means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .config import Expect
from .facts import Facts

Impact = Literal["critical", "warning", "info"]
IMPACTS: tuple[Impact, ...] = ("critical", "warning", "info")  # the worst first
Scope = Literal["all", "prod", "primary"]

# Resource types that CloudFormation has no name for.
DEPLOYMENT, PARAMETER, SETTING = "deployment", "stack_parameter", "ecs_account_setting"


class Verdict(NamedTuple):
    """Whether a resource follows a practice; ``compliant`` is None where the facts to tell are not known.

    ``fact``: what was found, in words. ``since``: when it began, Unix seconds, where AWS tells. ``mistake``: whether it
    is a fault of this program that it is not known.
    """

    resource: str
    compliant: bool | None
    fact: str = ""
    since: float | None = None
    mistake: bool = False

    @classmethod
    def of(cls, resource: str, compliant: bool | float | None, right: str = "", wrong: str = "") -> Verdict:
        """A verdict in one of two wordings; of a flag (1, 0) or what was made of facts. None is unknown, wordless."""
        if compliant is None:
            return cls(resource, None)
        return cls(resource, bool(compliant), right if compliant else wrong)


@dataclass(frozen=True, slots=True)
class Practice:
    """One row. A practice whose violation can mean different things has a row for each; the worst violated one counts.

    ``facts``: the families (without prefix) that ``judge`` looks at: where one of their collectors did not read all,
    there may be resources that nobody saw, and one verdict more is unknown. ``expected``: in words, of what is
    configured. ``scope``: ``prod`` is judged in production only, ``primary`` not in a secondary cluster. ``judge``
    gives a verdict for each resource that the practice is about, none where it is about nothing that the deployment
    has. ``network``: whose facts of the network it looks at beside the deployment's own.
    """

    practice: str
    impact: Impact
    resource_type: str
    expected: str | Callable[[Expect], str]
    facts: tuple[str, ...]
    judge: Callable[[Facts], Iterable[Verdict]]
    scope: Scope = "all"
    network: Literal["", "twin", "others"] = ""

    def beside(self, facts: Facts) -> tuple[Facts, ...]:
        """The facts of other deployments that ``judge`` looks at."""
        if self.network == "twin":
            return (facts.twin,) if facts.twin else ()
        return facts.others if self.network else ()
