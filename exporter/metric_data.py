"""CloudWatch's values, which AWS bills one by one: asked for in one call that all collectors of an account share.

A collector that needs a value makes everything that is due be asked at once, also what others asked for before, so
that one GetMetricData serves a tick of them all. Every metric asked for is counted; a budget bounds one refresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .clock import Clock

# AWS takes 500 metrics in a call. Four periods back: a datum can be some minutes late (S3's, a day).
LIMIT = 500
WINDOW = 4
# USD for one metric of GetMetricData. Source: Amazon CloudWatch pricing (0.01 USD per 1,000 metrics requested).
PRICE = 0.00001
# Seconds to wait for other collectors that are about to ask as well.
GATHERING = 0.1


class Metric(NamedTuple):
    """One CloudWatch value: the newest datum of ``statistic`` over ``period`` seconds."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    statistic: str = "Average"
    period: int = 300


class MetricsRefused(Exception):
    """CloudWatch answered the call but refused some metric, or one refresh would ask for more than is allowed."""


@dataclass(slots=True)
class Datum:
    """What is known of one metric. ``value``: None where CloudWatch had none; ``read_at``: 0 before the first read."""

    wanted: float  # seconds: how old it may be for the collector that asks most often
    used_at: float
    read_at: float = 0.0
    value: float | None = None


@dataclass(slots=True)
class MetricData:
    """The metrics of an account and region. ``ask`` calls GetMetricData; ``billed`` is told how many were asked for."""

    clock: Clock
    budget: int
    ask: Callable[..., Awaitable[Mapping[str, Any]]]
    billed: Callable[[int], None]
    data: dict[Metric, Datum] = field(default_factory=dict)
    flights: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    _asking: set[int] = field(default_factory=set)  # periods whose flight takes no more metrics

    async def refresh(self, metrics: Sequence[Metric], wanted: float) -> None:
        """Make no metric's datum older than ``wanted`` seconds. Raises MetricsRefused and what the client raises."""
        now = self.clock.time()
        for metric in metrics:
            datum = self.data.setdefault(metric, Datum(wanted, now))
            datum.used_at, datum.wanted = now, min(datum.wanted, wanted)
        for period in sorted({metric.period for metric in metrics if self._due(metric, now)}):
            while period in self._asking:
                await asyncio.wait([self.flights[period]])
            if not any(metric.period == period and self._due(metric, now) for metric in metrics):
                continue
            if period not in self.flights:
                flight = asyncio.create_task(self._fly(period))
                self.flights[period] = flight
                flight.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self.flights[period])

    def _due(self, metric: Metric, now: float) -> bool:
        datum = self.data[metric]
        return now - datum.read_at >= datum.wanted

    async def _fly(self, period: int) -> None:
        try:
            await asyncio.sleep(GATHERING)
            now = self.clock.time()
            self.data = {
                metric: datum for metric, datum in self.data.items() if now - datum.used_at < 10 * datum.wanted
            }
            due = [metric for metric in self.data if metric.period == period and self._due(metric, now)]
            self._asking.add(period)
            if len(due) > self.budget:
                month = len(due) * PRICE * 2_592_000 / max(period, 300)
                msg = (
                    f"{len(due)} metrics in one refresh, about {month:.2f} USD a month; cloudwatch."
                    f"max_metrics_per_refresh allows {self.budget}"
                )
                raise MetricsRefused(msg)
            for start in range(0, len(due), LIMIT):
                await self._read(due[start : start + LIMIT], period, now)
        finally:
            self._asking.discard(period)
            del self.flights[period]

    async def _read(self, metrics: Sequence[Metric], period: int, now: float) -> None:
        end = now - now % 60
        answer = await self.ask(
            MetricDataQueries=[
                {
                    "Id": f"m{index}",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": metric.namespace,
                            "MetricName": metric.name,
                            "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
                        },
                        "Period": period,
                        "Stat": metric.statistic,
                    },
                }
                for index, metric in enumerate(metrics)
            ],
            StartTime=datetime.fromtimestamp(end - WINDOW * period, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
            ScanBy="TimestampDescending",
        )
        self.billed(len(metrics))
        refused = []
        newest: dict[Metric, float | None] = {}
        # Newest first; what one page does not hold of a metric (PartialData) comes under the same Id on a later one.
        for result in answer["MetricDataResults"]:
            metric = metrics[int(result["Id"][1:])]
            if result.get("StatusCode") in ("Forbidden", "InternalError"):
                refused.append(f"{metric.namespace} {metric.name}: {result['StatusCode']}")
                continue
            if newest.get(metric) is None:
                newest[metric] = result["Values"][0] if result["Values"] else None
        for metric, value in newest.items():
            datum = self.data[metric]
            datum.value, datum.read_at = value, now
        if refused:
            raise MetricsRefused("; ".join(refused[:3]))
