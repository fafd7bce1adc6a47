"""The error codes that AWS's services really send for what can go wrong anywhere: services disagree about every one."""

from __future__ import annotations

from typing import Literal, get_args

from .request import AwsError

Trouble = Literal["throttle", "deny", "expired", "unknown", "invalid", "token"]
"""Too many calls, not permitted, old credentials, no such operation, a value out of bounds, a page token of others."""

# fmt: off
_BY_PROTOCOL = {  # in the order of Trouble
    "query": (
        "Throttling 400", "AccessDenied 403", "ExpiredToken 403",
        "InvalidAction 400", "ValidationError 400", "ValidationError 400",
    ),
    "ec2": (
        "RequestLimitExceeded 503", "UnauthorizedOperation 403", "RequestExpired 400",
        "InvalidAction 400", "InvalidParameterValue 400", "InvalidParameterValue 400",
    ),
    "json": (
        "ThrottlingException 400", "AccessDeniedException 400", "ExpiredTokenException 400",
        "UnknownOperationException 400", "ValidationException 400", "ValidationException 400",
    ),
    "rest-json": (
        "ThrottlingException 429", "AccessDeniedException 403", "ExpiredTokenException 403",
        "UnknownOperationException 404", "ValidationException 400", "ValidationException 400",
    ),
    "rest-xml": (
        "Throttling 400", "AccessDenied 403", "ExpiredToken 403",
        "UnknownOperationException 404", "InvalidInput 400", "InvalidInput 400",
    ),
}
# fmt: on
_BY_SERVICE: dict[str, dict[Trouble, str]] = {
    "autoscaling": {"token": "InvalidNextToken 400"},
    "backup": {"invalid": "InvalidParameterValueException 400", "token": "InvalidParameterValueException 400"},
    # CloudWatch and SQS moved from query to JSON and kept their codes, which clients see.
    "cloudwatch": {
        "throttle": "Throttling 400",
        "deny": "AccessDenied 403",
        "expired": "ExpiredToken 403",
        "invalid": "ValidationError 400",
        "token": "InvalidNextToken 400",
    },
    "ecs": {"invalid": "InvalidParameterException 400", "token": "InvalidParameterException 400"},
    "efs": {"invalid": "BadRequest 400", "token": "BadRequest 400"},
    "elasticache": {"invalid": "InvalidParameterValue 400", "token": "InvalidParameterValue 400"},
    "health": {"token": "InvalidPaginationToken 400"},
    "rds": {"invalid": "InvalidParameterValue 400", "token": "InvalidParameterValue 400"},
    "resourcegroupstaggingapi": {
        "throttle": "ThrottledException 400",
        "invalid": "InvalidParameterException 400",
        "token": "InvalidParameterException 400",
    },
    "s3": {
        "throttle": "SlowDown 503",
        "expired": "ExpiredToken 400",
        "invalid": "InvalidArgument 400",
        "token": "InvalidArgument 400",
    },
    "secretsmanager": {"token": "InvalidNextTokenException 400"},
    "service-quotas": {"throttle": "TooManyRequestsException 400", "token": "InvalidPaginationTokenException 400"},
    "sns": {"invalid": "InvalidParameter 400", "token": "InvalidParameter 400"},
    "sqs": {"throttle": "RequestThrottled 403", "deny": "AccessDenied 403"},
    "ssm": {"token": "InvalidNextToken 400"},
}


def refusal(trouble: Trouble, service: str, protocol: str, message: str) -> AwsError:
    """The error as this service would send it, with the code that clients see."""
    usual = dict(zip(get_args(Trouble), _BY_PROTOCOL[protocol], strict=True))
    code, status = (usual | _BY_SERVICE.get(service, {}))[trouble].split()
    return AwsError(code, message, int(status))
