"""Why an audit is not the whole truth, and what to do about it, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from .audit import PATIENCE, Report, Unread
from .engine import Engine
from .errors import iam_action
from .page import Group, grouped
from .scorecard import Finding
from .source import Source

_EVERY_OPERATION = ("credentials", "connection")


class Cause(NamedTuple):
    """Why verdicts are unknown, and those that are, by practice. ``missing``: the IAM actions that AWS refused."""

    fact: str
    missing: tuple[str, ...]
    groups: list[Group]


def causes(findings: Iterable[Finding]) -> list[Cause]:
    """Why verdicts on a deployment are unknown: one refused action is often behind many of them."""
    found: dict[tuple[str, tuple[str, ...]], Cause] = {}
    for group in grouped(findings):
        why = group.finding.fact, group.finding.missing
        found.setdefault(why, Cause(*why, [])).groups.append(group)
    return list(found.values())


def failures(report: Report) -> list[tuple[Unread, list[str], int]]:
    """What could not be read, each thing once: the first of its kind, which collectors lack it, and how often.

    Without credentials or a network every operation fails, for one reason.
    """
    found: dict[tuple[str, ...], tuple[Unread, Counter[str]]] = {}
    for each in report.unread:
        if each.failure.reason in _EVERY_OPERATION:
            each = each._replace(failure=each.failure._replace(operation="every operation"))
        what = (each.deployment, each.failure.operation, each.failure.reason, each.failure.code)
        found.setdefault(what, (each, Counter()))[1][each.collector] += 1
    return [(first, sorted(by), max(by.values())) for first, by in found.values()]


def warnings(report: Report) -> list[str]:
    """What must be said beside the report: why it is not the whole truth."""
    lines = []
    if mistakes := report.mistakes():
        lines.append(f"a fault of tts-aws-exporter: {', '.join(mistakes)} could not be judged (exit code 1)")
    if not report.unread:
        return lines
    first = report.unread[0].failure
    lines.append("not everything could be read: what depends on it is unknown, not passed (exit code 1)")
    if missing := report.missing():
        lines.append(f"missing IAM actions: {', '.join(missing)} (`tts-aws-exporter iam-policy` prints all it needs)")
    if {each.failure.reason for each in report.unread} == {first.reason} and (hint := _hint(first.reason, first.code)):
        lines.append(hint)
    return lines


def nothing_found(machine: Engine) -> str:
    """Why there is no deployment to look at, and what to do about it; "" where there is one."""
    if machine.watched():
        return ""
    for source in machine.sources.values():
        where = _place(source)
        for operation, reason, code, _ in sorted(source.failures):
            if hint := _hint(reason, code):
                return f"{where}: {hint}"
            if reason == "access_denied":
                action = iam_action(*operation.split(".", 1)) if "." in operation else operation
                return (
                    f"{where}: AWS refuses {action}, without which no deployment can be found; `tts-aws-exporter "
                    "iam-policy` prints the policy that is needed"
                )
            return f"{where}: looking for deployments failed: {operation}: {reason} {code}"
        if not source.surveyed:
            return f"{where}: looking for deployments was not finished after {PATIENCE:.0f} s"
    places = ", ".join(_place(source) for source in machine.sources.values())
    return (
        f"no deployment of The Things Stack was found in {places}. Is it the right region (AWS_REGION) and account "
        "(AWS_PROFILE)? Deployments are found by the names and parameters of their CloudFormation stacks: "
        "NetworkName, Environment and Cluster; others can be named in a file (--config.file, `deployments`)"
    )


def _hint(reason: str, code: str) -> str:
    """What to do about a failure that is no single action's."""
    if code == "NoCredentialsError":
        return "there are no AWS credentials: sign in (`aws sso login`), and set AWS_PROFILE if it is not the default"
    if reason == "credentials":
        return f"AWS does not take the credentials ({code}): sign in again, or choose others with AWS_PROFILE"
    if reason in ("connection", "timeout"):
        return f"AWS could not be reached ({code or reason}): the network, HTTPS_PROXY, AWS_ENDPOINT_URL, the region?"
    return ""


def _place(source: Source) -> str:
    where = source.where()
    return f"account {where['account_id']}, region {where['region']}"
