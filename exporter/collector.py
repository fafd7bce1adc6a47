"""The record that ties a collector together: one AWS question, asked by ``fetch`` and understood by ``samples``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from .answer import Answer
from .aws import Aws
from .deployment import Deployment
from .metrics import Family, Malformed, Sample


@dataclass(frozen=True, slots=True)
class Collector:
    """One question about one deployment.

    ``interval``: seconds between the starts of two attempts. ``actions``: the IAM actions of every operation that
    ``fetch`` may ask for, from which the policy is generated. ``fetch`` asks and knows no metric; ``samples`` is pure
    (no clock, no I/O, no log): what is missing in the answer gives no sample.
    """

    name: str
    interval: float
    actions: tuple[str, ...]
    families: tuple[Family, ...]
    fetch: Callable[[Aws, Deployment], Awaitable[Answer]]
    samples: Callable[[Answer, Deployment], Iterable[Sample | Malformed]]
