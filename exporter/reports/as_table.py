"""The report for a terminal, and for a pipe: there without colours, and with every finding on one line."""

from __future__ import annotations

from typing import TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..audit import Audited, Report
from ..diagnosis import causes, failures
from ..page import moment
from ..practice import IMPACTS
from ..scorecard import Finding, summary
from . import forms, words
from .words import printable

# By impact, and by state where that matters more.
STYLES = {
    "critical": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "unknown": "magenta",
    "accepted": "dim",
    "compliant": "green",
}


def write(report: Report, file: TextIO) -> None:
    """Write it as it fits the file: a terminal's width and colours, or plain lines without an end in sight."""
    with forms.console(file) as console:
        _print(report, console)


def _print(report: Report, console: Console) -> None:
    for each in report.audited:
        heading = Text(printable(each.deployment.name), "bold")
        console.print(heading.append(f"  {words.where(each)}", "not bold dim"))
        _deployment(console, each, compliant=report.selection.compliant)
        console.print()
    if report.unread:
        console.print(Text("could not be read: what depends on it is unknown, which is not a pass", STYLES["critical"]))
        for first, collectors, times in failures(report):
            _item(console, f"{words.concerned(first)}: {words.failure(first, collectors, times)}")
        console.print()
    if report.idle_waivers:
        console.print(Text("waivers that do nothing", "bold"))
        for waived in report.idle_waivers:
            _item(console, words.idle(waived))
        console.print()
    console.print(_summary(report))
    console.print(Text(f"as of {moment(report.at)}, by tts-aws-exporter {report.version}", "dim"))


def _deployment(console: Console, each: Audited, *, compliant: bool) -> None:
    violated = each.of("violated")
    for impact in IMPACTS:
        _findings(console, impact, [finding for finding in violated if finding.impact == impact])
    if not violated:
        console.print(
            Padding(Text("nothing that could be read is violated", STYLES["compliant"]), (1, 0, 0, 2), expand=False)
        )
    _findings(console, "accepted", each.of("accepted"))
    _unknown(console, each.of("unknown"))
    if compliant:
        _findings(console, "compliant", each.of("compliant"))


def _findings(console: Console, what: str, findings: list[Finding]) -> None:
    if not findings:
        return
    _heading(console, what, len(findings))
    above = None
    for first, members in words.by_practice(findings):
        if (first.impact, first.practice) != above:  # else it has another expectation of other resources
            _practice(console, first)
        above = first.impact, first.practice
        grid = Table.grid(padding=(0, 2))
        grid.add_column(overflow="fold")
        grid.add_column(overflow="fold")
        for each in members:
            fact = Text(printable(each.fact))
            if each.since and each.state != "compliant":
                fact.append(f"; since {moment(each.since)}", "dim")
            if each.accepted:
                was = "accepted" if each.state == "accepted" else "was accepted"
                fact.append(f"; {was} until {each.accepted.until}: {printable(each.accepted.reason)}", "dim")
            grid.add_row(Text(printable(each.resource or "everything"), "bold"), fact)
        console.print(Padding(grid, (0, 0, 0, 8), expand=False))
        console.print(Padding(Text(f"expected: {printable(first.expected)}", "dim"), (0, 0, 0, 8), expand=False))


def _unknown(console: Console, findings: list[Finding]) -> None:
    if not findings:
        return
    _heading(console, "unknown", len(findings))
    for cause in causes(findings):
        why = Text(f"  {printable(cause.fact)}")
        if cause.missing:
            why.append(f"; missing IAM action: {', '.join(cause.missing)}", STYLES["critical"])
        console.print(why)
        for finding, resources in cause.groups:
            number = f"{len(resources)}: " if resources else ""
            _practice(console, finding)
            console.print(Padding(Text(f"{number}{printable(words.some(resources))}"), (0, 0, 0, 8), expand=False))


def _heading(console: Console, what: str, number: int) -> None:
    console.print(Padding(Text(f"{what}: {number}", STYLES[what]), (1, 0, 0, 2), expand=False))


def _practice(console: Console, finding: Finding) -> None:
    line = Text(f"{finding.practice} ", STYLES[finding.impact]).append(finding.title, "not bold default")
    console.print(Padding(line, (0, 0, 0, 2), expand=False))


def _item(console: Console, text: str) -> None:
    console.print(Padding(Text(printable(text)), (0, 0, 0, 2), expand=False))


def _summary(report: Report) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
    table.add_column("deployment", overflow="fold")
    for name in STYLES:
        table.add_column(name, justify="right", no_wrap=True)
    for each in report.audited:
        number = summary(each.findings)
        table.add_row(
            Text(printable(each.deployment.name)),
            *(Text(str(number[name]), style if number[name] else "dim") for name, style in STYLES.items()),
        )
    return table
