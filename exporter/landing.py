"""The landing page: what is watched, what is wrong with it, and whether reading it goes well. Made of memory alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from . import __version__
from .catalogue import SECTIONS, catalogue
from .config import Config, PracticeConfig, format_duration
from .deployment import Deployment
from .engine import Engine
from .page import age, anchor, grouped, render
from .practice import IMPACTS, Practice
from .scorecard import Finding, summary

# More would be no page that anybody reads; a deployment can be chosen.
MOST_COLUMNS = 8


class Cell(NamedTuple):
    """How a deployment follows a practice: ``look`` is the style of its worst state, ``link`` leads to a finding."""

    look: str
    text: str
    words: str
    link: str = ""


def index(engine: Engine, telemetry_path: str, chosen: Sequence[str], now: float) -> str:
    """``chosen``: the deployments whose findings are shown; those that do not exist are ignored, none is all."""
    watched = engine.watched()
    every = {name: engine.scorecards.findings(name) for name in sorted(watched)}
    known = [name for name in chosen if name in every]
    columns = (known or list(every))[:MOST_COLUMNS]
    shown = [finding for name in columns for finding in every[name]]
    shown.sort(key=lambda each: (IMPACTS.index(each.impact), each.practice, each.deployment, each.resource))
    violated = [each for each in shown if each.state == "violated"]
    return render(
        "index.html",
        version=__version__,
        now=now,
        telemetry_path=telemetry_path,
        deployments=[_deployment(watched[name][0], findings) for name, findings in every.items()],
        chosen=bool(known),
        left_out=len(known or every) - len(columns),
        columns=columns,
        findings=violated,
        accepted=[each for each in shown if each.state == "accepted"],
        unknown=sum(each.state == "unknown" for each in shown),
        groups=grouped(shown),
        matrix=matrix({name: every[name] for name in columns}),
        jobs=_jobs(engine, columns, now),
    )


def practices(rows: Iterable[Practice], config: Config) -> str:
    """Every practice with its words and what is expected, as configured for all deployments."""
    described: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        setting = config.practices.get(row.practice, PracticeConfig())
        described.setdefault(row.practice, []).append(
            {
                "impact": setting.impact or row.impact,
                "resource_type": row.resource_type,
                "expected": row.expected if isinstance(row.expected, str) else row.expected(config.expect),
                "off": setting.enabled is False,
            }
        )
    return render("practices.html", practices=catalogue().values(), rows=described)


def matrix(findings: Mapping[str, Iterable[Finding]]) -> list[tuple[str, list[dict[str, object]]]]:
    """Practices by section of the vendor's page, each with a cell for every deployment."""
    cells: dict[tuple[str, str], list[Finding]] = {}
    for name, each in findings.items():
        for finding in each:
            cells.setdefault((finding.practice, name), []).append(finding)
    rows = [words for words in catalogue().values() if not words.unjudged]
    rows.sort(key=lambda words: list(SECTIONS).index(words.section))
    return [
        (
            SECTIONS[section],
            [
                {
                    "practice": words.practice,
                    "title": words.title,
                    "cells": [cell(cells.get((words.practice, name), [])) for name in findings],
                }
                for words in members
            ],
        )
        for section, members in groupby(rows, key=lambda words: words.section)
    ]


def cell(findings: Sequence[Finding]) -> Cell:
    """The worst that there is to say of a practice in a deployment."""
    for state, text, words in (("violated", "", "violated by {}"), ("unknown", "?", "unknown of {}"),
                               ("accepted", "a", "accepted of {}"), ("compliant", "✓", "followed by {}")):  # fmt: skip
        members = [each for each in findings if each.state == state]
        if members:
            worst = min(members, key=lambda each: IMPACTS.index(each.impact))
            number = len({each.resource for each in members})
            look = worst.impact if state == "violated" else state
            link = anchor(worst) if state == "violated" else ""
            return Cell(look, text or str(number), words.format(number), link)
    return Cell("none", "\N{EN DASH}", "does not apply")


def _deployment(deployment: Deployment, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "name": deployment.name,
        "environment": deployment.environment,
        "account_id": deployment.account_id,
        "region": deployment.region,
        "judged": bool(findings),
        "summary": summary(findings),
    }


def _jobs(engine: Engine, names: Sequence[str], now: float) -> list[dict[str, object]]:
    """The collectors, those that fail first."""
    jobs = [job for job in engine.jobs.values() if job.deployment.name in names]
    jobs.sort(key=lambda job: (not job.failures, job.key[1], job.key[0]))
    return [
        {
            "collector": job.collector.name,
            "deployment": job.deployment.name,
            "last_success": age(now - job.last_success) if job.last_success else "",
            "interval": format_duration(job.settings.interval),
            "attempted": job.attempted,
            "failures": job.failures[:5],
        }
        for job in jobs
    ]
