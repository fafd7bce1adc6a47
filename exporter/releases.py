"""Which releases of The Things Stack there are, and what it takes to get from one to another (releases.yaml).

The data say what the vendor's notes say: which database migrations, stop-overs, exceptions to the order and traps lie
between two versions. Judging a deployment by them is for those who ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from .images import Version

FILE = "releases.yaml"


def _release(given: object) -> Version:
    if isinstance(given, str) and (version := Version.parse(given)):
        return version
    raise PydanticCustomError("release", "expected a version 3.x.y")


def _by_release(given: Any) -> Any:
    """Dates by release, from minor -> patch -> date."""
    if not isinstance(given, dict) or not all(isinstance(patches, dict) for patches in given.values()):
        raise PydanticCustomError("by_release", "expected minor -> patch -> date")
    return {f"{minor}.{patch}": day for minor, patches in given.items() for patch, day in patches.items()}


Release = Annotated[Version, PlainValidator(_release)]
Dates = Annotated[
    Mapping[Release, date],
    Field(min_length=1),
    BeforeValidator(_by_release),
    AfterValidator(lambda dates: dict(sorted(dates.items()))),
]


@dataclass(frozen=True, slots=True)
class Migration:
    """A database migration for upgrades into ``version`` or past it: ``tti-lw-stack <database> <command>``."""

    version: Release
    database: str
    command: str = "migrate"
    optional: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Trap:
    """What surprises who upgrades past ``version``, or to or from what lies between it and ``until``.

    ``templates``: whose stacks it is about, by their present names; none if it is about all.
    """

    version: Release
    text: str
    templates: tuple[str, ...] = ()
    until: Release | None = None

    def waits_for(self, before: Version, after: Version) -> bool:
        """Whether an upgrade falls into it."""
        if self.until is None:
            return before < self.version <= after
        return any(self.version <= end <= self.until for end in (before, after))


@dataclass(frozen=True, slots=True)
class Step:
    """What is done to the stacks of a template. ``again``: those that it updates are updated in their turn as well."""

    template: str
    action: str
    again: bool = False

    @property
    def instead_of_its_turn(self) -> bool:
        """Whether nothing is left to update when it is the template's turn."""
        return self.action.startswith("update") and not self.again


@dataclass(frozen=True, slots=True)
class OrderException:
    """Steps before and after the usual order of the templates, for upgrades into ``version`` or past it.

    ``templates``: who has no stack of these has nothing to do with it; none if it is about those of its steps.
    ``switch``: nor has who has this parameter on nowhere, and no stack of a template that it deploys; none if all have.
    """

    version: Release
    first: tuple[Step, ...]
    last: tuple[Step, ...] = ()
    templates: tuple[str, ...] = ()
    switch: str = ""


@dataclass(frozen=True, slots=True)
class Stopover:
    """A release that must have run its migration of ``database`` before ``entering`` or anything newer does."""

    version: Release
    entering: Release
    database: str


@dataclass(frozen=True, slots=True)
class Releases:
    """All that is known. ``releases``: with their dates, the oldest first; the rest is in the order of its versions.

    Between two versions lies what belongs to a version after the first and up to the second.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")  # the entries, being plain dataclasses, inherit it

    releases: Dates
    migrations: tuple[Migration, ...]
    traps: tuple[Trap, ...]
    order_exceptions: tuple[OrderException, ...]
    stopovers: tuple[Stopover, ...]

    def newest(self) -> Version:
        return list(self.releases)[-1]


def minors_between(before: Version, after: Version) -> int:
    """How many minor releases ``after`` is ahead; 0 if it is not. Counted by number: each minor is one release."""
    return max(0, after.minor - before.minor)


@cache
def load() -> Releases:
    """The releases that the exporter knows of. Raises ValueError, with the key, where the file is not as it should."""
    return parse((files(__package__) / FILE).read_text())


def parse(text: str) -> Releases:
    """Read a file as releases.yaml is. Raises ValueError with every key that is wrong."""
    try:
        # While a collector waits for it: with libyaml that is a tenth of the time.
        read = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        found = TypeAdapter(Releases).validate_python(read)
    except yaml.YAMLError as error:
        raise ValueError(f"{FILE}: {error}") from error
    except ValidationError as error:
        wrong = [(".".join(str(key) for key in each["loc"] if key != "[key]"), each) for each in error.errors()]
        lines = (f"{FILE}: {key or 'the file'}: {each['msg']}, got {each['input']!r:.80}" for key, each in wrong)
        raise ValueError("\n".join(lines)) from error
    for key in ("migrations", "traps", "order_exceptions", "stopovers"):
        for index, (one, following) in enumerate(pairwise(getattr(found, key)), start=1):
            if following.version < one.version:
                raise ValueError(f"{FILE}: {key}.{index}.version: {following.version} comes before {one.version}")
    return found
