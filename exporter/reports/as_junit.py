"""The report as JUnit XML: a test case for each practice and resource, so that a CI's own viewer shows it.

There is no standard: this keeps to what Jenkins' schema admits, which GitLab's parser reads as well.
Sources: https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
https://gitlab.com/gitlab-org/gitlab/-/blob/master/lib/gitlab/ci/parsers/test/junit.rb
"""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..audit import Audited, Report, failures
from ..page import moment
from ..scorecard import Finding
from . import words
from .words import printable


def document(report: Report) -> str:
    """All verdicts, compliant ones as passed; what could not be read is an error."""
    root = Element("testsuites", name="tts-aws-exporter audit")
    for number, each in enumerate(report.audited):
        suite = _suite(root, each.deployment.name, number, report)
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
        suite = _suite(root, "reading", len(report.audited), report)
        for first, collectors, times in failures(report):
            what = words.failure(first, collectors, times)
            name = " ".join(
                filter(None, (first.failure.operation or "reading", first.failure.reason, first.failure.code))
            )
            case = SubElement(
                suite, "testcase", classname=f"{words.concerned(first)}.reading", name=printable(name), time="0"
            )
            _outcome(case, "error", first.failure.reason, what, first.failure.detail)
    for suite in root:
        _count(suite, [suite])
    _count(root, list(root))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, name: str, number: int, report: Report) -> Element:
    # Counts come when all is in it; the schema wants the attributes, and both viewers a time of this form.
    at = f"{datetime.fromtimestamp(report.at, UTC):%Y-%m-%dT%H:%M:%S}"
    return SubElement(root, "testsuite", name=printable(name), id=str(number), timestamp=at, time="0")


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


def _count(element: Element, suites: list[Element]) -> None:
    cases = [case for suite in suites for case in suite.iter("testcase")]
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if attribute != "skipped" or element.tag == "testsuite":  # Jenkins' schema does not know it of all suites
            element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
