"""The least privilege: the IAM policy that the enabled collectors need, from what they declare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .collector import Collector
from .engine import ACTIONS
from .errors import IAM_ACTIONS, IAM_SERVICES

_SERVICES = {prefix: service for service, prefix in IAM_SERVICES.items()}
_OPERATIONS = {action: operation for operation, action in IAM_ACTIONS.items()}


def actions(collectors: Iterable[Collector]) -> list[str]:
    """Every action that finding deployments and these collectors need, sorted."""
    return sorted({*ACTIONS, *(action for collector in collectors for action in collector.actions)})


def operations(needed: Iterable[str]) -> dict[str, set[str]]:
    """By botocore's name of the service: the operations that some actions allow."""
    found: dict[str, set[str]] = {}
    for action in needed:
        prefix, _, name = action.partition(":")
        service, operation = _OPERATIONS.get(action, (_SERVICES.get(prefix, prefix), name))
        found.setdefault(service, set()).add(operation)
    return found


def policy(collectors: Iterable[Collector]) -> dict[str, Any]:
    """A policy document. Reads only, and of no data: no object, secret, parameter value or key.

    Most of these actions cannot be limited to a resource (Service Authorization Reference), hence ``*``.
    """
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "TTSAWSExporter", "Effect": "Allow", "Action": actions(collectors), "Resource": "*"}],
    }
