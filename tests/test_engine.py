"""Which deployments are watched and by what, as accounts, configuration and answers change."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from botocore.exceptions import ConfigParseError
from conftest import clients
from small import HERE, Small, Steps, parsed, settle, small_aws, until, values

from exporter import own_metrics, poll
from exporter.answer import Answer
from exporter.aws import Aws
from exporter.collector import Collector
from exporter.config import Config
from exporter.demo.request import Request
from exporter.deployment import STACK_TAG, Deployment
from exporter.engine import Engine
from exporter.metrics import Family, Sample
from exporter.publication import Publication

THERE = "444455556666"
TOY = Family("tts_aws_toy", "Attempts, by collector.", ("collector",))
SHARED = Family("tts_aws_toy_shared", "Something of the account.", ("collector",), scope="account")


class Attempts:
    """Two collectors that ask nothing and count how often they were asked."""

    def __init__(self) -> None:
        self.made: Counter[tuple[str, str]] = Counter()
        self.collectors = tuple(self._collector(name) for name in ("one", "two"))

    def _collector(self, name: str) -> Collector:
        async def fetch(aws: Aws, deployment: Deployment) -> Answer:
            async def part() -> int:
                return 1

            self.made[deployment.name, name] += 1
            return await aws.gather({"part": part()})

        def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
            yield TOY.sample(1, collector=name)
            yield SHARED.sample(2, collector=name)

        return Collector(name, 300.0, (), (TOY, SHARED), fetch, samples)


def config(*deployments: Mapping[str, Any], **more: Any) -> Config:
    collectors = {"one": {"interval": 300}, "two": {"interval": 300}}
    return Config.model_validate({"deployments": deployments, "collectors": collectors, **more})


def called(cluster: str, environment: str = "prod", **more: Any) -> dict[str, Any]:
    return {"network": "acme", "environment": environment, "cluster": cluster, "region": "eu-west-1", **more}


def stack(name: str) -> dict[str, Any]:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    return {"StackName": name, "StackStatus": "CREATE_COMPLETE", "CreationTime": created}


@pytest.fixture
def clock() -> Steps:
    return Steps()


@pytest.fixture
def small(clock: Steps, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """Two accounts with the stacks that ``facts`` names by account."""
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        world.facts = {HERE: {"acme-prod-eu1-1-1-vpc": {}}, THERE: {}}

        def stacks(request: Request) -> dict[str, Any]:
            return {"Stacks": [stack(name) for name in world.facts[request.account]]}

        world.answers("cloudformation", "DescribeStacks", stacks)
        world.answers("resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": []})
        world.roles = {f"arn:aws:iam::{THERE}:role/{name}": None for name in ("tts-aws-exporter", "other")}
        yield world


@asynccontextmanager
async def engine(
    clock: Steps, attempts: Attempts, wanted: Config, *more: Collector, services: Iterable[str] = ()
) -> AsyncIterator[tuple[Engine, Publication]]:
    """An engine that runs on the clock, its first reads done."""
    publication = Publication((TOY, SHARED, *poll.FAMILIES, *own_metrics.FAMILIES))
    async with clients(clock, wanted, ["cloudformation", "resourcegroupstaggingapi", "sts", *services]) as opened:
        turning = Engine((*attempts.collectors, *more), opened, publication, clock)
        await turning.apply(wanted)
        task = asyncio.create_task(turning.run())
        try:
            await until(turning.complete.is_set)
            yield turning, publication
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def idle(turning: Engine, clock: Steps) -> None:
    """Wait until every loop of an engine sleeps."""
    await until(lambda: len(clock.wakes) == len(turning.jobs) + len(turning.sources))


async def surveys(turning: Engine, small: Small, clock: Steps, seconds: float = 300) -> None:
    """Let time pass in which every account is surveyed once more."""
    await idle(turning, clock)
    before = sum(call[3] == "DescribeStacks" and count for call, count in small.standin.calls.items())
    await clock.forward(seconds)
    await until(
        lambda: sum(call[3] == "DescribeStacks" and count for call, count in small.standin.calls.items()) > before
    )


def labelled(series: str, label: str) -> str:
    """The value of a label of a series."""
    return re.split(f'[{{,]{label}="', series)[1].partition('"')[0]


def watched(turning: Engine) -> set[str]:
    return {deployment for deployment, _ in turning.jobs}


def test_stacks_appear_and_disappear(small: Small, clock: Steps) -> None:
    """A deployment is watched from the first survey that sees its stacks; when they go, it leaves nothing."""
    attempts = Attempts()

    async def run() -> None:
        async with engine(clock, attempts, config()) as (turning, publication):
            assert watched(turning) == {"acme-prod-eu1"}
            small.facts[HERE]["acme-staging-eu1-1-1-vpc"] = {}
            await clock.forward(300)
            await until(lambda: watched(turning) == {"acme-prod-eu1", "acme-staging-eu1"})
            await until(lambda: attempts.made["acme-staging-eu1", "one"])
            await settle()
            turning.publish()
            info = await values(publication, own_metrics.DEPLOYMENT_INFO, "deployment")
            assert info == {"acme-prod-eu1": 1, "acme-staging-eu1": 1}
            assert await values(publication, own_metrics.DEPLOYMENTS) == {"": 2}
            del small.facts[HERE]["acme-prod-eu1-1-1-vpc"]
            await clock.forward(300)
            await until(lambda: watched(turning) == {"acme-staging-eu1"})
            turning.publish()
            await publication.build()
            page = parsed(publication.page(openmetrics=False).plain)
            assert not [series for series in page if "acme-prod-eu1" in series]
            assert [series for series in page if "acme-staging-eu1" in series]

    asyncio.run(run())


def test_reload_disturbs_nothing_else(small: Small, clock: Steps) -> None:
    """A reload that adds and removes deployments leaves the others alone: their jobs, series and account series."""
    attempts = Attempts()
    role = f"arn:aws:iam::{THERE}:role/tts-aws-exporter"

    async def run() -> None:
        async with engine(clock, attempts, config(called("eu1"))) as (turning, publication):
            kept = turning.jobs["acme-prod-eu1", "one"]
            added = (called("eu2"), called("us1", role_arn=role))
            await turning.apply(config(called("eu1"), *added))
            await until(lambda: watched(turning) == {"acme-prod-eu1", "acme-prod-eu2", "acme-prod-us1"})
            await until(lambda: all(job.attempted for job in turning.jobs.values()))
            await turning.apply(config(called("eu1")))
            await until(lambda: watched(turning) == {"acme-prod-eu1"})
            assert turning.jobs["acme-prod-eu1", "one"] is kept
            assert attempts.made["acme-prod-eu1", "one"] == 1
            assert await values(publication, TOY, "collector") == {"one": 1, "two": 1}
            assert await values(publication, SHARED, "collector") == {"one": 2, "two": 2}
            assert await values(publication, poll.SUCCESS, "collector") == {"one": 1, "two": 1}
            turning.publish()
            assert await values(publication, own_metrics.DEPLOYMENTS) == {"": 1}
            assert len(turning.sources) == 1

    asyncio.run(run())


def test_reload_changes_settings(small: Small, clock: Steps) -> None:
    """A reload that gives a collector another interval takes effect without an attempt out of turn."""
    attempts = Attempts()

    async def run() -> None:
        async with engine(clock, attempts, config(called("eu1"))) as (turning, publication):
            slower = {"one": {"interval": 3600}, "two": {"interval": 300}}
            await turning.apply(config(called("eu1"), collectors=slower))
            await until(lambda: turning.jobs["acme-prod-eu1", "one"].settings.interval == 3600)
            assert attempts.made["acme-prod-eu1", "one"] == 1
            await clock.forward(300)
            await until(lambda: attempts.made["acme-prod-eu1", "one"] == 2)
            assert (await values(publication, poll.INTERVAL, "collector")) == {"one": 3600, "two": 300}

    asyncio.run(run())


def test_disabled_collector(small: Small, clock: Steps) -> None:
    """A collector that is switched off does not run and serves nothing; the others go on."""
    attempts = Attempts()
    off = {"one": {"interval": 300, "enabled": False}, "two": {"interval": 300}}

    async def run() -> None:
        async with engine(clock, attempts, config(called("eu1"))) as (turning, publication):
            await turning.apply(config(called("eu1"), collectors=off))
            await until(lambda: turning.jobs.keys() == {("acme-prod-eu1", "two")})
            for family in (TOY, SHARED, poll.SUCCESS, poll.INTERVAL):
                assert (await values(publication, family, "collector")).keys() == {"two"}
            await clock.forward(1000)
            assert attempts.made["acme-prod-eu1", "one"] == 1
            assert attempts.made["acme-prod-eu1", "two"] > 1

    asyncio.run(run())


def test_shards(small: Small, clock: Steps) -> None:
    """The shards together watch every deployment once, and a deployment with its staging twin in the same one."""
    clusters = [f"c{number}" for number in range(12)]
    everything = [called(cluster, side) for cluster in clusters for side in ("prod", "staging")]

    async def run() -> list[set[str]]:
        found = []
        for index in range(3):
            attempts = Attempts()
            async with engine(clock, attempts, config(*everything, shard=f"{index}/3")) as (turning, _):
                found.append(watched(turning))
        return found

    parts = asyncio.run(run())

    assert all(parts)
    assert sorted(name for part in parts for name in part) == sorted(
        f"acme-{each['environment']}-{each['cluster']}" for each in everything
    )
    for part in parts:
        assert {name.replace("prod", "staging") for name in part} == {name for name in part if "staging" in name}


def test_shards_without_configuration(small: Small, clock: Steps) -> None:
    """Of the deployments that are found, too, each is watched by one shard, and an empty shard is no emergency."""
    for number in range(8):
        small.facts[HERE][f"acme-prod-c{number}-1-1-vpc"] = {}

    async def run() -> list[set[str]]:
        found = []
        for index in range(2):
            async with engine(clock, Attempts(), config(shard=f"{index}/2")) as (turning, _):
                found.append(watched(turning))
        return found

    one, two = asyncio.run(run())

    assert one | two == {"acme-prod-eu1", *(f"acme-prod-c{number}" for number in range(8))}
    assert not one & two
    assert one
    assert two


def test_two_roles_in_one_account(small: Small, clock: Steps) -> None:
    """An account that is reached through two roles has each of its series once, with the sum of what was asked."""
    roles = [
        called(name, role_arn=f"arn:aws:iam::{THERE}:role/{role}")
        for name, role in (("eu1", "tts-aws-exporter"), ("eu2", "other"))
    ]

    async def run() -> None:
        async with engine(clock, Attempts(), config(*roles)) as (turning, publication):
            turning.publish()
            await publication.build()
            text = publication.page(openmetrics=False).plain.decode()
            series = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
            assert [name for name, count in Counter(series).items() if count > 1] == []
            asked = await values(publication, own_metrics.REQUESTS, "operation")
            assert asked["AssumeRole"] == asked["DescribeStacks"] == 2
            assert await values(publication, own_metrics.DISCOVERY_SUCCESS, "account_id") == {THERE: 1}
            assert await values(publication, SHARED, "collector") == {"one": 2, "two": 2}
            small.standin.faults.add(kind="deny", service="cloudformation", times=1)
            await surveys(turning, small, clock)
            await until(lambda: not all(source.success for source in turning.sources.values()))
            turning.publish()
            assert await values(publication, own_metrics.DISCOVERY_SUCCESS, "account_id") == {THERE: 0}

    asyncio.run(run())


def test_an_account_that_is_learnt_late(small: Small, clock: Steps) -> None:
    """A configured deployment is watched although its account is not known; once it is, everything carries it."""
    small.standin.faults.add(kind="error", code="InternalFailure", status=500, service="sts")

    async def run() -> None:
        async with engine(clock, Attempts(), config(called("eu1"))) as (turning, publication):
            assert (await values(publication, TOY, "collector")) == {"one": 1, "two": 1}
            assert [each.account_id for source in turning.sources.values() for each in source.found] == [""]
            small.standin.faults.clear()
            await clock.forward(60)
            await until(lambda: all(source.success for source in turning.sources.values()))
            turning.publish()
            await publication.build()
            page = parsed(publication.page(openmetrics=False).plain)
            with_account = [series for series in page if "account_id=" in series]
            assert with_account
            assert [series for series in with_account if f'account_id="{HERE}"' not in series] == []

    asyncio.run(run())


def test_nothing_found_is_loud(small: Small, clock: Steps, caplog: pytest.LogCaptureFixture) -> None:
    """Where no deployment is found, exporter_deployments is 0 and the log says so as an error, with the account."""
    small.facts[HERE].clear()

    async def run() -> None:
        async with engine(clock, Attempts(), config()) as (turning, publication):
            assert turning.jobs == {}
            assert await values(publication, own_metrics.DEPLOYMENTS) == {"": 0}
            assert await values(publication, own_metrics.DISCOVERY_SUCCESS) == {"": 1}

    asyncio.run(run())

    [line] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "no deployment found" in line.getMessage()
    assert line.account_id == HERE  # type: ignore[attr-defined]


def test_aws_is_not_there_at_the_start(small: Small, clock: Steps, caplog: pytest.LogCaptureFixture) -> None:
    """An account that cannot be read at first is surveyed again after a minute; the log says it once, and once more."""
    caplog.set_level(logging.INFO, "exporter")
    small.standin.faults.add(kind="deny")

    async def run() -> None:
        async with engine(clock, Attempts(), config()) as (turning, publication):
            assert await values(publication, own_metrics.DEPLOYMENTS) == {"": 0}
            assert await values(publication, own_metrics.DISCOVERY_SUCCESS) == {"": 0}
            assert await values(publication, own_metrics.DISCOVERY_LAST_SUCCESS) == {"": 0}
            began = [record for record in caplog.records if record.getMessage() == "could not survey"]
            assert began
            fired = small.standin.faults.rules[0].fired
            await clock.forward(60)
            await until(lambda: small.standin.faults.rules[0].fired > fired)
            await idle(turning, clock)
            small.standin.faults.clear()
            await clock.forward(120)
            await until(lambda: watched(turning) == {"acme-prod-eu1"})
            said = [record.getMessage() for record in caplog.records]
            assert said.count("could not survey") == len(began)
            assert said.count("surveys again") == len(began)

    asyncio.run(run())


def test_a_survey_that_fails_changes_nothing(small: Small, clock: Steps) -> None:
    """When stacks and tags cannot be read any more, the deployments that were found stay watched."""
    attempts = Attempts()

    async def run() -> None:
        async with engine(clock, attempts, config()) as (turning, publication):
            small.standin.faults.add(kind="deny")
            for _ in range(5):
                await surveys(turning, small, clock)
            assert watched(turning) == {"acme-prod-eu1"}
            await until(lambda: not any(source.success for source in turning.sources.values()))
            turning.publish()
            assert await values(publication, own_metrics.DEPLOYMENTS) == {"": 1}
            assert await values(publication, own_metrics.DISCOVERY_SUCCESS) == {"": 0}

    asyncio.run(run())


@pytest.mark.parametrize("arn", ["nonsense", "arn:aws:rds", "arn:aws:s3:::", "arn:aws:ec2:eu-west-1:1:volume"])
def test_a_malformed_arn_stops_no_survey(small: Small, clock: Steps, arn: str) -> None:
    """An ARN that is none costs that resource; deployments are found all the same."""
    tagged = {"ResourceARN": arn, "Tags": [{"Key": STACK_TAG, "Value": "acme-prod-eu1-1-1-vpc"}]}
    small.answers("resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": [tagged]})

    async def run() -> None:
        async with engine(clock, Attempts(), config()) as (turning, _):
            assert watched(turning) == {"acme-prod-eu1"}

    asyncio.run(run())


def test_twins(small: Small, clock: Steps) -> None:
    """A production deployment names its staging twin: the configured one, else that of the same network and cluster."""
    three = (called("eu1"), called("eu1", "staging"), called("eu2", staging="acme-staging-eu1"))

    async def run() -> None:
        async with engine(clock, Attempts(), config(*three)) as (_, publication):
            await publication.build()
            page = parsed(publication.page(openmetrics=False).plain)
            infos = [series for series in page if series.startswith(own_metrics.DEPLOYMENT_INFO.name)]
            assert {labelled(each, "deployment"): labelled(each, "staging") for each in infos} == {
                "acme-prod-eu1": "acme-staging-eu1",
                "acme-prod-eu2": "acme-staging-eu1",
                "acme-staging-eu1": "",
            }

    asyncio.run(run())


def test_stops_everything(small: Small, clock: Steps) -> None:
    """When the engine is stopped, no loop of it goes on and nothing is served of AWS."""

    async def run() -> None:
        async with engine(clock, Attempts(), config(called("eu1"), called("eu2"))) as (turning, publication):
            assert turning.jobs
        assert turning.jobs == {}
        assert turning.sources == {}
        assert await values(publication, TOY) == {}
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())


def test_ready_when_all_has_been_tried(small: Small, clock: Steps) -> None:
    """The engine is ready once every collector has finished once, and not while one still reads."""
    attempts = Attempts()
    go = asyncio.Event()

    async def slow(aws: Aws, deployment: Deployment) -> Answer:
        await go.wait()
        return await aws.gather({})

    one, two = attempts.collectors
    waiting = Collector(two.name, two.interval, (), two.families, slow, two.samples)

    async def run() -> None:
        publication = Publication((TOY, SHARED, *poll.FAMILIES, *own_metrics.FAMILIES))
        async with clients(clock, services=["cloudformation", "resourcegroupstaggingapi", "sts"]) as opened:
            turning = Engine((one, waiting), opened, publication, clock)
            assert not turning.ready()
            await turning.apply(config())
            task = asyncio.create_task(turning.run())
            await until(lambda: attempts.made["acme-prod-eu1", "one"])
            await settle()
            assert not turning.ready()
            go.set()
            await until(turning.ready)
            assert (await values(publication, TOY, "collector")) == {"one": 1, "two": 1}
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())


def test_an_answer_with_a_number_for_a_code(small: Small, clock: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error whose code is a number, as a gateway between us and AWS may send it, is counted and stops nothing."""

    async def gateway(_: web.Request) -> web.Response:
        return web.json_response({"code": 503}, status=503)

    async def fetch(aws: Aws, deployment: Deployment) -> Answer:
        return await aws.gather({"files": aws.read("efs", "DescribeFileSystems")})

    toy = Collector("three", 300.0, (), (), fetch, lambda *_: iter(()))
    three = {name: {"interval": 300} for name in ("one", "two", "three")}
    wanted = config(called("eu1"), collectors=three, aws={"retries": 1})

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", gateway)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_EFS", "http://{}:{}".format(*runner.addresses[0]))
        try:
            async with engine(clock, Attempts(), wanted, toy, services=["efs"]) as (turning, publication):
                turning.publish()
                assert await values(publication, own_metrics.REQUEST_ERRORS, "code") == {"503": 1}
                assert [failure.code for failure in turning.jobs["acme-prod-eu1", "three"].failures] == ["503"]
        finally:
            await runner.cleanup()

    asyncio.run(run())


def test_a_reload_without_clients_changes_nothing(
    small: Small, clock: Steps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the clients of a new configuration cannot be made, the present one goes on with all that it watches."""
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("this is no profile")
    elsewhere = config(called("us1", role_arn=f"arn:aws:iam::{THERE}:role/other"))

    async def run() -> None:
        present = config(called("eu1"))
        async with engine(clock, Attempts(), present) as (turning, publication):
            sources, jobs = dict(turning.sources), dict(turning.jobs)
            with monkeypatch.context() as broken:
                broken.setenv("AWS_CONFIG_FILE", str(nonsense))
                with pytest.raises(ConfigParseError):
                    await turning.apply(elsewhere)
            assert turning.config is present
            assert turning.sources == sources
            await surveys(turning, small, clock)
            assert turning.jobs == jobs
            assert await values(publication, TOY, "collector") == {"one": 1, "two": 1}
            await turning.apply(elsewhere)
            await until(lambda: watched(turning) == {"acme-prod-us1"})

    asyncio.run(run())


@pytest.mark.parametrize("first", ["the old one", "the new one"])
def test_a_deployment_that_moves(small: Small, clock: Steps, first: str) -> None:
    """A deployment that a reload gives another role is read through that one, whichever account is surveyed first."""
    old, new = (f"arn:aws:iam::{THERE}:role/{name}" for name in ("tts-aws-exporter", "other"))
    stay = called("eu1", role_arn=old), called("eu2", role_arn=new)

    async def run() -> None:
        attempts = Attempts()
        async with engine(clock, attempts, config(*stay, called("us1", role_arn=old))) as (turning, publication):
            moved = (*stay, called("us1", role_arn=new))
            # Surveys come in the order of the configuration: what they ask was just answered.
            await turning.apply(config(*(moved if first == "the old one" else reversed(moved))))
            reads = turning.sources["eu-west-1", new, None].reads
            await until(lambda: attempts.made["acme-prod-us1", "one"] == 2)
            await idle(turning, clock)
            assert watched(turning) == {"acme-prod-eu1", "acme-prod-eu2", "acme-prod-us1"}
            for name in ("one", "two"):
                assert turning.jobs["acme-prod-us1", name].reads is reads
                assert attempts.made["acme-prod-us1", name] == 2
                assert attempts.made["acme-prod-eu1", name] == attempts.made["acme-prod-eu2", name] == 1
            await publication.build()
            page = parsed(publication.page(openmetrics=False).plain)
            assert sum(series.startswith(f"{TOY.name}{{") and '"acme-prod-us1"' in series for series in page) == 2

    asyncio.run(run())


def test_a_dropped_account_leaves_nothing(small: Small, clock: Steps) -> None:
    """An account that a reload drops has no request under way and no client any more; the others' are as before."""
    role = f"arn:aws:iam::{THERE}:role/tts-aws-exporter"

    async def run() -> None:
        async with engine(clock, Attempts(), config(called("eu1"))) as (turning, _):
            hanging = small.standin.faults.add(kind="hang", account=THERE)
            await turning.apply(config(called("eu1"), called("us1", role_arn=role)))
            gone, stays = turning.sources["eu-west-1", role, None], turning.sources["eu-west-1", None, None]
            await until(lambda: hanging.fired == 2)  # stacks and tags
            flights = [entry.flight for entry in gone.reads.entries.values() if entry.flight]
            await turning.apply(config(called("eu1")))
            assert flights
            assert all(flight.cancelled() for flight in flights)
            with pytest.raises(KeyError):
                gone.reads.account.client("cloudformation")
            await stays.reads.account.client("cloudformation").describe_stacks()

    asyncio.run(run())


def test_an_empty_shard_counts_nothing(small: Small, clock: Steps) -> None:
    """A shard that has no deployment serves no count of them: others' counts, and no alert, are about those."""

    async def run() -> list[dict[str, float]]:
        found = []
        for index in range(2):
            async with engine(clock, Attempts(), config(shard=f"{index}/2")) as (turning, publication):
                turning.publish()
                found.append(await values(publication, own_metrics.DEPLOYMENTS))
                assert bool(turning.jobs) == bool(found[-1])
        return found

    assert sorted(asyncio.run(run()), key=len) == [{}, {"": 1}]
