"""The report as one HTML file that needs nothing else: no asset, no script, no network."""

from __future__ import annotations

from ..audit import Report
from ..catalogue import catalogue
from ..diagnosis import failures
from ..page import grouped, render
from ..scorecard import summary
from . import words


def document(report: Report) -> str:
    """The page; what to do about each practice that is not known to be followed is in it."""
    open_ones = [each for each in report.findings if each.state != "compliant"]
    return render(
        "audit.html",
        report=report,
        deployments=[
            {
                "name": each.deployment.name,
                "environment": each.deployment.environment,
                "where": f"{each.deployment.account_id or 'account not known'} {each.deployment.region}",
                "summary": summary(each.findings),
                "violated": each.of("violated"),
                "accepted": each.of("accepted"),
                "unknown": len(each.of("unknown")),
                "groups": grouped(each.findings),
                "compliant": words.by_practice(each.of("compliant")) if report.selection.compliant else [],
            }
            for each in report.audited
        ],
        unread=[(words.concerned(each[0]), words.failure(*each)) for each in failures(report)],
        waivers=[words.idle(each) for each in report.idle_waivers],
        practices=[catalogue()[number] for number in sorted({each.practice for each in open_ones})],
    )
