"""The words about the best practices, judged or not: titles, sections of the vendor's page, why, and how to mend.

They are data (practices/*.yaml, beside the rows that judge them), so that the landing page, ``audit`` and
docs/best-practices.md say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import yaml

# libyaml where it is: a tenth of the time, and it is read before anything is served.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# The sections of the vendor's best-practices page, in its order, and what is in none of them.
SECTIONS = {
    "stack-naming": "Stack naming",
    "staging": "Staging",
    "high-availability": "High availability",
    "back-ups": "Back-ups",
    "ssh-access": "SSH access",
    "updating-software": "Updating software",
    "alerting": "Alerting",
    "multi-tenancy": "Multi-tenancy",
    "rds-auto-minor-version-upgrade": "RDS auto minor version upgrade",
    "other": "Other",
}


class Words(NamedTuple):
    """``why``: what happens to those who do not follow it. ``mend``: the first steps, Markdown. ``unjudged``: why it
    has no verdict, "" if it has one."""

    practice: str
    title: str
    section: str
    why: str
    mend: str = ""
    unjudged: str = ""


@cache
def catalogue() -> Mapping[str, Words]:
    """Every practice by its number, in order. Raises ValueError where the file is not as it should be."""
    found: dict[str, Words] = {}
    for file in (files(__package__) / "practices").iterdir():
        if file.name.endswith(".yaml"):
            entries: dict[str, dict[str, str]] = yaml.load(file.read_text(), Loader=LOADER)
            for number, entry in entries.items():
                words = Words(number, **entry)
                if number in found or words.section not in SECTIONS or bool(words.mend) == bool(words.unjudged):
                    raise ValueError(f"{file.name}: {number}: expected once, a known section, and mend or unjudged")
                found[number] = words
    return dict(sorted(found.items()))
