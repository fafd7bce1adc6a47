"""The command line: the one place that knows every part."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from botocore.exceptions import BotoCoreError

from . import __version__, engine, iam, logs, own_metrics, poll, reference
from .clients import Clients
from .clock import SystemClock
from .collectors import COLLECTORS
from .config import Config, ConfigError, load
from .engine import Engine
from .publication import Publication
from .server import application

log = logging.getLogger("exporter")

OWN_FAMILIES = own_metrics.FAMILIES + poll.FAMILIES
# prometheus_client's own series come beside these.
FAMILIES = tuple(
    {
        family.name: family
        for family in (
            *OWN_FAMILIES,
            *(family for collector in COLLECTORS for family in collector.families),
        )
    }.values()
)
# ECS sends SIGKILL 30 seconds after SIGTERM. aiohttp gives a running scrape this long, and twice in the worst case.
SHUTDOWN_SECONDS = 4.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0 fine, 1 failed at work, 2 bad input."""
    options = parser().parse_args(_with_command(sys.argv[1:] if arguments is None else list(arguments)))
    run: Any = options.run
    try:
        code: int = run(options)
    except ConfigError as error:
        for message in error.errors:
            print(message, file=sys.stderr)
        return 2
    except BotoCoreError as error:  # of the profile or the environment; what AWS answers is never raised up to here
        print(f"AWS client: {error}", file=sys.stderr)
        return 2
    return code


def _with_command(arguments: list[str]) -> list[str]:
    """``serve`` is what is meant where no command is named."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in ("-h", "--help", "--version")):
        return arguments
    return ["serve", *arguments]


def parser() -> argparse.ArgumentParser:
    """The flags, in Prometheus' style. Those that stand for a configuration key have its dotted name as ``dest``."""
    top = argparse.ArgumentParser("tts-aws-exporter", description=__doc_summary__)
    top.add_argument("--version", action="version", version=f"tts-aws-exporter {__version__}")
    commands = top.add_subparsers(title="commands", required=True)

    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration, in YAML")
    common.add_argument("--log.level", dest="log.level", metavar="debug|info|warn|error")
    common.add_argument("--log.format", dest="log.format", metavar="logfmt|json")
    for collector in COLLECTORS:
        dest = f"collectors.{collector.name}.enabled"
        flags = common.add_mutually_exclusive_group()
        flags.add_argument(f"--collector.{collector.name}", dest=dest, action="store_true", help=argparse.SUPPRESS)
        flags.add_argument(
            f"--no-collector.{collector.name}", dest=dest, action="store_false", help=f"without {collector.name}"
        )

    serve = commands.add_parser("serve", parents=[common], help="serve metrics (the default)")
    serve.add_argument(
        "--web.listen-address",
        dest="web.listen_address",
        metavar="HOST:PORT",
        default=argparse.SUPPRESS,
        help="default: :9784",
    )
    serve.add_argument(
        "--web.telemetry-path", dest="web.telemetry_path", metavar="PATH", default=argparse.SUPPRESS, help="/metrics"
    )
    serve.add_argument(
        "--web.enable-lifecycle",
        dest="web.enable_lifecycle",
        action="store_true",
        default=argparse.SUPPRESS,
        help="serve POST /-/reload",
    )
    serve.add_argument(
        "--shard", metavar="I/N", default=argparse.SUPPRESS, help="watch the I-th of N parts, counted from 0"
    )
    serve.add_argument("--once", action="store_true", help="print one exposition and exit, with 1 if a read failed")
    serve.set_defaults(run=_serve)

    check = commands.add_parser("check-config", parents=[common], help="report everything wrong with a configuration")
    check.set_defaults(run=_check_config)
    policy = commands.add_parser("iam-policy", parents=[common], help="print the IAM policy that the collectors need")
    policy.set_defaults(run=_iam_policy)
    metrics = commands.add_parser("metrics", help="print the reference of all metrics, in Markdown")
    metrics.set_defaults(run=_metrics)

    demo = commands.add_parser("demo", help="serve the example deployments from a stand-in AWS; no account needed")
    demo.add_argument("--inventory", type=Path, metavar="FILE", help="other deployments, in the form of the example")
    demo.add_argument("--web.listen-address", dest="listen", default="127.0.0.1:9784", metavar="HOST:PORT")
    demo.add_argument("--log.level", dest="log.level", default="warn", metavar="debug|info|warn|error")
    demo.set_defaults(run=_demo)
    return top


__doc_summary__ = "Prometheus exporter for The Things Stack on AWS ECS."


def configuration(options: argparse.Namespace) -> Config:
    """The configuration of flags, environment and file. Raises ConfigError."""
    given = vars(options)
    overrides = {key: value for key, value in given.items() if "." in key or key == "shard"}
    intervals = {collector.name: collector.interval for collector in COLLECTORS}
    return load(given.get("config_file"), os.environ, overrides, collectors=intervals)


def _serve(options: argparse.Namespace) -> int:
    config = configuration(options)
    logs.set_up(config.log.level, config.log.format)
    return uvloop.run(once(config) if options.once else serve(config, options))


def _check_config(options: argparse.Namespace) -> int:
    config = configuration(options)
    names = ", ".join(each.name for each in config.deployments) or "found in the present account and region"
    print(f"configuration is valid; deployments: {names}")
    return 0


def _iam_policy(options: argparse.Namespace) -> int:
    config = configuration(options)
    enabled = [collector for collector in COLLECTORS if config.collectors[collector.name].enabled]
    print(json.dumps(iam.policy(enabled), indent=2))
    return 0


def _metrics(_: argparse.Namespace) -> int:
    print(reference.markdown(OWN_FAMILIES, COLLECTORS), end="")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from .demo import run  # the stand-in is not loaded by those who serve

    logs.set_up(vars(options)["log.level"], "logfmt")
    return run.main(options.inventory, options.listen, vars(options)["log.level"])


async def once(config: Config) -> int:
    """Read everything once, print it, and return 1 if something could not be read."""
    publication = Publication(FAMILIES)
    async with _clients(config) as clients:
        machine = Engine(COLLECTORS, clients, publication, SystemClock())
        _check_region(machine, config)
        await start(machine, config)
        turning = asyncio.create_task(machine.run())
        with suppress(TimeoutError):
            await asyncio.wait_for(machine.complete.wait(), engine.READY_AT_THE_LATEST)
        sys.stdout.buffer.write(publication.page(openmetrics=False).plain)
        code = 0 if machine.complete.is_set() and machine.all_well() else 1
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        return code


async def serve(config: Config, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; then answer what is being scraped, close everything, return 0."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    publication = Publication(FAMILIES)
    await publication.build()
    async with _clients(config) as clients:
        machine = Engine(COLLECTORS, clients, publication, SystemClock())
        _check_region(machine, config)
        with _client_errors():
            await clients.rehearse()
        gc.collect()
        gc.freeze()  # the models and modules stay for good; to look through them each time holds scrapes up by 70 ms
        reloading = asyncio.Lock()

        async def reload() -> tuple[str, ...]:
            async with reloading:
                if stop.is_set():
                    return ("stopping",)
                try:
                    again = configuration(options)
                    _check_region(machine, again)
                except ConfigError as error:
                    machine.reloaded(successfully=False)
                    for message in error.errors:
                        log.error("configuration refused, the present one stays", extra={"error": message})
                    return error.errors
                logs.set_up(again.log.level, again.log.format)
                if (again.web, again.aws, again.cloudwatch) != (config.web, config.aws, config.cloudwatch):
                    log.warning("changes of web, aws and cloudwatch take effect at the next start")
                try:
                    await machine.apply(again)
                except (BotoCoreError, ValueError) as error:
                    machine.reloaded(successfully=False)
                    log.exception("configuration refused, the present one stays")
                    return (f"AWS client: {error}",)
                machine.reloaded(successfully=True)
                log.info("configuration reloaded")
                return ()

        path, lifecycle = config.web.telemetry_path, config.web.enable_lifecycle
        app = application(publication, machine, path, reload if lifecycle else None)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await _listen(runner, config)
            turning = asyncio.create_task(machine.run())
            stopping = asyncio.create_task(stop.wait())
            starting = asyncio.create_task(start(machine, config, reloading))
            loop.add_signal_handler(signal.SIGHUP, lambda: _keep(loop.create_task(reload())))
            try:
                await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    await asyncio.wait((turning, stopping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                log.info("stopping")
                stop.set()
                tasks = (turning, stopping, starting, *_tasks)
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(ended[0], Exception):  # a mistake of ours: better started anew than serving less and less
                log.error("the engine stopped", exc_info=ended[0])
                return 1
        finally:
            await runner.cleanup()
    return 0


_tasks: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    """Hold a task that nobody waits for: the loop itself does not."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _listen(runner: web.AppRunner, config: Config) -> None:
    address = config.web.listen_address
    try:
        await web.TCPSite(runner, config.web.host, config.web.port).start()
    except OSError as error:
        raise ConfigError((f"web.listen_address: cannot listen on {address}: {error.strerror}",)) from error
    log.info("listening", extra={"address": address, "version": __version__})


def _clients(config: Config) -> Clients:
    actions = {action for collector in COLLECTORS for action in collector.actions} | set(engine.ACTIONS)
    return Clients(config.aws, iam.operations(actions), SystemClock())


def _check_region(machine: Engine, config: Config) -> None:
    try:
        default = machine.default_region
    except BotoCoreError as error:
        raise ConfigError((f"AWS client: {error}",)) from error
    if default is None and not (config.deployments and all(each.region for each in config.deployments)):
        message = "no AWS region: set AWS_REGION, a region in the AWS profile, or `region` of each deployment"
        raise ConfigError((message,))


async def start(machine: Engine, config: Config, reloading: asyncio.Lock | None = None) -> None:
    """Make the clients and start every loop. Raises ConfigError where the AWS client cannot be made at all."""
    with _client_errors():
        async with reloading or asyncio.Lock():
            await machine.apply(config)


@contextmanager
def _client_errors() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ValueError) as error:
        raise ConfigError((f"AWS client: {error}",)) from error
