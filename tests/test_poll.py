"""One collector of one deployment: when it asks, what it serves of what it learnt, and what it says when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from conftest import AS_OF, FrozenClock, account
from small import Small, Steps, published, settle, small_aws, until, values

from exporter import poll
from exporter.answer import Answer
from exporter.aws import Aws, Reads
from exporter.clients import Account
from exporter.collector import Collector
from exporter.config import Aws as AwsConfig
from exporter.config import CollectorConfig
from exporter.deployment import Deployment
from exporter.errors import REASONS
from exporter.metric_data import MetricData
from exporter.metrics import Family, Malformed, Sample, each
from exporter.poll import Job
from exporter.publication import Publication
from exporter.wire import Turn

RETENTION = Family("tts_aws_toy_retention_seconds", "Of a cluster.", ("cluster",))
ZONE = Family("tts_aws_toy_zone", "Of an instance.", ("instance", "zone"))
MINIMUM = Family("tts_aws_toy_minimum", "What the configuration expects of a cluster.", ("cluster",), lasting=True)
FOREIGN = Family("tts_aws_toy_foreign", "Clusters that are nobody's.", scope="account")
FAMILIES = (RETENTION, ZONE, MINIMUM, FOREIGN)
CLUSTERS = ("rds", "DescribeDBClusters")
INSTANCES = ("rds", "DescribeDBInstances")

Fetch = Callable[[Aws, Deployment], Awaitable[Answer]]


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({"clusters": aws.read(*CLUSTERS), "instances": aws.read(*INSTANCES)})


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    def of_cluster(cluster: dict[str, Any]) -> Iterator[Sample]:
        name = cluster["DBClusterIdentifier"]
        yield RETENTION.sample(cluster["BackupRetentionPeriod"] * 86_400, cluster=name)
        yield MINIMUM.sample(7, cluster=name)

    if "clusters" in answer:
        yield from each(answer["clusters"]["DBClusters"], of_cluster)
        yield FOREIGN.sample(len(answer["clusters"]["DBClusters"]))
    for instance in answer.get("instances", {}).get("DBInstances", []):
        yield ZONE.sample(1, instance=instance["DBInstanceIdentifier"], zone=instance["AvailabilityZone"])


def collector(
    fetch: Fetch = fetch, samples: Callable[[Answer, Deployment], Iterable[Sample | Malformed]] = samples
) -> Collector:
    actions = ("rds:DescribeDBClusters", "rds:DescribeDBInstances")
    return Collector("toy", 300.0, actions, FAMILIES, fetch, samples)


def settings(**given: Any) -> CollectorConfig:
    return CollectorConfig(**{"interval": 300.0, **given})


def job_of(
    collector: Collector, reads: Reads, deployment: Deployment, clock: FrozenClock, **given: Any
) -> tuple[Job, Publication]:
    publication = Publication((*FAMILIES, *poll.FAMILIES))
    return Job(deployment, collector, settings(**given), reads, publication, clock), publication


def silent_reads(clock: FrozenClock) -> Reads:
    """Reads of an account whose clients were never made: nothing can go out."""

    async def ask(**_: Any) -> dict[str, Any]:
        raise AssertionError

    nobody = Account("111122223333", "eu-west-1", AwsConfig(), clock, Turn())
    return Reads(nobody, clock, MetricData(clock, 500, ask, lambda _: None))


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        clusters = {"main": {"DBClusterIdentifier": "main", "BackupRetentionPeriod": 7}}
        world.answers(*CLUSTERS, lambda _: {"DBClusters": list(clusters.values())})
        zone = {"DBInstanceIdentifier": "main-1", "AvailabilityZone": "eu-west-1a"}
        world.answers(*INSTANCES, {"DBInstances": [zone]})
        world.facts = clusters
        yield world


@asynccontextmanager
async def toy(small: Small, deployment: Deployment, clock: FrozenClock, **given: Any) -> AsyncIterator[Any]:
    """The toy collector's job on the small AWS."""
    async with account(clock, services=["rds"]) as reads:
        yield job_of(collector(), reads, deployment, clock, **given)


async def errors(publication: Publication) -> dict[str, float]:
    return {reason: count for reason, count in (await values(publication, poll.ERRORS, "reason")).items() if count}


def test_serves_what_it_read(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """A good attempt serves its facts and says of itself that it succeeded, when, and with how many samples."""

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400}
            assert await values(publication, ZONE, "zone") == {"eu-west-1a": 1}
            assert await values(publication, poll.SUCCESS) == {"": 1}
            assert await values(publication, poll.LAST_SUCCESS) == {"": AS_OF}
            assert await values(publication, poll.LAST_ATTEMPT) == {"": AS_OF}
            assert await values(publication, poll.OLDEST_READ) == {"": AS_OF}
            assert await values(publication, poll.SAMPLES) == {"": 4}
            assert await values(publication, poll.INTERVAL) == {"": 300}
            assert await values(publication, poll.PERMISSION_MISSING, "action") == {
                "rds:DescribeDBClusters": 0,
                "rds:DescribeDBInstances": 0,
            }
            assert await errors(publication) == {}

    asyncio.run(run())


def test_present_from_the_start(deployment: Deployment, clock: FrozenClock) -> None:
    """Before the first attempt ends the counter of every reason is 0, and nothing says success or failure."""

    async def hang(aws: Aws, deployment: Deployment) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        job, publication = job_of(collector(hang), silent_reads(clock), deployment, clock)
        running = asyncio.create_task(job.run())
        await settle()
        assert await values(publication, poll.ERRORS, "reason") == dict.fromkeys(REASONS, 0)
        assert await values(publication, poll.LAST_SUCCESS) == {"": 0}
        assert await values(publication, poll.SKIPPED) == {"": 0}
        for absent in (poll.SUCCESS, poll.LAST_ATTEMPT, poll.DURATION, poll.OLDEST_READ, RETENTION):
            assert await values(publication, absent) == {}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize(
    "error", [RuntimeError("bug"), KeyError("bug"), ZeroDivisionError(), ExceptionGroup("g", [OSError()])]
)
def test_a_raising_collector_is_contained(deployment: Deployment, clock: FrozenClock, error: Exception) -> None:
    """Whatever a collector's fetch raises is counted; the attempt ends, and the next one is made."""
    broken = True

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        if broken:
            raise error
        return await aws.gather({})

    async def run() -> None:
        nonlocal broken
        job, publication = job_of(collector(fetch), silent_reads(clock), deployment, clock)
        await job.attempt()
        assert await values(publication, poll.SUCCESS) == {"": 0}
        assert await errors(publication) == {"invalid_response": 1}
        broken = False
        await job.attempt()
        assert await values(publication, poll.SUCCESS) == {"": 1}

    asyncio.run(run())


@pytest.mark.parametrize("error", [KeyError("bug"), ZeroDivisionError("bug"), OverflowError("bug")])
def test_raising_samples_are_contained(deployment: Deployment, clock: FrozenClock, error: Exception) -> None:
    """Whatever a collector's samples raises is counted, when it is attempted and when its facts expire."""

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        async def part() -> int:
            return 1

        return await aws.gather({"part": part()})

    def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
        yield RETENTION.sample(1, cluster="before the bug")
        raise error

    async def run() -> None:
        job, publication = job_of(collector(fetch, samples), silent_reads(clock), deployment, clock)
        await job.attempt()
        assert await values(publication, poll.SUCCESS) == {"": 0}
        assert await errors(publication) == {"invalid_response": 1}
        clock.now += 900
        job.expire()

    asyncio.run(run())


def test_a_malformed_resource_costs_itself_only(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """A resource that lacks a field has no series; the others are served, and it is counted."""
    small.facts["odd"] = {"DBClusterIdentifier": "odd"}

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400}
            assert await values(publication, MINIMUM, "cluster") == {"main": 7}
            assert await errors(publication) == {"invalid_response": 1}
            assert await values(publication, poll.SUCCESS) == {"": 0}

    asyncio.run(run())


def test_a_hanging_attempt_is_given_up(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """An attempt that takes too long is given up and counted; what was served stays, and the next one recovers."""

    async def run() -> None:
        async with toy(small, deployment, clock, timeout=0.3) as (job, publication):
            while not job.last_success:  # a slow machine may need longer than the time-out
                await job.attempt()
            counted = (await errors(publication)).get("timeout", 0)
            clock.now += 300
            small.standin.faults.add(kind="hang")
            await job.attempt()
            # Each read that did not answer is named, and the attempt ends in time for what did.
            assert {failure.reason for failure in job.failures} == {"timeout"}
            assert all(failure.operation.startswith("rds.") for failure in job.failures)
            assert (await errors(publication))["timeout"] == counted + len(job.failures)
            assert await values(publication, poll.SUCCESS) == {"": 0}
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400}
            assert await values(publication, poll.OLDEST_READ) == {"": AS_OF}

    asyncio.run(run())


def test_expires_while_an_attempt_hangs(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """Facts disappear when they are too old even if the attempt that should renew them never ends."""

    async def run() -> None:
        async with toy(small, deployment, clock, interval=300, max_age=900) as (job, publication):
            await job.attempt()
            small.standin.faults.add(kind="hang")
            clock.now += 300
            hanging = asyncio.create_task(job.attempt())
            await until(lambda: small.standin.faults.rules[0].fired)
            clock.now = AS_OF + 899
            job.expire()
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400}
            clock.now = AS_OF + 900
            job.expire()
            for gone in (RETENTION, ZONE, FOREIGN, poll.OLDEST_READ):
                assert await values(publication, gone) == {}
            assert await values(publication, poll.LAST_SUCCESS) == {"": AS_OF}
            hanging.cancel()
            await asyncio.gather(hanging, return_exceptions=True)

    asyncio.run(run())


def test_each_part_has_its_own_age(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """What one operation refuses stays until it is too old by its own read time; the rest is renewed."""

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            small.standin.faults.add(kind="deny", operation="DescribeDBInstances")
            small.facts["main"]["BackupRetentionPeriod"] = 1
            clock.now = AS_OF + 600
            await job.attempt()
            assert await values(publication, RETENTION, "cluster") == {"main": 86_400}
            assert await values(publication, ZONE, "instance") == {"main-1": 1}
            assert await values(publication, poll.OLDEST_READ) == {"": AS_OF}
            assert await values(publication, poll.PERMISSION_MISSING, "action") == {
                "rds:DescribeDBClusters": 0,
                "rds:DescribeDBInstances": 1,
            }
            assert await errors(publication) == {"access_denied": 1}
            clock.now = AS_OF + 900
            job.expire()
            assert await values(publication, ZONE) == {}
            assert await values(publication, RETENTION, "cluster") == {"main": 86_400}
            assert await values(publication, poll.OLDEST_READ) == {"": AS_OF + 600}
            small.standin.faults.clear()
            await job.attempt()
            assert await values(publication, ZONE, "instance") == {"main-1": 1}
            assert await values(publication, poll.SUCCESS) == {"": 1}
            assert (await values(publication, poll.PERMISSION_MISSING, "action"))["rds:DescribeDBInstances"] == 0
            assert await errors(publication) == {"access_denied": 1}

    asyncio.run(run())


def test_a_part_that_is_missing_now_is_kept(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """A part that could not be read is served as it was read last, though it was asked otherwise, until too old."""
    instance = "main-1"

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        one = aws.read(*INSTANCES, DBInstanceIdentifier=instance)
        return await aws.gather({"clusters": aws.read(*CLUSTERS), "instances": one})

    async def run() -> None:
        nonlocal instance
        async with account(clock, services=["rds"]) as reads:
            job, publication = job_of(collector(fetch), reads, deployment, clock)
            await job.attempt()
            small.standin.faults.add(kind="deny", operation="DescribeDBInstances")
            instance = "main-2"
            for later in (300, 600):
                clock.now = AS_OF + later
                await job.attempt()
                assert await values(publication, ZONE, "instance") == {"main-1": 1}
                assert await values(publication, poll.SUCCESS) == {"": 0}
                assert await values(publication, poll.OLDEST_READ) == {"": AS_OF}
            clock.now = AS_OF + 900
            job.expire()
            assert await values(publication, ZONE) == {}
            assert await values(publication, poll.OLDEST_READ) == {"": AS_OF + 600}

    asyncio.run(run())


def test_expectations_outlive_the_facts(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """What the configuration expects of a resource stays while the facts cannot be read, and goes with the resource."""

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            small.standin.faults.add(kind="deny")
            clock.now += 10_000
            await job.attempt()
            assert await values(publication, RETENTION) == {}
            assert await values(publication, MINIMUM, "cluster") == {"main": 7}
            small.standin.faults.clear()
            del small.facts["main"]
            await job.attempt()
            assert await values(publication, MINIMUM) == {}

    asyncio.run(run())


def test_a_gone_resource_has_no_series(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """What AWS does not list any more is not served after the next attempt."""
    small.facts["second"] = {"DBClusterIdentifier": "second", "BackupRetentionPeriod": 2}

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400, "second": 2 * 86_400}
            del small.facts["second"]
            clock.now += 300
            await job.attempt()
            assert await values(publication, RETENTION, "cluster") == {"main": 7 * 86_400}

    asyncio.run(run())


def test_one_log_line_when_it_begins_and_one_when_it_ends(
    small: Small, deployment: Deployment, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure is logged when it begins and when it is over, with who, what and why; not while it lasts."""
    caplog.set_level(logging.INFO, "exporter")

    def logged() -> list[tuple[Any, ...]]:
        fields = ("levelname", "deployment", "collector", "operation", "reason")
        lines = [tuple(getattr(record, name) for name in fields) for record in caplog.records]
        caplog.clear()
        return lines

    who = ("acme-prod-eu1", "toy", "rds.DescribeDBInstances")

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, _):
            await job.attempt()
            assert logged() == []
            small.standin.faults.add(kind="deny", operation="DescribeDBInstances")
            clock.now += 300
            await job.attempt()
            assert [vars(record)["missing_action"] for record in caplog.records] == ["rds:DescribeDBInstances"]
            assert logged() == [("WARNING", *who, "access_denied")]
            for _ in range(3):
                clock.now += 300
                await job.attempt()
            assert logged() == []
            small.standin.faults.clear()
            small.standin.faults.add(kind="error", code="InternalFailure", operation="DescribeDBInstances")
            clock.now += 300
            await job.attempt()
            assert sorted(logged()) == [("INFO", *who, "access_denied"), ("WARNING", *who, "other")]
            small.standin.faults.clear()
            await job.attempt()
            assert logged() == [("INFO", *who, "other")]

    asyncio.run(run())


def test_two_resources_are_two_failures(
    small: Small, deployment: Deployment, clock: FrozenClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The same refusal of a second resource is another failure: it is logged as well, and both are on the account."""

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        names = ("one", "two")
        return await aws.gather({name: aws.read(*INSTANCES, DBInstanceIdentifier=name, max_age=0) for name in names})

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            job, _ = job_of(collector(fetch), reads, deployment, clock)
            for refused in (["one"], ["one", "two"]):
                small.standin.faults.add(kind="deny", resource=refused[-1])
                await job.attempt()
                clock.now += 300
                assert sorted(failure.subject for failure in job.failures) == refused
                assert [record.getMessage() for record in caplog.records] == ["could not read"] * len(refused)

    asyncio.run(run())


@pytest.mark.parametrize("where", ["fetch", "samples"])
def test_a_bug_is_logged_once_with_its_traceback(
    deployment: Deployment, clock: FrozenClock, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """A collector's own mistake is one log line with the traceback, however often it is made again."""

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        if where == "fetch":
            raise RuntimeError("a mistake")
        return await aws.gather({})

    def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
        if where == "samples":
            raise RuntimeError("a mistake")
        yield from ()

    async def run() -> None:
        job, _ = job_of(collector(fetch, samples), silent_reads(clock), deployment, clock)
        for _ in range(3):
            clock.now += 300
            await job.attempt()

    asyncio.run(run())

    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "a mistake" in caplog.text
    assert line.exc_info
    assert (line.collector, line.reason) == ("toy", "invalid_response")  # type: ignore[attr-defined]


def scripted(*failing: bool, seconds: float = 0, clock: FrozenClock, began: list[float]) -> Fetch:
    """A fetch that takes some time, and of which some attempts fail, the others not."""
    plan = list(failing)

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        began.append(clock.now - AS_OF)
        clock.now += seconds
        if plan and plan.pop(0):
            raise RuntimeError
        return await aws.gather({})

    return fetch


def attempts(
    deployment: Deployment, seconds: float, *failing: bool, interval: float = 300, takes: float = 0
) -> tuple[list[float], float]:
    """When a job attempts within some time, in seconds from its start; and how many ticks it skipped."""
    clock = Steps()
    began: list[float] = []

    async def run() -> float:
        fetch = scripted(*failing, seconds=takes, clock=clock, began=began)
        job, publication = job_of(collector(fetch), silent_reads(clock), deployment, clock, interval=interval)
        running = asyncio.create_task(job.run())
        await settle()
        while clock.now < AS_OF + seconds:
            await clock.forward(1 if takes else min(clock.wakes))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return (await values(publication, poll.SKIPPED))[""]

    return began, asyncio.run(run())


def test_jitter_from_the_second_tick_on(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first attempt is made at once, the second some time earlier than the interval, the others in its rhythm."""
    monkeypatch.setattr("random.random", lambda: 0.5)

    began, skipped = attempts(deployment, 870)

    assert began == [0, 270, 570, 870]
    assert skipped == 0


@pytest.mark.parametrize(
    ("interval", "expected"), [(300, [0, 60, 180, 420, 720]), (21_600, [0, 60, 180, 420, 900, 1800, 2700])]
)
def test_a_failed_attempt_is_repeated_sooner(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, interval: float, expected: list[float]
) -> None:
    """After a failure the next attempt comes after one minute, then two and so on up to a quarter of an hour."""
    monkeypatch.setattr("random.random", lambda: 0.0)

    began, _ = attempts(deployment, expected[-1], *[True] * 20, interval=interval)

    assert began == expected


def test_the_rhythm_returns_after_a_failure(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a good attempt the interval counts again, and the next failure begins with one minute anew."""
    monkeypatch.setattr("random.random", lambda: 0.0)

    began, _ = attempts(deployment, 780, True, True, False, True, False)

    assert began == [0, 60, 180, 480, 540, 840]


def test_skipped_ticks(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ticks that pass while an attempt runs are skipped and counted, and the rhythm is kept."""
    monkeypatch.setattr("random.random", lambda: 0.0)

    began, skipped = attempts(deployment, 1000, takes=750)

    assert began == [0, 900]
    assert skipped == 2  # those of the first attempt; what the second one missed is served with the third


def test_a_clock_that_is_set_back(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the clock is set back by an hour, the next attempt comes after the interval and not an hour later."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    clock = Steps()
    go = asyncio.Event()

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        await go.wait()
        return await aws.gather({})

    async def run() -> None:
        job, publication = job_of(collector(fetch), silent_reads(clock), deployment, clock)
        running = asyncio.create_task(job.run())
        await settle()
        clock.now -= 3600
        go.set()
        await settle()
        assert clock.wakes == [300]
        assert await values(publication, poll.SKIPPED) == {"": 0}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())


def test_other_resources_are_read_at_once(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a survey shows other resources the next attempt is made at once, and the rhythm begins anew with it."""
    monkeypatch.setattr("random.random", lambda: 0.0)
    clock = Steps()
    began: list[float] = []
    more = replace(deployment, owned={"AWS::S3::Bucket": {"bucket": "stack"}})

    async def run() -> None:
        fetch = scripted(clock=clock, began=began)
        job, _ = job_of(collector(fetch), silent_reads(clock), deployment, clock, interval=21_600)
        running = asyncio.create_task(job.run())
        await settle()
        for found in (deployment, more, more):
            await clock.forward(100)
            job.update(found, settings(interval=21_600))
            await settle()
        await clock.forward(40_000)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(run())

    assert began == [0, 200, 21_800]


def test_new_labels_at_once(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """When the account becomes known, everything that is served carries it, without another attempt."""

    async def run() -> None:
        async with toy(small, replace(deployment, account_id=""), clock) as (job, publication):
            await job.attempt()
            assert await values(publication, RETENTION, "account_id") == {"": 7 * 86_400}
            job.update(deployment, settings())
            for family in (RETENTION, FOREIGN, poll.SUCCESS):
                assert (await values(publication, family, "account_id")).keys() == {"111122223333"}

    asyncio.run(run())
    assert len(small.seen) == 2


def test_withdraw(small: Small, deployment: Deployment, clock: FrozenClock) -> None:
    """A job that is withdrawn leaves no series behind."""

    async def run() -> None:
        async with toy(small, deployment, clock) as (job, publication):
            await job.attempt()
            assert published(publication) > 20
            job.withdraw()
            assert published(publication) == 0

    asyncio.run(run())
