"""What passes between the wire and the data: one request, its answer, and the error that may stand in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """One call of one AWS operation, as its handler sees it.

    `account` has twelve digits; `service` is botocore's name ("elbv2", not "elasticloadbalancing"); `parameters` hold
    botocore's member names and Python types (timestamps are aware datetimes, blobs are bytes); `now` is aware UTC, the
    stand-in's clock when the request came.
    """

    account: str
    region: str
    service: str
    operation: str
    parameters: dict[str, Any]
    now: datetime


class AwsError(Exception):
    """An error that AWS would answer: its code as clients see it, a message and an HTTP status.

    `fields` stand beside code and message in the envelope, such as S3's Region in a PermanentRedirect.
    """

    def __init__(self, code: str, message: str, status: int = 400, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = dict(fields or {})


Handler = Callable[[Any, Request], dict[str, Any]]
"""Gives the whole answer, unpaged, in AWS's member names; datetimes are aware. May raise AwsError."""


class World(Protocol):
    """What the wire asks of the data behind it."""

    @property
    def handlers(self) -> Mapping[tuple[str, str], Handler]:
        """Handlers by (service, operation)."""

    @property
    def default_account(self) -> str:
        """The account of access keys that name none."""

    @property
    def roles(self) -> Mapping[str, str | None]:
        """The roles that may be assumed: ARN -> external id, or None if the role asks for none."""

    def now(self) -> datetime:
        """The stand-in's clock, aware UTC."""

    def inspect(self, path: str) -> Any:
        """The fact at a path such as "deployments/NAME/rds"; raises LookupError if there is none."""

    def change(self, path: str, value: Any) -> None:
        """Sets one fact; raises LookupError if there is nothing at the path."""
