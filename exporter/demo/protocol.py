"""Speaks AWS's five wire protocols (query, ec2, json, rest-json, rest-xml) as botocore's service models describe them.

A `Service` finds the operation that a request asks for, reads its parameters, and writes answers and errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from . import writing
from .errors import refusal
from .reading import read_form, read_json, read_url
from .request import AwsError

SERVICES = (
    "acm", "autoscaling", "backup", "cloudformation", "cloudwatch", "dlm", "ec2", "ecs", "efs", "elasticache", "elbv2",
    "events", "health", "rds", "resourcegroupstaggingapi", "route53", "s3", "secretsmanager", "service-quotas", "sns",
    "sqs", "ssm", "sts",
)  # fmt: skip
"""botocore's names of what can be served."""

# What these services call themselves in a signature; no two of ours share such a name.
_SIGNING_NAMES = {
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
    "tagging": "resourcegroupstaggingapi",
}
_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
# "bucket.s3.eu-west-1.amazonaws.com", or "bucket.localhost:4566" when the endpoint is set to a host of one's own.
_BUCKET_HOST = re.compile(r"(?P<bucket>.+)\.(s3[.-].*|localhost(:\d+)?)$")


@dataclass(frozen=True)
class HttpRequest:
    """An HTTP request as it came: `path` and `query` are still percent-encoded."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HttpResponse:
    """An HTTP answer, whole."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Scope:
    """What a signature says about its request; the signature itself is not verified."""

    access_key_id: str
    region: str
    service: str


def scope(request: HttpRequest) -> Scope:
    """Reads the signature's scope; raises AwsError if there is none or its service is not served."""
    found = _CREDENTIAL.search(request.headers.get("Authorization", ""))
    if not found:
        raise AwsError("MissingAuthenticationToken", "The request is not signed with AWS Signature Version 4.", 403)
    key, region, name = found.groups()
    service = _SIGNING_NAMES.get(name, name)
    if service not in SERVICES:
        raise AwsError("UnknownOperationException", f"The stand-in does not serve {name}.", 404)
    return Scope(key, region, service)


@dataclass(frozen=True)
class _Route:
    """Where a REST operation lives: "GET /{Bucket}?versioning"."""

    operation: str
    method: str
    path: re.Pattern[str]
    fixed: frozenset[tuple[str, str]]
    needed: frozenset[str]  # fields of the query that this operation cannot do without


class Service:
    """One service's side of the wire."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.model = ServiceModel(Loader().load_service_model(name, "service-2"), service_name=name)
        self.protocol: str = self.model.resolved_protocol
        self._xml = writing.XmlWriter()
        self._json = writing.JsonWriter()
        self._writers: dict[str, Callable[[dict[str, Any]], Any]] = {}
        self._routes = self._find_routes() if self.protocol.startswith("rest") else ()

    def operation(self, request: HttpRequest) -> tuple[Any, dict[str, str]]:
        """The operation's model, and the named parts of the path; raises AwsError as AWS does for an unknown action."""
        labels: dict[str, str] = {}
        if self._routes:
            name, labels = self._route(request)
        elif self.protocol == "json":
            prefix, _, name = request.headers.get("X-Amz-Target", "").rpartition(".")
            name = name if prefix == self.model.metadata["targetPrefix"] else ""
        else:
            form = parse_qs(request.body.decode(errors="replace"))
            name = form.get("Action", [""])[0]
            if form.get("Version") != [self.model.api_version]:
                name = ""
        if name not in self.model.operation_names:
            raise self.unknown(name or f"{request.method} {request.path}")
        return self.model.operation_model(name), labels

    def unknown(self, operation: str) -> AwsError:
        """What AWS says to an operation that it does not have."""
        message = f"Could not find operation {operation} for version {self.model.api_version} of {self.name}"
        return refusal("unknown", self.name, self.protocol, message)

    def read(self, operation: Any, labels: Mapping[str, str], request: HttpRequest) -> dict[str, Any]:
        """The parameters, in botocore's member names and Python types; raises AwsError if they cannot be read."""
        shape = operation.input_shape
        try:
            if self.protocol in ("query", "ec2"):
                return read_form(shape, request.body, ec2=self.protocol == "ec2")
            body = json.loads(request.body) if request.body and self.protocol != "rest-xml" else {}
            found: dict[str, Any] = read_json(shape, body)
            if self._routes:
                query = parse_qsl(request.query, keep_blank_values=True)
                found |= read_url(shape, labels, query, request.headers)
            return found
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise refusal("invalid", self.name, self.protocol, f"The request cannot be read: {error!r}") from error

    def write(self, operation: Any, answer: dict[str, Any], request_id: str) -> HttpResponse:
        """Writes an answer in the output shape's member names; raises KeyError for a member that it does not have."""
        name = operation.name
        if name not in self._writers:
            self._writers[name] = self._writer(operation)
        body = self._writers[name](answer)
        if self.protocol in ("query", "ec2"):
            identity = f"<requestId>{request_id}</requestId>"
            if self.protocol == "query":
                identity = f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
            body = f'<{name}Response xmlns="{self.model.metadata["xmlNamespace"]}">{body}{identity}</{name}Response>'
        extra = writing.headers(operation.output_shape, answer) if self._routes and operation.output_shape else {}
        return self._response(operation.http.get("responseCode", 200), request_id, body, extra)

    def error(self, error: AwsError, request_id: str) -> HttpResponse:
        """Writes an error in the protocol's envelope."""
        code, message, extra = error.code, error.message, {}
        if self.protocol in ("json", "rest-json"):
            body = json.dumps({"__type": code, "message": message} | error.fields)
            if self.protocol == "rest-json":
                extra = {"x-amzn-ErrorType": code}
            return self._response(error.status, request_id, body, extra)
        inner = "".join(
            f"<{tag}>{writing.escaped(value)}</{tag}>"
            for tag, value in ({"Code": code, "Message": message} | error.fields).items()
        )
        if self.protocol == "ec2":
            text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        elif self.name == "s3":
            text = f"<Error>{inner}<RequestId>{request_id}</RequestId></Error>"
            if "Region" in error.fields:  # how a client learns where a bucket really is
                extra = {"x-amz-bucket-region": error.fields["Region"]}
        else:
            text = f"<ErrorResponse><Error>{inner}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
        return self._response(error.status, request_id, text, extra)

    def mistakes(self, operation: Any, answer: dict[str, Any]) -> str:
        """What AWS's own model finds wrong with an answer; empty if nothing."""
        if operation.output_shape is None:
            return ""
        return str(ParamValidator().validate(answer, operation.output_shape).generate_report())

    def _response(
        self, status: int, request_id: str, body: str | bytes, extra: Mapping[str, str] | None = None
    ) -> HttpResponse:
        if self.protocol == "json":
            kind = f"application/x-amz-json-{self.model.metadata['jsonVersion']}"
        else:
            kind = "application/json" if self.protocol == "rest-json" else "text/xml"
        names = ("x-amz-request-id", "x-amz-id-2") if self.name == "s3" else ("x-amzn-RequestId",)
        headers = {"Content-Type": kind, **dict.fromkeys(names, request_id), **(extra or {})}
        return HttpResponse(status, headers, body.encode() if isinstance(body, str) else body)

    def _writer(self, operation: Any) -> Callable[[dict[str, Any]], Any]:
        """What makes the body of an operation's answers, as text or bytes."""
        shape = operation.output_shape
        if shape is None:
            return lambda _: "{}" if self.protocol == "json" else ""
        if self.protocol in ("query", "ec2"):
            wrapper = shape.serialization.get("resultWrapper")
            return self._xml.element(wrapper, shape) if wrapper else self._xml.content(shape)
        payload = shape.serialization.get("payload")
        if payload and shape.members[payload].type_name in ("string", "blob"):
            return lambda answer: answer.get(payload, b"")
        if operation.name == "GetBucketLocation":  # the one answer whose root element is a text
            payload = "LocationConstraint"
        body = shape.members[payload] if payload else shape
        if self.protocol == "rest-xml":
            write = self._xml.element(body.serialization.get("name", payload or shape.name), body)
        else:
            write = self._json.text(body)
        if payload:
            return lambda answer: write(answer.get(payload, "" if body.type_name == "string" else {}))
        outside = {name for name, member in shape.members.items() if "location" in member.serialization}
        return lambda answer: write({name: value for name, value in answer.items() if name not in outside})

    def _find_routes(self) -> tuple[_Route, ...]:
        routes = []
        for name in self.model.operation_names:
            operation = self.model.operation_model(name)
            if operation.deprecated:
                continue  # S3's GetBucketLifecycle lives where GetBucketLifecycleConfiguration does
            http, shape = operation.http, operation.input_shape
            required = [shape.members[member] for member in shape.required_members] if shape else []
            path, _, query = http["requestUri"].partition("?")
            parts = re.split(r"(\{[^}]+\})", path.rstrip("/") or "/")
            pattern = "".join(_label(part) if part.startswith("{") else re.escape(part) for part in parts)
            routes.append(
                _Route(
                    operation=name,
                    method=http["method"],
                    path=re.compile(pattern + "/?"),
                    fixed=frozenset(parse_qsl(query, keep_blank_values=True)),
                    needed=frozenset(
                        member.serialization["name"]
                        for member in required
                        if member.serialization.get("location") == "querystring"
                    ),
                )
            )
        # Of two that match, the one that asks for more of the query is meant.
        return tuple(sorted(routes, key=lambda route: -len(route.fixed) - len(route.needed)))

    def _route(self, request: HttpRequest) -> tuple[str, dict[str, str]]:
        path = request.path
        host = _BUCKET_HOST.match(request.headers.get("Host", "")) if self.name == "s3" else None
        if host:
            path = f"/{host['bucket']}{path}".rstrip("/")
        query = set(parse_qsl(request.query, keep_blank_values=True))
        for route in self._routes:
            if route.method != request.method or not (route.fixed <= query and route.needed <= dict(query).keys()):
                continue
            found = route.path.fullmatch(path)
            if found:
                return route.operation, {_from_group(key): unquote(text) for key, text in found.groupdict().items()}
        return "", {}


@cache
def load(name: str) -> Service:
    """The service of that botocore name. Kept, since a model takes up to 0.3 s to read and never changes."""
    return Service(name)


def _label(part: str) -> str:
    name = part.strip("{}+")
    return f"(?P<{name.replace('-', '__')}>{'.+' if part.endswith('+}') else '[^/]+'})"


def _from_group(name: str) -> str:
    return name.replace("__", "-")  # a label may hold a hyphen, a group's name may not
