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
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web
from botocore.exceptions import BotoCoreError

from . import __version__, audit, iam, logs, oneshot, own_metrics, poll, reference, scorecards
from .clock import SystemClock
from .collectors import COLLECTORS
from .config import Config, ConfigError, load
from .engine import Engine
from .images import Version
from .practice import IMPACTS
from .practices import PRACTICES
from .publication import Publication
from .server import application

log = logging.getLogger("exporter")

OWN_FAMILIES = own_metrics.FAMILIES + poll.FAMILIES + scorecards.FAMILIES
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
    check.add_argument("--aws", action="store_true", help="try each read action once, and say which are allowed")
    check.set_defaults(run=_check_config)
    policy = commands.add_parser("iam-policy", parents=[common], help="print the IAM policy that the collectors need")
    policy.set_defaults(run=_iam_policy)
    metrics = commands.add_parser("metrics", help="print the reference of all metrics, in Markdown")
    metrics.set_defaults(run=_metrics)

    judge = commands.add_parser("audit", parents=[common], help="read everything once, judge it, and report")
    judge.add_argument("--output", choices=audit.OUTPUTS, default="table", help="how to write it; default: table")
    judge.add_argument(
        "--deployment", action="append", default=[], metavar="NAME", help="this one only, or a pattern; may be repeated"
    )
    judge.add_argument(
        "--practice", action="append", default=[], metavar="BP-51", help="this one only; may be repeated"
    )
    judge.add_argument("--impact", choices=IMPACTS, default="info", help="findings of this impact or a worse one")
    judge.add_argument("--all", action="store_true", help="report what is as it should be as well")
    judge.add_argument("--fail-on", choices=IMPACTS, help="exit with 1 if a violation is of this impact or a worse one")
    judge.add_argument("--upgrade-to", metavar="3.x.y", help="may an upgrade begin today, and what does it take?")
    judge.set_defaults(run=_audit)

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
    if not options.aws:
        return 0
    from . import permissions  # boto3 is not loaded by those who serve

    enabled = [collector for collector in COLLECTORS if config.collectors[collector.name].enabled]
    return permissions.check(config, enabled, SystemClock(), lambda line: print(line, flush=True))


def _iam_policy(options: argparse.Namespace) -> int:
    config = configuration(options)
    enabled = [collector for collector in COLLECTORS if config.collectors[collector.name].enabled]
    print(json.dumps(iam.policy(enabled), indent=2))
    return 0


def _metrics(_: argparse.Namespace) -> int:
    print(reference.markdown(OWN_FAMILIES, COLLECTORS), end="")
    return 0


def _audit(options: argparse.Namespace) -> int:
    vars(options).setdefault("log.level", "error")  # whatever a server logs: warnings would run into the progress
    config = configuration(options)
    logs.set_up(config.log.level, config.log.format)
    selection = audit.selection(options.deployment, options.practice, options.impact, compliant=options.all)
    target = Version.parse(options.upgrade_to or "")
    if options.upgrade_to and (target is None or target.pre):
        raise ConfigError((f"--upgrade-to: expected a release of The Things Stack, 3.x.y, got {options.upgrade_to!r}",))
    if target and (options.practice or options.fail_on or options.all or options.impact != "info"):
        raise ConfigError(("--upgrade-to goes with --deployment and --output alone",))
    if config.deployments:  # a misspelt name is told at once
        selection.names(each.name for each in config.deployments)
    from . import auditing  # what writes reports is not loaded by those who serve

    publication = Publication(FAMILIES)
    try:
        if target:
            return uvloop.run(auditing.planned(config, publication, selection, options.output, target))
        return uvloop.run(auditing.judged(config, publication, selection, options.output, options.fail_on))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # who read the report has enough of it; without this Python complains at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _demo(options: argparse.Namespace) -> int:
    from .demo import run  # the stand-in is not loaded by those who serve

    logs.set_up(vars(options)["log.level"], "logfmt")
    return run.main(options.inventory, options.listen, vars(options)["log.level"])


async def once(config: Config) -> int:
    """Read everything once, print it, and return 1 if something could not be read."""
    publication = Publication(FAMILIES)
    async with oneshot.complete(config, publication) as machine:
        sys.stdout.buffer.write(publication.page(openmetrics=False).plain)
        return 0 if machine.complete.is_set() and machine.all_well() else 1


async def serve(config: Config, options: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; then answer what is being scraped, close everything, return 0."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    publication = Publication(FAMILIES)
    await publication.build()
    async with oneshot.clients(config) as clients:
        machine = Engine(COLLECTORS, clients, publication, SystemClock(), PRACTICES)
        oneshot.check_region(machine, config)
        with oneshot.client_errors():
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
                    oneshot.check_region(machine, again)
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
            starting = asyncio.create_task(oneshot.start(machine, config, reloading))
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
