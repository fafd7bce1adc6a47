"""How AWS, the client or the network can fail, as few reasons; and which IAM action an operation needs."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import aiohttp
from botocore import exceptions
from botocore.parsers import ResponseParserError

from .clients import THROTTLES

REASONS = (
    "throttled",
    "access_denied",
    "credentials",
    "timeout",
    "connection",
    "not_found",
    "invalid_response",
    "other",
)

# Where IAM's name of an action is not botocore's service and operation. Source: the Service Authorization Reference.
IAM_SERVICES = {
    "efs": "elasticfilesystem",
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
IAM_ACTIONS = {
    ("s3", "GetBucketEncryption"): "s3:GetEncryptionConfiguration",
    ("s3", "GetBucketLifecycleConfiguration"): "s3:GetLifecycleConfiguration",
    ("s3", "GetBucketReplication"): "s3:GetReplicationConfiguration",
    ("s3", "GetPublicAccessBlock"): "s3:GetBucketPublicAccessBlock",
    ("s3", "ListBuckets"): "s3:ListAllMyBuckets",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
}

_CREDENTIAL_CODES = frozenset(
    (
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    )
)
_CREDENTIAL_ERRORS = (
    exceptions.CredentialRetrievalError,
    exceptions.InvalidConfigError,
    exceptions.LoginError,
    exceptions.MetadataRetrievalError,
    exceptions.NoAuthTokenError,
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.RefreshWithMFAUnsupportedError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.UnknownCredentialError,
    RuntimeError,  # botocore's only one: credentials that are expired as soon as they come, by a clock that is wrong
)
_CONNECTION_ERRORS = (
    aiohttp.ClientError,
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.ResponseStreamingError,
    OSError,
)


def reason_of(error: BaseException) -> tuple[str, str]:
    """Classify any failure of the client as one of ``REASONS``, with AWS's code or the exception's name."""
    if isinstance(error, exceptions.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        denied = "AccessDenied" in code or code in ("UnauthorizedOperation", "Forbidden", "403") or status == 403
        if code in THROTTLES or status == 429:
            return "throttled", code
        if code in _CREDENTIAL_CODES or (denied and error.operation_name.startswith("AssumeRole")):
            return "credentials", code
        if denied:
            return "access_denied", code
        if code.isdecimal() and int(code) >= 500:  # botocore's stand-in for the code of an answer that has none
            return "invalid_response", code
        if "NotFound" in code or code.startswith("NoSuch") or code == "404":
            return "not_found", code
        return "other", code
    name = type(error).__name__
    if isinstance(error, _CREDENTIAL_ERRORS):
        return "credentials", name
    if isinstance(error, TimeoutError | exceptions.ConnectTimeoutError | exceptions.ReadTimeoutError):
        return "timeout", name
    if isinstance(error, ResponseParserError | LookupError | ValueError | TypeError | AttributeError):
        return "invalid_response", name
    if isinstance(error, _CONNECTION_ERRORS):
        return "connection", name
    return "other", name


# What a call of the client can raise, whatever is between us and AWS.
CALL_ERRORS = (
    exceptions.ClientError,
    exceptions.BotoCoreError,
    ResponseParserError,  # the one error of botocore that is no BotoCoreError
    aiohttp.ClientError,
    OSError,
    RuntimeError,
    TimeoutError,
    LookupError,  # what botocore's parsers raise at an answer of another form than AWS's
    json.JSONDecodeError,
    UnicodeDecodeError,
)


# What a mistake of ours, or an answer of another form than AWS promises, makes our own code raise.
MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def iam_action(service: str, operation: str) -> str:
    """The IAM action that allows an operation."""
    return IAM_ACTIONS.get((service, operation)) or f"{IAM_SERVICES.get(service, service)}:{operation}"


def denied_action(error: BaseException, service: str, operation: str) -> str:
    """The IAM action that is missing: the one that AWS names, which is not always the operation's own."""
    named = re.search(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z0-9]+)", str(error))
    return named[1] if named else iam_action(service, operation)


class Failure(NamedTuple):
    """One thing that could not be read or understood; ``action`` is the IAM action where AWS refused it.

    ``subject``: what was asked about, or what was malformed. ``bug``: the exception, where it is a collector's own and
    its traceback is wanted in the log.
    """

    operation: str
    reason: str
    code: str
    detail: str
    action: str | None = None
    subject: str = ""
    bug: BaseException | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same failure as one of another attempt."""
        return self.operation, self.reason, self.code, self.subject


class ReadFailed(Exception):
    """A read failed and there is no last answer that is young enough. It is already on the attempt's account."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.operation}: {failure.reason} ({failure.code}) {failure.detail}")
        self.failure = failure
