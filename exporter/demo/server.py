"""The stand-in AWS: one HTTP server for all services, which counts calls, suffers faults on purpose and can be changed.

Beside AWS's own protocols it answers under /_demo: calls (GET, DELETE), faults (GET, POST, DELETE),
expire-credentials (POST), set (POST {"path", "value"}) and inventory (GET ?path=).
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from ..errors import MISTAKES
from . import protocol
from .credentials import Credentials
from .faults import Faults, spoil
from .paging import Pager
from .protocol import HttpRequest, HttpResponse, Service
from .request import AwsError, Request, World

log = logging.getLogger(__name__)

_LARGEST_REQUEST = 16 * 2**20


@dataclass
class _Call:
    """What is known of a request so far: empty is what could not be told, as the account of an unknown session."""

    account: str = ""
    region: str = ""
    service: str = ""
    operation: str = ""


class Standin:
    """A running stand-in. `calls` counts by (account, region, service, operation, status), status 0 being no answer."""

    def __init__(self, world: World, *, validate: bool = False) -> None:
        self.world = world
        self.calls: Counter[tuple[str, str, str, str, int]] = Counter()
        self.faults = Faults()
        self.credentials = Credentials(world)
        self.host = ""
        self.port = 0
        self._validate = validate
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The endpoint for clients, "http://127.0.0.1:4566"."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @classmethod
    @contextmanager
    def in_thread(cls, world: World, *, validate: bool = False) -> Iterator[Standin]:
        """Runs a stand-in in a thread of its own, on a free port, for as long as the context lasts."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="stand-in AWS", daemon=True)
        thread.start()
        try:
            standin = asyncio.run_coroutine_threadsafe(serve(world, port=0, validate=validate), loop).result()
            try:
                yield standin
            finally:
                asyncio.run_coroutine_threadsafe(standin.close(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one. Raises OSError if the address is taken."""
        for name in sorted({service for service, _ in self.world.handlers} | {"sts"}):
            protocol.load(name)  # now, since it would delay the first answer
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        app.router.add_get("/_demo/calls", self._get_calls)
        app.router.add_delete("/_demo/calls", self._delete_calls)
        app.router.add_get("/_demo/faults", self._get_faults)
        app.router.add_post("/_demo/faults", self._post_faults)
        app.router.add_delete("/_demo/faults", self._delete_faults)
        app.router.add_post("/_demo/expire-credentials", self._expire_credentials)
        app.router.add_post("/_demo/set", self._set)
        app.router.add_get("/_demo/inventory", self._inventory)
        app.router.add_route("*", "/{anything:.*}", self._aws)
        # A handler that hangs ends with its client, or at the latest with the server.
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.host, self.port = self._runner.addresses[0][:2]

    async def close(self) -> None:
        """Stops listening and ends what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _aws(self, http: web.Request) -> web.StreamResponse:
        call, status = _Call(), 0
        try:
            response = await self._answer(http, call)
            if response is None:
                return web.Response()  # goes nowhere: the connection is gone
            status = response.status
            return response
        finally:
            self.calls[(call.account, call.region, call.service, call.operation, status)] += 1

    async def _answer(self, http: web.Request, call: _Call) -> web.StreamResponse | None:
        path, _, query = http.raw_path.partition("?")
        came = HttpRequest(http.method, path, query, http.headers, await http.read())
        identity = str(uuid.uuid4())
        try:
            scope = protocol.scope(came)
        except AwsError as error:  # no service, no protocol: the one of the body's type
            form = came.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            return _response(protocol.load("sts" if form else "health").error(error, identity))
        service = protocol.load(scope.service)
        call.service, call.region = scope.service, scope.region
        fault = None
        try:
            token = came.headers.get("X-Amz-Security-Token")
            call.account = self.credentials.account(scope.access_key_id, token, service.name, service.protocol)
            operation, labels = service.operation(came)
            call.operation = operation.name
            parameters = service.read(operation, labels, came)
            request = Request(**asdict(call), parameters=parameters, now=self.world.now())
            fault = await self.faults.strike(request, service.protocol)
            answer = service.write(operation, self._asked(service, operation, request, token), identity)
        except AwsError as error:
            answer = service.error(error, identity)
        except MISTAKES as error:  # of a handler: it must look like AWS's own, and be told
            log.exception("%s.%s", call.service, call.operation)
            answer = service.error(AwsError("InternalFailure", f"The stand-in failed: {error!r}", 500), identity)
        response = _response(answer)
        return await spoil(fault, http, response) if fault else response

    def _asked(self, service: Service, operation: Any, request: Request, token: str | None) -> dict[str, Any]:
        pager = Pager(request, operation, service.protocol)
        handler = self.world.handlers.get((request.service, request.operation))
        if handler:
            answer: dict[str, Any] | None = handler(self.world, request)
        else:
            answer = self.credentials.answer(request, token) if request.service == "sts" else None
        if answer is None:
            raise service.unknown(request.operation)
        page = pager.cut(answer)
        mistakes = service.mistakes(operation, page) if self._validate else ""
        if mistakes:
            raise ValueError(mistakes)
        return page

    async def _get_calls(self, _: web.Request) -> web.Response:
        names = ("account", "region", "service", "operation", "status")
        calls = sorted(self.calls.items())
        return web.json_response([{**dict(zip(names, key, strict=True)), "count": count} for key, count in calls])

    async def _delete_calls(self, _: web.Request) -> web.Response:
        self.calls.clear()
        return web.Response(status=204)

    async def _get_faults(self, _: web.Request) -> web.Response:
        return web.json_response([asdict(fault) for fault in self.faults.rules])

    async def _post_faults(self, http: web.Request) -> web.Response:
        async def add(rule: Any) -> web.Response:
            return web.json_response(asdict(self.faults.add(**rule)), status=201)

        return await _with_json(http, add)

    async def _delete_faults(self, _: web.Request) -> web.Response:
        self.faults.clear()
        return web.Response(status=204)

    async def _expire_credentials(self, _: web.Request) -> web.Response:
        self.credentials.expire()
        return web.Response(status=204)

    async def _set(self, http: web.Request) -> web.Response:
        async def change(fact: Any) -> web.Response:
            self.world.change(fact["path"], fact["value"])
            return web.Response(status=204)

        return await _with_json(http, change)

    async def _inventory(self, http: web.Request) -> web.Response:
        try:
            found = self.world.inspect(http.query.get("path", ""))
        except LookupError as error:
            return web.json_response({"error": str(error)}, status=404)
        return web.json_response(found, dumps=lambda value: json.dumps(value, default=_plain))


async def serve(world: World, host: str = "127.0.0.1", port: int = 0, *, validate: bool = False) -> Standin:
    """Starts a stand-in AWS on `host` and `port` (0: a free one) in the running loop.

    `validate` checks every answer against AWS's own model; a wrong one becomes an InternalFailure that says why.
    Raises OSError if the address is taken.
    """
    standin = Standin(world, validate=validate)
    await standin.start(host, port)
    return standin


def _response(answer: HttpResponse) -> web.Response:
    return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def _with_json(http: web.Request, use: Callable[[Any], Awaitable[web.Response]]) -> web.Response:
    try:
        return await use(json.loads(await http.read()))
    except (ValueError, TypeError, LookupError) as error:
        return web.json_response({"error": str(error)}, status=400)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
