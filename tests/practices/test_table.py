"""The table of best practices as a whole: what every row has to keep to, on the example's data and on next to none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterator
from functools import cache
from typing import Any

import pytest
from conftest import AS_OF, ROOT, parse
from facts_of import FAMILIES, Watched, facts

from exporter import skew
from exporter.catalogue import catalogue
from exporter.collectors import COLLECTORS
from exporter.config import Expect
from exporter.deployment import Deployment
from exporter.facts import Reading
from exporter.metrics import PREFIX, Sample
from exporter.practice import DEPLOYMENT, IMPACTS, PARAMETER, SETTING, Practice, Verdict
from exporter.practices import PRACTICES

# Listed with a reason, as nothing that AWS tells could judge them.
UNJUDGED = {f"BP-{number:02}" for number in (3, 4, 6, 10, 14, 23, 25, 34, 38, 50, 53, 54, 68, 71)}
ACCOUNTS = {"111122223333": "acme-prod-eu1", "444455556666": "acme-staging-eu1"}
every_row = pytest.mark.parametrize(
    "practice", PRACTICES, ids=lambda each: f"{each.practice}-{each.impact}-{each.resource_type.rpartition(':')[2]}"
)


@cache
def read() -> dict[str, list[tuple[str, str, Sample]]]:
    """What the collectors serve of the example: by deployment, collector, family's name without prefix, sample."""
    found: dict[str, list[tuple[str, str, Sample]]] = {name: [] for name in ACCOUNTS.values()}
    for golden in sorted((ROOT / "tests" / "goldens").glob("*.prom")):
        for name, series in parse(golden.read_bytes()).items():
            family = FAMILIES[name.removeprefix(PREFIX)][1]
            for labels, value in series:
                sample = family.sample(value, **{label: labels[label] for label in family.labels})
                found[ACCOUNTS[labels["account_id"]]].append((golden.stem, name.removeprefix(PREFIX), sample))
    return found


def example(without: Container[str] = ()) -> Iterator[Watched]:
    """The facts of the example's deployments, without those of some families, whose collectors are then incomplete."""
    both = []
    for name, samples in read().items():
        network, environment, cluster = name.split("-")
        deployment = Deployment(name, network, environment, cluster, "1", "eu-west-1", name, Expect(), role="primary")
        readings = {
            each.name: Reading(
                [sample for collector, family, sample in samples if collector == each.name and family not in without],
                AS_OF,
                not any(family.name.removeprefix(PREFIX) in without for family in each.families),
            )
            for each in COLLECTORS
        }
        both.append(Watched(deployment, readings, {family.name: name for name, family in FAMILIES.values()}, AS_OF))
    production, staging = both
    production.twin, production.others, staging.others = staging, (staging,), (production,)
    for known, twin in ((production, staging.deployment.name), (staging, "")):
        known.add(
            sample for sample in skew.samples(known, twin) if sample.family.name.removeprefix(PREFIX) not in without
        )
        known.asked.clear()
    return iter(both)


def verdicts(practice: Practice, known: Watched) -> dict[str, Verdict]:
    """A row's verdicts by resource."""
    return {each.resource: each for each in practice.judge(known)}


def test_every_practice_is_judged_or_has_a_reason() -> None:
    """The 79 practices are all there; those that are judged have a row, and those that are not say why."""
    words = catalogue()

    assert list(words) == [f"BP-{number:02}" for number in range(1, 80)]
    assert {number for number, each in words.items() if each.unjudged} == UNJUDGED
    assert {row.practice for row in PRACTICES} == set(words) - UNJUDGED


def test_rows_are_unique() -> None:
    """No two rows give a verdict of one impact on one type of resource for one practice: their series would clash."""
    rows = Counter((row.practice, row.impact, row.resource_type) for row in PRACTICES)

    assert [row for row, count in rows.items() if count > 1] == []


def test_resource_types_are_cloudformations() -> None:
    """Resources are of the types that CloudFormation knows, or of the three that it has no name for."""
    for row in PRACTICES:
        named = re.fullmatch(r"AWS::[A-Z][A-Za-z0-9]+::[A-Z][A-Za-z0-9]+", row.resource_type)
        assert named or row.resource_type in (DEPLOYMENT, PARAMETER, SETTING), row


@every_row
def test_facts_are_served(practice: Practice) -> None:
    """What a row names as its facts is a family that is served, each once; its impact is one that there is."""
    assert practice.facts
    assert set(practice.facts) <= FAMILIES.keys()
    assert len(set(practice.facts)) == len(practice.facts)
    assert practice.impact in IMPACTS


@every_row
def test_rows_name_what_they_look_at(practice: Practice, deployment: Deployment) -> None:
    """A row names all facts that it looks at, and looks at all that it names where there is something to judge."""
    asked = set()
    for known in (*example(), facts(deployment)):
        list(practice.judge(known))
        asked |= known.asked

    assert asked == set(practice.facts)


@every_row
def test_one_verdict_a_resource(practice: Practice) -> None:
    """On the example each resource has one verdict of a row, which says what was found, and since when if it is bad."""
    for known in example():
        judged = list(practice.judge(known))

        assert [name for name, count in Counter(each.resource for each in judged).items() if count > 1] == []
        for each in judged:
            assert each.resource
            assert each.fact or each.compliant is None, each
            assert each.since is None or (each.compliant is False and each.since <= AS_OF), each


@every_row
def test_nothing_is_known_of_what_was_not_read(practice: Practice, deployment: Deployment) -> None:
    """Before anything was read no row says that anything follows or violates it."""
    known = facts(deployment, incomplete=[each.name for each in COLLECTORS])

    assert [each for each in practice.judge(known) if each.compliant is not None] == []


@every_row
def test_what_is_not_read_changes_no_verdict(practice: Practice) -> None:
    """Without the facts of one family a verdict stays or is unknown: it neither becomes its opposite nor a new one."""
    whole = [verdicts(practice, known) for known in example()]
    for family in practice.facts:
        for known, before in zip(example(without=[family]), whole, strict=True):
            for resource, after in verdicts(practice, known).items():
                told: Any = before[resource].compliant if resource in before else None
                assert after.compliant in (told, None), f"{resource} without {family}: {told}, then {after}"
