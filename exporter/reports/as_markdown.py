"""The report for tickets, in the Markdown of GitHub and GitLab."""

from __future__ import annotations

from collections.abc import Iterator

from ..audit import Audited, Report
from ..diagnosis import causes, failures
from ..page import moment
from ..practice import IMPACTS
from ..scorecard import Finding, summary
from . import words
from .forms import markdown
from .words import printable


def document(report: Report) -> str:
    """Findings by deployment and practice, the worst first."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield "# Audit of The Things Stack on AWS"
    yield f"\nAs of {moment(report.at)}, by tts-aws-exporter {report.version}.\n"
    yield "| deployment | where | critical | warning | info | unknown | accepted | compliant |"
    yield "|---|---|--:|--:|--:|--:|--:|--:|"
    for each in report.audited:
        numbers = " | ".join(map(str, summary(each.findings).values()))
        yield f"| {markdown(each.deployment.name)} | {markdown(words.where(each))} | {numbers} |"
    if report.unread:
        yield "\n## Could not be read\n"
        yield "What depends on it is unknown, which is not a pass.\n"
        for first, collectors, times in failures(report):
            yield f"- {markdown(words.concerned(first))}: {markdown(words.failure(first, collectors, times))}"
    for each in report.audited:
        yield f"\n## {markdown(each.deployment.name)}"
        yield from _deployment(each, compliant=report.selection.compliant)
    if report.idle_waivers:
        yield "\n## Waivers that do nothing\n"
        for waived in report.idle_waivers:
            yield f"- {markdown(words.idle(waived))}"


def _deployment(each: Audited, *, compliant: bool) -> Iterator[str]:
    violated = each.of("violated")
    if not violated:
        yield "\nNothing that could be read violates a best practice that was asked for."
    for impact in IMPACTS:
        members = [finding for finding in violated if finding.impact == impact]
        if members:
            yield f"\n### {impact.capitalize()}: {len(members)}"
            yield from _table(members)
    if accepted := each.of("accepted"):
        yield f"\n### Accepted: {len(accepted)}"
        yield from _table(accepted)
    if unknown := each.of("unknown"):
        yield f"\n### Unknown: {len(unknown)}\n"
        for cause in causes(unknown):
            actions = ", ".join(_code(action) for action in cause.missing)
            yield f"- {markdown(cause.fact)}" + (f"; missing IAM actions: {actions}" if actions else "")
            for finding, resources in cause.groups:
                number = f"{len(resources)}: " if resources else ""
                yield f"  - {_link(finding)} ({finding.impact}): {number}{markdown(words.some(resources))}"
    if compliant and (good := each.of("compliant")):
        yield f"\n### Compliant: {len(good)}"
        yield from _table(good)


def _table(findings: list[Finding]) -> Iterator[str]:
    for first, members in words.by_practice(findings):
        yield f"\n**{_link(first)} {markdown(first.title)}.** Expected: {markdown(first.expected)}.\n"
        yield "| resource | found |"
        yield "|---|---|"
        for each in members:
            since = f"; since {moment(each.since)}" if each.since and each.state != "compliant" else ""
            accepted = ""
            if each.accepted:
                was = "accepted" if each.state == "accepted" else "was accepted"
                accepted = f"; {was} until {each.accepted.until}: {markdown(each.accepted.reason)}"
            yield f"| {_code(each.resource or 'everything')} | {markdown(each.fact)}{since}{accepted} |"


def _link(finding: Finding) -> str:
    return f"[{finding.practice}]({words.runbook(finding.practice)})"


def _code(text: str) -> str:
    """A name to be copied; a table's bar is escaped in it too, as GitHub and GitLab want it."""
    text = printable(text)
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")
