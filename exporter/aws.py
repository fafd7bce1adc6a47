"""What a collector sees of AWS: reads that are shared between collectors, and the account of how they went.

A read is asked once however many want it, and its answer is shared while it is young enough. When a read fails, its
last good answer stands in until it is too old; the failure is counted all the same. So one refused action, one
throttled service or one broken resource costs its own facts and nothing else, and nothing old is ever served as new.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Hashable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from botocore import exceptions, xform_name
from botocore.parsers import ResponseParserError

from .answer import Age, Answer
from .clients import Account
from .clock import Clock
from .errors import CALL_ERRORS, Failure, ReadFailed, denied_action, reason_of
from .metric_data import Metric, MetricData, MetricsRefused

# What to ask for where AWS's default page is small, or where an unpaginated call is throttled harder (EC2). 200 because
# a page is parsed in one go and a scrape waits for it: 1,000 instances take more than half a second.
_PAGE_SIZES = {
    "DescribeAlarms": 100,
    "DescribeAutoScalingGroups": 100,
    "DescribeEvents": {"health": 100},
    "DescribeImages": 200,
    "DescribeInstanceInformation": 50,
    "DescribeInstancePatchStates": 100,
    "DescribeInstances": 200,
    "DescribeLaunchTemplateVersions": 200,
    "DescribeSecurityGroupRules": 200,
    "DescribeSnapshots": {"ec2": 200},
    "DescribeVolumes": 200,
    "GetResources": 100,
    "ListAccountSettings": 10,
    "ListBackupJobs": 200,
    "ListContainerInstances": 100,
    "ListRecoveryPointsByBackupVault": 200,
    "ListRestoreJobs": 200,
    "ListServices": 100,
}


@dataclass(slots=True)
class _Entry:
    """What is known of one read: its last good answer, what that was asked, and the request that is under way."""

    answer: dict[str, Any] | None = None
    asked: str = ""
    read_at: float = 0.0
    unchanged_since: Hashable = None
    flight: asyncio.Task[None] | None = None
    flying: str = ""
    useless_from: float = 0.0


@dataclass(slots=True)
class Reads:
    """The shared reads of one account and region."""

    account: Account
    clock: Clock
    metric_data: MetricData
    list_agent_metrics: bool = True
    entries: dict[Hashable, _Entry] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop answers that nobody has asked for again in time: of resources and task definitions that are gone."""
        now = self.clock.time()
        idle = [key for key, entry in self.entries.items() if entry.useless_from < now and entry.flight is None]
        for key in idle:
            del self.entries[key]

    async def call(
        self, service: str, operation: str, parameters: Mapping[str, Any], pages: int | None
    ) -> dict[str, Any]:
        """Ask AWS; all pages merged under the paginator's result keys. Raises what the client raises."""
        client = self.account.client(service)
        method = xform_name(operation)
        async with self.account.slot(service):
            await self.account.turn.wait()
            if not client.can_paginate(method):
                answer: dict[str, Any] = await getattr(client, method)(**parameters)
                answer.pop("ResponseMetadata", None)
                return answer
            size = _PAGE_SIZES.get(operation)
            size = size.get(service) if isinstance(size, dict) else size
            paginator = client.get_paginator(method)
            iterator = paginator.paginate(**parameters, PaginationConfig={"PageSize": size} if size else {})
            if pages is not None:
                async for page in iterator:
                    page.pop("ResponseMetadata", None)
                    return dict(page)
            merged: dict[str, Any] = await iterator.build_full_result()
        key = iterator.result_keys[0].expression
        if service != "s3" and key not in merged:  # S3 leaves empty lists out; every other service sends them
            msg = f"{operation}: the answer has no {key}"
            raise ResponseParserError(msg)
        return merged


def reads_of(account: Account, clock: Clock, budget: int, list_agent_metrics: bool = True) -> Reads:
    """The shared reads of an account and region; ``budget`` bounds the CloudWatch metrics of one refresh.

    ``list_agent_metrics``: whether collectors may list what the CloudWatch agent publishes.
    """

    async def ask(**parameters: Any) -> dict[str, Any]:
        return await reads.call("cloudwatch", "GetMetricData", parameters, None)

    def billed(count: int) -> None:
        account.billed_metrics += count

    reads = Reads(account, clock, MetricData(clock, budget, ask, billed), list_agent_metrics)
    return reads


# Seconds: for how long an answer that cannot change is kept when nobody asks for it any more.
FORGOTTEN_AFTER = 86_400.0

# The ages of what the present part of a gathering has read so far.
_ages: ContextVar[list[Age]] = ContextVar("ages")


class Aws:
    """One attempt of one collector in one account and region."""

    def __init__(self, reads: Reads, *, interval: float, max_age: float, timeout: float | None = None) -> None:
        self.account_id = reads.account.account_id
        self.region = reads.account.region
        self.now = reads.clock.time()
        self.list_agent_metrics = reads.list_agent_metrics
        self.interval = interval
        self.max_age = max_age
        self.failures: list[Failure] = []
        self._noted: dict[Hashable, Failure] = {}
        self._reads = reads
        # What has not been answered by then is given up, each read for itself: the rest of the answer is served.
        self._deadline = None if timeout is None else asyncio.get_running_loop().time() + timeout

    async def read(
        self,
        service: str,
        operation: str,
        *,
        max_age: float | None = None,
        unchanged_since: Hashable = None,
        absent: tuple[str, ...] = (),
        pages: int | None = None,
        slot: Hashable = None,
        **parameters: Any,
    ) -> dict[str, Any]:
        """Return the whole answer of a read operation, in AWS's member names. Do not change it: it is shared.

        ``max_age``: seconds; a younger answer of anybody is reused (default: half the collector's interval).
        ``unchanged_since``: an answer is reused for as long as this stays equal. ``absent``: error codes that mean that
        nothing is configured; the answer is then empty. ``pages=1``: the first page is enough. ``slot``: reads of one
        slot replace each other, for parameters that change all the time, such as the tasks that were just listed.

        Raises ReadFailed where AWS does not answer and the last answer is older than the collector's ``max_age``.
        """
        wanted = self.interval / 2 if max_age is None else max_age
        asked = json.dumps([parameters, pages], sort_keys=True, default=str)
        entry = self._reads.entries.setdefault((service, operation, slot or asked), _Entry())
        now = self._reads.clock.time()
        kept = unchanged_since is not None or wanted == math.inf
        entry.useless_from = now + (FORGOTTEN_AFTER if kept else self.lifetime(wanted) + self.interval)
        same = unchanged_since is not None and entry.unchanged_since == unchanged_since
        fresh = entry.asked == asked and (same or now - entry.read_at < wanted)
        if entry.answer is None or not fresh:
            try:
                await self._join(entry, asked, service, operation, parameters, absent, pages)
                entry.unchanged_since = unchanged_since
            except CALL_ERRORS as error:
                subject = " ".join(value for value in parameters.values() if isinstance(value, str))
                failure = self.note(error, service, operation, subject, (service, operation, asked))
                if (
                    entry.answer is None
                    or entry.asked != asked
                    or self.lifetime(wanted) <= self._reads.clock.time() - entry.read_at
                ):
                    raise ReadFailed(failure) from error
        assert entry.answer is not None
        # What cannot have changed was as good as read now.
        self.used(now if same or wanted == math.inf else entry.read_at, wanted)
        return entry.answer

    def lifetime(self, wanted: float) -> float:
        """For how long an answer may be served when it should be ``wanted`` seconds old at most."""
        return max(self.max_age, 3 * wanted) if wanted < math.inf else self.max_age

    def used(self, read_at: float, wanted: float) -> None:
        """Let the part that is being gathered be no younger than something that it is made of.

        What is read less often than the collector runs counts from when it was due.
        """
        if (ages := _ages.get(None)) is not None:
            due = min(self.now, read_at + max(0.0, wanted - self.interval / 2)) if wanted < math.inf else read_at
            ages.append(Age(due, read_at + self.lifetime(wanted)))

    async def _join(
        self,
        entry: _Entry,
        asked: str,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        absent: tuple[str, ...],
        pages: int | None,
    ) -> None:
        """Wait for the request that is under way, or start it. It outlives an attempt that gives up waiting."""
        if entry.flight is None or entry.flying != asked:

            async def fly() -> None:
                try:
                    began = self._reads.clock.time()
                    try:
                        answer = await self._reads.call(service, operation, parameters, pages)
                    except exceptions.ClientError as error:
                        if error.response.get("Error", {}).get("Code") not in absent:
                            raise
                        answer = {}
                    if entry.flight is asyncio.current_task():  # else the slot was asked something else meanwhile
                        entry.answer, entry.asked, entry.read_at = answer, asked, began
                finally:
                    if entry.flight is asyncio.current_task():
                        entry.flight = None

            entry.flight, entry.flying = asyncio.create_task(fly()), asked
            entry.flight.add_done_callback(lambda task: task.cancelled() or task.exception())
        async with asyncio.timeout_at(self._deadline):
            await asyncio.shield(entry.flight)
        if entry.asked != asked:
            raise TimeoutError("another list was asked for meanwhile")

    def note(
        self, error: BaseException, service: str, operation: str, subject: str = "", read: Hashable = None
    ) -> Failure:
        """Put a failure on the attempt's account; once, where several parts wanted the same read."""
        if read in self._noted:
            return self._noted[read]
        reason, code = reason_of(error)
        action = denied_action(error, service, operation) if reason == "access_denied" else None
        detail = str(error).partition("\n")[0][:300]  # botocore quotes an answer after it, which may hold a key
        failure = Failure(f"{service}.{operation}", reason, code, detail, action, subject)
        self.failures.append(failure)
        if read is not None:
            self._noted[read] = failure
        return failure

    async def gather(self, parts: Mapping[Any, Awaitable[Any]]) -> Answer:
        """Await parts side by side; one that cannot be read, or whose answer is malformed, is left out."""
        answer = Answer()
        outer = _ages.get([])

        async def settle(key: Any, part: Awaitable[Any]) -> None:
            ages: list[Age] = []
            _ages.set(ages)  # of this task and of those that it starts
            try:
                answer[key] = await part
            except ReadFailed:
                return
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                self.failures.append(Failure(str(key), "invalid_response", type(error).__name__, str(error)[:300]))
                return
            ages = ages or [Age(self.now, self.now + self.max_age)]
            answer.ages[key] = Age(min(age.read_at for age in ages), min(age.expires_at for age in ages))
            outer.append(answer.ages[key])

        async with asyncio.TaskGroup() as group:
            for key, part in parts.items():
                group.create_task(settle(key, part))
        return answer.ordered(parts)

    async def metrics(self, wanted: Iterable[Metric]) -> dict[Metric, float]:
        """CloudWatch's newest value of each metric, in the metric's unit; one that has no recent datum is absent.

        Raises ReadFailed where CloudWatch cannot be asked.
        """
        metrics = list(wanted)
        fresh = self.interval / 2
        store = self._reads.metric_data
        failed: ReadFailed | None = None
        try:
            async with asyncio.timeout_at(self._deadline):
                await store.refresh(metrics, fresh)
        except (*CALL_ERRORS, MetricsRefused) as error:
            failed = ReadFailed(self.note(error, "cloudwatch", "GetMetricData"))
        moment = self._reads.clock.time() - self.lifetime(fresh)
        known = {metric: store.data[metric] for metric in metrics if store.data[metric].read_at > moment}
        if failed and not known:
            raise failed
        for datum in known.values():
            self.used(datum.read_at, fresh)
        return {metric: datum.value for metric, datum in known.items() if datum.value is not None}
