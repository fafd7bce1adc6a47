"""Which deployments are watched, and by what: one survey loop for each account and region keeps the jobs in step.

Configuration and what a survey found are compared with the jobs that run; only the difference is started or stopped, so
that a reload or a new stack disturbs nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from time import monotonic

from . import assignment, survey
from .aws import Aws, reads_of
from .clients import Clients
from .clock import Clock
from .collector import Collector
from .config import Config, DeploymentConfig
from .deployment import Deployment, target_labels
from .errors import CALL_ERRORS, MISTAKES, ReadFailed
from .metrics import Sample, lines
from .own_metrics import deployment_samples, exporter_samples, merged
from .poll import Job
from .practice import Practice
from .publication import Publication
from .scorecards import Scorecards
from .source import Source, SourceKey, look

log = logging.getLogger(__name__)

ACTIONS = (*survey.ACTIONS, "sts:GetCallerIdentity")

SURVEY_INTERVAL = 300.0
SURVEY_RETRY = 60.0
# Seconds that AWS has to answer a survey: the collectors wait for the first one.
SURVEY_TIMEOUT = 30.0
# Seconds between two looks at what has become too old, and between two builds of the page.
TICK = 1.0
# The same before the page is complete for the first time.
FIRST_LOOKS = 0.02
READY_AT_THE_LATEST = 120.0


class Engine:
    """Everything that turns in the background. ``run`` until cancelled; ``apply`` a configuration at any time."""

    def __init__(
        self,
        collectors: Iterable[Collector],
        clients: Clients,
        publication: Publication,
        clock: Clock,
        practices: Sequence[Practice] = (),
    ) -> None:
        self.jobs: dict[tuple[str, str], Job] = {}
        self.sources: dict[SourceKey, Source] = {}
        self.config = Config()
        self.ticked_at = monotonic()
        self.complete = asyncio.Event()
        self._started = monotonic()
        self._collectors = tuple(collectors)
        self.scorecards = Scorecards(practices, self._collectors, publication, clock)
        self._clients = clients
        self._publication = publication
        self._clock = clock
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._said: dict[Hashable, Hashable] = {}
        self._applied = False
        self._reload_successful = True
        self._reloaded_at = clock.time()

    async def apply(self, config: Config) -> None:
        """Make a configuration the present one; what it does not change goes on undisturbed.

        Raises what making AWS clients raises; nothing is changed then.
        """
        wanted: dict[SourceKey, list[DeploymentConfig]] = {}
        default = self._clients.default_region
        for each in config.deployments:
            external_id = each.external_id.get_secret_value() if each.external_id else None
            key = (each.region or default or "", each.role_arn, external_id)
            wanted.setdefault(key, []).append(each)
        for key, members in list(wanted.items()):  # other shards' deployments stay: what is theirs is not unassigned
            if not any(_is_ours(config, each) for each in members):
                del wanted[key]
        if not config.deployments:
            wanted[default or "", None, None] = []
        opened: dict[SourceKey, Source] = {}
        async with AsyncExitStack() as undo:
            for key in wanted.keys() - self.sources.keys():
                opened[key] = await self._open(key, config)
                undo.push_async_callback(self._clients.close, opened[key].reads.account)
            undo.pop_all()
        self.config = config
        for key in self.sources.keys() - wanted.keys():
            await self._drop(key)
        self.sources |= opened
        for key, configured in wanted.items():
            source = self.sources[key]
            source.configured = tuple(configured)
            if not source.surveyed:  # they are there, whatever AWS says
                account = source.reads.account
                source.found = [
                    survey.from_config(account.account_id, account.region, each, (), config.aws.parameter_keys)
                    for each in configured
                    if _is_ours(config, each)
                ]
            source.again.set()
            if source.task is None:
                source.task = asyncio.create_task(self._survey(source))
                source.task.add_done_callback(_log_death)
        self._applied = True
        self.publish()

    def reloaded(self, *, successfully: bool) -> None:
        """Take down how a reload ended."""
        self._reload_successful = successfully
        if successfully:
            self._reloaded_at = self._clock.time()

    @property
    def default_region(self) -> str | None:
        """Where a deployment is that says nothing of its region."""
        return self._clients.default_region

    def all_well(self) -> bool:
        """Whether the last survey of every account and the last attempt of every job read everything."""
        return all(source.success for source in self.sources.values()) and not any(
            job.failures for job in self.jobs.values()
        )

    def ready(self) -> bool:
        """Whether the page holds what every enabled collector read first, or two minutes have passed."""
        return self.complete.is_set() or monotonic() - self._started > READY_AT_THE_LATEST

    async def run(self) -> None:
        """Keep the page up to date until cancelled; then stop every loop."""
        try:
            while True:
                began = monotonic()
                await self._tick()
                # A fleet's page takes long to build: it is then built less often than every second.
                rest = max(TICK, 5 * (monotonic() - began))
                if self.complete.is_set():
                    await asyncio.sleep(rest)
                else:  # at once when it becomes complete
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._until_complete(), rest)
        finally:
            for key in list(self.sources):
                await self._drop(key)

    async def _tick(self) -> None:
        """Withdraw what has become too old and build the page from what there is."""
        complete = self._is_complete()
        for job in self.jobs.values():
            job.expire()
        self.publish()
        judged = await self.scorecards.update(self.config, self.watched(), self.jobs.values())
        await self._publication.build()
        self.ticked_at = monotonic()
        if complete and judged:
            self.complete.set()

    async def _until_complete(self) -> None:
        while not self._is_complete():  # noqa: ASYNC110  # jobs come and go meanwhile: there is no one event
            await asyncio.sleep(FIRST_LOOKS)

    def _is_complete(self) -> bool:
        return (
            self._applied
            and all(source.surveyed for source in self.sources.values())
            and all(job.attempted for job in self.jobs.values())
        )

    async def _open(self, key: SourceKey, config: Config) -> Source:
        region, role_arn, external_id = key
        account = await self._clients.account(region, role_arn, external_id)
        limits = config.cloudwatch
        reads = reads_of(account, self._clock, limits.max_metrics_per_refresh, limits.list_agent_metrics)
        return Source(key, reads)

    async def _drop(self, key: SourceKey) -> None:
        source = self.sources.pop(key, None)
        if source is None:
            return
        tasks: list[asyncio.Task[None]] = [source.task] if source.task else []
        tasks += [self._forget(job_key) for job_key, job in list(self.jobs.items()) if job.reads is source.reads]
        tasks += [entry.flight for entry in source.reads.entries.values() if entry.flight]
        tasks += source.reads.metric_data.flights.values()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._clients.close(source.reads.account)

    async def _survey(self, source: Source) -> None:
        """Look at an account and region again and again."""
        while True:
            source.again.clear()
            aws = Aws(source.reads, interval=SURVEY_INTERVAL, max_age=3 * SURVEY_INTERVAL, timeout=SURVEY_TIMEOUT)
            await self._look(source, aws)
            source.surveyed = True
            source.success = not aws.failures
            if source.success:
                source.last_success = self._clock.time()
            source.note(aws.failures)
            if source.success and not source.found and not source.configured and self.config.shard is None:
                log.error("no deployment found: nothing is watched", extra=source.where())
            source.reads.forget()
            waiting = [
                asyncio.create_task(source.again.wait()),
                asyncio.create_task(self._clock.sleep(SURVEY_INTERVAL if source.success else SURVEY_RETRY)),
            ]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

    async def _look(self, source: Source, aws: Aws) -> None:
        configured = source.configured
        try:
            seen = await look(source, aws, self.config)
        except ReadFailed:
            return  # on the attempt's account already
        except (*MISTAKES, *CALL_ERRORS) as error:
            aws.note(error, "cloudformation", "DescribeStacks")
            return
        if source.configured is not configured:
            return  # it was reloaded meanwhile, and is surveyed anew at once
        others = [other for other in self.sources.values() if other is not source and other.place() == source.place()]
        source.seen = seen
        seen = assignment.with_siblings(seen, [each for other in others for each in other.seen])
        if not source.surveyed:  # what those took for nobody's may be ours
            for other in others:
                other.again.set()
        source.found = [each for each in seen if _is_ours(self.config, each)]
        self._reconcile(source)

    def _reconcile(self, source: Source) -> None:
        """Start and stop jobs so that they are those of the deployments that were seen here."""
        wanted = {
            (each.name, collector.name): (each, collector)
            for each in source.found
            for collector in self._collectors
            if self.config.collectors[collector.name].enabled
        }
        for key, job in list(self.jobs.items()):
            if job.reads is source.reads and key not in wanted:
                self._forget(key).cancel()
        for key, (each, collector) in wanted.items():
            settings = self.config.collectors[collector.name]
            known = self.jobs.get(key)
            if known and known.reads is source.reads:
                known.update(each, settings)
            else:
                if known:  # of another account, region or role until now
                    self._forget(key).cancel()
                job = Job(each, collector, settings, source.reads, self._publication, self._clock)
                self.jobs[key] = job
                self._tasks[key] = asyncio.create_task(job.run())
                self._tasks[key].add_done_callback(_log_death)

    def _forget(self, key: tuple[str, str]) -> asyncio.Task[None]:
        self.jobs.pop(key).withdraw()
        return self._tasks.pop(key)

    def watched(self) -> dict[str, tuple[Deployment, str]]:
        """By name: every deployment that is watched, and its staging twin's name, "" for none."""
        seen = [each for source in self.sources.values() for each in source.found]
        staging = {(each.network, each.cluster): each.name for each in seen if each.environment == "staging"}
        twins = {
            each.name: each.staging or staging.get((each.network, each.cluster), "")
            for each in seen
            if each.environment != "staging"
        }
        return {each.name: (each, twins.get(each.name, "")) for each in seen}

    def publish(self) -> None:
        """Publish what the engine knows of itself."""
        said: dict[Hashable, Hashable] = {}

        def say(
            owner: Hashable, state: Hashable, target: dict[str, str], samples: Callable[[], Iterable[Sample]]
        ) -> None:
            said[owner] = state
            if self._said.get(owner) != state:  # else nothing is new: a fleet's series are not rendered every second
                self._publication.publish(owner, lines(samples(), target))

        accounts: dict[tuple[str, str], list[Source]] = {}
        for source in self.sources.values():
            accounts.setdefault((source.reads.account.account_id, source.key[0]), []).append(source)
        for (account_id, region), sources in accounts.items():
            say(
                ("account", account_id, region),
                tuple(source.state() for source in sources),
                {"account_id": account_id, "region": region},
                lambda sources=sources: merged(sample for source in sources for sample in source.samples()),  # type: ignore[misc]
            )
        watched = self.watched()
        for each, twin in watched.values():
            say(
                ("deployment", each.name),
                (each, twin),
                target_labels(each),
                partial(deployment_samples, each, twin),
            )
        # Unknown is not zero: until a survey has ended nobody knows how many there are, and of a shard that has none
        # others do.
        known = self._applied and all(source.surveyed or source.configured for source in self.sources.values())
        counted = known and (bool(watched) or self.config.shard is None)
        state = (len(watched) if counted else None, self._reload_successful, self._reloaded_at)
        say("exporter", state, {}, lambda: exporter_samples(*state))
        for owner in self._said.keys() - said.keys():
            self._publication.withdraw(owner)
        self._said = said


def _is_ours(config: Config, deployment: Deployment | DeploymentConfig) -> bool:
    return config.shard is None or config.shard.holds(deployment.network, deployment.cluster)


def _log_death(task: asyncio.Task[None]) -> None:
    """A loop ends when it is cancelled. Should it end by a mistake of ours, what it served expires; this says why."""
    if not task.cancelled() and (error := task.exception()):
        log.error("a loop ended", exc_info=error)
