"""A small AWS of a test's own answers, in front of which the exporter's real clients and engine run; and its clock."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from conftest import AS_OF, FrozenClock, point_at
from prometheus_client.parser import text_string_to_metric_families

from exporter.demo.request import Handler, Request
from exporter.demo.server import Standin
from exporter.metrics import Family
from exporter.publication import Publication

HERE = "111122223333"


class Small:
    """A world for the stand-in that answers what it was told to answer."""

    standin: Standin
    facts: dict[str, dict[str, Any]]

    def __init__(self, clock: FrozenClock) -> None:
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.default_account = HERE
        self.deployments: list[Any] = []
        self.roles: dict[str, str | None] = {}
        self.seen: list[Request] = []
        self._clock = clock

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.time(), UTC)

    def answers(self, service: str, operation: str, answer: Mapping[str, Any] | Callable[[Request], Any]) -> None:
        def handler(_: Any, request: Request) -> Any:
            self.seen.append(request)
            return answer(request) if callable(answer) else answer

        self.handlers[service, operation] = handler

    def asked(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each request of an operation."""
        return [request.parameters for request in self.seen if request.operation == operation]


@contextmanager
def small_aws(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Small, Standin]]:
    """A small AWS that runs, and is the AWS of this process."""
    small: Any = Small(clock)
    with Standin.in_thread(small, validate=True) as running:
        point_at(running, monkeypatch)
        yield small, running


class Steps(FrozenClock):
    """A clock that stands still until it is moved; who sleeps on it wakes once it has been moved far enough."""

    def __init__(self, now: float = AS_OF) -> None:
        super().__init__(now)
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = count()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        awake = asyncio.Event()
        sleeper = (self.now + seconds, next(self._count), awake)
        heapq.heappush(self._sleepers, sleeper)
        try:
            await awake.wait()
        finally:
            if sleeper in self._sleepers:  # cancelled
                self._sleepers.remove(sleeper)
                heapq.heapify(self._sleepers)

    @property
    def wakes(self) -> list[float]:
        """In how many seconds each sleeper wakes, the next first."""
        return sorted(until - self.now for until, _, _ in self._sleepers)

    async def forward(self, seconds: float) -> None:
        """Let time pass; every sleeper wakes at its moment and runs as far as it can without waiting."""
        end = self.now + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            self.now, _, awake = heapq.heappop(self._sleepers)
            awake.set()
            await settle()
        self.now = end
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something other than its turn."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for a condition; fail when it does not come true within a bound that is far from any real duration."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        await asyncio.sleep(0.01)


def parsed(text: bytes) -> dict[str, float]:
    """The lines of an exposition without heads: series -> value."""
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


async def served(publication: Publication) -> dict[str, float]:
    """Every series of the page of now -> its value."""
    await publication.build()
    return parsed(publication.page(openmetrics=False).plain)


async def gathered(calls: Iterable[Awaitable[Any]]) -> list[Any]:
    """The results of calls that run at the same time."""
    return list(await asyncio.gather(*calls))


async def values(publication: Publication, family: Family, label: str = "") -> dict[str, float]:
    """What is served of a family: the value of one of its labels -> the series' value."""
    await publication.build()
    text = publication.page(openmetrics=False).plain.decode()
    samples = [sample for metric in text_string_to_metric_families(text) for sample in metric.samples]
    mine = [sample for sample in samples if sample.name == family.name]
    found = {sample.labels.get(label, ""): sample.value for sample in mine}
    assert len(found) == len(mine), f"{label} does not tell the series of {family.name} apart"
    return found


def published(publication: Publication) -> int:
    """How many series of our own are published, before a page is built from them."""
    return sum(ready.count(b"\n") for owners in publication._lines.values() for ready in owners.values())
