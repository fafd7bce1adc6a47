"""The report for programs. Its schema is docs/audit.md's; what is in it stays, with the same meaning, in a version."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ..audit import Audited, Report, Unread, Waived
from ..practice import IMPACTS
from ..scorecard import STATES, Finding, counts
from .forms import iso
from .words import runbook

SCHEMA_VERSION = 1


def document(report: Report) -> str:
    """The whole report: what is unknown is in full here."""
    selection = report.selection
    content = {
        "schema_version": SCHEMA_VERSION,
        "generated_at": iso(report.at),
        "exporter_version": report.version,
        "selection": {
            "deployments": selection.deployments,
            "practices": selection.practices,
            "impact": selection.impact,
            "compliant": selection.compliant,
        },
        "deployments": [_deployment(each) for each in report.audited],
        "counts": _counts(report.findings),
        "findings": [_finding(each) for each in report.findings if selection.compliant or each.state != "compliant"],
        "unread": [_unread(each) for each in report.unread],
        "waivers": [_waived(each) for each in report.waivers],
    }
    return json.dumps(content, indent=2) + "\n"


def _counts(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    number = counts(findings)
    return {impact: {state: number[impact, state] for state in STATES} for impact in IMPACTS}


def _deployment(each: Audited) -> dict[str, Any]:
    known = each.deployment
    return {
        "name": known.name,
        "network": known.network,
        "environment": known.environment,
        "cluster": known.cluster,
        "account_id": known.account_id,
        "region": known.region,
        "counts": _counts(each.findings),
    }


def _finding(each: Finding) -> dict[str, Any]:
    return {
        "deployment": each.deployment,
        "environment": each.environment,
        "practice": each.practice,
        "title": each.title,
        "section": each.section,
        "impact": each.impact,
        "state": each.state,
        "resource_type": each.resource_type,
        "resource": each.resource,
        "fact": each.fact,
        "expected": each.expected,
        "since": None if each.since is None else iso(each.since),
        "missing_actions": each.missing,
        "accepted": each.accepted and {"until": each.accepted.until.isoformat(), "reason": each.accepted.reason},
        "runbook": runbook(each.practice),
    }


def _unread(each: Unread) -> dict[str, Any]:
    return {
        "deployment": each.deployment or None,
        "account_id": each.account_id,
        "region": each.region,
        "collector": each.collector,
        "operation": each.failure.operation,
        "reason": each.failure.reason,
        "code": each.failure.code,
        "detail": each.failure.detail,
        "subject": each.failure.subject,
        "missing_action": each.failure.action,
    }


def _waived(each: Waived) -> dict[str, Any]:
    return {
        "practice": each.waiver.practice,
        "resource": each.waiver.resource,
        "deployment": each.waiver.deployment,
        "until": each.waiver.until.isoformat(),
        "reason": each.waiver.reason,
        "violations": each.fits,
        "expired": each.expired,
    }
