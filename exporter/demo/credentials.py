"""Access keys, session tokens and STS: whose account a request acts in, and until when."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import refusal
from .request import AwsError, Request, World

_ACCOUNT = re.compile(r"A[KS]IADEMO(\d{12})")


@dataclass(frozen=True)
class _Session:
    account: str
    arn: str
    user_id: str
    expires: datetime


class Credentials:
    """Long-lived keys name their account (AKIADEMO111122223333); assumed roles have a session token that expires.

    It expires by the machine's clock, not by the world's: the client that refreshes it knows no other.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._sessions: dict[str, _Session] = {}

    def account(self, key_id: str, token: str | None, service: str, protocol: str) -> str:
        """The account that a request acts in; raises AwsError for an unknown or expired session token."""
        if key_id.startswith("ASIADEMO"):
            session = self._sessions.get(token or "")
            if session is None:
                raise AwsError("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
            if session.expires <= datetime.now(UTC):
                message = "The security token included in the request is expired"
                raise refusal("expired", service, protocol, message)
            return session.account
        found = _ACCOUNT.match(key_id)
        return found[1] if found else self._world.default_account

    def expire(self) -> None:
        """Lets every session token that was given out expire now."""
        now = datetime.now(UTC)
        self._sessions = {
            token: _Session(session.account, session.arn, session.user_id, now)
            for token, session in self._sessions.items()
        }

    def answer(self, request: Request, token: str | None) -> dict[str, Any] | None:
        """Answers the two STS operations that are served; None for the others."""
        caller = self._caller(request, token)
        if request.operation == "GetCallerIdentity":
            return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}
        if request.operation == "AssumeRole":
            return self._assume(request, caller)
        return None

    def _caller(self, request: Request, token: str | None) -> _Session:
        name = f"arn:aws:iam::{request.account}:user/demo"
        return self._sessions.get(token or "") or _Session(request.account, name, "AIDADEMODEMODEMO", request.now)

    def _assume(self, request: Request, caller: _Session) -> dict[str, Any]:
        role, session_name = request.parameters["RoleArn"], request.parameters["RoleSessionName"]
        roles = self._world.roles
        wanted = roles.get(role)
        if role not in roles or (wanted is not None and request.parameters.get("ExternalId") != wanted):
            # AWS does not say which of the two it was, nor does it for a role that does not exist.
            message = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role}"
            raise AwsError("AccessDenied", message, 403)
        account = role.split(":")[4]
        name = role.rpartition("/")[2]
        session = _Session(
            account=account,
            arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
            user_id=f"AROADEMODEMODEMO:{session_name}",
            expires=datetime.now(UTC) + timedelta(seconds=request.parameters.get("DurationSeconds", 3600)),
        )
        token = secrets.token_urlsafe(48)
        self._sessions[token] = session
        return {
            "Credentials": {
                "AccessKeyId": f"ASIADEMO{account}{secrets.token_hex(4).upper()}",
                "SecretAccessKey": secrets.token_urlsafe(30),
                "SessionToken": token,
                "Expiration": session.expires,
            },
            "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        }
