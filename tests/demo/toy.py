"""A world of whatever answers a test wants, and real clients for the stand-in in front of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from exporter.demo.request import Handler, Request

HERE, THERE = "111122223333", "444455556666"
NOON = datetime(2026, 11, 22, 12, 0, 0, 123000, UTC)


class Toy:
    """Answers each operation with what `answers` was given; `seen` holds the requests."""

    def __init__(self) -> None:
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.default_account = HERE
        self.roles: dict[str, str | None] = {}
        self.facts: dict[str, Any] = {}
        self.seen: list[Request] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def inspect(self, path: str) -> Any:
        return self.facts[path]

    def change(self, path: str, value: Any) -> None:
        self.facts[path]  # LookupError if there is none
        self.facts[path] = value

    def answers(self, service: str, operation: str, answer: dict[str, Any] | Callable[[Request], Any]) -> None:
        def handler(_: Any, request: Request) -> Any:
            self.seen.append(request)
            return answer(request) if callable(answer) else answer

        self.handlers[service, operation] = handler


@cache
def session() -> Any:
    """One session, since it keeps the models that it has read."""
    return boto3.session.Session()


def client(url: str, service: str, *, key: str = f"AKIADEMO{HERE}", token: str | None = None, **config: Any) -> Any:
    """A boto3 client that never asks twice."""
    given = {"retries": {"total_max_attempts": 1}, "read_timeout": 20} | config
    return session().client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id=key,
        aws_secret_access_key="not a secret",
        aws_session_token=token,
        config=Config(**given),
    )
