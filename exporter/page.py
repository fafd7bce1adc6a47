"""What pages and reports share: templates, style, and how values are written for people."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from .config import format_duration
from .scorecard import Finding

_MARKDOWN = MarkdownIt("commonmark", {"html": False})


class Group(NamedTuple):
    """Unknown verdicts on a practice for one reason, and the resources that they are about."""

    finding: Finding
    resources: list[str]


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """The unknown ones by deployment, practice and reason: what was not read is often many resources at once."""
    groups: dict[tuple[str, str, str, str], Group] = {}
    for each in findings:
        if each.state == "unknown":
            key = (each.deployment, each.practice, each.impact, each.fact)
            groups.setdefault(key, Group(each, []))
            if each.resource:
                groups[key].resources.append(each.resource)
    return list(groups.values())


def anchor(finding: Finding) -> str:
    """The id of a finding in a page."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", "_".join((finding.deployment, *finding.key)))


def moment(timestamp: float) -> str:
    """Unix seconds as a date and time, UTC."""
    return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M} UTC"


def age(seconds: float) -> str:
    """How long ago, to the largest unit: a look, not a measurement."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def sentence(text: str) -> str:
    """A fact as a sentence; a name at its beginning stays as it is."""
    word = re.match(r"[a-z]+(?![\w.:-])", text)
    return f"{text[:1].upper() if word else text[:1]}{text[1:]}." if text else ""


def prose(text: str) -> Markup:
    """Markdown of ours as HTML; what looks like HTML in it is shown as it is."""
    return Markup(_MARKDOWN.render(text))


@cache
def style() -> Markup:
    """The style of every page, to be inlined."""
    return Markup((files(__package__) / "pages" / "style.css").read_text())


@cache
def content_security_policy() -> str:
    """A page may show its own style, and nothing else: it loads nothing, runs nothing, sends nothing."""
    digest = base64.b64encode(hashlib.sha256(str(style()).encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("exporter", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "anchor": anchor,
        "duration": format_duration,
        "moment": moment,
        "prose": prose,
        "sentence": sentence,
    }
    environment.filters |= filters
    return environment


def render(template: str, **values: Any) -> str:
    """A page of exporter/pages. What is not Markup is escaped."""
    return _environment().get_template(template).render(style=style(), **values)
