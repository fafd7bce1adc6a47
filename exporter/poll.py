"""One loop for each deployment and collector: when it asks, what becomes of the answer, how failure is contained.

The only catch-all of the package is here. What an attempt read replaces what was served; what it could not read is
served until it is too old; every failure has a reason, a counter and a log line when it begins and when it ends.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from .answer import Answer
from .aws import Aws, Reads
from .clock import Clock
from .collector import Collector
from .config import CollectorConfig
from .deployment import UNASSIGNED, Deployment, target_labels
from .errors import REASONS, Failure, ReadFailed
from .metrics import Family, Malformed, Sample, lines
from .publication import Publication

log = logging.getLogger(__name__)

_COLLECTOR = ("collector",)
SUCCESS = Family(
    "tts_aws_collector_success",
    "Whether the last attempt read every fact; a refused, throttled or failed part makes it 0.",
    _COLLECTOR,
    "flag",
    stable=True,
)
LAST_SUCCESS = Family(
    "tts_aws_collector_last_success_timestamp_seconds",
    "When an attempt last read every fact; 0 until the first.",
    _COLLECTOR,
    "time",
    stable=True,
)
OLDEST_READ = Family(
    "tts_aws_collector_oldest_read_timestamp_seconds",
    "When the oldest sample that this collector serves now was read, or due if it is read less often; "
    "ages in alerts subtract from it.",
    _COLLECTOR,
    "time",
    stable=True,
)
LAST_ATTEMPT = Family(
    "tts_aws_collector_last_attempt_timestamp_seconds", "When the last attempt began.", _COLLECTOR, "time"
)
DURATION = Family("tts_aws_collector_duration_seconds", "How long the last attempt took.", _COLLECTOR)
INTERVAL = Family("tts_aws_collector_interval_seconds", "Time between two attempts, as configured.", _COLLECTOR)
SAMPLES = Family("tts_aws_collector_samples", "Samples that the last successful attempt published.", _COLLECTOR)
ERRORS = Family(
    "tts_aws_collector_errors_total",
    "Facts that could not be read or understood, by reason.",
    ("collector", "reason"),
    "counter",
    stable=True,
)
SKIPPED = Family(
    "tts_aws_collector_skipped_total",
    "Ticks skipped because the previous attempt was still running.",
    _COLLECTOR,
    "counter",
)
PERMISSION_MISSING = Family(
    "tts_aws_collector_permission_missing",
    "Whether AWS refused this IAM action in the last attempt, for each action that the collector needs.",
    ("collector", "action"),
    "flag",
    stable=True,
)
FAMILIES = (
    SUCCESS,
    LAST_SUCCESS,
    OLDEST_READ,
    LAST_ATTEMPT,
    DURATION,
    INTERVAL,
    SAMPLES,
    ERRORS,
    SKIPPED,
    PERMISSION_MISSING,
)

# Seconds: a failed attempt is repeated after the first, then twice that, and so on up to the second or the interval.
# What was read meanwhile is shared, so that a repetition asks only for what failed.
RETRY_FIRST, RETRY_LAST = 60.0, 900.0
# The part of an attempt's time-out in which AWS may answer.
READING = 0.9


class Job:
    """A collector of a deployment, with what it last learnt."""

    def __init__(
        self,
        deployment: Deployment,
        collector: Collector,
        settings: CollectorConfig,
        reads: Reads,
        publication: Publication,
        clock: Clock,
    ) -> None:
        self.deployment = deployment
        self.collector = collector
        self.settings = settings
        self.attempted = False
        self.last_success = 0.0
        self.last_attempt = 0.0
        self.failures: list[Failure] = []
        self.samples: list[Sample] = []  # what is served now
        self.oldest_read: float | None = None
        self.changes = 0  # of what is served, or could not be read: tells whether there is something new to judge
        self.reads = reads
        self._publication = publication
        self._clock = clock
        self._answer = Answer()
        self._lasting: dict[tuple[str, tuple[str, ...]], Sample] = {}
        self._expires_at = inf
        self._duration = 0.0
        self._count = 0
        self._skipped = 0
        self._errors: Counter[str] = Counter()
        self._failed_attempts = 0
        self._changed = asyncio.Event()

    @property
    def key(self) -> tuple[str, str]:
        """The deployment's and the collector's name."""
        return self.deployment.name, self.collector.name

    async def run(self) -> None:
        """Attempt at once, then at every tick and when the deployment has other resources, until cancelled."""
        due = self._clock.time()
        self._publish_self()
        shift = random.random()
        while True:
            await self.attempt()
            interval = self.settings.interval
            due = min(due, self._clock.time())  # the clock may have been set back
            if self.failures:
                interval = min(interval, RETRY_LAST, RETRY_FIRST * 2 ** (self._failed_attempts - 1))
            elif shift:  # spreads the second and later ticks of all jobs over time
                interval, shift = interval * (1 - shift / 5), 0.0
            due += interval
            now = self._clock.time()
            if now > due:
                self._skipped += 1 + int((now - due) // interval)
                due = now + interval - (now - due) % interval
            if await self._changes_within(due - now):
                due = self._clock.time()

    async def _changes_within(self, seconds: float) -> bool:
        """Sleep until the next tick, or until a survey shows other resources: the interval may be hours."""
        waiting = [
            asyncio.create_task(self._changed.wait()),
            asyncio.create_task(self._clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return self._changed.is_set()

    async def attempt(self) -> None:
        """Ask AWS once and publish what became of it. Does not raise."""
        self._changed.clear()
        settings = self.settings
        # A read ends in time for the others' answers to be served; the outer time-out is for what hangs otherwise.
        aws = Aws(self.reads, interval=settings.interval, max_age=settings.max_age, timeout=READING * settings.timeout)
        began = time.monotonic()
        deployment = self.deployment
        answer: Answer | None = None
        with self._contained(aws.failures):
            try:
                async with asyncio.timeout(self.settings.timeout):
                    answer = await self.collector.fetch(aws, deployment)
            except ReadFailed:
                pass  # on the attempt's account already
            except TimeoutError:
                aws.failures.append(Failure(self.collector.name, "timeout", "TimeoutError", "attempt given up"))
        if answer is not None:
            if aws.failures:
                answer.keep(self._answer)
            self._answer = answer
        if deployment.incomplete:  # not every resource is known, which must not look like having no other
            aws.failures.append(deployment.incomplete)
        now = self._clock.time()
        aws.failures += self._publish(now, complete=not aws.failures)
        self.changes += not self.attempted
        self.attempted = True
        self.last_attempt = aws.now
        self._duration = time.monotonic() - began
        self._settle(aws.failures, now)
        self._publish_self()

    def expire(self) -> None:
        """Withdraw what has become too old; called often, as an attempt may hang."""
        if self._clock.time() >= self._expires_at:
            self._publish(self._clock.time(), complete=False)
            self._publish_self()

    def update(self, deployment: Deployment, settings: CollectorConfig) -> None:
        """Go on with what a survey or a reload changed; the present attempt ends with what it began with."""
        relabelled = target_labels(deployment) != target_labels(self.deployment)
        if relabelled:
            self._publication.share(self._account_key, self.key, {})
        if (deployment.owned, deployment.assigned) != (self.deployment.owned, self.deployment.assigned):
            self._changed.set()
        self.deployment, self.settings = deployment, settings
        if relabelled:
            self._publish(self._clock.time(), complete=False)
            self._publish_self()

    def withdraw(self) -> None:
        """Serve nothing of this job any more."""
        for owner in (self.key, (*self.key, "self")):
            self._publication.withdraw(owner)
        self._publication.share(self._account_key, self.key, {})

    @property
    def _account_key(self) -> tuple[str, str, str]:
        return self.deployment.account_id, self.deployment.region, self.collector.name

    def _publish(self, now: float, *, complete: bool) -> list[Failure]:
        """Publish what the answer says at a moment; return what in it cannot be understood."""
        failures: list[Failure] = []
        self._answer = self._answer.at(now)
        age = self._answer.oldest()
        self.oldest_read, self._expires_at = age or (None, inf)
        samples: list[Sample] = []
        with self._contained(failures):
            for sample in self.collector.samples(self._answer, self.deployment):
                if isinstance(sample, Malformed):
                    detail = f"{sample.error} in {sample.resource}"
                    name = self.collector.name
                    failures.append(Failure(name, "invalid_response", "malformed", detail, subject=sample.resource))
                else:
                    samples.append(sample)
        lasting = {(sample.family.name, sample.labels): sample for sample in samples if sample.family.lasting}
        if failures or not complete:  # what is missing was not read: the configuration still holds for it
            samples += [sample for series, sample in self._lasting.items() if series not in lasting]
            lasting = self._lasting | lasting
        else:
            self._count = len(samples)
        self._lasting = lasting
        self.changes += samples != self.samples
        self.samples = samples
        target = target_labels(self.deployment)
        own = [sample for sample in samples if sample.family.scope == "deployment"]
        self._publication.publish(self.key, lines(own, target))
        # What is of the account and region, all its deployments say alike.
        # Nothing is unassigned while the survey could not tell what is assigned.
        known = self.deployment.incomplete is None
        shared = [
            each for each in samples if each.family.scope == "account" and (known or each.family is not UNASSIGNED)
        ]
        self._publication.share(self._account_key, self.key, lines(shared, target), self.oldest_read or 0.0)
        return failures

    @contextmanager
    def _contained(self, failures: list[Failure]) -> Iterator[None]:
        """A mistake in a collector, or an answer that it cannot read, is a failure of it and of nothing else."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  # the one place that catches everything
            failures.append(
                Failure(self.collector.name, "invalid_response", type(error).__name__, str(error)[:300], bug=error)
            )

    def _settle(self, failures: list[Failure], now: float) -> None:
        """Count failures; log each when it begins and when it is over."""
        self._errors.update(failure.reason for failure in failures)
        before = {failure.key: failure for failure in self.failures}
        after = {failure.key: failure for failure in failures}
        for key, failure in after.items():
            level = logging.DEBUG if key in before else logging.WARNING
            fields = {"operation": failure.operation, "reason": failure.reason, "code": failure.code}
            if failure.action:
                fields["missing_action"] = failure.action
            extra = self._fields() | fields | {"detail": failure.detail}
            log.log(level, "could not read", extra=extra, exc_info=failure.bug)
        for key, failure in before.items():
            if key not in after:
                log.info(
                    "reads again", extra=self._fields() | {"operation": failure.operation, "reason": failure.reason}
                )
        self.changes += before.keys() != after.keys()
        self.failures = [failure._replace(bug=None) for failure in after.values()]  # a traceback holds the answer
        if failures:
            self._failed_attempts = min(self._failed_attempts + 1, 30)
        else:
            self._failed_attempts = 0
            self.last_success = now

    def _fields(self) -> dict[str, str]:
        return {"deployment": self.deployment.name, "collector": self.collector.name}

    def _self_samples(self) -> Iterator[Sample]:
        name = self.collector.name
        yield LAST_SUCCESS.sample(self.last_success, collector=name)
        yield INTERVAL.sample(self.settings.interval, collector=name)
        yield SKIPPED.sample(self._skipped, collector=name)
        for reason in REASONS:
            yield ERRORS.sample(self._errors[reason], collector=name, reason=reason)
        refused = {failure.action for failure in self.failures}
        for action in self.collector.actions:
            yield PERMISSION_MISSING.sample(action in refused, collector=name, action=action)
        if self.oldest_read is not None:
            yield OLDEST_READ.sample(self.oldest_read, collector=name)
        if self.attempted:
            yield SUCCESS.sample(not self.failures, collector=name)
            yield LAST_ATTEMPT.sample(self.last_attempt, collector=name)
            yield DURATION.sample(self._duration, collector=name)
            yield SAMPLES.sample(self._count, collector=name)

    def _publish_self(self) -> None:
        self._publication.publish((*self.key, "self"), lines(self._self_samples(), target_labels(self.deployment)))
