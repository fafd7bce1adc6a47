"""Faults: what a client sees of each, and which requests they strike."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from toy import HERE, THERE, Toy, client

from exporter.demo.server import Standin

CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "rds": ("DescribeDBClusters", "describe_db_clusters", {"DBClusterIdentifier": "acme"}),
    "ec2": ("DescribeVolumes", "describe_volumes", {}),
    "ecs": ("ListServices", "list_services", {}),
    "cloudwatch": ("DescribeAlarms", "describe_alarms", {}),
    "sqs": ("ListQueues", "list_queues", {}),
    "efs": ("DescribeFileSystems", "describe_file_systems", {}),
    "s3": ("GetBucketVersioning", "get_bucket_versioning", {"Bucket": "acme"}),
    "route53": ("ListHostedZones", "list_hosted_zones", {}),
    "resourcegroupstaggingapi": ("GetResources", "get_resources", {}),
}


@pytest.fixture
def standin() -> Iterator[Standin]:
    toy = Toy()
    for service, (operation, _, _) in CALLS.items():
        toy.answers(service, operation, {})
    with Standin.in_thread(toy) as running:
        yield running


def ask(standin: Standin, service: str, **options: Any) -> Any:
    _, method, parameters = CALLS[service]
    return getattr(client(standin.url, service, **options), method)(**parameters)


def ask_async(standin: Standin, service: str, **options: Any) -> Any:
    _, method, parameters = CALLS[service]

    async def asked() -> Any:
        config = AioConfig(retries={"total_max_attempts": 1}, **options)
        async with get_session().create_client(
            service,
            endpoint_url=standin.url,
            region_name="eu-west-1",
            aws_access_key_id=f"AKIADEMO{HERE}",
            aws_secret_access_key="not a secret",
            config=config,
        ) as asking:
            return await getattr(asking, method)(**parameters)

    return asyncio.run(asked())


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


@pytest.mark.parametrize(
    ("service", "kind", "code", "status"),
    [
        ("rds", "throttle", "Throttling", 400),
        ("ec2", "throttle", "RequestLimitExceeded", 503),
        ("ecs", "throttle", "ThrottlingException", 400),
        ("cloudwatch", "throttle", "Throttling", 400),
        ("sqs", "throttle", "RequestThrottled", 403),
        ("efs", "throttle", "ThrottlingException", 429),
        ("s3", "throttle", "SlowDown", 503),
        ("route53", "throttle", "Throttling", 400),
        ("resourcegroupstaggingapi", "throttle", "ThrottledException", 400),
        ("rds", "deny", "AccessDenied", 403),
        ("ec2", "deny", "UnauthorizedOperation", 403),
        ("ecs", "deny", "AccessDeniedException", 400),
        ("cloudwatch", "deny", "AccessDenied", 403),
        ("efs", "deny", "AccessDeniedException", 403),
        ("s3", "deny", "AccessDenied", 403),
    ],
)
def test_refusals(standin: Standin, service: str, kind: str, code: str, status: int) -> None:
    """A throttle and a denial carry the code and status that this service really sends."""
    standin.faults.add(kind=kind)

    with pytest.raises(ClientError) as caught:
        ask(standin, service)

    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["Error"]["Message"]
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(
    ("asked", "service", "kind", "error"),
    [
        (ask, "rds", "reset", ConnectionClosedError),
        (ask_async, "rds", "reset", EndpointConnectionError),
        (ask, "rds", "garbage", ResponseParserError),
        (ask_async, "rds", "garbage", ResponseParserError),
        (ask, "rds", "truncate", ResponseParserError),  # boto3 does not notice that half is missing
        (ask_async, "rds", "truncate", ConnectionClosedError),
        (ask_async, "ecs", "truncate", ConnectionClosedError),
        (ask, "rds", "hang", ReadTimeoutError),
        (ask_async, "rds", "hang", ReadTimeoutError),
    ],
)
def test_broken_answers(
    standin: Standin, asked: Callable[..., Any], service: str, kind: str, error: type[Exception]
) -> None:
    """An answer that breaks on its way raises what real clients raise."""
    standin.faults.add(kind=kind)

    with pytest.raises(error):
        asked(standin, service, read_timeout=0.3 if kind == "hang" else 20)


@pytest.mark.parametrize(("asked", "kind"), [(ask, "garbage"), (ask_async, "garbage"), (ask, "truncate")])
def test_broken_json_looks_empty(standin: Standin, asked: Callable[..., Any], kind: str) -> None:
    """botocore takes JSON that it cannot read for an answer without members: whoever reads it must expect that."""
    standin.faults.add(kind=kind)

    assert set(asked(standin, "ecs")) == {"ResponseMetadata"}


def test_html_from_a_proxy(standin: Standin) -> None:
    """HTML with status 502 reaches the client as an error with the code 502."""
    standin.faults.add(kind="html502")

    for service in ("rds", "s3", "ec2"):
        with pytest.raises(ClientError, match="502"):
            ask(standin, service)


def test_any_error(standin: Standin) -> None:
    """An error may have any code and status."""
    standin.faults.add(kind="error", code="DBClusterNotFoundFault", status=404)

    with pytest.raises(ClientError) as caught:
        ask(standin, "rds")

    assert caught.value.response["Error"]["Code"] == "DBClusterNotFoundFault"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_latency(standin: Standin) -> None:
    """A slow answer is too slow for an impatient client, and comes all the same to a patient one."""
    standin.faults.add(kind="latency", seconds=3600, times=1)
    brief = standin.faults.add(kind="latency", seconds=0.01)

    with pytest.raises(ReadTimeoutError):
        ask(standin, "rds", read_timeout=0.3)
    assert ask(standin, "rds")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert brief.fired == 1


def test_delayed_denial(standin: Standin) -> None:
    """Latency and another fault both strike one request."""
    latency = standin.faults.add(kind="latency", seconds=0.001)
    standin.faults.add(kind="deny")

    with pytest.raises(ClientError, match="AccessDenied"):
        ask(standin, "rds")
    assert latency.fired == 1


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ({}, True),
        ({"service": "rds"}, True),
        ({"service": "ec2"}, False),
        ({"operation": "DescribeDBClusters"}, True),
        ({"operation": "DescribeDBInstances"}, False),
        ({"account": HERE}, True),
        ({"account": THERE}, False),
        ({"resource": "acme"}, True),
        ({"resource": "other"}, False),
        ({"probability": 0.0}, False),
        ({"times": 0}, False),
    ],
)
def test_what_is_struck(standin: Standin, rule: dict[str, Any], struck: bool) -> None:
    """A fault strikes only the requests that its rule is about."""
    standin.faults.add(kind="deny", **rule)

    if struck:
        with pytest.raises(ClientError, match="AccessDenied"):
            ask(standin, "rds")
    else:
        ask(standin, "rds")


def test_times(standin: Standin) -> None:
    """A fault that strikes once lets the next request pass: what a client's retry is for."""
    standin.faults.add(kind="throttle", times=1)

    answer = ask(standin, "rds", retries={"total_max_attempts": 2, "mode": "standard"})

    assert answer["ResponseMetadata"]["RetryAttempts"] == 1


def test_probability(standin: Standin) -> None:
    """A fault of probability one half strikes some requests and not others."""
    fault = standin.faults.add(kind="deny", probability=0.5)

    for _ in range(40):
        try:
            ask(standin, "rds")
        except ClientError:
            continue

    assert 0 < fault.fired < 40


def test_over_http(standin: Standin) -> None:
    """Faults are added, listed with how often they fired, and cleared over HTTP."""
    status, added = demo(standin, "POST", "faults", {"kind": "deny", "service": "rds"})
    assert (status, added["kind"], added["operation"]) == (201, "deny", "*")
    with pytest.raises(ClientError, match="AccessDenied"):
        ask(standin, "rds")
    assert [fault["fired"] for fault in demo(standin, "GET", "faults")[1]] == [1]

    assert demo(standin, "DELETE", "faults") == (204, None)

    assert demo(standin, "GET", "faults") == (200, [])
    ask(standin, "rds")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"kind": "flood"}, "flood"),
        ({"kind": "error"}, "code"),
        ({"kind": "deny", "servce": "rds"}, "servce"),
        ({}, "kind"),
        ([], "mapping"),
    ],
)
def test_bad_rules(standin: Standin, rule: Any, why: str) -> None:
    """A rule that cannot be understood is refused with the reason, and nothing is added."""
    status, answer = demo(standin, "POST", "faults", rule)

    assert status == 400
    assert why in answer["error"]
    assert standin.faults.rules == []
