"""The trials of permissions in one account and region: what is asked, learned, and concluded from AWS's answers.

What an operation needs is learned from the answers of others that are tried as well (trial_parameters.py), so that each
is asked once. The two that show the deployments are read to the end: what others are tried on is then, wherever
possible, a resource that the exporter itself would ask about, since a policy may allow that and no other.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from botocore import xform_name
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError, EndpointConnectionError
from urllib3.exceptions import NameResolutionError

from . import __version__, survey
from .assignment import assign
from .clients import client_region
from .clock import Clock
from .config import Config, ConfigError, DeploymentConfig
from .deployment import Deployment
from .errors import CALL_ERRORS, iam_action, reason_of
from .trial_parameters import PAGE_SIZE, STACK, SURVEY, From, Owned, parameters

ALLOWED, DENIED, NOT_APPLICABLE, NOT_TRIED = VERDICTS = ("allowed", "denied", "not applicable", "not tried")

Operation = tuple[str, str]  # botocore's names of the service and of the operation
IDENTITY, ASSUME = ("sts", "GetCallerIdentity"), ("sts", "AssumeRole")

# Errors that say nothing of permissions: of what an account or a region does not have, some with status 403, and of
# what is gone from the services that say so, or may say so, before they look at permissions.
_NOT_THERE = {
    "AWS.SimpleQueueService.NonExistentQueue": "the queue is gone",
    "InvalidAction": "not offered in the region",
    "NoSuchBucket": "the bucket is gone",
    "OptInRequired": "the account has no subscription to it",
    "QueueDoesNotExist": "the queue is gone",
    "SubscriptionRequiredException": "the account has no subscription to it",
    "UnknownOperationException": "not offered in the region",
}
_UNREACHABLE = ("connection", "timeout")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one operation's trial went; ``answer`` is AWS's, None where it gave none."""

    verdict: str
    note: str = ""
    answer: Mapping[str, Any] | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A region as reached through one role, or with the present credentials, and what is configured to be there."""

    region: str
    role_arn: str | None = None
    external_id: str | None = field(default=None, repr=False)
    deployments: tuple[DeploymentConfig, ...] = ()


class Trials:
    """The trials of one place. Use as a context manager; leaving it closes the connections."""

    def __init__(
        self, session: Any, place: Place, config: Config, declared: Collection[Operation], clock: Clock
    ) -> None:
        self.tried: dict[Operation, Outcome] = {}
        self._session = session
        self._place = place
        self._config = config
        self._declared = declared
        self._clock = clock
        self._account = place.role_arn.split(":")[4] if place.role_arn else ""
        self._principal = ""
        self._credentials: dict[str, str] = {}
        self._clients: dict[str, Any] = {}
        self._unreachable: dict[str, Outcome] = {}
        self._deployments: list[Deployment] | None = None
        self._open = ExitStack()
        self._client_config = ClientConfig(
            connect_timeout=config.aws.connect_timeout,
            read_timeout=config.aws.read_timeout,
            retries={"mode": "adaptive", "total_max_attempts": config.aws.retries},
            user_agent_extra=f"tts-aws-exporter/{__version__}",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self) -> bool:
        """Become the role and find out who that is; whether it makes sense to try anything else."""
        if self._place.role_arn:
            assumed = self.outcome(ASSUME).answer
            if assumed is None:
                return False
            given = assumed["Credentials"]
            self._clients.clear()
            self._credentials = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        identity = self.outcome(IDENTITY)
        if identity.answer:
            self._account, self._principal = identity.answer.get("Account", ""), identity.answer.get("Arn", "")
        return identity.reason not in ("credentials", *_UNREACHABLE)

    def heading(self) -> str:
        """Where, and as whom."""
        whom = self._principal or self._place.role_arn
        return f"account {self._account or 'unknown'}, region {self._place.region}" + (f", as {whom}" if whom else "")

    def outcome(self, operation: Operation) -> Outcome:
        """Try an operation, once; before it, those from whose answers its parameters are learned.

        Raises ConfigError for an endpoint that is no URL.
        """
        if operation not in self.tried:
            self.tried[operation] = Outcome(NOT_APPLICABLE, "its parameters can be learned from itself alone")
            self.tried[operation] = self._try(*operation)
        return self.tried[operation]

    def _try(self, service: str, name: str) -> Outcome:
        if service in self._unreachable:
            return self._unreachable[service]
        client = self._client(service)
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        wanted, without = parameters(service, client.meta.service_model.operation_model(name), now)
        if (service, name) == ASSUME:
            wanted, without = {"RoleArn": self._place.role_arn, "RoleSessionName": "tts-aws-exporter"}, []
            if self._place.external_id:
                wanted["ExternalId"] = self._place.external_id
        if without:
            return Outcome(NOT_TRIED, f"nobody knows a value for {', '.join(without)}")
        obstacles: list[Outcome] = []
        filled = self._filled(wanted, obstacles)
        if obstacles:
            return obstacles[0]
        try:
            return Outcome(ALLOWED, answer=_ask(client, (service, name), filled))
        except CALL_ERRORS as error:
            outcome = self._failed(service, error)
            if outcome.reason in _UNREACHABLE:  # the others of the service would wait as long
                self._unreachable[service] = outcome
            return outcome

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            region = client_region(self._session, service, self._place.region)
            how = {"config": self._client_config, **self._credentials}
            try:
                client = self._session.client(service, region_name=region, **how)
            except ValueError as error:  # an endpoint that is no URL
                raise ConfigError((f"AWS client: {error}",)) from error
            self._clients[service] = self._open.enter_context(closing(client))
        return self._clients[service]

    def _failed(self, service: str, error: BaseException) -> Outcome:
        reason, code = reason_of(error)
        if self._principal and _is_nameless(error, self._place.region):  # STS has answered, so that names are resolved
            return Outcome(NOT_APPLICABLE, self._short(f"not offered in the region: {error}"))
        if not isinstance(error, ClientError):
            return Outcome(NOT_TRIED, self._short(f"{type(error).__name__}: {error}"), reason=reason)
        if code in _NOT_THERE:
            return Outcome(NOT_APPLICABLE, f"{code}: {_NOT_THERE[code]}")
        note = self._short(f"{code}: {error.response.get('Error', {}).get('Message', '')}")
        assuming = error.operation_name == "AssumeRole"
        if reason == "access_denied" or (assuming and "AccessDenied" in code):
            return Outcome(DENIED, note, reason=reason)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if reason in ("not_found", "other") and status < 500 and not assuming:
            return Outcome(ALLOWED, code)  # who may not ask is not told what is wrong with the question
        return Outcome(NOT_TRIED, note, reason=reason)

    def _short(self, message: str) -> str:
        """The first line, which names no secret (the next may quote the request, its token included), and not all."""
        # The principal is in the heading. EC2 appends some thousand characters that only IAM can decode.
        text = message.strip().partition("\n")[0].replace(f"User: {self._principal} is ", "")
        text = text.partition(" Encoded authorization failure message")[0]
        if self._place.external_id:
            text = text.replace(self._place.external_id, "***")
        return textwrap.shorten(re.sub(r"[^ -~]+", " ", text), 240, placeholder=" ...")

    def _filled(self, value: Any, obstacles: list[Outcome]) -> Any:
        """Parameters with values for what is learned; why there is none is added to the obstacles."""
        match value:
            case From() | Owned():
                return self._filled((value,), obstacles)
            case tuple():
                known, unanswered = self._known(value)
                if known is None and unanswered:
                    obstacles.append(Outcome(NOT_TRIED, f"needs the answer of {iam_action(*unanswered[0])}"))
                elif known is None:
                    obstacles.append(Outcome(NOT_APPLICABLE, f"nothing to try it on: {_said(value[0])}"))
                return known
            case dict():
                return {name: self._filled(each, obstacles) for name, each in value.items()}
            case list():
                return [self._filled(each, obstacles) for each in value]
        return value

    def _known(self, sources: tuple[From | Owned, ...]) -> tuple[str | None, list[Operation]]:
        """The first value that a source has; if none has any, the operations that might have told one but did not."""
        unanswered: list[Operation] = []
        for source in sources:
            asked = SURVEY if isinstance(source, Owned) else ((source.service, source.operation),)
            outcomes = {operation: self.outcome(operation) for operation in asked if operation in self._declared}
            if isinstance(source, Owned):
                values = [id_ for each in self._found() for id_ in _ids(each, source)]
            else:
                values = [value for each in outcomes.values() for value in _values(each.answer, source.path)]
            if values:
                return values[0], []
            unanswered += [operation for operation, each in outcomes.items() if each.verdict in (DENIED, NOT_TRIED)]
        return None, unanswered

    def _found(self) -> list[Deployment]:
        """The deployments as a survey finds them, which would ask some stacks for their resources beside."""
        if self._deployments is None:
            keys, where = self._config.aws.parameter_keys, (self._account, self._place.region)
            configured = self._place.deployments
            tagged, described = (self.outcome(operation).answer for operation in SURVEY)
            marked = (tagged or {}).get("ResourceTagMappingList", [])
            stacks = (
                survey.stacks_of_tags(marked)
                if described is None
                else survey.parse_stacks(described.get("Stacks", []), configured)
            )
            self._deployments = assign(
                [survey.from_config(*where, each, stacks, keys) for each in configured]
                or [
                    Deployment("-".join(who), *who, *where, prefix, self._config.expect, stacks=tuple(members))
                    for who, (prefix, members) in survey.group(stacks, keys).items()
                ],
                marked,
                {},
            )
        return self._deployments


def _ask(client: Any, operation: Operation, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """One page of the answer, or all of them of what shows the deployments. Raises what the client raises."""
    method = xform_name(operation[1])
    if not client.can_paginate(method):
        answer: dict[str, Any] = getattr(client, method)(**wanted)
        return answer
    paginator = client.get_paginator(method)
    if operation in SURVEY:
        whole: dict[str, Any] = paginator.paginate(**wanted).build_full_result()
        return whole
    limit = paginator._limit_key
    size = {"PageSize": PAGE_SIZE} if limit and limit not in wanted else {}
    page: dict[str, Any] = next(iter(paginator.paginate(**wanted, PaginationConfig=size)))
    return page


def _ids(deployment: Deployment, source: Owned) -> list[str]:
    if source == STACK:
        return [stack.name for stack in deployment.stacks]
    return list(deployment.resources(source.type))


def _values(answer: Any, path: str) -> list[str]:
    """What stands at the end of a path of members."""
    found: list[Any] = [answer or {}]
    for name in path.split("."):
        inner = [each[name] for each in found if each.get(name)]
        found = [item for each in inner for item in (each if isinstance(each, list) else [each])]
    return found


def _said(source: From | Owned) -> str:
    """What there is none of."""
    if isinstance(source, Owned):
        return f"no deployment has an {source.type}"
    return f"{iam_action(source.service, source.operation)} shows no {source.path.rpartition('.')[2]}"


def _is_nameless(error: BaseException, region: str) -> bool:
    """Whether there is no such host in a region. Of a host whose name is not of the region this says nothing."""
    return (
        isinstance(error, EndpointConnectionError)
        and isinstance(error.kwargs["error"], NameResolutionError)
        and region in error.kwargs["endpoint_url"]
    )
