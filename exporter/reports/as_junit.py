"""The report as JUnit XML: a test case for each practice and resource, so that a CI's own viewer shows it.

There is no standard: this keeps to what Jenkins' schema admits, which GitLab's parser reads as well.
Sources: https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/ci/parsers/test/junit.rb
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from ..audit import Audited, Report
from ..diagnosis import failures
from ..page import moment
from ..scorecard import Finding
from . import forms, words
from .words import printable


def document(report: Report) -> str:
    """All verdicts, compliant ones as passed; what could not be read is an error."""
    root = Element("testsuites", name="tts-aws-exporter audit")
    for each in report.audited:
        suite = forms.suite(root, each.deployment.name, report.at)
        properties = SubElement(suite, "properties")
        for name, value in (
            ("exporter_version", report.version),
            ("environment", each.deployment.environment),
            ("account_id", each.deployment.account_id),
            ("region", each.deployment.region),
        ):
            SubElement(properties, "property", name=name, value=printable(value))
        for finding in each.findings:
            _case(suite, each, finding)
    if report.unread:
        suite = forms.suite(root, "reading", report.at)
        for first, collectors, times in failures(report):
            what = words.failure(first, collectors, times)
            name = " ".join(
                filter(None, (first.failure.operation or "reading", first.failure.reason, first.failure.code))
            )
            case = SubElement(
                suite, "testcase", classname=f"{words.concerned(first)}.reading", name=printable(name), time="0"
            )
            _outcome(case, "error", first.failure.reason, what, first.failure.detail)
    return forms.xml(root)


def _case(suite: Element, each: Audited, finding: Finding) -> None:
    """A test case. Viewers keep its history by class and name: they stay from run to run, and no two have both."""
    name = f"{finding.title}: {finding.resource_type} {finding.resource} ({finding.impact})"
    # Jenkins takes what is before the last dot for the package, and what is after it for the class.
    classname = f"{each.deployment.name}.{finding.practice}"
    case = SubElement(suite, "testcase", classname=printable(classname), name=printable(name), time="0")
    about = (
        f"{finding.practice} {finding.title}\nExpected: {finding.expected}\nRunbook: {words.runbook(finding.practice)}"
    )
    if finding.since:
        about += f"\nSince: {moment(finding.since)}"
    if finding.state == "violated":
        _outcome(case, "failure", finding.impact, finding.fact, about)
    elif finding.state == "accepted" and finding.accepted:
        accepted = f"accepted until {finding.accepted.until}: {finding.accepted.reason} ({finding.fact})"
        _outcome(case, "skipped", "accepted", accepted, about)
    elif finding.state == "unknown":
        missing = f"; missing IAM action: {', '.join(finding.missing)}" if finding.missing else ""
        _outcome(case, "skipped", "unknown", f"unknown: {finding.fact}{missing}", about)


def _outcome(case: Element, kind: str, type_: str, message: str, about: str) -> None:
    """Jenkins shows message and text, GitLab the text alone: so the text begins with the message."""
    outcome = SubElement(case, kind, type=type_, message=printable(message))
    outcome.text = "\n".join(printable(line) for line in (message, *about.splitlines()))
