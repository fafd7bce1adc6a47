"""The AWS clients: one session, one set of models and one connection pool for the process; one set of clients for each
account and region, made once.

What is counted of a single HTTP request is counted here, on botocore's own events. Retries and their adaptive limit are
botocore's.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Self

from aiobotocore.config import AioConfig
from aiobotocore.credentials import (
    AioAssumeRoleCredentialFetcher,
    AioCredentials,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from . import __version__, models
from .clock import Clock
from .config import Aws as AwsConfig
from .metrics import Histogram
from .wire import Pool, TokenBucket, Turn, fast_timestamp, refuse_foreign_answers

THROTTLES = frozenset(
    (
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    )
)
# Seconds. AWS answers most reads in 20 to 300 ms; the last bounds show what a retry or a time-out costs.
DURATION_BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# Services whose API is in some regions of a partition alone, though it tells of all; botocore asks for it in the region
# of the client and finds no such host. https://docs.aws.amazon.com/general/latest/gr/awshealth.html
_CENTRAL = {"health": {"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-west-1"}}


def client_region(session: Any, service: str, region: str) -> str:
    """The region whose API of a service tells of a region; ``session`` is botocore's, aiobotocore's or boto3's."""
    central = _CENTRAL.get(service)
    return central.get(session.get_partition_for_region(region), region) if central else region


class Account:
    """The clients of one account and region, their limits, and what was counted of their requests.

    ``account_id`` is empty until AWS has said whose the credentials are.
    """

    def __init__(self, account_id: str, region: str, settings: AwsConfig, clock: Clock, turn: Turn) -> None:
        self.account_id = account_id
        self.region = region
        self.turn = turn
        self.requests: Counter[tuple[str, str]] = Counter()  # (service, operation)
        self.errors: Counter[tuple[str, str, str]] = Counter()  # (service, operation, code)
        self.throttled: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, Histogram] = {}
        self.billed_metrics = 0
        self.counted = 0  # events: while it stays the same, so do the counts above
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._clients: dict[str, Any] = {}
        self._open = AsyncExitStack()

    def watch(self, service: str, client: Any) -> None:
        """Limit and count the requests of a client."""
        limits = self._settings.rate_limits
        if service not in self._buckets:
            self._buckets[service] = TokenBucket(limits.get(service) or limits["default"], self._clock)
            self._slots[service] = asyncio.Semaphore(self._settings.max_concurrency)
        self._register(client, service)

    async def add(self, service: str, creating: AbstractAsyncContextManager[Any]) -> None:
        """Make a client and keep it, watched, for ``client``."""
        self._clients[service] = await self._open.enter_async_context(creating)
        self.watch(service, self._clients[service])

    async def close(self) -> None:
        """Close the clients; the connections are the pool's."""
        await self._open.aclose()
        self._clients.clear()

    def client(self, service: str) -> Any:
        """The botocore client of a service."""
        return self._clients[service]

    def slot(self, service: str) -> asyncio.Semaphore:
        """Bounds how many calls of a service are under way at once."""
        return self._slots[service]

    def _register(self, client: Any, service: str) -> None:
        async def limit(request: Any, **_: Any) -> None:
            await self._buckets[service].take()

        def sent(request: Any, event_name: str, **_: Any) -> None:
            self.requests[service, event_name.rpartition(".")[2]] += 1
            self.counted += 1

        def start(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
            context["tts_started"] = time.perf_counter()

        def received(
            event_name: str,
            context: dict[str, Any],
            parsed_response: Mapping[str, Any] | None,
            exception: Exception | None,
            **_: Any,
        ) -> None:
            now = time.perf_counter()
            histogram = self.durations.setdefault(service, Histogram(DURATION_BOUNDS))
            histogram.observe(now - context.get("tts_started", now))
            self.counted += 1
            context["tts_started"] = now
            code = type(exception).__name__ if exception else (parsed_response or {}).get("Error", {}).get("Code")
            if code:
                code = str(code)[:80]  # a label: whatever is between us and AWS may say anything here
                operation = event_name.rpartition(".")[2]
                self.errors[service, operation, code] += 1
                self.throttled[service, operation] += code in THROTTLES

        events = client.meta.events
        # Before the signature is made: a request that waited long must not be signed with an old time.
        events.register_first("request-created.*.*", limit)
        events.register("before-call.*.*", start)
        events.register_last("before-send.*.*", sent)
        events.register("before-parse.*.*", refuse_foreign_answers)
        events.register("response-received.*.*", received)


class Clients:
    """All accounts of the process. Use as an asynchronous context manager; leaving it closes every connection."""

    def __init__(self, settings: AwsConfig, operations: Mapping[str, Collection[str]], clock: Clock) -> None:
        self._settings = settings
        self._operations = operations
        self._clock = clock
        self._accounts: list[Account] = []
        self._session = AioSession()
        parsers = self._session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=fast_timestamp)

    async def __aenter__(self) -> Self:
        settings = self._settings
        models.load(self._session.get_component("data_loader"), self._operations)  # now: later it would hold up scrapes
        self._pool = Pool()
        self._turn = Turn()
        self._session._credentials = FoundCredentials(self._clock)
        self._config = AioConfig(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            retries={"mode": "adaptive", "total_max_attempts": settings.retries},
            user_agent_extra=f"tts-aws-exporter/{__version__}",
            http_session_cls=self._pool.http_session_class(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for account in list(self._accounts):
            await self.close(account)
        await self._pool.close()

    async def close(self, account: Account) -> None:
        """Close an account's clients; nothing may be under way."""
        self._accounts.remove(account)
        await account.close()

    async def rehearse(self) -> None:
        """Make each client once and forget it: what that loads and computes for good would later hold up scrapes.

        Raises what making clients raises: an endpoint that is no URL, an AWS configuration file that cannot be read.
        """
        for service in sorted(self._operations):
            async with self._session.create_client(service, region_name="us-east-1", config=self._config):
                pass

    @property
    def default_region(self) -> str | None:
        """The region of the environment or the profile."""
        # botocore reads AWS_DEFAULT_REGION only; ECS, Lambda and the other SDKs set AWS_REGION.
        region: str | None = os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        return region

    async def account(self, region: str, role_arn: str | None = None, external_id: str | None = None) -> Account:
        """Make the clients of one region: of the role's account, or of the one that the credentials are for."""
        account_id = role_arn.split(":")[4] if role_arn else ""
        account = Account(account_id, region, self._settings, self._clock, self._turn)
        self._accounts.append(account)
        session = self._assuming(account, role_arn, external_id) if role_arn else self._session
        for service in sorted(self._operations):
            there = client_region(self._session, service, region)
            await account.add(service, session.create_client(service, region_name=there, config=self._config))
            await asyncio.sleep(0)  # making one takes some milliseconds; scrapes are answered in between
        return account

    def _assuming(self, account: Account, role_arn: str, external_id: str | None) -> AioSession:
        """A session whose credentials are the role's: first assumed when first used, refreshed before they expire."""
        base = self._session
        session = AioSession()
        for component in ("data_loader", "response_parser_factory"):  # loaded models are most of a session's memory
            session.register_component(component, base.get_component(component))

        @asynccontextmanager
        async def create_client(service: str, **credentials: Any) -> AsyncIterator[Any]:
            arguments = {"region_name": account.region, "config": self._config, **credentials}
            async with base.create_client(service, **arguments) as client:
                account.watch(service, client)
                yield client

        extra = {"RoleSessionName": "tts-aws-exporter"} | ({"ExternalId": external_id} if external_id else {})
        fetcher = AioAssumeRoleCredentialFetcher(create_client, self._session._credentials, role_arn, extra_args=extra)
        assume = _Patient(fetcher.fetch_credentials, self._clock)
        session._credentials = AioDeferredRefreshableCredentials(assume, "assume-role")
        return session


class _Patient:
    """Asks for credentials; where there are none, whoever asks in the next seconds is told so without asking again."""

    FOR_SECONDS = 30.0

    def __init__(self, ask: Callable[[], Awaitable[Any]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._refused: tuple[float, Exception] | None = None

    async def __call__(self) -> Any:
        if self._refused and self._clock.time() < self._refused[0]:
            raise self._refused[1].with_traceback(None)
        try:
            return await self._ask()
        except (BotoCoreError, ClientError) as error:
            self._refused = (self._clock.time() + self.FOR_SECONDS, error)
            raise


class FoundCredentials(AioCredentials):  # type: ignore[misc]  # aiobotocore is untyped
    """The process' own credentials, looked for when a request is signed and not when a client is made.

    So clients can be made where the container's or the instance's credentials are out of reach for a while, and the
    credentials that come later are found.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__("", "", method="found-when-needed")
        self._session = AioSession()
        self._look = _Patient(self._load, clock)
        self._lock = asyncio.Lock()
        self._found: Any = None

    async def get_frozen_credentials(self) -> Any:
        async with self._lock:
            if self._found is None:
                self._found = await self._look()
        return await self._found.get_frozen_credentials()

    async def _load(self) -> Any:
        credentials = await self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return credentials
