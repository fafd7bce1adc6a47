"""The stand-in as a whole: accounts and roles, unknown operations, counting, changing facts, mistakes of handlers."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import ClientError, ConnectionClosedError
from toy import HERE, NOON, THERE, Toy, client

from exporter.demo.request import AwsError
from exporter.demo.server import Standin, serve

ROLE = f"arn:aws:iam::{THERE}:role/ops/tts-aws-exporter"


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def standin(toy: Toy) -> Iterator[Standin]:
    with Standin.in_thread(toy, validate=True) as running:
        yield running


def demo(standin: Standin, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{standin.url}/_demo/{path}", data, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def refused(call: Any, **parameters: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_aiobotocore(toy: Toy) -> None:
    """The exporter's own client reads all pages from a stand-in in its own loop."""
    toy.answers("ecs", "ListServices", {"serviceArns": [f"a{number}" for number in range(25)]})

    async def read() -> list[str]:
        standin = await serve(toy, "127.0.0.1", 0, validate=True)
        async with get_session().create_client(
            "ecs",
            endpoint_url=standin.url,
            region_name="eu-west-1",
            aws_access_key_id=f"AKIADEMO{HERE}",
            aws_secret_access_key="not a secret",
        ) as ecs:
            pages = ecs.get_paginator("list_services").paginate()
            arns = [arn async for page in pages for arn in page["serviceArns"]]
        await standin.close()
        return arns

    assert asyncio.run(read()) == [f"a{number}" for number in range(25)]


def test_request(toy: Toy, standin: Standin) -> None:
    """A handler learns account, region, service and operation, and the time of the stand-in's clock."""
    toy.answers("elbv2", "DescribeLoadBalancers", {})
    before = toy.now()

    client(standin.url, "elbv2", key=f"AKIADEMO{THERE}").describe_load_balancers()

    seen = toy.seen[0]
    assert (seen.account, seen.region, seen.service) == (THERE, "eu-west-1", "elbv2")
    assert seen.operation == "DescribeLoadBalancers"
    assert before <= seen.now <= toy.now()


@pytest.mark.parametrize(
    ("service", "method", "parameters", "code", "status"),
    [
        ("rds", "describe_db_clusters", {}, "InvalidAction", 400),
        ("ec2", "describe_vpcs", {}, "InvalidAction", 400),
        ("ecs", "list_clusters", {}, "UnknownOperationException", 400),
        ("dlm", "get_lifecycle_policies", {}, "UnknownOperationException", 404),
        ("s3", "get_bucket_cors", {"Bucket": "b-1"}, "UnknownOperationException", 404),
        ("sts", "get_session_token", {}, "InvalidAction", 400),
    ],
)
def test_unknown_operation(
    standin: Standin, service: str, method: str, parameters: dict[str, Any], code: str, status: int
) -> None:
    """What the world has no answer to, AWS has not heard of, in each protocol's words; it is counted by name."""
    assert refused(getattr(client(standin.url, service), method), **parameters) == (code, status)

    ((_, _, counted, operation, _),) = standin.calls
    assert (counted, operation.lower()) == (service, method.replace("_", ""))


def test_unknown_to_the_model_and_to_us(toy: Toy, standin: Standin) -> None:
    """Another action or version, a service that is not served and a request without signature are refused."""
    toy.answers("rds", "DescribeDBClusters", {})

    def asked(headers: dict[str, str], body: bytes) -> tuple[int, str]:
        request = urllib.request.Request(standin.url, body, headers)
        with pytest.raises(HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)
        with caught.value as error:
            return error.code, error.read().decode()

    def signed(service: str) -> dict[str, str]:
        scope = f"AKIADEMO{HERE}/20261122/eu-west-1/{service}/aws4_request"
        return {"Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"}

    status, body = asked(signed("rds"), b"Action=DropEverything&Version=2014-10-31")
    assert (status, "InvalidAction" in body, "DropEverything" in body) == (400, True, True)
    status, body = asked(signed("rds"), b"Action=DescribeDBClusters&Version=2001-01-01")
    assert (status, "InvalidAction" in body) == (400, True)
    status, body = asked(signed("braket"), b"{}")
    assert (status, "braket" in body) == (404, True)
    status, body = asked({}, b"Action=DescribeDBClusters")
    assert (status, "MissingAuthenticationToken" in body) == (403, True)


def test_handlers_error(toy: Toy, standin: Standin) -> None:
    """An error that a handler raises reaches the client, S3's with the bucket's region."""

    def gone(_: Any) -> Any:
        raise AwsError("DBClusterNotFoundFault", "DBCluster <acme> not found.", 404)

    def elsewhere(_: Any) -> Any:
        raise AwsError("PermanentRedirect", "Elsewhere.", 301, {"Region": "us-east-2"})

    toy.answers("rds", "DescribeDBClusters", gone)
    toy.answers("s3", "GetBucketVersioning", elsewhere)

    rds = client(standin.url, "rds")
    with pytest.raises(rds.exceptions.DBClusterNotFoundFault, match="DBCluster <acme> not found"):
        rds.describe_db_clusters()
    with pytest.raises(ClientError) as caught:
        client(standin.url, "s3").get_bucket_versioning(Bucket="b-1")
    assert caught.value.response["Error"]["Region"] == "us-east-2"
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == "us-east-2"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"DBClusters": [{"BackupRetentionPeriod": "seven"}]}, "BackupRetentionPeriod"),
        ({"DBClusters": [{"Backups": 7}]}, "Backups"),
        (lambda request: request.parameters["Oops"], "KeyError('Oops')"),
    ],
)
def test_handlers_mistake(toy: Toy, standin: Standin, answer: Any, why: str) -> None:
    """A handler that fails, or gives what AWS could not, is an internal failure that says why."""
    toy.answers("rds", "DescribeDBClusters", answer)

    with pytest.raises(ClientError, match="InternalFailure") as caught:
        client(standin.url, "rds").describe_db_clusters()

    assert why in str(caught.value)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_calls_are_counted(toy: Toy, standin: Standin) -> None:
    """Each request is counted once by account, region, service, operation and status, with status 0 for no answer."""
    toy.answers("rds", "DescribeDBClusters", {})
    rds, other = client(standin.url, "rds"), client(standin.url, "rds", key=f"AKIADEMO{THERE}")
    for _ in range(3):
        rds.describe_db_clusters()
    other.describe_db_clusters()
    refused(rds.describe_db_clusters, MaxRecords=1)
    standin.faults.add(kind="reset")
    with pytest.raises(Exception, match="Connection was closed"):
        rds.describe_db_clusters()

    def row(account: str, status: int, count: int) -> dict[str, Any]:
        return {
            "account": account,
            "region": "eu-west-1",
            "service": "rds",
            "operation": "DescribeDBClusters",
            "status": status,
            "count": count,
        }

    counted = [row(HERE, 0, 1), row(HERE, 200, 3), row(HERE, 400, 1), row(THERE, 200, 1)]
    assert demo(standin, "GET", "calls") == (200, counted)
    assert demo(standin, "DELETE", "calls") == (204, None)
    assert demo(standin, "GET", "calls") == (200, [])


def test_facts(toy: Toy, standin: Standin) -> None:
    """A fact can be looked at and changed; a wrong path or body is refused and changes nothing."""
    toy.facts = {"a/b": NOON, "c": 1}

    assert demo(standin, "GET", "inventory?path=a/b") == (200, NOON.isoformat())
    assert demo(standin, "POST", "set", {"path": "c", "value": [2]}) == (204, None)
    assert demo(standin, "GET", "inventory?path=c") == (200, [2])
    assert demo(standin, "GET", "inventory?path=d")[0] == 404
    assert demo(standin, "POST", "set", {"path": "d", "value": 1})[0] == 400
    assert demo(standin, "POST", "set", {"path": "c"})[0] == 400
    assert toy.facts["c"] == [2]


def test_caller_identity(standin: Standin) -> None:
    """A key names its account; any other key is of the default account."""
    assert client(standin.url, "sts", key=f"AKIADEMO{THERE}").get_caller_identity()["Account"] == THERE
    assert client(standin.url, "sts", key="AKIAIOSFODNN7EXAMPLE").get_caller_identity()["Account"] == HERE


@pytest.mark.parametrize(
    ("wanted", "given", "assumed"),
    [
        ("s3cret", {"ExternalId": "s3cret"}, True),
        ("s3cret", {"ExternalId": "guess"}, False),
        ("s3cret", {}, False),
        (None, {}, True),
        (None, {"ExternalId": "unasked"}, True),
    ],
)
def test_assume_role(toy: Toy, standin: Standin, wanted: str | None, given: dict[str, str], assumed: bool) -> None:
    """A role is assumed with its external id only, if it has one; its credentials act in the role's account."""
    toy.roles[ROLE] = wanted
    sts = client(standin.url, "sts")

    if not assumed:
        assert refused(sts.assume_role, RoleArn=ROLE, RoleSessionName="tests", **given) == ("AccessDenied", 403)
        return
    before = toy.now()
    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="tests", **given)["Credentials"]
    assert 3590 < (keys["Expiration"] - before).total_seconds() < 3660
    identity = client(standin.url, "sts", key=keys["AccessKeyId"], token=keys["SessionToken"]).get_caller_identity()
    assert identity["Account"] == THERE
    assert identity["Arn"] == f"arn:aws:sts::{THERE}:assumed-role/tts-aws-exporter/tests"


def test_unknown_role(standin: Standin) -> None:
    """AWS does not tell whether a role exists."""
    sts = client(standin.url, "sts")

    assert refused(sts.assume_role, RoleArn=ROLE, RoleSessionName="tests") == ("AccessDenied", 403)


def test_expired_and_unknown_tokens(toy: Toy, standin: Standin) -> None:
    """Expired credentials are refused in each service's words, and so is a token that was never given."""
    toy.roles[ROLE] = None
    for service, operation in (("rds", "DescribeDBClusters"), ("ec2", "DescribeVpcs"), ("ecs", "ListClusters")):
        toy.answers(service, operation, {})
    keys = client(standin.url, "sts").assume_role(RoleArn=ROLE, RoleSessionName="tests")["Credentials"]
    given = {"key": keys["AccessKeyId"], "token": keys["SessionToken"]}
    client(standin.url, "rds", **given).describe_db_clusters()

    assert demo(standin, "POST", "expire-credentials") == (204, None)

    assert refused(client(standin.url, "rds", **given).describe_db_clusters) == ("ExpiredToken", 403)
    assert refused(client(standin.url, "ec2", **given).describe_vpcs) == ("RequestExpired", 400)
    assert refused(client(standin.url, "ecs", **given).list_clusters) == ("ExpiredTokenException", 400)
    unknown = client(standin.url, "rds", key=keys["AccessKeyId"], token="made up")
    assert refused(unknown.describe_db_clusters) == ("InvalidClientTokenId", 403)
    client(standin.url, "rds").describe_db_clusters()


def test_address_taken(toy: Toy, standin: Standin) -> None:
    """An address that is taken is an error at start, and the stand-in that has it goes on."""
    with pytest.raises(OSError, match=str(standin.port)):
        asyncio.run(serve(toy, "127.0.0.1", standin.port))

    assert demo(standin, "GET", "calls") == (200, [])


def test_close_ends_what_hangs(toy: Toy) -> None:
    """Closing does not wait for a request that hangs."""
    toy.answers("rds", "DescribeDBClusters", {})

    struck = asyncio.Event()

    async def hang_and_close() -> None:
        standin = await serve(toy)
        standin.faults.add(kind="hang")
        strike = standin.faults.strike

        async def noticed(*request: Any) -> Any:
            struck.set()
            return await strike(*request)

        standin.faults.strike = noticed  # type: ignore[method-assign, assignment]
        async with get_session().create_client(
            "rds",
            endpoint_url=standin.url,
            region_name="eu-west-1",
            aws_access_key_id=f"AKIADEMO{HERE}",
            aws_secret_access_key="not a secret",
            config=AioConfig(retries={"total_max_attempts": 1}),
        ) as rds:
            asking = asyncio.ensure_future(rds.describe_db_clusters())
            await struck.wait()
            await standin.close()
            with pytest.raises(ConnectionClosedError):
                await asking

    asyncio.run(hang_and_close())
