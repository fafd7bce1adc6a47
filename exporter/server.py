"""HTTP: serves memory and does no other I/O. A GET costs AWS nothing and waits for nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic, time

from aiohttp import web

from . import landing
from .engine import Engine
from .page import content_security_policy
from .practices import PRACTICES
from .publication import Publication

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# The engine ticks every second; a loop that has not turned for this long is stuck.
STUCK_AFTER = 60.0

Reload = Callable[[], Awaitable[tuple[str, ...]]]


def application(
    publication: Publication, engine: Engine, telemetry_path: str, reload: Reload | None
) -> web.Application:
    """The web application. ``reload`` returns the errors of a configuration that was refused; None: no such path."""

    async def metrics(request: web.Request) -> web.Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("Accept", "")
        page = publication.page(openmetrics=openmetrics)
        kind = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=page.gzip, headers=kind | {"Content-Encoding": "gzip"})
        return web.Response(body=page.plain, headers=kind)

    headers = {"Content-Security-Policy": content_security_policy(), "X-Content-Type-Options": "nosniff"}

    async def index(request: web.Request) -> web.Response:
        text = landing.index(engine, telemetry_path, request.query.getall("deployment", []), time())
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def practices(_: web.Request) -> web.Response:
        text = landing.practices(PRACTICES, engine.config)
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def healthy(_: web.Request) -> web.Response:
        silent = monotonic() - engine.ticked_at
        if silent > STUCK_AFTER:
            return web.Response(status=503, text=f"polling has not turned for {silent:.0f} s\n")
        return web.Response(text="healthy\n")

    async def ready(_: web.Request) -> web.Response:
        if engine.ready():
            return web.Response(text="ready\n")
        return web.Response(status=503, text="first reads are under way\n")

    async def reload_now(_: web.Request) -> web.Response:
        assert reload is not None
        errors = await reload()
        if errors:
            return web.Response(status=500, text="".join(f"{error}\n" for error in errors))
        return web.Response(text="reloaded\n")

    app = web.Application()
    app.router.add_get(telemetry_path, metrics)
    app.router.add_get("/", index)
    app.router.add_get("/practices", practices)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    if reload is not None:
        app.router.add_post("/-/reload", reload_now)
    return app
