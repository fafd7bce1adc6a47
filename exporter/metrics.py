"""What a metric is here: a family, its samples, and how a sample becomes a line of the exposition.

Knows nothing of AWS. Target labels (deployment, account, region) are added by ``lines`` and nowhere else. The text
format and OpenMetrics differ in a family's head only, so that a line is rendered once for both.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, TypeVar

T = TypeVar("T")

PREFIX = "tts_aws_"

Kind = Literal["gauge", "flag", "time", "counter", "histogram"]
Scope = Literal["deployment", "account", "exporter"]

# The labels that every series of a family carries besides its own.
TARGET_LABELS: dict[Scope, tuple[str, ...]] = {
    "deployment": ("deployment", "environment", "account_id", "region"),
    "account": ("account_id", "region"),
    "exporter": (),
}


class Sample(NamedTuple):
    """One series and its value; ``labels`` are the values of the family's own labels, in its order."""

    family: Family
    labels: tuple[str, ...]
    value: float
    suffix: str = ""  # of histograms only: _bucket, _sum, _count
    le: str = ""


class Malformed(NamedTuple):
    """In place of the samples of one resource whose answer is not as AWS promises; counted, logged, never served."""

    resource: str
    error: str


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family: its literal name, its help, the labels of its own, and which target labels it gets.

    ``kind``: flag is a gauge that is 0 or 1; time is a gauge in Unix seconds; a counter's name ends in ``_total``.
    ``stable`` families are relied on by rules, boards or the landing page (docs/metrics.md shows it). ``lasting`` ones
    say what the configuration expects of a resource and outlive the facts that are read of it.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"
    scope: Scope = "deployment"
    stable: bool = False
    lasting: bool = False

    def sample(self, value: float | datetime, /, **labels: str) -> Sample:
        """Return a sample; a datetime becomes Unix seconds. Raises TypeError for a missing or unknown label."""
        if len(labels) != len(self.labels):
            msg = f"{self.name} takes the labels {self.labels}, got {tuple(labels)}"
            raise TypeError(msg)
        try:
            values = tuple([labels[name] for name in self.labels])
        except KeyError as missing:
            msg = f"{self.name} takes the labels {self.labels}, got {tuple(labels)}"
            raise TypeError(msg) from missing
        return Sample(self, values, value.timestamp() if isinstance(value, datetime) else float(value))

    def head(self, *, openmetrics: bool) -> bytes:
        """HELP and TYPE; OpenMetrics names a counter without its ``_total``."""
        kind = "gauge" if self.kind in ("flag", "time") else self.kind
        name = self.name.removesuffix("_total") if openmetrics and kind == "counter" else self.name
        text = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        if openmetrics:
            text = text.replace('"', '\\"')
        return f"# HELP {name} {text}\n# TYPE {name} {kind}\n".encode()


def each(items: Iterable[T], samples_of: Callable[[T], Iterable[Sample | Malformed]]) -> Iterator[Sample | Malformed]:
    """Map items one by one, so that a malformed one costs its own samples and no other's."""
    for item in items:
        try:
            yield from list(samples_of(item))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            yield Malformed(f"{item!r:.120}", f"{type(error).__name__}: {error}")


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound in seconds; ``samples`` gives the cumulative series that Prometheus expects."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def samples(self, family: Family, **labels: str) -> Iterator[Sample]:
        base = family.sample(0, **labels)
        running = 0
        for bound, count in zip((*self.bounds, math.inf), self.counts, strict=True):
            running += count
            yield base._replace(value=running, suffix="_bucket", le=number(bound) if bound < math.inf else "+Inf")
        yield base._replace(value=running, suffix="_count")
        yield base._replace(value=self.total, suffix="_sum")


def number(value: float) -> str:
    """A value as the exposition formats write it; a whole number has no decimal point."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def _pair(name: str, value: str) -> str:
    return f'{name}="{_escaped(value)}"'


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    return value


def lines(samples: Iterable[Sample], target: Mapping[str, str]) -> dict[str, bytes]:
    """Render samples, with the target labels of their family's scope, as ready lines by family name.

    ``target`` holds the target labels of every scope that occurs. Of two samples of one series the later is kept:
    pages of an AWS listing can overlap while it changes, and Prometheus refuses a scrape with a series twice.
    """
    fixed = {
        scope: ",".join(_pair(name, target[name]) for name in names if name in target)
        for scope, names in TARGET_LABELS.items()
    }
    by_family: dict[str, dict[str, str]] = {}
    for family, values, value, suffix, le in samples:
        pairs = [fixed[family.scope]] if fixed[family.scope] else []
        pairs += [_pair(name, label) for name, label in zip(family.labels, values, strict=True)]
        if le:
            pairs.append(f'le="{le}"')
        series = f"{family.name}{suffix}{{{','.join(pairs)}}}" if pairs else f"{family.name}{suffix}"
        by_family.setdefault(family.name, {})[series] = number(value)
    return {
        name: "".join([f"{series} {value}\n" for series, value in rendered.items()]).encode()
        for name, rendered in by_family.items()
    }
