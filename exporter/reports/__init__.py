"""How an audit is written down: one module for each form, each a function of the Report alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console

from ..audit import Report
from ..engine import Engine
from . import as_html, as_json, as_junit, as_markdown, as_table, forms
from .words import some

# What is the same wherever it goes. A table is made for where it goes: a terminal has a width and colours.
_DOCUMENTS: Mapping[str, Callable[[Report], str]] = {
    "json": as_json.document,
    "markdown": as_markdown.document,
    "html": as_html.document,
    "junit": as_junit.document,
}


def write(report: Report, output: str, file: TextIO) -> None:
    """Write a report in one of audit.OUTPUTS. Documents are UTF-8, whatever the shell's encoding is."""
    if output == "table":
        as_table.write(report, file)
    else:
        forms.put(_DOCUMENTS[output](report), file)


@contextmanager
def progress(file: TextIO) -> Iterator[Callable[[Engine], None]]:
    """Gives a function that shows how reading goes, in one line that is gone at the end; nothing if nobody looks."""
    if not file.isatty():
        yield lambda _: None
        return
    with Console(file=file, highlight=False, markup=False).status("looking for deployments") as status:
        yield lambda machine: status.update(_state(machine))


def _state(machine: Engine) -> str:
    waiting = [job.collector.name for job in machine.jobs.values() if not job.attempted]
    if not machine.jobs:
        return "looking for deployments"
    names = f"waiting for {some(sorted(set(waiting)))}" if waiting else "judging"
    return f"{len(machine.jobs) - len(waiting)} of {len(machine.jobs)} read; {names}"
