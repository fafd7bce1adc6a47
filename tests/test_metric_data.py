"""CloudWatch's values: who asks for what when, what is billed, and what a refusal costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import Small, gathered, small_aws, until

from exporter.answer import Age
from exporter.aws import Aws, Reads
from exporter.demo.request import Request
from exporter.errors import ReadFailed
from exporter.metric_data import Metric

CPU, CREDITS, SIZE = (
    Metric("AWS/EC2", "CPUUtilization", (("InstanceId", "i-1"),)),
    Metric("AWS/EFS", "BurstCreditBalance", (("FileSystemId", "fs-1"),), "Minimum"),
    Metric("AWS/S3", "BucketSizeBytes", (("BucketName", "b"), ("StorageType", "StandardStorage")), "Average", 86_400),
)


def queries(request: Request) -> list[tuple[str, dict[str, Any]]]:
    return [(query["Id"], query["MetricStat"]) for query in request.parameters["MetricDataQueries"]]


def asked(small: Small) -> list[list[str]]:
    """The names of the metrics in each call."""
    return [sorted(stat["Metric"]["MetricName"] for _, stat in queries(request)) for request in small.seen]


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """Answers the values in ``values`` by metric name, the statuses in ``statuses``; others have no datum."""
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        world.facts = {"values": {"CPUUtilization": [12.5, 99.0], "BurstCreditBalance": [0.0]}, "statuses": {}}

        def answer(request: Request) -> dict[str, Any]:
            results = []
            for id_, stat in queries(request):
                name = stat["Metric"]["MetricName"]
                found = world.facts["values"].get(name, [])
                times = [request.now - timedelta(minutes=5 * number) for number in range(len(found))]
                status = world.facts["statuses"].get(name, "Complete")
                results.append({"Id": id_, "Label": name, "Timestamps": times, "Values": found, "StatusCode": status})
            return {"MetricDataResults": list(reversed(results))}

        world.answers("cloudwatch", "GetMetricData", answer)
        yield world


@asynccontextmanager
async def cloudwatch(clock: FrozenClock, budget: int = 500) -> AsyncIterator[Reads]:
    async with account(clock, services=["cloudwatch"], budget=budget) as reads:
        yield reads


def test_one_call_for_all(small: Small, clock: FrozenClock) -> None:
    """Collectors that want metrics at the same time cause one call, and each gets the newest value of its own."""

    async def run() -> list[dict[Metric, float]]:
        async with cloudwatch(clock) as reads:
            return await gathered(attempt(reads).metrics(wanted) for wanted in ([CPU], [CREDITS, CPU], [CREDITS]))

    assert asyncio.run(run()) == [{CPU: 12.5}, {CREDITS: 0.0, CPU: 12.5}, {CREDITS: 0.0}]
    assert asked(small) == [["BurstCreditBalance", "CPUUtilization"]]


def test_what_is_asked(small: Small, clock: FrozenClock) -> None:
    """A query names the metric, its dimensions, statistic and period; a call looks back over whole minutes."""

    async def run() -> None:
        clock.now += 30
        async with cloudwatch(clock) as reads:
            await attempt(reads).metrics([CREDITS])

    asyncio.run(run())

    [parameters] = small.asked("GetMetricData")
    [query] = parameters["MetricDataQueries"]
    assert query["MetricStat"] == {
        "Metric": {
            "Namespace": "AWS/EFS",
            "MetricName": "BurstCreditBalance",
            "Dimensions": [{"Name": "FileSystemId", "Value": "fs-1"}],
        },
        "Period": 300,
        "Stat": "Minimum",
    }
    assert parameters["EndTime"].timestamp() == clock.now - 30
    assert parameters["EndTime"] - parameters["StartTime"] == timedelta(minutes=20)
    assert parameters["ScanBy"] == "TimestampDescending"


def test_a_late_comer_gets_its_values(small: Small, clock: FrozenClock) -> None:
    """A collector that comes while a call is under way, for metrics that are not in it, gets them by another one."""
    fault = small.standin.faults.add(kind="latency", seconds=0.3)

    async def run() -> list[dict[Metric, float]]:
        async with cloudwatch(clock) as reads:
            first = asyncio.create_task(attempt(reads).metrics([CPU]))
            await until(lambda: fault.fired)
            return await gathered((first, attempt(reads).metrics([CPU, CREDITS])))

    assert asyncio.run(run()) == [{CPU: 12.5}, {CPU: 12.5, CREDITS: 0.0}]
    assert asked(small) == [["CPUUtilization"], ["BurstCreditBalance"]]


def test_asked_when_due(small: Small, clock: FrozenClock) -> None:
    """A tick asks for all that is due by then for anybody, and nothing that is young enough for who asked for it."""

    async def run() -> None:
        async with cloudwatch(clock) as reads:
            often, seldom = [CPU], [CREDITS]
            await gathered((attempt(reads, 300).metrics(often), attempt(reads, 900).metrics(seldom)))
            clock.now += 149
            await attempt(reads, 300).metrics(often)
            assert len(small.seen) == 1
            clock.now += 151
            await attempt(reads, 300).metrics(often)
            assert asked(small)[1:] == [["CPUUtilization"]]
            clock.now += 300
            await attempt(reads, 300).metrics(often)
            assert asked(small)[2:] == [["BurstCreditBalance", "CPUUtilization"]]
            clock.now += 100
            assert await attempt(reads, 900).metrics(seldom) == {CREDITS: 0.0}
            assert len(small.seen) == 3

    asyncio.run(run())


def test_periods_are_asked_apart(small: Small, clock: FrozenClock) -> None:
    """Metrics of a day's period are asked for in a call of their own, which looks back days."""
    small.facts["values"]["BucketSizeBytes"] = [5.0]

    async def run() -> dict[Metric, float]:
        async with cloudwatch(clock) as reads:
            return await attempt(reads).metrics([CPU, SIZE])

    assert asyncio.run(run()) == {CPU: 12.5, SIZE: 5.0}
    assert asked(small) == [["CPUUtilization"], ["BucketSizeBytes"]]
    ends = [parameters["EndTime"] - parameters["StartTime"] for parameters in small.asked("GetMetricData")]
    assert ends == [timedelta(minutes=20), timedelta(days=4)]


def test_no_datum_is_absent(small: Small, clock: FrozenClock) -> None:
    """A metric without a recent datum has no value, and that is no failure; when it stops, its old value goes."""

    async def run() -> None:
        async with cloudwatch(clock) as reads:
            aws = attempt(reads)
            assert await aws.metrics([CPU, SIZE]) == {CPU: 12.5}
            assert aws.failures == []
            small.facts["values"].clear()
            clock.now += 300
            assert await attempt(reads).metrics([CPU]) == {}

    asyncio.run(run())


def test_parts_of_an_answer(small: Small, clock: FrozenClock) -> None:
    """A metric may come again on a later page: the newest value that any page has counts, and none is no value."""

    def answer(request: Request) -> dict[str, Any]:
        ids = {stat["Metric"]["MetricName"]: id_ for id_, stat in queries(request)}
        pages = [("CPUUtilization", [12.5]), ("BurstCreditBalance", []), ("NetworkIn", [])]
        pages += [("CPUUtilization", []), ("BurstCreditBalance", [0.0]), ("NetworkIn", [])]
        pages += [("CPUUtilization", [99.0]), ("BurstCreditBalance", [7.0])]
        results = [
            {
                "Id": ids[name],
                "Label": name,
                "Timestamps": [request.now for _ in found],
                "Values": found,
                "StatusCode": "Complete" if number > 5 else "PartialData",
            }
            for number, (name, found) in enumerate(pages)
        ]
        return {"MetricDataResults": results}

    small.answers("cloudwatch", "GetMetricData", answer)
    network = CPU._replace(name="NetworkIn")

    async def run() -> dict[Metric, float]:
        async with cloudwatch(clock) as reads:
            return await attempt(reads).metrics([CPU, CREDITS, network])

    assert asyncio.run(run()) == {CPU: 12.5, CREDITS: 0.0}


def test_billed(small: Small, clock: FrozenClock) -> None:
    """Every metric that CloudWatch answers for is counted as billed; one that is not asked for, or refused, is not."""

    async def run() -> list[int]:
        billed = []
        async with cloudwatch(clock) as reads:
            for wanted in ([CPU, CREDITS, SIZE], [CPU, CREDITS]):
                await attempt(reads).metrics(wanted)
                billed.append(reads.account.billed_metrics)
            clock.now += 300
            small.standin.faults.add(kind="deny")
            await attempt(reads).metrics([CPU])
            billed.append(reads.account.billed_metrics)
            return billed

    assert asyncio.run(run()) == [3, 3, 3]


def failed(wanted: Iterable[Metric], clock: FrozenClock, budget: int = 500) -> Aws:
    """The account of an attempt whose metrics cannot be read."""

    async def run() -> Aws:
        async with cloudwatch(clock, budget) as reads:
            aws = attempt(reads)
            with pytest.raises(ReadFailed):
                await aws.metrics(wanted)
            return aws

    return asyncio.run(run())


def test_budget(small: Small, clock: FrozenClock) -> None:
    """A refresh that would ask for more metrics than allowed asks for none, and says how many and what they cost."""
    many = [CPU._replace(dimensions=(("InstanceId", f"i-{number}"),)) for number in range(11)]

    [failure] = failed(many, clock, budget=10).failures

    assert small.seen == []
    assert failure.operation == "cloudwatch.GetMetricData"
    # 11 metrics, 8,640 times in 30 days, 0.01 USD for a thousand
    assert "11 metrics in one refresh, about 0.95 USD a month" in failure.detail
    assert "allows 10" in failure.detail


def test_more_than_a_call_takes(small: Small, clock: FrozenClock) -> None:
    """More than 500 metrics are asked for in several calls."""
    many = [CPU._replace(dimensions=(("InstanceId", f"i-{number}"),)) for number in range(501)]

    async def run() -> dict[Metric, float]:
        async with cloudwatch(clock, 1000) as reads:
            return await attempt(reads).metrics(many)

    assert asyncio.run(run()) == dict.fromkeys(many, 12.5)
    assert [len(names) for names in asked(small)] == [500, 1]


def test_a_metric_that_is_refused(small: Small, clock: FrozenClock) -> None:
    """A metric that CloudWatch refuses within a good answer is counted, and has no value; the others have theirs."""
    small.facts["statuses"]["BurstCreditBalance"] = "Forbidden"

    async def run() -> tuple[dict[Metric, float], Aws]:
        async with cloudwatch(clock) as reads:
            aws = attempt(reads)
            return await aws.metrics([CPU, CREDITS]), aws

    values, aws = asyncio.run(run())

    assert values == {CPU: 12.5}
    [failure] = aws.failures
    assert "AWS/EFS BurstCreditBalance: Forbidden" in failure.detail


def test_a_call_that_is_refused(small: Small, clock: FrozenClock) -> None:
    """Without an answer and without an earlier one the read fails, with the action that is missing."""
    small.standin.faults.add(kind="deny")

    [failure] = failed([CPU], clock).failures

    assert (failure.reason, failure.action) == ("access_denied", "cloudwatch:GetMetricData")


def test_last_values_stand_in(small: Small, clock: FrozenClock) -> None:
    """After a failure the last values stand in, with their own age, until they are too old."""
    began = clock.now

    async def run() -> None:
        async with cloudwatch(clock) as reads:
            await attempt(reads).metrics([CPU])
            small.standin.faults.add(kind="deny")
            clock.now = began + 899
            aws = attempt(reads)
            answer = await aws.gather({"metrics": aws.metrics([CPU])})
            assert answer == {"metrics": {CPU: 12.5}}
            assert answer.ages["metrics"] == Age(began, began + 900)
            assert [each.reason for each in aws.failures] == ["access_denied"]
            clock.now = began + 900
            with pytest.raises(ReadFailed):
                await attempt(reads).metrics([CPU])
            small.standin.faults.clear()
            assert await attempt(reads).metrics([CPU]) == {CPU: 12.5}

    asyncio.run(run())


def test_forgets_what_nobody_wants(small: Small, clock: FrozenClock) -> None:
    """A metric that nobody has wanted for long is asked for no more, and costs nothing."""

    async def run() -> None:
        async with cloudwatch(clock) as reads:
            await attempt(reads).metrics([CPU, CREDITS])
            for _ in range(6):
                clock.now += 300
                await attempt(reads).metrics([CPU])

    asyncio.run(run())

    assert asked(small)[0] == ["BurstCreditBalance", "CPUUtilization"]
    assert asked(small)[-1] == ["CPUUtilization"]


def test_nothing_wanted(small: Small, clock: FrozenClock) -> None:
    """Who wants no metric causes no call."""

    async def run() -> dict[Metric, float]:
        async with cloudwatch(clock) as reads:
            return await attempt(reads).metrics([])

    assert asyncio.run(run()) == {}
    assert small.seen == []
