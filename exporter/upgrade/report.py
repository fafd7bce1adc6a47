"""How plans are written down: for a terminal, for programs, for tickets, for browsers, and for a CI."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO
from xml.etree.ElementTree import Element, SubElement

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .. import __version__
from ..page import moment, render
from ..reports import forms
from ..reports.forms import markdown
from ..reports.words import printable, runbook
from . import Line, Plan, Step

SCHEMA_VERSION = 1
STYLES = {"yes": "green", "no": "bold red", "unknown": "magenta", "info": "cyan"}
VERBS = {
    "prepare": "prepare",
    "snapshot": "take a snapshot of",
    "update": "update",
    "deploy": "deploy",
    "migrate": "migrate",
    "finish": "finish",
    "remove": "delete",
}
_PRACTICE = re.compile(r"BP-[0-9]{2}")


def write(plans: Sequence[Plan], output: str, file: TextIO) -> None:
    """Write plans in one of the audit's forms. Documents are UTF-8."""
    if output == "table":
        table(plans, file)
    else:
        forms.put(_DOCUMENTS[output](plans), file)


def _at(plans: Sequence[Plan]) -> float:
    return min(plan.at for plan in plans)


def headline(plan: Plan) -> str:
    """The answer, and what it is for."""
    why = "; ".join(f"{line.name.replace('_', ' ')}: {line.answer}" for line in plan.in_the_way)
    words = {"yes": "yes, by all that AWS tells", "no": "no", "unknown": "that is not known"}[plan.answer]
    return f"{words} ({why})" if why else words


def sentence(step: Step) -> str:
    """A step in words."""
    template = f" ({step.template})" if step.kind in ("prepare", "update", "finish", "remove") else ""
    return f"{VERBS[step.kind]} {step.resource}{template}: {step.words}"


def table(plans: Sequence[Plan], file: TextIO) -> None:
    """For a terminal in its width and colours; elsewhere plain lines."""
    with forms.console(file) as console:
        for plan in plans:
            known = plan.deployment
            where = f"{known.environment}, account {known.account_id or 'unknown'}, {known.region}"
            console.print(Text(printable(known.name), "bold").append(f"  {printable(where)}", "not bold dim"))
            question = Text(f"May it be upgraded to {plan.target} today? ")
            console.print(question.append(printable(headline(plan)), STYLES[plan.answer]))
            console.print(Padding(_grid(plan.lines), (1, 0, 1, 0)))
            if plan.steps:
                console.print(Text("The way, step by step", "bold"))
            for number, step in enumerate(plan.steps, 1):
                console.print(Padding(Text(f"{number:>3}. {printable(sentence(step))}"), (0, 0, 0, 0)))
            console.print()
        console.print(Text(f"as of {moment(_at(plans))}, by tts-aws-exporter {__version__}", "dim"))


def _grid(lines: Sequence[Line]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        stands = line.blocks and line.answer in ("no", "unknown")
        answer = Text(line.answer, STYLES[line.answer] if stands or line.answer in ("yes", "info") else "yellow")
        question = Text(line.question, "bold" if stands else "").append(f"  {line.source}", "not bold dim")
        if stands:
            question.append("  in the way", STYLES["no"])
        grid.add_row(answer, question)
        for each in line.evidence:
            grid.add_row("", Text(printable(each), "" if stands else "dim"))
    return grid


def as_json(plans: Sequence[Plan]) -> str:
    """For programs; docs/upgrading.md has the schema. What does not apply is in it too."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "generated_at": forms.iso(_at(plans)),
        "exporter_version": __version__,
        "plans": [_plan(each) for each in plans],
    }
    return json.dumps(content, indent=2) + "\n"


def _plan(plan: Plan) -> dict[str, Any]:
    known = plan.deployment
    return {
        "deployment": known.name,
        "environment": known.environment,
        "account_id": known.account_id,
        "region": known.region,
        "target": str(plan.target),
        "answer": plan.answer,
        "lines": [
            {
                "name": line.name,
                "question": line.question,
                "answer": line.answer,
                "blocks": line.blocks,
                "evidence": line.evidence,
                "source": line.source,
                "does_not_apply": line.left_out,
            }
            for line in plan.lines
        ],
        "steps": [step._asdict() for step in plan.steps],
    }


def as_markdown(plans: Sequence[Plan]) -> str:
    """For a ticket: the steps can be ticked off."""
    return "\n".join(_markdown(plans)) + "\n"


def _markdown(plans: Sequence[Plan]) -> Iterator[str]:
    yield "# Upgrade of The Things Stack on AWS"
    yield f"\nAs of {moment(_at(plans))}, by tts-aws-exporter {__version__}."
    for plan in plans:
        yield f"\n## {markdown(plan.deployment.name)} to {plan.target}: {markdown(headline(plan))}\n"
        yield "| answer | question | evidence | rests on |"
        yield "|---|---|---|---|"
        for line in plan.lines:
            answer = f"**{line.answer}**" if line in plan.in_the_way else line.answer
            evidence = "<br>".join(map(markdown, line.evidence))
            source = _PRACTICE.sub(lambda found: f"[{found[0]}]({runbook(found[0])})", line.source)
            yield f"| {answer} | {markdown(line.question)} | {evidence} | {source} |"
        if plan.steps:
            yield "\n### The way, step by step\n"
            for number, step in enumerate(plan.steps, 1):
                yield f"{number}. [ ] {markdown(sentence(step))}"


def as_html(plans: Sequence[Plan]) -> str:
    """One file that needs nothing else."""
    shown = [
        {
            "plan": plan,
            "headline": headline(plan),
            "in_the_way": plan.in_the_way,
            "steps": [sentence(step) for step in plan.steps],
        }
        for plan in plans
    ]
    return render("upgrade.html", plans=shown, at=_at(plans), version=__version__)


def as_junit(plans: Sequence[Plan]) -> str:
    """A test case for each question: what stands in the way fails, or is an error where nobody knows."""
    root = Element("testsuites", name="tts-aws-exporter audit --upgrade-to")
    for plan in plans:
        name = printable(plan.deployment.name)
        suite = forms.suite(root, name, plan.at)
        for line in plan.lines:
            # Not the question, which names the release: viewers keep a history by class and name.
            case = SubElement(suite, "testcase", classname=f"{name}.upgrade", name=line.name, time="0")
            if line.answer in ("no", "unknown"):
                kind = ("failure" if line.answer == "no" else "error") if line.blocks else "skipped"
                message = printable(f"{line.question} {line.answer}: {'; '.join(line.evidence)}")
                outcome = SubElement(case, kind, type=line.answer, message=message)
                outcome.text = "\n".join(map(printable, (line.question, *line.evidence, f"rests on: {line.source}")))
    return forms.xml(root)


_DOCUMENTS: Mapping[str, Callable[[Sequence[Plan]], str]] = {
    "json": as_json,
    "markdown": as_markdown,
    "html": as_html,
    "junit": as_junit,
}
