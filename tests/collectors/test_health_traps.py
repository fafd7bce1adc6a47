"""AWS Health: for the whole world at one address, for those who pay, and silent about what is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from conftest import FrozenClock, account, attempt, surveyed

from exporter.answer import Answer
from exporter.collectors.health import CATEGORIES, COLLECTOR, SERVICES, samples
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.errors import Failure
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
EVENTS = "deployments/acme-prod-eu1/health_events"
ASKED = ("cloudformation", "resourcegroupstaggingapi", "health")


def read(clock: FrozenClock, hours: float = 0) -> tuple[Answer, list[Failure], Deployment]:
    """What the last attempt makes of the stand-in, when it runs every five minutes for some hours."""

    async def fetch() -> tuple[Answer, list[Failure], Deployment]:
        async with account(clock, services=ASKED) as reads:
            [deployment] = await surveyed(reads)
            for _ in range(1 + int(hours * 3600 / COLLECTOR.interval)):
                aws = attempt(reads, COLLECTOR.interval)
                answer = await COLLECTOR.fetch(aws, deployment)
                clock.now += COLLECTOR.interval
            return answer, aws.failures, deployment

    return asyncio.run(fetch())


def served(clock: FrozenClock, series: Series) -> dict[tuple[str, str], float]:
    answer, failures, deployment = read(clock)
    assert failures == []
    found = series(samples(answer, deployment))
    return {(name.split('"')[1], name.split('"')[3]): value for name, value in found.items()}


def calls(standin: Standin) -> int:
    return sum(count for key, count in standin.calls.items() if key[3] == "DescribeEvents")


def test_no_plan(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """Without a support plan nothing is known, which is no failure, and hardly anything is asked."""
    answer, failures, deployment = read(clock, hours=11.5)

    assert failures == []
    assert series(samples(answer, deployment)) == {}
    assert calls(standin) == 2


def test_plan_bought(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """A plan that is bought later is found; from then on it is asked at every attempt, and once at each."""

    async def fetch() -> tuple[int, dict[str, float]]:
        async with account(clock, services=ASKED) as reads:
            [deployment] = await surveyed(reads)
            await COLLECTOR.fetch(attempt(reads), deployment)
            standin.world.change(EVENTS, [])
            clock.now += 6 * 3600
            before = calls(standin)
            for _ in range(4):
                answer = await COLLECTOR.fetch(attempt(reads), deployment)
                clock.now += COLLECTOR.interval
            return calls(standin) - before, series(samples(answer, deployment))

    count, found = asyncio.run(fetch())

    assert count == 4
    assert set(found.values()) == {0}


def test_all_is_well(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """With a plan and without events, every service that matters has a 0 for every category."""
    standin.world.change(EVENTS, [])

    assert served(clock, series) == {(service, category): 0 for service in SERVICES for category in CATEGORIES}


def test_events(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """Open and upcoming events of the region and global ones count; closed ones and other regions' do not."""
    standin.world.change(
        EVENTS,
        [
            {"eventTypeCode": "AWS_RDS_OPERATIONAL_ISSUE", "service": "RDS"},
            {"eventTypeCode": "AWS_RDS_NOTICE", "service": "RDS", "eventTypeCategory": "accountNotification"},
            {"eventTypeCode": "AWS_RDS_ISSUE", "service": "RDS", "region": "us-east-1"},
            {"eventTypeCode": "AWS_RDS_OLD_ISSUE", "service": "RDS", "statusCode": "closed"},
            {"eventTypeCode": "AWS_EC2_RETIREMENT", "eventTypeCategory": "scheduledChange", "statusCode": "upcoming"},
            {"eventTypeCode": "AWS_ROUTE53_ISSUE", "service": "ROUTE53", "region": "global"},
            {"eventTypeCode": "AWS_LAMBDA_ISSUE", "service": "LAMBDA"},
        ],
    )  # fmt: skip

    assert {key: value for key, value in served(clock, series).items() if value} == {
        ("RDS", "issue"): 1,
        ("RDS", "accountNotification"): 1,
        ("EC2", "scheduledChange"): 1,
        ("ROUTE53", "issue"): 1,
        ("LAMBDA", "issue"): 1,
    }


def test_refused(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """A role that may not ask is a failure that names the action; it is not taken for a missing plan."""
    standin.world.change(EVENTS, [])
    standin.faults.add(kind="deny", service="health")

    answer, [failure], deployment = read(clock)

    assert (failure.reason, failure.action) == ("access_denied", "health:DescribeEvents")
    assert series(samples(answer, deployment)) == {}


def test_malformed_event(deployment: Deployment) -> None:
    """An event that names no service may be of any: then no count is true."""
    answer = Answer()
    answer["events"] = [{"service": "RDS", "eventTypeCategory": "issue"}, {"eventTypeCategory": "issue"}]

    [found] = samples(answer, deployment)

    assert isinstance(found, Malformed)
