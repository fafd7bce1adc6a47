"""Scorecards: verdicts that keep in step with what the collectors serve, of a fleet a part at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock
from small import served
from test_poll import silent_reads

from exporter import poll, scorecard, scorecards
from exporter.answer import Answer
from exporter.aws import Aws
from exporter.collector import Collector
from exporter.config import CollectorConfig, Config
from exporter.deployment import Deployment
from exporter.facts import Facts
from exporter.metrics import Family, Sample
from exporter.poll import Job
from exporter.practice import Practice, Verdict
from exporter.publication import Publication
from exporter.scorecards import Scorecards

LID = Family("tts_aws_toy_lid_closed", "A lid (Toy Lid.Closed).", ("toy",), "flag")
COMPLIANT = scorecard.COMPLIANT.name


def closed(facts: Facts) -> Iterator[Verdict]:
    for toy, value in facts.by("toy_lid_closed", "toy").items():
        yield Verdict.of(toy, value, "closed", f"open, as {len(facts.others)} others know")


ROW = Practice("BP-51", "info", "AWS::Toy::Lid", "closed", ("toy_lid_closed",), closed)


class Toys:
    """Deployments of one network whose only facts are their lids; and the cards that are kept of them."""

    def __init__(self, deployment: Deployment, clock: FrozenClock, names: list[str]) -> None:
        self.clock = clock
        self.lids = dict.fromkeys(names, 1.0)
        self.watched = {name: (replace(deployment, name=name), "") for name in names}
        self.publication = Publication((LID, *scorecards.FAMILIES))
        self.jobs: dict[str, Job] = {}
        collectors = {name: self.collector(name) for name in names}
        self.cards = Scorecards((ROW,), collectors.values(), self.publication, clock)
        for name, collector in collectors.items():
            settings, page = CollectorConfig(interval=60), Publication((LID, *poll.FAMILIES))
            self.jobs[name] = Job(self.watched[name][0], collector, settings, silent_reads(clock), page, clock)
        self.config = Config()

    def collector(self, name: str) -> Collector:
        async def fetch(aws: Aws, deployment: Deployment) -> Answer:
            async def lid() -> float:
                return self.lids[name]

            return await aws.gather({"lid": lid()})

        def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
            yield LID.sample(answer["lid"], toy=f"lid of {name}")

        return Collector("toys", 60.0, (), (LID,), fetch, samples)

    async def read(self, *names: str) -> None:
        for name in names or self.jobs:
            await self.jobs[name].attempt()

    async def update(self) -> bool:
        jobs = [job for name, job in self.jobs.items() if name in self.watched]
        return await self.cards.update(self.config, self.watched, jobs)

    def verdicts(self) -> dict[str, str]:
        return {each.resource: each.state for name in self.watched for each in self.cards.findings(name)}


@pytest.fixture
def toys(deployment: Deployment, clock: FrozenClock) -> Toys:
    return Toys(deployment, clock, ["acme-a", "acme-b", "acme-c"])


def test_verdicts_follow_the_facts(toys: Toys) -> None:
    """A lid that opens is a violation after the next read, served with its deployment; one that closes is none."""

    async def run() -> None:
        await toys.read()
        assert await toys.update()
        assert set(toys.verdicts().values()) == {"compliant"}
        toys.lids["acme-b"] = 0.0
        await toys.read("acme-b")
        assert await toys.update()
        assert toys.verdicts()["lid of acme-b"] == "violated"
        page = await served(toys.publication)
        wrong = [series for series, value in page.items() if series.startswith(COMPLIANT) and value == 0]
        assert len(wrong) == 1
        assert 'deployment="acme-b"' in wrong[0]

    asyncio.run(run())


def test_what_did_not_change_is_not_judged_again(toys: Toys) -> None:
    """A read that brings the same costs no judgement, but a minute later everything is judged, as ages have grown."""

    async def run() -> None:
        await toys.read()
        await toys.update()
        before = {name: toys.cards.findings(name) for name in toys.watched}
        await toys.read()
        await toys.update()
        assert all(toys.cards.findings(name) is found for name, found in before.items())
        toys.clock.now += scorecards.AT_LEAST_EVERY
        await toys.update()
        assert not any(toys.cards.findings(name) is found for name, found in before.items())

    asyncio.run(run())


def test_a_twin_is_looked_at_when_it_changes(toys: Toys) -> None:
    """New facts of its staging twin make a deployment be judged; those of another deployment of the network do not."""
    toys.watched["acme-a"] = (toys.watched["acme-a"][0], "acme-b")

    async def run() -> None:
        await toys.read()
        await toys.update()
        before = {name: toys.cards.findings(name) for name in toys.watched}
        toys.lids["acme-b"] = 0.0
        await toys.read("acme-b")
        await toys.update()
        assert toys.cards.findings("acme-a") is not before["acme-a"]
        assert toys.cards.findings("acme-c") is before["acme-c"]
        twin = toys.cards.facts["acme-a"].twin
        assert twin
        assert twin.value("toy_lid_closed") == 0

    asyncio.run(run())


def test_every_other_deployment_of_the_network_is_known(toys: Toys) -> None:
    """The first one that is judged knows the facts of all the others already."""
    toys.lids = dict.fromkeys(toys.lids, 0.0)

    async def run() -> None:
        await toys.read()
        await toys.update()
        facts = {each.fact for name in toys.watched for each in toys.cards.findings(name)}
        assert facts == {"open, as 2 others know"}

    asyncio.run(run())


def test_a_fleet_is_judged_in_parts(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a part took long, the rest is left for the next time, and whether anything is left is told."""
    monkeypatch.setattr(scorecards, "AT_MOST", 0.0)

    async def run() -> None:
        await toys.read()
        assert [await toys.update() for _ in range(4)] == [False, False, True, True]
        assert len(toys.verdicts()) == 3

    asyncio.run(run())


def test_others_are_answered_between(toys: Toys) -> None:
    """Between two deployments whoever waits has a turn."""
    turns = 0

    async def wait() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        await toys.read()
        waiting = asyncio.create_task(wait())
        await toys.update()
        waiting.cancel()
        assert turns >= 3

    asyncio.run(run())


def test_a_deployment_that_goes_leaves_nothing(toys: Toys) -> None:
    """Its verdicts are withdrawn, and no other deployment knows it any more."""

    async def run() -> None:
        await toys.read()
        await toys.update()
        del toys.watched["acme-b"]
        await toys.update()
        assert not [series for series in await served(toys.publication) if "acme-b" in series]
        toys.clock.now += scorecards.AT_LEAST_EVERY
        await toys.update()
        assert len(toys.cards.facts["acme-a"].others) == 1

    asyncio.run(run())


def test_before_the_first_survey_nothing_is_said(toys: Toys) -> None:
    """A deployment without any collector at work has no verdict, not even an unknown one."""

    async def run() -> Any:
        return await toys.cards.update(toys.config, toys.watched, [])

    assert asyncio.run(run())
    assert toys.verdicts() == {}
