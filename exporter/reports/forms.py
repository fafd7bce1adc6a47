"""What the forms of a report are made with, whatever is reported: verdicts or plans of an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TextIO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from rich.console import Console

from .words import printable

_MARKDOWN = re.compile(r"([\\`*_\[\]<>|~#&!])")
# Wide enough for every line: what goes into a pipe is searched and cut by others.
_UNBOUND = 10_000


def put(document: str, file: TextIO) -> None:
    """Write a document as UTF-8, whatever the shell's encoding is."""
    file.flush()
    file.buffer.write(document.encode("utf-8", "replace"))
    file.flush()


@contextmanager
def console(file: TextIO) -> Iterator[Console]:
    """What is printed goes to the file as it fits: a terminal's width and colours, or plain lines without an end."""
    terminal = file.isatty()
    made = Console(file=file, width=None if terminal else _UNBOUND, highlight=False, markup=False, emoji=False)
    with made.capture() as captured:
        yield made
    text = captured.get()
    # A table fills its lines with blanks.
    file.write(text if terminal else "".join(f"{line.rstrip()}\n" for line in text.splitlines()))
    file.flush()


def iso(timestamp: float) -> str:
    """ISO 8601, UTC, whole seconds."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%dT%H:%M:%SZ}"


def markdown(text: str) -> str:
    """Text as it is, whatever it would mean in Markdown or in a table of it."""
    return _MARKDOWN.sub(r"\\\1", printable(text))


def suite(root: Element, name: str, at: float) -> Element:
    """A further suite of JUnit. Counts come when all is in it; viewers want the attributes, and a time of this form."""
    when = iso(at).removesuffix("Z")
    return SubElement(root, "testsuite", name=printable(name), id=str(len(root)), timestamp=when, time="0")


def xml(root: Element) -> str:
    """The document of test suites, counted."""
    for each in root:
        _count(each)
    _count(root)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _count(element: Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        if attribute != "skipped" or element.tag == "testsuite":  # Jenkins' schema does not know it of all suites
            element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
