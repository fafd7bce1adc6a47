"""The AWS clients: one session, one model loader and one connection pool for the process; one set of clients for each
account and region, made once.

Everything that happens to a single HTTP request is here, on botocore's own events: the rate limit, the counters, the
refusal of an answer that is not AWS's. Retries and their adaptive limit are botocore's.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Self

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioDeferredRefreshableCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from . import __version__, models
from .clock import Clock
from .config import Aws as AwsConfig
from .config import RateLimit
from .metrics import Histogram

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


class TokenBucket:
    """``burst`` requests at once, ``per_second`` after that; those who wait are served in their order."""

    def __init__(self, limit: RateLimit, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._tokens = float(limit.burst)
        self._filled = clock.time()

    async def take(self) -> None:
        """Wait for a request's turn."""
        now = self._clock.time()
        refill = max(0.0, now - self._filled) * self._limit.per_second
        self._tokens = min(float(self._limit.burst), self._tokens + refill) - 1
        self._filled = now
        if self._tokens < 0:  # a debt is a place in the queue
            await self._clock.sleep(-self._tokens / self._limit.per_second)


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
        self._settings = settings
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._clients: dict[str, Any] = {}

    def watch(self, service: str, client: Any) -> None:
        """Limit and count the requests of a client."""
        limits = self._settings.rate_limits
        if service not in self._buckets:
            self._buckets[service] = TokenBucket(limits.get(service) or limits["default"], self._clock)
            self._slots[service] = asyncio.Semaphore(self._settings.max_concurrency)
        self._register(client, service)

    def add(self, service: str, client: Any) -> None:
        """Keep a client, watched, for ``client``."""
        self.watch(service, client)
        self._clients[service] = client

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
            context["tts_started"] = now
            code = type(exception).__name__ if exception else (parsed_response or {}).get("Error", {}).get("Code")
            if code:
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


def refuse_foreign_answers(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Raise ResponseParserError for a successful answer that AWS cannot have sent, such as a proxy's page.

    botocore reads a body that is not JSON, and any XML, as an answer in which every field is absent. We would then
    report that nothing exists.
    """
    if response_dict["status_code"] >= 300:
        return
    body = response_dict["body"]
    kind = response_dict["headers"].get("content-type", "")
    protocol = operation_model.service_model.resolved_protocol
    foreign = kind.startswith("text/html")
    if protocol in ("json", "rest-json") and isinstance(body, bytes) and body.strip():
        foreign = foreign or not (body.strip().startswith(b"{") and body.strip().endswith(b"}"))
    if foreign:
        msg = f"{operation_model.name}: an answer of type {kind or 'unknown'} that is not AWS's"
        raise ResponseParserError(msg)


def fast_timestamp(value: Any) -> datetime:
    """Parse a timestamp as botocore does, several times faster for the two forms that AWS mostly sends, in UTC.

    dateutil, which botocore uses, is more than half of the cost of parsing a page (measured: docs/performance.md).
    """
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    try:
        parsed = datetime.fromisoformat(value if "T" in value else "")  # "20261122" may be seconds as well
    except (ValueError, TypeError):
        parsed = parse_timestamp(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class Turn:
    """Lets calls begin one after another, with everything else of the loop in between.

    To build and sign a request takes a few milliseconds. When a hundred begin at once, as at the start, a scrape would
    wait for all of them, and then for all of their answers.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)


class Pool:
    """The connections of all clients: one pool and one TLS context for each proxy (usually none)."""

    def __init__(self) -> None:
        self.sessions: dict[str | None, aiohttp.ClientSession] = {}
        self.lock = asyncio.Lock()

    async def close(self) -> None:
        for session in self.sessions.values():
            await session.close()

    def http_session_class(self) -> type[AIOHTTPSession]:
        """The class to give to aiobotocore, which else makes a pool and a TLS context for every client: most of the
        memory and all of the sockets, with a dozen services in each of many accounts."""
        pool = self

        class PooledHTTPSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore is untyped
            async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
                async with pool.lock:
                    if proxy_url not in pool.sessions:
                        pool.sessions[proxy_url] = aiohttp.ClientSession(
                            connector=await self._create_connector(proxy_url),
                            timeout=self._timeout,
                            skip_auto_headers={"Content-Type"},
                            auto_decompress=False,
                        )
                return pool.sessions[proxy_url]

        return PooledHTTPSession


class Clients:
    """All accounts of the process. Use as an asynchronous context manager; leaving it closes every connection."""

    def __init__(self, settings: AwsConfig, operations: Mapping[str, Collection[str]], clock: Clock) -> None:
        self._settings = settings
        self._operations = operations
        self._clock = clock
        self._stack = AsyncExitStack()
        self._session = AioSession()
        parsers = self._session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=fast_timestamp)

    async def __aenter__(self) -> Self:
        settings = self._settings
        models.load(self._session.get_component("data_loader"), self._operations)  # now: later it would hold up scrapes
        self._pool = Pool()
        self._turn = Turn()
        self._config = AioConfig(
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
            max_pool_connections=200,
            retries={"mode": "adaptive", "total_max_attempts": settings.retries},
            user_agent_extra=f"tts-aws-exporter/{__version__}",
            http_session_cls=self._pool.http_session_class(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        await self._pool.close()

    @property
    def default_region(self) -> str | None:
        """The region of the environment, the profile or the instance, as every AWS client finds it."""
        # botocore reads AWS_DEFAULT_REGION only; ECS, Lambda and the other SDKs set AWS_REGION.
        region: str | None = os.environ.get("AWS_REGION") or self._session.get_config_variable("region")
        return region

    async def account(self, region: str, role_arn: str | None = None, external_id: str | None = None) -> Account:
        """Make the clients of one region: of the role's account, or of the one that the credentials are for."""
        account_id = role_arn.split(":")[4] if role_arn else ""
        account = Account(account_id, region, self._settings, self._clock, self._turn)
        session = self._assuming(account, role_arn, external_id) if role_arn else self._session
        for service in sorted(self._operations):
            client = session.create_client(service, region_name=region, config=self._config)
            account.add(service, await self._stack.enter_async_context(client))
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
        fetcher = AioAssumeRoleCredentialFetcher(create_client, _SourceCredentials(base), role_arn, extra_args=extra)
        assume = _Patient(fetcher.fetch_credentials, self._clock)
        session._credentials = AioDeferredRefreshableCredentials(assume, "assume-role")
        return session


class _Patient:
    """Assumes a role; when AWS refuses it, everybody who asks in the next seconds is told so without asking again."""

    FOR_SECONDS = 30.0

    def __init__(self, assume: Callable[[], Awaitable[Any]], clock: Clock) -> None:
        self._assume = assume
        self._clock = clock
        self._refused: tuple[float, Exception] | None = None

    async def __call__(self) -> Any:
        if self._refused and self._clock.time() < self._refused[0]:
            raise self._refused[1]
        try:
            return await self._assume()
        except (BotoCoreError, ClientError) as error:
            self._refused = (self._clock.time() + self.FOR_SECONDS, error)
            raise


class _SourceCredentials:
    """The base session's credentials, looked up at each use: they may not exist yet when the exporter starts."""

    def __init__(self, session: AioSession) -> None:
        self._session = session

    async def get_frozen_credentials(self) -> Any:
        credentials = await self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        return await credentials.get_frozen_credentials()
