"""How requests leave and answers come: their limit and turn, the connections, and what is no answer of AWS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from .clock import Clock
from .config import RateLimit


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
                        # No limit here: an account that hangs would take all connections from the others. Each
                        # account's calls are bounded by service.
                        self._max_pool_connections = 0
                        pool.sessions[proxy_url] = aiohttp.ClientSession(
                            connector=await self._create_connector(proxy_url),
                            timeout=self._timeout,
                            skip_auto_headers={"Content-Type"},
                            auto_decompress=False,
                        )
                return pool.sessions[proxy_url]

        return PooledHTTPSession


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
        try:
            return datetime.fromtimestamp(value, UTC)
        except OverflowError as error:
            raise ValueError(f"{value} is no time") from error
    try:
        parsed = datetime.fromisoformat(value if "T" in value else "")  # "20261122" may be seconds as well
    except (ValueError, TypeError):
        parsed = parse_timestamp(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
