"""The engine from the configuration: made, started, and for those who want one look, run until everything was read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from botocore.exceptions import BotoCoreError

from . import engine, iam
from .clients import Clients
from .clock import SystemClock
from .collectors import COLLECTORS
from .config import Config, ConfigError, need_region
from .engine import Engine
from .practices import PRACTICES
from .publication import Publication

# Seconds between two looks at how reading goes.
LOOKS = 0.1


@asynccontextmanager
async def complete(
    config: Config,
    publication: Publication,
    patience: float = engine.READY_AT_THE_LATEST,
    look: Callable[[Engine], None] = lambda _: None,
) -> AsyncIterator[Engine]:
    """The engine when everything was read and judged once, or after ``patience`` seconds; it stops with the block.

    ``look`` is called now and then while it reads. Raises ConfigError where no AWS client can be made.
    """
    async with clients(config) as opened:
        machine = Engine(COLLECTORS, opened, publication, SystemClock(), PRACTICES)
        check_region(machine, config)
        await start(machine, config)
        turning = asyncio.create_task(machine.run())
        try:
            end = monotonic() + patience
            while not machine.complete.is_set() and not turning.done() and monotonic() < end:
                look(machine)
                await asyncio.wait((turning,), timeout=LOOKS)
            if turning.done():  # by a mistake of ours: a part of the verdicts would look like all of them
                turning.result()
            yield machine
        finally:
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)


def clients(config: Config) -> Clients:
    """The clients for what finding deployments and the collectors ask."""
    actions = {action for collector in COLLECTORS for action in collector.actions} | set(engine.ACTIONS)
    return Clients(config.aws, iam.operations(actions), SystemClock())


def check_region(machine: Engine, config: Config) -> None:
    """Raise ConfigError where nobody said which region is meant."""
    with client_errors():
        default = machine.default_region
    need_region(config, default)


async def start(machine: Engine, config: Config, reloading: asyncio.Lock | None = None) -> None:
    """Make the clients and start every loop. Raises ConfigError where the AWS client cannot be made at all."""
    with client_errors():
        async with reloading or asyncio.Lock():
            await machine.apply(config)


@contextmanager
def client_errors() -> Iterator[None]:
    """What the AWS client cannot be made of is an error of the configuration."""
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise ConfigError((f"AWS client: {error}",)) from error
