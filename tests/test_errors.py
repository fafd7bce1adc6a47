"""Every way in which AWS, the client or the network can fail has a reason."""

from __future__ import annotations

import inspect
import json
import socket
from typing import Any

import aiohttp
import botocore.session
import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from exporter import iam
from exporter.collectors import COLLECTORS
from exporter.demo.errors import _BY_PROTOCOL, _BY_SERVICE, refusal
from exporter.errors import CALL_ERRORS, REASONS, Failure, ReadFailed, iam_action, reason_of


def client_error(code: str, status: int = 400, operation: str = "DescribeThings") -> exceptions.ClientError:
    response = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return exceptions.ClientError(response, operation)


@pytest.mark.parametrize(
    ("code", "status", "operation", "reason"),
    [
        ("Throttling", 400, "DescribeThings", "throttled"),
        ("RequestLimitExceeded", 503, "DescribeThings", "throttled"),
        ("SlowDown", 503, "ListBuckets", "throttled"),
        ("TooManyRequestsException", 429, "DescribeThings", "throttled"),
        ("AnythingElse", 429, "DescribeThings", "throttled"),
        ("AccessDenied", 403, "DescribeThings", "access_denied"),
        ("AccessDeniedException", 400, "DescribeThings", "access_denied"),
        ("UnauthorizedOperation", 403, "DescribeThings", "access_denied"),
        ("AllAccessDisabled", 403, "GetBucketAcl", "access_denied"),
        ("403", 403, "HeadBucket", "access_denied"),
        ("AccessDenied", 403, "AssumeRole", "credentials"),
        ("AccessDenied", 403, "AssumeRoleWithWebIdentity", "credentials"),
        ("ExpiredToken", 403, "DescribeThings", "credentials"),
        ("ExpiredTokenException", 400, "DescribeThings", "credentials"),
        ("RequestExpired", 400, "DescribeThings", "credentials"),
        ("InvalidClientTokenId", 403, "DescribeThings", "credentials"),
        ("UnrecognizedClientException", 400, "DescribeThings", "credentials"),
        ("AuthFailure", 401, "DescribeThings", "credentials"),
        ("SignatureDoesNotMatch", 403, "DescribeThings", "credentials"),
        ("InvalidSignatureException", 403, "DescribeThings", "credentials"),
        ("NoSuchBucket", 404, "GetBucketVersioning", "not_found"),
        ("DBClusterNotFoundFault", 404, "DescribeThings", "not_found"),
        ("ResourceNotFoundException", 400, "DescribeThings", "not_found"),
        ("404", 404, "HeadBucket", "not_found"),
        ("ValidationError", 400, "DescribeThings", "other"),
        ("InternalFailure", 500, "DescribeThings", "other"),
        ("502", 502, "DescribeThings", "invalid_response"),
        ("", 0, "DescribeThings", "other"),
    ],
)
def test_what_aws_says(code: str, status: int, operation: str, reason: str) -> None:
    """AWS's codes, of which services have many for the same, become few reasons; the code is kept."""
    assert reason_of(client_error(code, status, operation)) == (reason, code)


def test_an_error_without_anything() -> None:
    """An error answer that holds neither code nor status is classified all the same."""
    assert reason_of(exceptions.ClientError({}, "DescribeThings")) == ("other", "")


@pytest.mark.parametrize("protocol", _BY_PROTOCOL)
@pytest.mark.parametrize("service", ["unlike the others", *_BY_SERVICE])
def test_what_each_service_says(protocol: str, service: str) -> None:
    """Throttles, denials and old credentials are recognised in the words of every service."""
    for trouble, reason in (("throttle", "throttled"), ("deny", "access_denied"), ("expired", "credentials")):
        error: Any = refusal(trouble, service, protocol, "m")  # type: ignore[arg-type]
        assert reason_of(client_error(error.code, error.status))[0] == reason, error.code


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (exceptions.NoCredentialsError(), "credentials"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "credentials"),
        (exceptions.CredentialRetrievalError(provider="p", error_msg="m"), "credentials"),
        (exceptions.ProfileNotFound(profile="p"), "credentials"),
        (exceptions.UnauthorizedSSOTokenError(), "credentials"),
        (exceptions.TokenRetrievalError(provider="p", error_msg="m"), "credentials"),
        (exceptions.MetadataRetrievalError(error_msg="m"), "credentials"),
        (exceptions.ConnectTimeoutError(endpoint_url="u"), "timeout"),
        (exceptions.ReadTimeoutError(endpoint_url="u"), "timeout"),
        (TimeoutError(), "timeout"),
        (aiohttp.ServerTimeoutError(), "timeout"),
        (exceptions.EndpointConnectionError(endpoint_url="u"), "connection"),
        (exceptions.ConnectionClosedError(endpoint_url="u"), "connection"),
        (exceptions.ProxyConnectionError(proxy_url="u"), "connection"),
        (exceptions.SSLError(endpoint_url="u", error="e"), "connection"),
        (exceptions.HTTPClientError(error="e"), "connection"),
        (exceptions.ResponseStreamingError(error="e"), "connection"),
        (aiohttp.ClientPayloadError(), "connection"),
        (aiohttp.ServerDisconnectedError(), "connection"),
        (ConnectionResetError(), "connection"),
        (socket.gaierror(), "connection"),
        (ResponseParserError("m"), "invalid_response"),
        (json.JSONDecodeError("m", "", 0), "invalid_response"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, "m"), "invalid_response"),
        (KeyError("x"), "invalid_response"),
        (ValueError("not enough values to unpack"), "invalid_response"),
        (AttributeError("x"), "invalid_response"),
        (exceptions.ParamValidationError(report="m"), "other"),
        (exceptions.PaginationError(message="m"), "other"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_what_the_client_says(error: Exception, reason: str) -> None:
    """Failures of the client and of the network become reasons, with the exception's name for a code."""
    assert reason_of(error) == (reason, type(error).__name__)
    assert isinstance(error, (*CALL_ERRORS, ValueError, AttributeError))


@pytest.mark.parametrize(
    "kind",
    sorted(
        {found for _, found in inspect.getmembers(exceptions, inspect.isclass) if issubclass(found, Exception)},
        key=str,
    ),
    ids=lambda kind: kind.__name__,
)
def test_every_exception_of_botocore(kind: type[Exception]) -> None:
    """Whatever botocore can raise is caught and has one of the known reasons, as far as its class alone tells."""
    error = kind.__new__(kind)
    if isinstance(error, exceptions.ClientError):
        error.response, error.operation_name = {}, "DescribeThings"

    reason, _ = reason_of(error)

    assert reason in REASONS
    if issubclass(kind, exceptions.BotoCoreError | exceptions.ClientError):
        assert issubclass(kind, CALL_ERRORS)
    if "Connection" in kind.__name__ and "Timeout" not in kind.__name__ and issubclass(kind, exceptions.BotoCoreError):
        assert reason == "connection"
    if "Credential" in kind.__name__ or "SSO" in kind.__name__:
        assert reason == "credentials"


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("rds", "DescribeDBClusters", "rds:DescribeDBClusters"),
        ("efs", "DescribeFileSystems", "elasticfilesystem:DescribeFileSystems"),
        ("elbv2", "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth"),
        ("resourcegroupstaggingapi", "GetResources", "tag:GetResources"),
        ("service-quotas", "GetServiceQuota", "servicequotas:GetServiceQuota"),
        ("s3", "GetBucketVersioning", "s3:GetBucketVersioning"),
        ("s3", "GetBucketEncryption", "s3:GetEncryptionConfiguration"),
        ("s3", "GetBucketLifecycleConfiguration", "s3:GetLifecycleConfiguration"),
        ("s3", "GetBucketReplication", "s3:GetReplicationConfiguration"),
        ("s3", "GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock"),
        ("s3", "ListBuckets", "s3:ListAllMyBuckets"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
    ],
)
def test_iam_actions(service: str, operation: str, action: str) -> None:
    """The action that allows an operation is IAM's, where its name differs from the API's too."""
    assert iam_action(service, operation) == action


def test_declared_actions_are_operations() -> None:
    """Every action that a collector declares is IAM's name of an operation that AWS's models know."""
    session = botocore.session.get_session()
    known = {
        iam_action(service, operation)
        for service in iam.operations(action for collector in COLLECTORS for action in collector.actions)
        for operation in session.get_service_model(service).operation_names
    }

    assert {action for collector in COLLECTORS for action in collector.actions} <= known


def test_a_failed_read_says_what_failed() -> None:
    """The exception's text names operation, reason and code, for whoever meets it in a log."""
    error = ReadFailed(
        Failure("rds.DescribeDBClusters", "access_denied", "AccessDenied", "no", "rds:DescribeDBClusters")
    )

    assert str(error) == "rds.DescribeDBClusters: access_denied (AccessDenied) no"
