"""The least privilege: the IAM policy that the enabled collectors need, from what they declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .collector import Collector
from .engine import ACTIONS
from .errors import IAM_SERVICES

_BOTOCORE_SERVICES = {prefix: service for service, prefix in IAM_SERVICES.items()}


def actions(collectors: Iterable[Collector]) -> list[str]:
    """Every action that finding deployments and these collectors need, sorted."""
    return sorted({*ACTIONS, *(action for collector in collectors for action in collector.actions)})


def services(needed: Iterable[str]) -> set[str]:
    """botocore's names of the services that some actions belong to."""
    prefixes = {action.partition(":")[0] for action in needed}
    return {_BOTOCORE_SERVICES.get(prefix, prefix) for prefix in prefixes}


def policy(collectors: Iterable[Collector]) -> dict[str, Any]:
    """A policy document. Reads only, and of no data: no object, secret, parameter value or key.

    Most of these actions cannot be limited to a resource (Service Authorization Reference), hence ``*``.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "TTSAWSExporter", "Effect": "Allow", "Action": actions(collectors), "Resource": "*"}],
    }
