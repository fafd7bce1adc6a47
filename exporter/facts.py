"""The facts about one deployment: the samples that are served of it now, looked up as a practice needs them.

Families are named without their prefix, as in docs/metrics.md's order: ``facts.by("s3_bucket_versioning_enabled",
"bucket")``. So whatever is judged here can be judged otherwise in PromQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .deployment import Deployment
from .errors import Failure
from .metrics import PREFIX, Sample


class Row(NamedTuple):
    """One series: its own labels, and its value."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What one collector serves of a deployment. ``read_at``: when the oldest sample was read, None if there is none.

    ``complete``: whether the last attempt read every fact, so that what is absent is not there.
    """

    samples: Sequence[Sample] = ()
    read_at: float | None = None
    complete: bool = False
    failures: tuple[Failure, ...] = ()


class Facts:
    """What is known of a deployment. ``others``: the network's other deployments; ``twin``: its staging twin."""

    def __init__(
        self, deployment: Deployment, readings: Mapping[str, Reading], collectors: Mapping[str, str], now: float
    ) -> None:
        """``readings`` by collector; ``collectors``: by a family's name, the collector that serves it."""
        self.deployment = deployment
        self.now = now
        self.twin: Facts | None = None
        self.others: tuple[Facts, ...] = ()
        self._readings = readings
        self._collectors = collectors
        self._samples: dict[str, list[Sample]] = {}
        self._rows: dict[str, list[Row]] = {}
        for reading in readings.values():
            self.add(reading.samples)

    def add(self, samples: Iterable[Sample]) -> None:
        """Add what is derived from the facts of several deployments."""
        for sample in samples:
            self._samples.setdefault(sample.family.name, []).append(sample)
            self._rows.pop(sample.family.name, None)

    def rows(self, name: str, **having: str) -> list[Row]:
        """Every series of a family whose labels have these values."""
        found = self._rows.get(PREFIX + name)
        if found is None:  # made when it is first asked for
            samples = self._samples.get(PREFIX + name, ())
            found = [Row(dict(zip(each.family.labels, each.labels, strict=True)), each.value) for each in samples]
            self._rows[PREFIX + name] = found
        if not having:
            return found
        return [row for row in found if all(row.labels[label] == value for label, value in having.items())]

    def value(self, name: str, **having: str) -> float | None:
        """The value of the one series with these labels; None where it is unknown."""
        return next((row.value for row in self.rows(name, **having)), None)

    def by(self, name: str, label: str, **having: str) -> dict[str, float]:
        """Values by one label."""
        return {row.labels[label]: row.value for row in self.rows(name, **having)}

    def words(self, name: str, label: str, wanted: str, **having: str) -> dict[str, str]:
        """Of an info family: one label by another."""
        return {row.labels[label]: row.labels[wanted] for row in self.rows(name, **having)}

    def known(self, *names: str) -> bool:
        """Whether everything was read that these families come from: what they do not show is then not there."""
        return self.deployment.incomplete is None and all(self._reading(name).complete for name in names)

    def read_at(self, name: str) -> float:
        """When a family's facts were read: ages are as of then, so that a stalled exporter does not age anything."""
        return self._reading(name).read_at or self.now

    def failures(self, names: Iterable[str]) -> list[Failure]:
        """What finding the resources, and the collectors of these families, could not read."""
        collectors = dict.fromkeys(self._collectors.get(PREFIX + name, "") for name in names)
        read = [self._readings[collector] for collector in collectors if collector in self._readings]
        survey = [self.deployment.incomplete] if self.deployment.incomplete else []
        return [*survey, *(failure for reading in read for failure in reading.failures)]

    def disabled(self, names: Iterable[str]) -> list[str]:
        """The collectors of these families that do not run."""
        collectors = dict.fromkeys(
            self._collectors[PREFIX + name] for name in names if PREFIX + name in self._collectors
        )
        return [collector for collector in collectors if collector not in self._readings]

    def _reading(self, name: str) -> Reading:
        return self._readings.get(self._collectors.get(PREFIX + name, ""), _NONE)


_NONE = Reading()
