"""What the exporter says of itself: what it watches, how finding it goes, what it asked of AWS and what that costs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator

from . import __version__
from .clients import Account
from .config import expected_values
from .deployment import UNASSIGNED, Deployment
from .metrics import Family, Sample

_ACCOUNT = ("aws_service", "operation")
DEPLOYMENT_INFO = Family(
    "tts_aws_deployment_info",
    "A deployment, there from the configuration even when AWS refuses every call; staging: its twin's name, or empty.",
    ("network", "tts_cluster", "stack_prefix", "staging"),
    stable=True,
)
EXPECTED_VALUE = Family(
    "tts_aws_expected_value",
    "A threshold of the configuration that has no family of its own (docs/configuration.md).",
    ("fact", "level"),
    stable=True,
)
DEPLOYMENTS = Family(
    "tts_aws_exporter_deployments",
    "Deployments that are configured or found. 0 is an emergency: everything else would be silent.",
    scope="exporter",
    stable=True,
)
DISCOVERY_SUCCESS = Family(
    "tts_aws_discovery_success",
    "Whether the last survey of the account and region read stacks and tags.",
    kind="flag",
    scope="account",
    stable=True,
)
DISCOVERY_LAST_SUCCESS = Family(
    "tts_aws_discovery_last_success_timestamp_seconds",
    "When a survey of the account and region last read stacks and tags; 0 until the first.",
    kind="time",
    scope="account",
)
REQUESTS = Family(
    "tts_aws_api_requests_total", "HTTP requests sent to AWS, retries included.", _ACCOUNT, "counter", "account"
)
REQUEST_ERRORS = Family(
    "tts_aws_api_request_errors_total",
    "Requests that AWS answered with an error, or that were not answered, by AWS's code or the client's exception.",
    (*_ACCOUNT, "code"),
    "counter",
    "account",
)
THROTTLED = Family(
    "tts_aws_api_throttled_requests_total", "Requests that AWS throttled.", _ACCOUNT, "counter", "account"
)
REQUEST_DURATION = Family(
    "tts_aws_api_request_duration_seconds", "How long requests to AWS took.", ("aws_service",), "histogram", "account"
)
BILLED = Family(
    "tts_aws_cloudwatch_billed_metrics_total",
    "Metrics requested through GetMetricData: what AWS bills.",
    kind="counter",
    scope="account",
)
BUILD_INFO = Family(
    "tts_aws_exporter_build_info",
    "The exporter that runs.",
    ("version", "revision", "python_version"),
    scope="exporter",
)
RELOAD_SUCCESSFUL = Family(
    "tts_aws_exporter_config_last_reload_successful",
    "Whether the configuration that was read last is the present one.",
    kind="flag",
    scope="exporter",
    stable=True,
)
RELOAD_TIME = Family(
    "tts_aws_exporter_config_last_reload_success_timestamp_seconds",
    "When the present configuration was read.",
    kind="time",
    scope="exporter",
)
FAMILIES = (
    BUILD_INFO,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    DEPLOYMENT_INFO,
    EXPECTED_VALUE,
    DEPLOYMENTS,
    DISCOVERY_SUCCESS,
    DISCOVERY_LAST_SUCCESS,
    REQUESTS,
    REQUEST_ERRORS,
    THROTTLED,
    REQUEST_DURATION,
    BILLED,
    UNASSIGNED,
)


def exporter_samples(watched: int | None, reload_successful: bool, reloaded_at: float) -> Iterator[Sample]:
    """Which exporter this is, how its configuration is, and how many deployments it watches (None: not known yet)."""
    yield BUILD_INFO.sample(
        1,
        version=__version__,
        revision=os.environ.get("TTS_AWS_EXPORTER_REVISION", ""),
        python_version=platform.python_version(),
    )
    yield RELOAD_SUCCESSFUL.sample(reload_successful)
    yield RELOAD_TIME.sample(reloaded_at)
    if watched is not None:
        yield DEPLOYMENTS.sample(watched)


def merged(samples: Iterable[Sample]) -> Iterator[Sample]:
    """One sample for each series, where an account is reached through several roles: counts are added, and of states
    and times the worst is kept."""
    merged: dict[Sample, float] = {}
    for sample in samples:
        series = sample._replace(value=0)
        if series not in merged:
            merged[series] = sample.value
        elif sample.family.kind in ("counter", "histogram"):
            merged[series] += sample.value
        else:
            merged[series] = min(merged[series], sample.value)
    return (series._replace(value=value) for series, value in merged.items())


def deployment_samples(deployment: Deployment, twin: str) -> Iterator[Sample]:
    """Who a deployment is, and what is expected of it."""
    yield DEPLOYMENT_INFO.sample(
        1,
        network=deployment.network,
        tts_cluster=deployment.cluster,
        stack_prefix=deployment.stack_prefix,
        staging=twin,
    )
    for (fact, level), value in expected_values(deployment.expect).items():
        yield EXPECTED_VALUE.sample(value, fact=fact, level=level)


def account_samples(account: Account, success: bool | None, last_success: float) -> Iterator[Sample]:
    """What was asked of AWS in an account and region, and how the last survey went (None: none has ended yet)."""
    if success is not None:
        yield DISCOVERY_SUCCESS.sample(success)
    yield DISCOVERY_LAST_SUCCESS.sample(last_success)
    yield BILLED.sample(account.billed_metrics)
    for (service, operation), count in account.requests.items():
        yield REQUESTS.sample(count, aws_service=service, operation=operation)
        throttled = account.throttled[service, operation]
        yield THROTTLED.sample(throttled, aws_service=service, operation=operation)
    for (service, operation, code), count in account.errors.items():
        yield REQUEST_ERRORS.sample(count, aws_service=service, operation=operation, code=code)
    for service, histogram in account.durations.items():
        yield from histogram.samples(REQUEST_DURATION, aws_service=service)
