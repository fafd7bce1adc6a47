"""How the reports say what they say: the same words in each of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from ..audit import Audited, Unread, Waived
from ..practice import IMPACTS
from ..scorecard import Finding

# What neither a terminal nor XML 1.0 may be given: https://www.w3.org/TR/xml/#charsets; what would end a line; and
# what has text read in another order: https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
# Of many resources with one cause so many are named; JSON and HTML name them all.
NAMED = 3


def printable(text: str) -> str:
    """Text of one line without what would command a terminal or break XML."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def runbook(practice: str) -> str:
    """Where the words about a practice are in the repository."""
    return f"docs/best-practices.md#{practice.lower()}"


def where(each: Audited) -> str:
    """Environment, account and region of a deployment."""
    known = each.deployment
    return f"{known.environment}, account {known.account_id or 'unknown'}, {known.region}"


def some(resources: Sequence[str]) -> str:
    """Resources by name, few of them; one that is not known is everything."""
    if not resources:
        return "everything"
    more = f" and {len(resources) - NAMED} more" if len(resources) > NAMED else ""
    return f"{', '.join(resources[:NAMED])}{more}"


def by_practice(findings: Iterable[Finding]) -> list[tuple[Finding, list[Finding]]]:
    """Findings of one state that stand together: an impact, practice and expectation; the first one and all of them."""

    def key(each: Finding) -> tuple[int, str, str]:
        return IMPACTS.index(each.impact), each.practice, each.expected

    groups = (list(members) for _, members in groupby(sorted(findings, key=key), key=key))
    return [(members[0], members) for members in groups]


def failure(first: Unread, collectors: Sequence[str], times: int) -> str:
    """What could not be read, and for whom: which facts of which deployment are therefore unknown."""
    why = first.failure
    what = " ".join(filter(None, (why.operation and f"{why.operation}:", why.reason, why.code))) + (
        f" ({why.detail})" if why.reason == "timeout" else ""
    )
    often = f", {times} times" if times > 1 else ""
    missing = f"; missing IAM action: {why.action}" if why.action else ""
    return f"{what}{often}{missing}; for {', '.join(collectors)}"


def concerned(unread: Unread) -> str:
    """The deployment, or the account and region, that a failure is about."""
    return unread.deployment or f"account {unread.account_id or 'unknown'}, {unread.region}"


def idle(waived: Waived) -> str:
    """Why a waiver does nothing."""
    waiver = waived.waiver
    of = f" of {waiver.deployment}" if waiver.deployment else ""
    again = "1 violation counts" if waived.fits == 1 else f"{waived.fits} violations count"
    why = f"ended after {waiver.until}, so that {again} again" if waived.fits else "fits no violation"
    return f"{waiver.practice} on {waiver.resource}{of}: {why}"
