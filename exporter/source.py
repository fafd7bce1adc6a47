"""An account and region as it is reached through one role: what was found there, and how looking for it went."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from .aws import Reads
from .config import DeploymentConfig
from .deployment import Deployment
from .metrics import Sample
from .own_metrics import account_samples

SourceKey = tuple[str, str | None, str | None]  # region, role, external id


@dataclass(slots=True)
class Source:
    """One account and region as reached through one role, and what was found there."""

    key: SourceKey
    reads: Reads
    configured: tuple[DeploymentConfig, ...] = ()
    found: list[Deployment] = field(default_factory=list)
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
