"""The whole engine on an AWS that misbehaves: the rest keeps coming, the reason is counted, nothing false is served."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from conftest import AS_OF, clients, point_at, world
from small import Steps, parsed, served, until

from exporter import collectors, poll
from exporter.cli import FAMILIES
from exporter.config import Config, load
from exporter.demo import run
from exporter.demo.server import Standin
from exporter.deployment import UNASSIGNED
from exporter.engine import Engine
from exporter.errors import IAM_SERVICES
from exporter.publication import Publication

# Five that speak all protocols; the others would be read in the same way, and cost seconds in each test.
COLLECTORS = [each for each in collectors.COLLECTORS if each.name in ("aurora", "ecs", "efs", "elasticache", "s3")]
FACTS = {family.name for collector in COLLECTORS for family in collector.families}
FAST = {"burst": 1000, "per_second": 1000}


@pytest.fixture
def clock() -> Steps:
    return Steps()


def configuration(ecs_timeout: str = "", **aws: Any) -> Config:
    """Every collector, with the deployment of the example's first account; nothing waits for the rate limits."""
    flags = {"aws.retries": 1, "aws.read_timeout": "10s"} | {f"aws.{key}": value for key, value in aws.items()}
    if ecs_timeout:
        flags["collectors.ecs.timeout"] = ecs_timeout
    for service in ("default", "cloudformation", "elbv2"):
        flags |= {f"aws.rate_limits.{service}.{key}": value for key, value in FAST.items()}
    for key, value in {"network": "acme", "environment": "prod", "cluster": "eu1"}.items():
        flags[f"deployments.0.{key}"] = value
    environment = {f"TTS_AWS_EXPORTER__{key.upper().replace('.', '__')}": str(value) for key, value in flags.items()}
    return load(None, environment, collectors={each.name: each.interval for each in COLLECTORS})


@asynccontextmanager
async def engine(clock: Steps, config: Config | None = None) -> AsyncIterator[tuple[Engine, Publication]]:
    """An engine that has read everything once, or failed to."""
    publication = Publication(FAMILIES)
    config = config or configuration()
    async with clients(clock, config, collectors=COLLECTORS) as opened:
        turning = Engine(COLLECTORS, opened, publication, clock)
        await turning.apply(config)
        task = asyncio.create_task(turning.run())
        try:
            await until(turning.complete.is_set, 60)
            yield turning, publication
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def page(publication: Publication) -> tuple[dict[str, float], dict[str, float]]:
    """What is served of AWS, and what the exporter says of itself."""
    lines = await served(publication)
    facts = {series: value for series, value in lines.items() if series.partition("{")[0] in FACTS}
    return facts, {series: value for series, value in lines.items() if series not in facts}


def counted(own: dict[str, float]) -> dict[str, set[str]]:
    """The collectors that counted a failure, by reason."""
    found: dict[str, set[str]] = {}
    for series, value in own.items():
        if series.startswith(poll.ERRORS.name) and value:
            labels = dict(pair.split("=") for pair in series.partition("{")[2].rstrip("}").split(","))
            found.setdefault(labels["reason"].strip('"'), set()).add(labels["collector"].strip('"'))
    return found


def asking(service: str, operation: str = "") -> set[str]:
    """The collectors that ask for something of a service."""
    prefix = f"{IAM_SERVICES.get(service, service)}:{operation}"
    return {each.name for each in COLLECTORS if any(action.startswith(prefix) for action in each.actions)}


@pytest.fixture
def standin(clock: Steps, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    with Standin.in_thread(world(run.EXAMPLE, clock)) as running:
        point_at(running, monkeypatch)
        yield running


@pytest.fixture(scope="module")
def truth() -> dict[str, float]:
    """What the exporter serves of a healthy AWS at the moment at which every test begins."""
    clock = Steps()

    async def read() -> dict[str, float]:
        async with engine(clock) as (turning, publication):
            facts, own = await page(publication)
            assert counted(own) == {}
            assert turning.all_well()
            return facts

    with pytest.MonkeyPatch.context() as monkeypatch, Standin.in_thread(world(run.EXAMPLE, clock)) as running:
        point_at(running, monkeypatch)
        return asyncio.run(read())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param({"kind": kind, **rule}, reason, id=f"{kind}-{rule['service']}")
        for kind, rule, reason in (
            ("throttle", {"service": "rds"}, "throttled"),
            ("deny", {"service": "elasticache"}, "access_denied"),
            ("hang", {"service": "efs"}, "timeout"),
            ("reset", {"service": "ecs"}, "connection"),
            ("html502", {"service": "cloudwatch"}, "invalid_response"),
            ("garbage", {"service": "s3"}, "invalid_response"),  # botocore makes an error of S3 of it
            ("garbage", {"service": "rds"}, "invalid_response"),
            ("garbage", {"service": "ecs"}, "invalid_response"),
            ("truncate", {"service": "elasticache"}, "connection"),
        )
    ],
)
def test_a_service_that_fails(
    standin: Standin, clock: Steps, truth: dict[str, float], fault: dict[str, Any], reason: str
) -> None:
    """A service that fails costs the facts that need it; the others are all there and true, and it comes back."""
    service = fault["service"]
    standin.faults.add(**fault)
    own_families = {family.name for each in COLLECTORS if each.name in asking(service) for family in each.families}

    async def watch() -> None:
        config = configuration(read_timeout="3s") if fault["kind"] == "hang" else None
        async with engine(clock, config) as (turning, publication):
            facts, own = await page(publication)
            assert facts.items() < truth.items()
            assert {series.partition("{")[0] for series in truth.keys() - facts.keys()} <= own_families
            assert counted(own) == {reason: asking(service)}
            assert not turning.all_well()

            standin.faults.clear()
            await clock.forward(61)
            await until(turning.all_well)
            facts, own = await page(publication)
            assert facts.keys() == truth.keys()
            assert counted(own) == {reason: asking(service)}

    asyncio.run(watch())


@pytest.mark.parametrize(
    ("service", "operation", "missing"),
    [
        ("rds", "DescribePendingMaintenanceActions", "tts_aws_rds_pending_maintenance"),
        ("s3", "GetBucketVersioning", "tts_aws_s3_bucket_"),
    ],
)
def test_an_operation_that_is_refused(
    standin: Standin, clock: Steps, truth: dict[str, float], service: str, operation: str, missing: str
) -> None:
    """An action that is refused costs its own facts and says which action is missing."""
    standin.faults.add(kind="deny", service=service, operation=operation)

    async def watch() -> None:
        async with engine(clock) as (_, publication):
            facts, own = await page(publication)
            assert facts.items() <= truth.items()
            lost = {series.partition("{")[0] for series in truth.keys() - facts.keys()}
            assert all(name.startswith(missing) for name in lost)
            named = {series for series, value in own.items() if "permission_missing" in series and value}
            assert {series.partition('action="')[2].partition('"')[0] for series in named} == {f"{service}:{operation}"}

    asyncio.run(watch())


def test_an_operation_that_hangs(standin: Standin, clock: Steps, truth: dict[str, float]) -> None:
    """An operation that does not answer within the attempt costs its own facts; it is named, and the rest is served."""
    standin.faults.add(kind="hang", service="ecs", operation="DescribeClusters")

    async def watch() -> None:
        # Longer than an attempt: it is the attempt's own time-out that ends the read.
        async with engine(clock, configuration(ecs_timeout="5s", read_timeout="60s")) as (turning, publication):
            facts, own = await page(publication)
            lost = {series.partition("{")[0] for series in truth.keys() - facts.keys()}
            assert facts.items() < truth.items()
            assert lost == {"tts_aws_ecs_container_insights_enabled"}
            assert counted(own) == {"timeout": {"ecs"}}
            [failure] = turning.jobs["acme-prod-eu1", "ecs"].failures
            assert (failure.operation, failure.reason) == ("ecs.DescribeClusters", "timeout")

    asyncio.run(watch())


@pytest.mark.parametrize("also", [(), ("acme-prod-eu1-2-3-db-redis-cache",)], ids=["tags", "tags and a stack"])
def test_whose_resources_are_is_not_known(
    standin: Standin, clock: Steps, truth: dict[str, float], also: tuple[str, ...]
) -> None:
    """Without tags, be it with all stacks' resources, no collector read everything, and nothing is unassigned."""
    assert any(series.startswith(UNASSIGNED.name) for series in truth)
    standin.faults.add(kind="deny", operation="GetResources")
    for stack in also:
        standin.faults.add(kind="deny", operation="ListStackResources", resource=stack)

    async def watch() -> None:
        async with engine(clock) as (_, publication):
            facts, own = await page(publication)
            success = {series: value for series, value in own.items() if series.startswith(poll.SUCCESS.name)}
            assert len(success) == len(COLLECTORS)
            assert set(success.values()) == {0}
            assert facts
            assert not [series for series in facts if series.startswith(UNASSIGNED.name)]

    asyncio.run(watch())


def test_a_resource_that_fails(standin: Standin, clock: Steps, truth: dict[str, float]) -> None:
    """One resource that AWS cannot answer for costs its own facts and no other resource's."""
    bucket = standin.world.inspect("deployments/acme-prod-eu1/s3/0/Name")
    standin.faults.add(kind="error", code="InternalError", status=500, service="s3", resource=bucket)

    async def watch() -> None:
        async with engine(clock) as (_, publication):
            facts, own = await page(publication)
            assert facts.items() < truth.items()
            assert all(bucket in series for series in truth.keys() - facts.keys())
            assert counted(own).keys() == {"other"}

    asyncio.run(watch())


def test_a_slow_aws(standin: Standin, clock: Steps, truth: dict[str, float]) -> None:
    """Latency costs nothing but time."""
    standin.faults.add(kind="latency", seconds=0.05)

    async def watch() -> None:
        async with engine(clock) as (turning, publication):
            facts, own = await page(publication)
            assert facts == truth
            assert counted(own) == {}
            assert turning.all_well()

    asyncio.run(watch())


def test_a_fault_that_begins_later(standin: Standin, clock: Steps, truth: dict[str, float]) -> None:
    """Facts of a service that stops answering stay as they were until they are too old; the others go on."""
    [families] = [each.families for each in COLLECTORS if each.name == "aurora"]
    names = {family.name for family in families if family.scope == "deployment"}
    aurora = {series for series in truth if series.partition("{")[0] in names}
    assert aurora

    async def watch() -> None:
        async with engine(clock) as (turning, publication):
            standin.faults.add(kind="garbage", service="rds")
            standin.faults.add(kind="garbage", service="cloudwatch")
            while clock.now < AS_OF + 840:
                await clock.forward(30)
            await until(lambda: turning.jobs["acme-prod-eu1", "aurora"].failures)
            facts, own = await page(publication)
            kept = {series: facts.get(series) for series in aurora}
            assert kept == {series: truth[series] for series in aurora}
            assert "aurora" in counted(own)["invalid_response"]
            while clock.now < AS_OF + 960:
                await clock.forward(30)
            turning.jobs["acme-prod-eu1", "aurora"].expire()
            facts, own = await page(publication)
            left = {series.partition("{")[0] for series in aurora & facts.keys()}
            lasting = {family.name for each in COLLECTORS for family in each.families if family.lasting}
            assert left <= lasting
            assert truth.keys() - facts.keys()
            assert any(series.startswith("tts_aws_ecs_") for series in facts)

    asyncio.run(watch())


def test_aws_is_gone(standin: Standin, clock: Steps, truth: dict[str, float]) -> None:
    """When nothing answers, no fact is served, the deployment is there, collectors say why, and all comes back."""
    standin.faults.add(kind="reset")

    async def watch() -> None:
        async with engine(clock) as (turning, publication):
            facts, own = await page(publication)
            assert facts == {}
            assert own["tts_aws_exporter_deployments"] == 1
            assert counted(own) == {"connection": {each.name for each in COLLECTORS}}
            assert own['tts_aws_discovery_success{account_id="",region="eu-west-1"}'] == 0
            standin.faults.clear()
            await clock.forward(61)
            await until(lambda: truth.keys() <= parsed(publication.page(openmetrics=False).plain).keys())
            await until(turning.all_well)
            facts, own = await page(publication)
            assert facts.keys() == truth.keys()
            assert not [series for series in own if 'account_id=""' in series]

    asyncio.run(watch())
