"""Shared fixtures: the stand-in AWS, a frozen clock, and the deployments of the example as the exporter sees them."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter import iam, survey
from exporter.aws import Aws, Reads, reads_of
from exporter.clients import Clients
from exporter.collector import Collector
from exporter.collectors import COLLECTORS
from exporter.config import Config, Expect
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.deployment import Deployment, Stack
from exporter.metrics import Malformed, Sample, lines

# The moment at which the example inventory was taken: its ages are true then.
AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
ROOT = Path(__file__).parent.parent
SECOND = Path(__file__).parent / "inventories" / "second.yaml"


class FrozenClock:
    """A clock that stands still until it is moved; sleeping takes no time."""

    def __init__(self, now: float = AS_OF) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def _no_foreign_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test may find the credentials, the proxy or the configuration of whoever runs it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """What a command does to logging, it does to its own process alone."""
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    before = [(each, each.level) for each in loggers]
    handlers = logging.root.handlers[:]
    yield
    logging.root.handlers[:] = handlers
    for each, level in before:
        each.setLevel(level)


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@cache
def _inventory(path: Path) -> Any:
    """An inventory file, read once: that takes longer than most tests."""
    return World.load(path).inventory


def world(path: Path, clock: FrozenClock) -> World:
    """The deployments of an inventory file, on a clock."""
    return World(deepcopy(_inventory(path)), clock.time)


@pytest.fixture
def standin(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """The stand-in AWS with the example deployments, on the frozen clock, as the AWS of this process."""
    with Standin.in_thread(world(run.EXAMPLE, clock), validate=True) as running:
        point_at(running, monkeypatch)
        yield running


def point_at(running: Standin, monkeypatch: pytest.MonkeyPatch, account: str | None = None) -> None:
    """Make a stand-in the AWS of this process, as the user of an account."""
    for name, value in run.environment(running, account or running.world.default_account, "eu-west-1").items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)


@asynccontextmanager
async def clients(
    clock: FrozenClock,
    config: Config | None = None,
    services: Collection[str] = (),
    collectors: Iterable[Collector] = COLLECTORS,
) -> Any:
    """The exporter's own clients for what collectors ask; to be fast, of the named services alone."""
    operations = iam.operations(iam.actions(collectors))
    needed = {service: names for service, names in operations.items() if not services or service in services}
    async with Clients((config or Config()).aws, needed, clock) as opened:
        yield opened


@asynccontextmanager
async def account(
    clock: FrozenClock,
    region: str = "eu-west-1",
    account_id: str = "",
    role_arn: str | None = None,
    external_id: str | None = None,
    budget: int = 500,
    services: Collection[str] = (),
    config: Config | None = None,
) -> Any:
    """The shared reads of one account and region, as the engine makes them."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(clients(clock, config, services))
        made = await opened.account(region, role_arn, external_id)
        made.account_id = made.account_id or account_id
        yield reads_of(made, clock, budget)


def attempt(reads: Reads, interval: float = 300.0, max_age: float = 900.0) -> Aws:
    """One attempt of a collector."""
    return Aws(reads, interval=interval, max_age=max_age)


async def surveyed(reads: Reads, **settings: Any) -> list[Deployment]:
    """The deployments of an account and region, found without configuration."""
    config = Config(**settings)
    return await survey.survey(attempt(reads), (), config.aws.parameter_keys, config.expect)


@pytest.fixture
def deployment() -> Deployment:
    """A small deployment made by hand, for mappings."""
    prefix = "acme-prod-eu1"
    names = {
        "1-1-vpc": "",
        "1-2-bastion": "",
        "2-1-db-aurora-master": "",
        "2-2-db-aurora-replica": "b",
        "2-3-db-redis": "general",
        "2-4a-is-s3": "",
        "2-4b-routing-s3": "",
        "2-5-db-timescale-master": "",
        "2-6-db-timescale-replica": "",
        "5-1-ecs-cluster": "",
        "5-4-ecs-services": "",
        "5-6-ecs-monitoring": "",
        "5-7-ecs-proxy": "",
        "5-8b-ecs-certbot-scheduled-task": "",
    }
    stacks = tuple(
        Stack("-".join(filter(None, (prefix, template, suffix))), template, prefix, suffix, "UPDATE_COMPLETE")
        for template, suffix in names.items()
    )
    return Deployment(
        "acme-prod-eu1",
        "acme",
        "prod",
        "eu1",
        "111122223333",
        "eu-west-1",
        prefix,
        Expect(),
        role="primary",
        stacks=stacks,
        assigned_stacks=frozenset(stack.name for stack in stacks),
    )


@pytest.fixture
def series() -> Callable[[Iterable[Sample | Malformed]], dict[str, float]]:
    """Samples as ``name{label="value"}`` without target labels -> value; fails on a malformed resource."""

    def render(samples: Iterable[Sample | Malformed]) -> dict[str, float]:
        found = list(samples)
        assert not [each for each in found if isinstance(each, Malformed)]
        text = b"".join(lines([each for each in found if isinstance(each, Sample)], {}).values()).decode()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in text.splitlines())}

    return render


def parse(page: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    """An exposition in the text format: by name, the labels and value of each series."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


class Exporter:
    """An exporter process of the tests' own, and what it serves."""

    def __init__(self, process: subprocess.Popen[str], url: str, standin: Standin) -> None:
        self.process = process
        self.url = url
        self.standin = standin
        self.log: list[str] = []

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, dict(response.headers), response.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def series(self) -> dict[str, list[tuple[dict[str, str], float]]]:
        """What is served now: by name, the labels and value of each series."""
        return parse(self.get("/metrics")[2])

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until a condition holds; fails when it does not in time, or when the exporter ends."""
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, "the exporter ended"
            assert time.monotonic() < end, "that never came true"
            time.sleep(0.05)


@contextmanager
def exporter_of(
    standin: Standin, *flags: str, environment: dict[str, str] | None = None, ready: bool = True
) -> Iterator[Exporter]:
    """Run an exporter process against a stand-in, without configuration unless the flags name one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "exporter", "serve", "--web.listen-address", f"127.0.0.1:{port}", *flags]
    world = standin.world
    assert isinstance(world, World)
    given = run.environment(standin, world.default_account, world.deployments[0]["region"])
    process = subprocess.Popen(command, env=given | (environment or {}), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    exporter = Exporter(process, f"http://127.0.0.1:{port}", standin)
    log: list[str] = []
    reading = threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True)
    reading.start()
    exporter.log = log
    try:
        exporter.until(lambda: answers(exporter, "/-/ready" if ready else "/-/healthy"))
        yield exporter
    finally:
        process.terminate()
        try:
            process.wait(15)
        finally:
            process.kill()
            reading.join(5)
            if process.stderr:
                process.stderr.close()


def answers(exporter: Exporter, path: str) -> bool:
    """Whether a path is answered with 200."""
    try:
        return exporter.get(path)[0] == 200
    except OSError:
        return False
