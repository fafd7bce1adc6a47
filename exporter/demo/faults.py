"""What can go wrong on purpose: which requests are struck, and what their clients get instead of an answer."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..errors import iam_action
from .errors import Trouble, refusal
from .request import AwsError, Request

KINDS = ("throttle", "deny", "latency", "hang", "reset", "html502", "garbage", "truncate", "error")
_REFUSALS: dict[str, tuple[Trouble, str]] = {
    "throttle": ("throttle", "Rate exceeded"),
    "deny": ("deny", "The principal is not authorized to perform: {}"),
}
_HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><h1>502 Bad Gateway</h1></body>\r\n</html>\r\n"


@dataclass
class Fault:
    """A rule: requests that match it are struck, each after `seconds`.

    `service`, `operation` and `account` match "*" or exactly; `resource` must occur in the parameters. `times`: how
    often at most, None for ever; `probability` 0 to 1. `code` and `status` are those of the kind "error"; `code` may
    replace that of a throttle or denial. A hang without `seconds` lasts until the client gives up. `fired` counts.
    """

    kind: str
    service: str = "*"
    operation: str = "*"
    account: str = "*"
    resource: str | None = None
    seconds: float = 0.0
    code: str | None = None
    status: int = 400
    times: int | None = None
    probability: float = 1.0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind: {self.kind!r} is none of {', '.join(KINDS)}")
        if self.kind == "error" and not self.code:
            raise ValueError("code: an error needs one")

    def matches(self, request: Request) -> bool:
        """Whether the rule is about this request (and not yet used up)."""
        return (
            self.service in ("*", request.service)
            and self.operation in ("*", request.operation)
            and self.account in ("*", request.account)
            and (self.times is None or self.fired < self.times)
            and (self.resource is None or self.resource in json.dumps(request.parameters, default=str))
        )


class Faults:
    """The rules in force. Delays add up; the first other fault that strikes decides."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self._random = random.Random(0)  # the same strikes in every run

    def add(self, **rule: Any) -> Fault:
        """Adds a rule; raises ValueError or TypeError, naming the key, if it is none."""
        self.rules.append(Fault(**rule))
        return self.rules[-1]

    def clear(self) -> None:
        """Removes all rules."""
        self.rules.clear()

    async def strike(self, request: Request, protocol: str) -> Fault | None:
        """Waits out the delays; the fault that the answer must suffer, or None. Raises AwsError for refusals."""
        for fault in self.rules:
            if not fault.matches(request) or self._random.random() >= fault.probability:
                continue
            fault.fired += 1
            await asyncio.sleep(fault.seconds)
            if fault.kind in _REFUSALS:
                trouble, message = _REFUSALS[fault.kind]
                message = message.format(iam_action(request.service, request.operation))
                error = refusal(trouble, request.service, protocol, message)
                error.code = fault.code or error.code
                raise error
            if fault.kind == "error":
                raise AwsError(fault.code or "", "Injected by the demo", fault.status)
            if fault.kind != "latency":
                return fault
        return None


async def spoil(fault: Fault, http: web.Request, response: web.Response) -> web.StreamResponse | None:
    """Gives a client what the fault wants instead of the response; None if it got no answer at all."""
    match fault.kind:
        case "html502":
            return web.Response(status=502, body=_HTML, content_type="text/html")
        case "garbage":
            return web.Response(status=200, body=b"\x00<<garbage{", headers=response.headers.copy())
        case "truncate":
            body = bytes(response.body) if isinstance(response.body, bytes) else b""
            half = web.StreamResponse(status=response.status, headers=response.headers)
            half.content_length = max(len(body), 2)
            await half.prepare(http)
            await half.write(body[: len(body) // 2] or b"<")
            _hang_up(http, reset=False)
            return half
        case "hang" if not fault.seconds:
            await asyncio.Event().wait()  # until the client gives up, which cancels this
    _hang_up(http, reset=fault.kind == "reset")
    return None


def _hang_up(http: web.Request, *, reset: bool) -> None:
    transport = http.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if reset and connection is not None:  # a linger of 0 s makes the kernel send RST instead of FIN
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.close()
