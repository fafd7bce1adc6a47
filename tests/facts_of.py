"""Facts made by hand, for judging: families by their names without prefix, series by the values of their labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from conftest import AS_OF

from exporter import skew
from exporter.collectors import COLLECTORS
from exporter.deployment import Deployment
from exporter.facts import Facts, Reading, Row
from exporter.metrics import PREFIX, Family, Sample
from exporter.practice import Practice, Verdict

FAMILIES = {
    each.name.removeprefix(PREFIX): (collector.name, each) for collector in COLLECTORS for each in collector.families
}
FAMILIES |= {each.name.removeprefix(PREFIX): ("versions", each) for each in skew.FAMILIES}


class Watched(Facts):
    """Facts that tell which families were looked at."""

    def __init__(self, *given: Any) -> None:
        self.asked: set[str] = set()
        super().__init__(*given)

    def rows(self, name: str, **having: str) -> list[Row]:
        self.asked.add(name)
        return super().rows(name, **having)

    def known(self, *names: str) -> bool:
        self.asked.update(names)
        return super().known(*names)

    def read_at(self, name: str) -> float:
        self.asked.add(name)
        return super().read_at(name)


# The values of a series' labels in their family's order (one label's needs no tuple), and its value; of an info family
# the labels alone.
Labels = str | tuple[str, ...]
Series = Mapping[Labels, float] | Collection[Labels]


def facts(
    deployment: Deployment, *, incomplete: Iterable[str] = (), read_at: float = AS_OF, **families: Any
) -> Watched:
    """The facts of a deployment of which every collector read everything, but for the ``incomplete`` ones.

    ``facts(deployment, s3_bucket_versioning_enabled={"interop": 1}, incomplete=["ecs"])``
    """
    given: Mapping[str, Series] = families
    samples: dict[str, list[Sample]] = {}
    for name, series in given.items():
        collector, family = FAMILIES[name]
        samples.setdefault(collector, []).extend(_samples(family, series))
    readings = {
        each.name: Reading(samples.get(each.name, ()), read_at, each.name not in incomplete) for each in COLLECTORS
    }
    return Watched(deployment, readings, {family.name: name for name, family in FAMILIES.values()}, read_at)


def _samples(family: Family, series: Series) -> Iterable[Sample]:
    values = series if isinstance(series, Mapping) else dict.fromkeys(series, 1.0)
    for labels, value in values.items():
        given = (labels,) if isinstance(labels, str) else labels
        yield family.sample(value, **dict(zip(family.labels, given, strict=True)))


def judged(practice: Practice, known: Watched) -> dict[str, Verdict]:
    """A row's verdicts by resource; it names every family that it looked at."""
    known.asked.clear()
    verdicts = list(practice.judge(known))
    assert known.asked <= set(practice.facts), practice.practice
    assert len({each.resource for each in verdicts}) == len(verdicts), practice.practice
    return {each.resource: each for each in verdicts}


def row(practices: Iterable[Practice], number: str, impact: str, resource_type: str = "") -> Practice:
    """The one row of a practice with an impact, of a type of resource where it has several."""
    (found,) = [
        each
        for each in practices
        if (each.practice, each.impact) == (number, impact) and each.resource_type.endswith(resource_type)
    ]
    return found


def verdicts(practice: Practice, known: Watched) -> dict[str, bool | None]:
    """Whether each resource complies."""
    return {resource: verdict.compliant for resource, verdict in judged(practice, known).items()}
