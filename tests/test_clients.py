"""The AWS clients: rate limits, counters, credentials, connections, and which answers are believed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp
from conftest import AS_OF, FrozenClock, account, attempt, clients
from hypothesis import given
from hypothesis import strategies as st
from small import Small, Steps, gathered, settle, small_aws

from exporter import __version__
from exporter.clients import Account
from exporter.config import Config, RateLimit
from exporter.demo.server import Standin
from exporter.errors import ReadFailed
from exporter.wire import TokenBucket, Turn, fast_timestamp, refuse_foreign_answers

THERE = "444455556666"
ROLE = f"arn:aws:iam::{THERE}:role/tts-aws-exporter"
LIST = ("ecs", "ListServices")


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        world.answers(*LIST, {"serviceArns": ["arn:aws:ecs:eu-west-1:1:service/main/is"]})
        world.answers("rds", "DescribeDBClusters", {"DBClusters": []})
        yield world


def counted(standin: Standin) -> dict[tuple[str, str], int]:
    """What the stand-in counted, by service and operation."""
    found: dict[tuple[str, str], int] = {}
    for (_, _, service, operation, _), count in standin.calls.items():
        found[service, operation] = found.get((service, operation), 0) + count
    return found


def test_burst_then_rate() -> None:
    """So many requests go out at once; the others follow at the rate, in the order in which they came."""
    clock = Steps()
    bucket = TokenBucket(RateLimit(burst=3, per_second=2), clock)
    went: list[tuple[int, float]] = []

    async def request(number: int) -> None:
        await bucket.take()
        went.append((number, clock.now - AS_OF))

    async def run() -> None:
        tasks = [asyncio.create_task(request(number)) for number in range(6)]
        await settle()
        await clock.forward(10)
        await asyncio.gather(*tasks)

    asyncio.run(run())

    assert went == [(0, 0), (1, 0), (2, 0), (3, 0.5), (4, 1.0), (5, 1.5)]


def test_the_burst_comes_back() -> None:
    """Idle time fills the bucket at the rate, up to the burst and no further."""
    clock = Steps()
    bucket = TokenBucket(RateLimit(burst=3, per_second=2), clock)

    async def at_once() -> int:
        """How many requests go out without waiting."""
        tasks = [asyncio.create_task(bucket.take()) for _ in range(10)]
        await settle()
        free = sum(task.done() for task in tasks)
        await clock.forward(100)
        await asyncio.gather(*tasks)
        return free

    async def run() -> list[int]:
        full = await at_once()
        await clock.forward(1_000_000)
        again = await at_once()
        bucket._tokens = 0.0
        await clock.forward(1)
        return [full, again, await at_once()]

    assert asyncio.run(run()) == [3, 3, 3]


def test_calls_begin_one_by_one() -> None:
    """Between the beginnings of two calls everything else of the loop, such as a scrape, has its turn."""
    turn = Turn()
    seen: list[str] = []

    async def call() -> None:
        await turn.wait()
        seen.append("call")

    async def scrapes() -> None:
        while seen.count("call") < 5:
            seen.append("scrape")
            await asyncio.sleep(0)

    async def run() -> None:
        await asyncio.gather(*(call() for _ in range(5)), scrapes())

    asyncio.run(run())

    assert "call call" not in " ".join(seen)


def test_limits_are_of_each_service(small: Small) -> None:
    """Each service has a bucket of its own in each account: waiting for one delays no other."""
    clock = Steps()
    config = Config.model_validate({"aws": {"rate_limits": {"ecs": {"burst": 1, "per_second": 0.1}}}})

    async def run() -> None:
        async with account(clock, services=["ecs", "rds"], config=config) as reads:
            await attempt(reads).read(*LIST)
            second = asyncio.create_task(attempt(reads).read(*LIST, max_age=0))
            await attempt(reads).read("rds", "DescribeDBClusters")
            await settle()
            assert not second.done()
            assert clock.wakes == [10]
            assert counted(small.standin)[LIST] == 1
            await clock.forward(10)
            await second

    asyncio.run(run())

    assert counted(small.standin)[LIST] == 2


def test_counts_what_went_out(small: Small, clock: FrozenClock) -> None:
    """Requests, errors and durations are counted as AWS saw them, retries included."""
    config = Config.model_validate({"aws": {"retries": 2}})
    small.standin.faults.add(kind="error", code="InternalFailure", status=500, service="ecs", times=1)
    small.standin.faults.add(kind="throttle", service="rds", times=1)

    async def run() -> Account:
        async with account(clock, services=["ecs", "rds"], config=config) as reads:
            for _ in range(3):
                await attempt(reads).read(*LIST, max_age=0)
            await attempt(reads).read("rds", "DescribeDBClusters")
            made: Account = reads.account
            return made

    made = asyncio.run(run())

    assert made.requests == counted(small.standin)
    assert made.requests[LIST] == 4
    assert made.errors == {(*LIST, "InternalFailure"): 1, ("rds", "DescribeDBClusters", "Throttling"): 1}
    assert +made.throttled == {("rds", "DescribeDBClusters"): 1}
    assert {service: sum(histogram.counts) for service, histogram in made.durations.items()} == {"ecs": 4, "rds": 2}


def test_counts_what_was_not_answered(small: Small, clock: FrozenClock) -> None:
    """A request without an answer is counted as sent, and as an error by the client's word for it."""
    config = Config.model_validate({"aws": {"retries": 1}})
    small.standin.faults.add(kind="truncate")

    async def run() -> Account:
        async with account(clock, services=["ecs"], config=config) as reads:
            with pytest.raises(ReadFailed):
                await attempt(reads).read(*LIST)
            made: Account = reads.account
            return made

    made = asyncio.run(run())

    assert made.requests == {LIST: 1}
    assert made.errors == {(*LIST, "ConnectionClosedError"): 1}


def test_says_who_asks(small: Small, clock: FrozenClock) -> None:
    """Every request carries name and version, so that CloudTrail shows who asked."""
    agents: list[str] = []

    async def run() -> None:
        async with account(clock, services=["ecs"]) as reads:
            client = reads.account.client("ecs")
            client.meta.events.register(
                "before-send.*.*", lambda request, **_: agents.append(request.headers["User-Agent"])
            )
            await attempt(reads).read(*LIST)

    asyncio.run(run())

    [agent] = agents
    text = agent.decode() if isinstance(agent, bytes) else agent
    assert text.split()[-1] == f"tts-aws-exporter/{__version__}"


class _Sent(Exception):
    """Where a request would have gone, and the scope that it was signed for."""


@pytest.mark.parametrize(
    ("region", "service", "operation", "host", "signed"),
    [
        ("eu-west-1", "health", "DescribeEvents", "health.us-east-1.amazonaws.com", "us-east-1"),
        ("us-east-1", "health", "DescribeEvents", "health.us-east-1.amazonaws.com", "us-east-1"),
        ("cn-north-1", "health", "DescribeEvents", "health.cn-northwest-1.amazonaws.com.cn", "cn-northwest-1"),
        ("us-gov-west-1", "health", "DescribeEvents", "health.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("us-gov-east-1", "health", "DescribeEvents", "health.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("us-isob-east-1", "health", "DescribeEvents", "health.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1"),
        ("eu-west-1", "route53", "ListHostedZones", "route53.amazonaws.com", "us-east-1"),
        ("eu-west-1", "ecs", "ListServices", "ecs.eu-west-1.amazonaws.com", "eu-west-1"),
    ],
)
def test_where_a_service_is_asked(
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    region: str,
    service: str,
    operation: str,
    host: str,
    signed: str,
) -> None:
    """A service is asked in the deployment's region, but Health where its partition has it, and so is it signed for."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")

    # The address that a client shows is not the one it asks: botocore works that out for each request.
    def stop(request: Any, **_: Any) -> None:
        raise _Sent(request.url, str(request.headers["Authorization"]))

    async def ask() -> Account:
        async with clients(clock, services=[service]) as opened:
            made: Account = await opened.account(region)
            client = made.client(service)
            client.meta.events.register_last("before-send.*.*", stop)
            with pytest.raises(_Sent) as sent:
                await getattr(client, xform_name(operation))()
            url, authorization = sent.value.args
            assert url.split("/")[2] == host
            assert f"/{signed}/{service}/aws4_request" in authorization
            return made

    made = asyncio.run(ask())

    assert made.region == region
    assert made.requests == {(service, operation): 1}


def test_an_endpoint_that_is_given(small: Small, clock: FrozenClock) -> None:
    """The endpoint of the environment is asked for Health too."""
    small.answers("health", "DescribeEvents", {"events": []})

    async def run() -> None:
        async with account(clock, services=["health"]) as reads:
            await attempt(reads).read("health", "DescribeEvents")

    asyncio.run(run())

    assert counted(small.standin) == {("health", "DescribeEvents"): 1}


def test_assumes_a_role(small: Small, clock: FrozenClock) -> None:
    """A role's account is read with the role's credentials, which all of its clients share; the external id is sent."""
    small.roles = {ROLE: "a secret"}

    async def run() -> Account:
        async with clients(clock, services=["ecs", "rds"]) as opened:
            made: Account = await opened.account("eu-west-1", ROLE, "a secret")
            assert made.account_id == THERE
            await gathered((made.client("ecs").list_services(), made.client("rds").describe_db_clusters()))
            return made

    made = asyncio.run(run())

    assert {(request.operation, request.account) for request in small.seen} == {
        ("ListServices", THERE),
        ("DescribeDBClusters", THERE),
    }
    assert counted(small.standin)["sts", "AssumeRole"] == 1
    assert made.requests == counted(small.standin)


@pytest.mark.parametrize("given", [None, "another"])
def test_a_refused_role(small: Small, clock: FrozenClock, given: str | None) -> None:
    """A role that AWS does not give, for a wrong external id say, is a matter of credentials, and named."""
    small.roles = {ROLE: "a secret"}

    async def run() -> Any:
        async with account(clock, role_arn=ROLE, external_id=given, services=["ecs"]) as reads:
            aws = attempt(reads)
            with pytest.raises(ReadFailed):
                await aws.read(*LIST)
            return aws.failures

    [failure] = asyncio.run(run())

    assert (failure.operation, failure.reason, failure.code) == ("ecs.ListServices", "credentials", "AccessDenied")
    assert failure.action is None
    assert "AssumeRole" in failure.detail


def test_a_refused_role_is_not_asked_for_at_once(small: Small, clock: FrozenClock) -> None:
    """However many reads need a role that is refused, AWS is asked for it once in half a minute."""
    small.roles = {}

    async def run() -> None:
        async with account(clock, role_arn=ROLE, services=["ecs", "rds"]) as reads:
            for refused in (1, 2):
                for operation in (LIST, ("rds", "DescribeDBClusters")):
                    with pytest.raises(ReadFailed):
                        await attempt(reads).read(*operation)
                assert counted(small.standin) == {("sts", "AssumeRole"): refused}
                clock.now += 30
            small.roles = {ROLE: None}
            await attempt(reads).read(*LIST)

    asyncio.run(run())


def test_expired_credentials_are_refreshed(small: Small, clock: FrozenClock) -> None:
    """Credentials about to expire are replaced before the next request, by assuming the role again."""
    small.roles = {ROLE: None}
    lifetimes = iter((60, 3600, 3600))  # seconds; botocore replaces what expires within ten minutes

    async def run() -> None:
        async with account(clock, role_arn=ROLE, services=["ecs"]) as reads:
            assume = small.standin.credentials._assume

            def briefly(request: Any, caller: Any) -> dict[str, Any]:
                request.parameters["DurationSeconds"] = next(lifetimes)
                return assume(request, caller)

            small.standin.credentials._assume = briefly  # type: ignore[method-assign]  # the stand-in's, not ours
            await attempt(reads).read(*LIST)
            first = counted(small.standin)["sts", "AssumeRole"]
            await attempt(reads).read(*LIST, max_age=0)
            assert counted(small.standin)["sts", "AssumeRole"] > first

    asyncio.run(run())


def test_revoked_credentials(small: Small, clock: FrozenClock) -> None:
    """A session that AWS ends before its time is a matter of credentials, not of permissions."""
    small.roles = {ROLE: None}

    async def run() -> Any:
        async with account(clock, role_arn=ROLE, services=["ecs"]) as reads:
            await attempt(reads).read(*LIST)
            small.standin.credentials.expire()
            aws = attempt(reads)
            await aws.read(*LIST, max_age=0)
            return aws.failures

    assert [(each.reason, each.code) for each in asyncio.run(run())] == [("credentials", "ExpiredTokenException")]


def test_a_clock_that_is_wrong(small: Small, clock: FrozenClock) -> None:
    """Credentials that are expired as soon as they come, since the machine's clock is wrong, are counted as such."""
    small.roles = {ROLE: None}

    async def run() -> Any:
        async with account(clock, role_arn=ROLE, services=["ecs"]) as reads:
            assume = small.standin.credentials._assume

            def long_ago(request: Any, caller: Any) -> dict[str, Any]:
                answer = assume(request, caller)
                answer["Credentials"]["Expiration"] = datetime(2020, 1, 1, tzinfo=UTC)
                return answer

            small.standin.credentials._assume = long_ago  # type: ignore[method-assign]  # the stand-in's, not ours
            aws = attempt(reads)
            with pytest.raises(ReadFailed):
                await aws.read(*LIST)
            return aws.failures

    assert [each.reason for each in asyncio.run(run())] == ["credentials"]


def test_no_credentials(small: Small, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials clients are made all the same, a read says what is missing, and works once there are some."""
    key = {"AWS_ACCESS_KEY_ID": "AKIADEMO111122223333", "AWS_SECRET_ACCESS_KEY": "x"}
    small.roles = {ROLE: None}
    for name in key:
        monkeypatch.delenv(name)

    async def run() -> None:
        async with account(clock, role_arn=ROLE, services=["ecs"]) as reads:
            aws = attempt(reads)
            with pytest.raises(ReadFailed):
                await aws.read(*LIST)
            assert [(each.reason, each.code) for each in aws.failures] == [("credentials", "NoCredentialsError")]
            for name, value in key.items():
                monkeypatch.setenv(name, value)
            clock.now += 60
            await attempt(reads).read(*LIST)

    asyncio.run(run())


def test_credentials_that_come_later(
    small: Small, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials that appear after the clients were made are found by these, half a minute after the last look."""
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    async def run() -> None:
        async with account(clock, services=["ecs"]) as reads:
            for later in (0, 29):
                clock.now = AS_OF + later
                aws = attempt(reads)
                with pytest.raises(ReadFailed):
                    await aws.read(*LIST)
                assert [(each.reason, each.code) for each in aws.failures] == [("credentials", "NoCredentialsError")]
                key, secret = f"aws_access_key_id = AKIADEMO{THERE}", "aws_secret_access_key = x"
                file.write_text(f"[default]\n{key}\n{secret}\n")
            clock.now = AS_OF + 30
            await attempt(reads).read(*LIST)

    asyncio.run(run())

    assert [request.account for request in small.seen] == [THERE]


def test_a_role_by_web_identity(small: Small, clock: FrozenClock) -> None:
    """The client of STS can trade a web identity for a role, as botocore does in a pod, with its cut model too."""

    async def run() -> None:
        async with clients(clock, services=["sts"]) as opened:
            made: Account = await opened.account("eu-west-1")
            assert made.client("sts").assume_role_with_web_identity

    asyncio.run(run())


def test_one_connection_pool(small: Small, clock: FrozenClock) -> None:
    """All clients of all accounts, those for assuming roles included, share one pool of connections."""
    small.roles = {ROLE: None}

    async def run() -> int:
        async with clients(clock, services=["ecs", "rds"]) as opened:
            for role in (None, ROLE):
                made = await opened.account("eu-west-1", role)
                await made.client("ecs").list_services()
                await made.client("rds").describe_db_clusters()
            sessions = list(opened._pool.sessions.values())
        assert all(session.closed for session in sessions)
        return len(sessions)

    assert asyncio.run(run()) == 1


def model(protocol: str) -> Any:
    return SimpleNamespace(name="ListThings", service_model=SimpleNamespace(resolved_protocol=protocol))


@pytest.mark.parametrize(
    ("protocol", "kind", "body", "refused"),
    [
        ("json", "application/x-amz-json-1.1", b"{}", False),
        ("json", "application/x-amz-json-1.1", b' {"a": 1}\n', False),
        ("json", "application/x-amz-json-1.1", b"", False),
        ("json", "application/x-amz-json-1.1", b"<html></html>", True),
        ("json", "application/x-amz-json-1.1", b"[]", True),
        ("json", "application/x-amz-json-1.1", b'{"a": ', True),
        ("rest-json", "application/json", b"null", True),
        ("json", "text/html", b"{}", True),
        ("query", "text/xml", b"<DescribeThingsResponse/>", False),
        ("query", "text/html; charset=utf-8", b"<html></html>", True),
        ("ec2", "text/html", b"<html></html>", True),
        ("rest-xml", "application/xml", b"", False),
    ],
)
def test_foreign_answers(protocol: str, kind: str, body: bytes, refused: bool) -> None:
    """A successful answer that AWS cannot have sent, as a proxy's page, is refused; botocore would see an empty one."""
    for status, believed in ((200, not refused), (502, True)):
        answer = {"status_code": status, "headers": {"content-type": kind}, "body": body}
        try:
            refuse_foreign_answers(model(protocol), answer)
        except ResponseParserError:
            assert not believed
        else:
            assert believed


moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1))
zones = st.sampled_from(["Z", "+00:00", "-00:00", "+02:00", "-05:30"])
forms = st.one_of(
    st.builds(lambda at, zone: at.isoformat(timespec="milliseconds") + zone, moments, zones),
    st.builds(lambda at, zone: at.isoformat(timespec="seconds") + zone, moments, zones),
    st.builds(lambda at, zone: at.isoformat(timespec="microseconds") + zone, moments, zones),
    st.builds(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT"), moments),
    st.builds(lambda at: at.strftime("%Y%m%dT%H%M%SZ"), moments),
    st.builds(lambda at: at.isoformat(timespec="seconds"), moments),
    st.integers(0, 4_000_000_000),
    st.floats(0, 4_000_000_000).map(lambda seconds: round(seconds, 3)),
    st.integers(0, 4_000_000_000).map(str),
    st.floats(0, 4_000_000_000).map(lambda seconds: f"{seconds:.3f}"),
)


@given(forms)
def test_timestamps(form: Any) -> None:
    """Every form of a time that AWS sends is the instant that botocore's own parser sees, in UTC."""
    theirs = parse_timestamp(form)
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)

    ours = fast_timestamp(form)

    assert ours.tzinfo is not None
    assert abs(ours - theirs).total_seconds() < 1e-5


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", None])
def test_no_timestamps(text: Any) -> None:
    """What is no time is refused as botocore refuses it."""
    with pytest.raises((ValueError, TypeError)):
        fast_timestamp(text)
