"""An account and region as it is reached through one role: what was found there, and how looking for it went."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field

from .aws import Aws, Reads
from .config import Config, DeploymentConfig
from .deployment import Deployment
from .errors import Failure, ReadFailed
from .metrics import Sample
from .own_metrics import account_samples
from .survey import survey

log = logging.getLogger(__name__)

SourceKey = tuple[str, str | None, str | None]  # region, role, external id


@dataclass(slots=True)
class Source:
    """One account and region as reached through one role, and what was found there."""

    key: SourceKey
    reads: Reads
    configured: tuple[DeploymentConfig, ...] = ()
    found: list[Deployment] = field(default_factory=list)  # this shard's
    seen: list[Deployment] = field(default_factory=list)  # all shards'
    surveyed: bool = False
    success: bool = False
    last_success: float = 0.0
    failures: frozenset[tuple[str, str, str, str]] = frozenset()
    again: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def place(self) -> tuple[str, str]:
        """The account and region, however they are reached."""
        return self.reads.account.account_id, self.key[0]

    def state(self) -> Hashable:
        """Something that is another one whenever ``samples`` would be."""
        account = self.reads.account
        return account.counted, account.billed_metrics, self.surveyed, self.success, self.last_success

    def samples(self) -> Iterator[Sample]:
        return account_samples(self.reads.account, self.success if self.surveyed else None, self.last_success)

    def where(self) -> dict[str, str]:
        """What a log line says of it."""
        return {"account_id": self.reads.account.account_id or "unknown", "region": self.key[0]}

    def note(self, failed: Iterable[Failure]) -> None:
        """Log what changed: a failure once when it begins and once when it ends."""
        failures = {failure.key: failure for failure in failed}
        for key, failure in failures.items():
            if key not in self.failures:
                fields = {"operation": failure.operation, "reason": failure.reason, "code": failure.code}
                fields |= {"missing_action": failure.action} if failure.action else {}
                log.warning("could not survey", extra=self.where() | fields | {"detail": failure.detail})
        for operation, reason, *_ in self.failures - failures.keys():
            log.info("surveys again", extra=self.where() | {"operation": operation, "reason": reason})
        self.failures = frozenset(failures)


async def look(source: Source, aws: Aws, config: Config) -> list[Deployment]:
    """The deployments that are there now. Raises ReadFailed where none is configured and nothing is known."""
    configured = source.configured
    if not source.reads.account.account_id:
        try:
            identity = await aws.read("sts", "GetCallerIdentity", max_age=0)
            source.reads.account.account_id = aws.account_id = identity["Account"]
        except ReadFailed:
            if not configured:
                raise
    seen = await survey(aws, configured, config.aws.parameter_keys, config.expect)
    if not configured and any(failure.operation == "cloudformation.DescribeStacks" for failure in aws.failures):
        # Names alone do not say which deployments are gone, or what they are called.
        known = {each.stack_prefix for each in source.found}
        seen = source.found + [each for each in seen if each.stack_prefix not in known]
    return seen
