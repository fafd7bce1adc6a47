"""Reads that are shared: what is asked of AWS and when, what stands in for an answer, and how old anything may get."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from math import inf
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import Small, gathered, small_aws, until

from exporter.answer import Age, Answer
from exporter.aws import Aws, Reads
from exporter.config import Config
from exporter.demo.request import AwsError, Request
from exporter.errors import ReadFailed

CLUSTERS = ("rds", "DescribeDBClusters")
INSTANCES = ("rds", "DescribeDBInstances")


def clusters(*names: str) -> dict[str, Any]:
    return {"DBClusters": [{"DBClusterIdentifier": name} for name in names]}


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        world.answers(*CLUSTERS, clusters("one"))
        world.answers(*INSTANCES, {"DBInstances": [{"DBInstanceIdentifier": "one-1"}]})
        yield world


def named(answer: dict[str, Any]) -> list[str]:
    return [each["DBClusterIdentifier"] for each in answer["DBClusters"]]


def test_asked_once_at_the_same_time(small: Small, clock: FrozenClock) -> None:
    """Several attempts that want the same at the same time cause one request, and all of them get its answer."""
    small.standin.faults.add(kind="latency", seconds=0.2)

    async def run() -> list[dict[str, Any]]:
        async with account(clock, services=["rds"]) as reads:
            return await gathered(attempt(reads).read(*CLUSTERS) for _ in range(5))

    answers = asyncio.run(run())

    assert [named(answer) for answer in answers] == [["one"]] * 5
    assert len(small.seen) == 1


def test_other_parameters_are_another_read(small: Small, clock: FrozenClock) -> None:
    """Reads are shared by operation and parameters: those that differ in either are asked each."""

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            for _ in range(2):
                await attempt(reads).read(*CLUSTERS)
                await attempt(reads).read(*CLUSTERS, DBClusterIdentifier="one")
                await attempt(reads).read(*INSTANCES)

    asyncio.run(run())

    assert [request.operation for request in small.seen].count("DescribeDBClusters") == 2
    assert small.asked("DescribeDBClusters") == [{}, {"DBClusterIdentifier": "one"}]
    assert len(small.asked("DescribeDBInstances")) == 1


@pytest.mark.parametrize(
    ("interval", "max_age", "reused_for"), [(300.0, None, 150.0), (300.0, 40.0, 40.0), (60.0, None, 30.0)]
)
def test_reused_while_young(
    small: Small, clock: FrozenClock, interval: float, max_age: float | None, reused_for: float
) -> None:
    """An answer serves every collector until it is as old as the asking one allows: half of its interval by default."""

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            await attempt(reads, 86_400).read(*CLUSTERS)
            clock.now += reused_for - 1
            await attempt(reads, interval).read(*CLUSTERS, max_age=max_age)
            assert len(small.seen) == 1
            clock.now += 1
            await attempt(reads, interval).read(*CLUSTERS, max_age=max_age)
            assert len(small.seen) == 2

    asyncio.run(run())


def test_age_counts_from_the_question(small: Small, clock: FrozenClock) -> None:
    """An answer is as old as its question: what AWS looked up while it answered slowly may be as old as that."""
    began = clock.now

    def slowly(_: Request) -> dict[str, Any]:
        clock.now += 100
        return clusters("one")

    small.answers(*CLUSTERS, slowly)

    async def run() -> Answer:
        async with account(clock, services=["rds"]) as reads:
            aws = attempt(reads)
            return await aws.gather({"clusters": aws.read(*CLUSTERS)})

    assert asyncio.run(run()).ages == {"clusters": Age(began, began + 900)}


def test_unchanged_is_not_asked_again(small: Small, clock: FrozenClock) -> None:
    """What cannot have changed is not asked again however old it is, and counts as read now; a change asks again."""

    async def run() -> tuple[Answer, Answer]:
        async with account(clock, services=["rds"]) as reads:
            await attempt(reads).read(*CLUSTERS, unchanged_since=("UPDATED", 1))
            clock.now += 1_000_000
            aws = attempt(reads)
            same = await aws.gather({"clusters": aws.read(*CLUSTERS, unchanged_since=("UPDATED", 1))})
            assert len(small.seen) == 1
            changed = await aws.gather({"clusters": aws.read(*CLUSTERS, unchanged_since=("UPDATED", 2))})
            assert len(small.seen) == 2
            return same, changed

    same, changed = asyncio.run(run())

    assert same.ages["clusters"].read_at == clock.now
    assert changed.ages["clusters"].read_at == clock.now


def test_kept_for_ever(small: Small, clock: FrozenClock) -> None:
    """An answer that is good for ever is asked once, and is as good as read now."""

    async def run() -> Answer:
        async with account(clock, services=["rds"]) as reads:
            await attempt(reads).read(*CLUSTERS, max_age=inf)
            clock.now += 1e9
            aws = attempt(reads)
            return await aws.gather({"clusters": aws.read(*CLUSTERS, max_age=inf)})

    answer = asyncio.run(run())

    assert len(small.seen) == 1
    assert answer.ages["clusters"] == Age(clock.now, clock.now + 900)


def test_absent_is_an_answer(small: Small, clock: FrozenClock) -> None:
    """An error code that means that nothing is configured is an empty answer and no failure; any other code fails."""
    small.standin.faults.add(kind="error", code="DBClusterNotFoundFault", status=404)

    async def run() -> Aws:
        async with account(clock, services=["rds"]) as reads:
            aws = attempt(reads)
            assert await aws.read(*CLUSTERS, absent=("DBClusterNotFoundFault",)) == {}
            assert aws.failures == []
            with pytest.raises(ReadFailed):
                await aws.read(*INSTANCES, absent=("DBInstanceNotFoundFault",))
            return aws

    assert [(each.operation, each.reason) for each in asyncio.run(run()).failures] == [
        ("rds.DescribeDBInstances", "not_found")
    ]


@pytest.mark.parametrize(("max_age", "lifetime", "due"), [(None, 900.0, 0.0), (0, 900.0, 0.0), (400.0, 1200.0, 250.0)])
def test_last_answer_stands_in(
    small: Small, clock: FrozenClock, max_age: float | None, lifetime: float, due: float
) -> None:
    """When a read fails its last answer stands in until it is too old; it is as old as it should not have become."""

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            began = clock.now
            await attempt(reads).read(*CLUSTERS, max_age=max_age)
            small.standin.faults.add(kind="deny")
            clock.now = began + lifetime - 1
            aws = attempt(reads)
            answer = await aws.gather({"clusters": aws.read(*CLUSTERS, max_age=max_age)})
            assert named(answer["clusters"]) == ["one"]
            assert answer.ages["clusters"] == Age(began + due, began + lifetime)
            assert [(each.reason, each.action) for each in aws.failures] == [
                ("access_denied", "rds:DescribeDBClusters")
            ]
            clock.now = began + lifetime
            with pytest.raises(ReadFailed):
                await attempt(reads).read(*CLUSTERS, max_age=max_age)
            small.standin.faults.clear()
            assert named(await attempt(reads).read(*CLUSTERS, max_age=max_age)) == ["one"]

    asyncio.run(run())


def test_fails_without_an_answer(small: Small, clock: FrozenClock) -> None:
    """A read that never succeeded fails, with the reason on the attempt's account, once for each who asked."""
    small.standin.faults.add(kind="deny")

    async def run() -> list[Aws]:
        async with account(clock, services=["rds"]) as reads:
            attempts = [attempt(reads), attempt(reads)]
            for result in await asyncio.gather(*(aws.read(*CLUSTERS) for aws in attempts), return_exceptions=True):
                assert isinstance(result, ReadFailed)
                assert "rds.DescribeDBClusters" in str(result)
            return attempts

    for aws in asyncio.run(run()):
        assert [(each.operation, each.reason, each.code) for each in aws.failures] == [
            ("rds.DescribeDBClusters", "access_denied", "AccessDenied")
        ]


def test_gathering_leaves_out_what_failed(small: Small, clock: FrozenClock) -> None:
    """A part that AWS refuses, or whose answer is malformed, is absent and counted; the others are there."""
    small.standin.faults.add(kind="deny", operation="DescribeDBInstances")

    async def broken(aws: Aws) -> Any:
        return (await aws.read(*CLUSTERS))["DBClusters"][0]["NoSuchMember"]

    async def run() -> tuple[Answer, Aws]:
        async with account(clock, services=["rds"]) as reads:
            aws = attempt(reads)
            parts = {"good": aws.read(*CLUSTERS), "denied": aws.read(*INSTANCES), "broken": broken(aws)}
            return await aws.gather(parts), aws

    answer, aws = asyncio.run(run())

    assert answer.keys() == answer.ages.keys() == {"good"}
    assert {(each.operation, each.reason) for each in aws.failures} == {
        ("rds.DescribeDBInstances", "access_denied"),
        ("broken", "invalid_response"),
    }


def test_gatherings_nest(small: Small, clock: FrozenClock) -> None:
    """A gathering within a gathering loses only what failed in it, and makes its outer part as old as its oldest."""
    began = clock.now

    async def inner(aws: Aws) -> Answer:
        await aws.read(*CLUSTERS, DBClusterIdentifier="young")
        return await aws.gather(
            {"old": aws.read(*CLUSTERS, max_age=1000), "young": aws.read(*CLUSTERS), "denied": aws.read(*INSTANCES)}
        )

    async def run() -> Answer:
        async with account(clock, services=["rds"]) as reads:
            await attempt(reads).read(*CLUSTERS)
            clock.now += 100
            small.standin.faults.add(kind="deny", operation="DescribeDBInstances")
            aws = attempt(reads, interval=300)
            return await aws.gather({"nested": inner(aws), "other": aws.read(*CLUSTERS, DBClusterIdentifier="other")})

    answer = asyncio.run(run())

    assert answer["nested"].keys() == {"old", "young"}
    assert answer.ages == {
        # "old" may live for three of its 1000 s, "young" is the same read for somebody less patient
        "nested": Age(began, began + 900),
        "other": Age(began + 100, began + 1000),
    }


def test_parts_expire_one_by_one(clock: FrozenClock) -> None:
    """The parts of an answer at a moment are those that are not too old then."""
    answer = Answer()
    answer.update({"first": 1, "second": 2})
    answer.ages = {"first": Age(10, 100), "second": Age(20, 200)}

    assert dict(answer.at(99.9)) == {"first": 1, "second": 2}
    assert dict(answer.at(100)) == {"second": 2}
    assert answer.at(100).oldest() == Age(20, 200)
    assert answer.oldest() == Age(10, 100)
    assert answer.at(200).oldest() is None


def test_parts_of_parts_expire_one_by_one() -> None:
    """Of a part that was itself gathered, what is too old goes and the rest stays; it goes with its last part."""
    inner, answer = Answer(), Answer()
    inner.update({"first": 1, "second": 2})
    inner.ages = {"first": Age(10, 100), "second": Age(20, 200)}
    answer.update({"nested": inner})
    answer.ages = {"nested": Age(10, 100)}

    young = answer.at(100)

    assert young == {"nested": {"second": 2}}
    assert young.oldest() == Age(20, 200)
    assert answer == {"nested": {"first": 1, "second": 2}}
    assert young.at(200) == answer.at(200) == {}


def test_one_failure_of_a_read_that_several_parts_want(small: Small, clock: FrozenClock) -> None:
    """A read that fails is counted once in an attempt, however many of its parts needed it."""
    small.standin.faults.add(kind="deny")

    async def run() -> Aws:
        async with account(clock, services=["rds"]) as reads:
            aws = attempt(reads)
            parts = {number: aws.read(*CLUSTERS) for number in range(3)}
            assert await aws.gather({**parts, "other": aws.read(*INSTANCES)}) == {}
            return aws

    assert sorted(each.operation for each in asyncio.run(run()).failures) == [
        "rds.DescribeDBClusters",
        "rds.DescribeDBInstances",
    ]


def test_a_part_without_reads_is_of_the_attempt(small: Small, clock: FrozenClock) -> None:
    """A part that asked AWS nothing is as old as the attempt, so that it expires as well."""

    async def nothing() -> str:
        return "nothing asked"

    async def run() -> Answer:
        async with account(clock, services=["rds"]) as reads:
            aws = attempt(reads)
            return await aws.gather({"part": nothing()})

    assert asyncio.run(run()).ages == {"part": Age(clock.now, clock.now + 900)}


def test_all_pages_or_the_first(small: Small, clock: FrozenClock) -> None:
    """A read returns all pages merged under the result key, or with pages=1 the first page for one request."""
    names = [f"cluster-{number:03}" for number in range(250)]
    small.answers(*CLUSTERS, clusters(*names))

    async def run() -> tuple[dict[str, Any], dict[str, Any]]:
        async with account(clock, services=["rds"]) as reads:
            first = await attempt(reads).read(*CLUSTERS, pages=1)
            assert len(small.seen) == 1
            return first, await attempt(reads).read(*CLUSTERS)

    first, whole = asyncio.run(run())

    assert named(first) == names[:100]
    assert named(whole) == names
    assert whole.keys() == {"DBClusters"}
    assert len(small.seen) == 4


@pytest.mark.parametrize(
    ("service", "operation", "answer", "asked"),
    [
        ("ecs", "ListServices", {"serviceArns": []}, {"maxResults": 100}),
        ("ec2", "DescribeSnapshots", {"Snapshots": []}, {"MaxResults": 200}),
        ("elasticache", "DescribeSnapshots", {"Snapshots": []}, {}),
        ("resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": []}, {"ResourcesPerPage": 100}),
        ("rds", "DescribeDBClusters", {"DBClusters": []}, {}),
    ],
)
def test_page_sizes(
    small: Small, clock: FrozenClock, service: str, operation: str, answer: dict[str, Any], asked: dict[str, Any]
) -> None:
    """AWS is asked for large pages where its default is small, and for its default elsewhere."""
    small.answers(service, operation, answer)

    async def run() -> None:
        async with account(clock, services=[service]) as reads:
            await attempt(reads).read(service, operation)

    asyncio.run(run())

    assert small.asked(operation) == [asked]


def test_an_answer_without_its_list_is_none(small: Small, clock: FrozenClock) -> None:
    """A listing that lacks its list is no answer: it must not look as if nothing existed."""
    small.answers("ecs", "ListServices", {})

    async def run() -> Aws:
        async with account(clock, services=["ecs"]) as reads:
            aws = attempt(reads)
            with pytest.raises(ReadFailed):
                await aws.read("ecs", "ListServices")
            return aws

    assert [each.reason for each in asyncio.run(run()).failures] == ["invalid_response"]


def test_who_gives_up_stops_nobody_else(small: Small, clock: FrozenClock) -> None:
    """An attempt that gives up waiting does not cancel the request that others wait for, and that later ones use."""
    small.standin.faults.add(kind="latency", seconds=0.3)

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            impatient = asyncio.create_task(attempt(reads).read(*CLUSTERS))
            patient = asyncio.create_task(attempt(reads).read(*CLUSTERS))
            await until(lambda: small.standin.faults.rules[0].fired)
            impatient.cancel()
            assert named(await patient) == ["one"]
            assert impatient.cancelled()

            alone = asyncio.create_task(attempt(reads).read(*INSTANCES))
            await until(lambda: small.standin.faults.rules[0].fired == 2)
            alone.cancel()
            await attempt(reads).read(*INSTANCES)

    asyncio.run(run())

    assert len(small.seen) == 2


def test_bounded_concurrency(small: Small, clock: FrozenClock) -> None:
    """No more calls of a service are under way at once than the configuration allows; the others wait for a place."""
    hang = small.standin.faults.add(kind="hang")

    async def run() -> None:
        config = Config.model_validate({"aws": {"max_concurrency": 2}})
        async with account(clock, services=["rds"], config=config) as reads:
            calls = [
                asyncio.create_task(attempt(reads).read(*CLUSTERS, DBClusterIdentifier=str(number)))
                for number in range(5)
            ]
            await until(lambda: hang.fired == 2)
            await asyncio.sleep(0.2)
            assert hang.fired == 2
            await stop(reads, calls)

    asyncio.run(run())


async def stop(reads: Reads, calls: list[asyncio.Task[Any]]) -> None:
    """End calls that hang, and the requests behind them."""
    flights = [entry.flight for entry in reads.entries.values() if entry.flight]
    for task in (*calls, *flights):
        task.cancel()
    await asyncio.gather(*calls, *flights, return_exceptions=True)


def test_forgets_what_nobody_wants(small: Small, clock: FrozenClock) -> None:
    """Answers that nobody asks for any more are dropped, so that memory does not grow with what is gone."""

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            await attempt(reads).read(*CLUSTERS)
            await attempt(reads).read(*INSTANCES, max_age=inf)
            clock.now += 1100
            reads.forget()
            assert len(reads.entries) == 2
            clock.now += 200
            reads.forget()
            assert len(reads.entries) == 1  # what cannot change is kept for a day
            await attempt(reads).read(*CLUSTERS)
            clock.now += 86_401
            reads.forget()
            assert reads.entries == {}

    asyncio.run(run())

    assert len(small.asked("DescribeDBClusters")) == 2
    assert len(small.asked("DescribeDBInstances")) == 1


def test_reads_of_a_slot_replace_each_other(small: Small, clock: FrozenClock) -> None:
    """What is asked with other parameters each time is kept once, and stands in only for the same question."""

    async def run() -> None:
        async with account(clock, services=["rds"]) as reads:
            for index in range(100):
                aws = attempt(reads)
                await aws.read(*CLUSTERS, slot="some", DBClusterIdentifier=f"c{index}")
                assert aws.failures == []
            assert len(reads.entries) == 1
            await attempt(reads).read(*CLUSTERS, slot="some", DBClusterIdentifier="c99")
            small.answers(*CLUSTERS, refuse)
            with pytest.raises(ReadFailed):
                await attempt(reads).read(*CLUSTERS, slot="some", DBClusterIdentifier="other")
            clock.now += 200
            aws = attempt(reads)
            assert await aws.read(*CLUSTERS, slot="some", DBClusterIdentifier="c99")
            assert [failure.reason for failure in aws.failures] == ["access_denied"]

    asyncio.run(run())

    assert len(small.asked("DescribeDBClusters")) == 102


def refuse(_: Any) -> Any:
    raise AwsError("AccessDenied", "no", 403)


def test_nested_parts_are_kept_too() -> None:
    """A nested part that could not be read this time is taken over from the last answer, with its own age."""
    before, inner = Answer(), Answer()
    inner["a"], inner.ages["a"] = 1, Age(10, 100)
    before["details"], before.ages["details"] = inner, Age(10, 100)
    now, empty = Answer(), Answer()
    empty["b"], empty.ages["b"] = 2, Age(50, 140)
    now["details"], now.ages["details"] = empty, Age(50, 140)

    now.keep(before)

    assert now == {"details": {"a": 1, "b": 2}}
    assert now.ages["details"] == Age(10, 100)
    assert now.at(101) == {"details": {"b": 2}}
