"""HTTP: serves memory and does no other I/O. A GET costs AWS nothing and waits for nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from html import escape
from time import monotonic

from aiohttp import web

from . import __version__
from .engine import Engine
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
        headers = {"Content-Type": OPENMETRICS if openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=page.gzip, headers=headers | {"Content-Encoding": "gzip"})
        return web.Response(body=page.plain, headers=headers)

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=landing_page(engine, telemetry_path), content_type="text/html")

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
    if telemetry_path != "/":
        app.router.add_get("/", index)
    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)
    if reload is not None:
        app.router.add_post("/-/reload", reload_now)
    return app


def landing_page(engine: Engine, telemetry_path: str) -> str:
    """What there is to see, who is watched, and which collector last failed at what."""
    rows = "".join(
        f"<tr><td>{escape(deployment)}</td><td>{escape(collector)}</td><td>{_moment(job.last_success)}</td>"
        f"<td>{escape('; '.join(f'{f.operation}: {f.reason} {f.code}' for f in job.failures)) or 'none'}</td></tr>"
        for (deployment, collector), job in sorted(engine.jobs.items())
    )
    links = "".join(
        f'<li><a href="{path}">{text}</a></li>'
        for path, text in (
            (telemetry_path, "Metrics"),
            ("/-/healthy", "Health"),
            ("/-/ready", "Readiness"),
        )
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>tts-aws-exporter</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<style>body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ border-bottom: 1px solid; padding: .25rem .75rem .25rem 0; text-align: left }}</style></head>
<body><h1>tts-aws-exporter</h1>
<p>Watches The Things Stack on AWS ECS. Version {escape(__version__)}.</p>
<ul>{links}</ul>
<h2>Collectors</h2>
<table><thead><tr><th>Deployment</th><th>Collector</th><th>Last success (UTC)</th><th>Failing</th></tr></thead>
<tbody>{rows or '<tr><td colspan="4">No deployment is known yet.</td></tr>'}</tbody></table>
</body></html>
"""


def _moment(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S") if timestamp else "never"
