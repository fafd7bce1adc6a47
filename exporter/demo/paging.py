"""Cuts a handler's whole answer into pages as AWS does, and refuses what AWS refuses: sizes, tokens, too many ids.

Tokens, keys and limits come from botocore's paginators and shapes; the tables add what only AWS's documentation says.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.loaders import Loader

from .errors import refusal
from .request import Request


@dataclass(frozen=True)
class Page:
    """How long pages are. A limit that is None is the model's, a default that is None is the maximum.

    `clamp`: a size out of bounds is moved into them, not refused.
    """

    default: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    clamp: bool = False


EVERYTHING = sys.maxsize


def _fixed(size: int) -> Page:
    return Page(size, size, size, clamp=True)


# By service, or by operation where it differs from its service.
PAGES: dict[str | tuple[str, str], Page] = {
    "acm": Page(100),
    ("acm", "ListCertificates"): Page(1000),
    "autoscaling": Page(50, 1, 100),
    ("autoscaling", "DescribeScalingActivities"): Page(100, 1, 100),
    "cloudformation": _fixed(100),  # AWS does not say how many; a page also ends at 1 MB
    ("cloudformation", "DescribeStackResourceDrifts"): Page(100),
    ("cloudwatch", "DescribeAlarms"): Page(50),
    ("cloudwatch", "GetMetricData"): Page(100_800, 1, 100_800),  # data points, not results
    ("cloudwatch", "ListMetrics"): _fixed(500),
    "ec2": Page(EVERYTHING, 5, 1000),  # pages only for those who ask for them
    ("ec2", "DescribeLaunchTemplates"): Page(EVERYTHING, 1, 200),
    ("ec2", "DescribeLaunchTemplateVersions"): Page(EVERYTHING, 1, 200),
    "ecs": Page(100, 1, 100),
    ("ecs", "ListServices"): Page(10, 1, 100),
    ("ecs", "ListAccountSettings"): Page(10, 1, 10),
    "efs": Page(100, 1, 100),
    ("efs", "DescribeMountTargets"): _fixed(10),
    "elasticache": Page(100, 20, 100),
    ("elasticache", "DescribeServiceUpdates"): Page(50, 20, 50),
    ("elasticache", "DescribeSnapshots"): Page(50, 20, 50),
    ("elasticache", "DescribeUpdateActions"): Page(50, 20, 50),
    "health": Page(100, 10, 100),
    "rds": Page(100, 20, 100),
    "resourcegroupstaggingapi": Page(50, 1, 100),
    "route53": Page(100, 1, 100, clamp=True),
    ("route53", "ListResourceRecordSets"): Page(300, 1, 300, clamp=True),
    ("s3", "ListObjectsV2"): Page(1000, 0, 1000, clamp=True),
    "sns": _fixed(100),
    ("sqs", "ListQueues"): Page(1000, 1, 1000),
    "ssm": Page(50),
    ("ssm", "DescribeInstanceInformation"): Page(10),
    ("ssm", "GetParametersByPath"): Page(10),
}

# The most ids of a call, where the model does not say it.
MOST: dict[tuple[str, str, str], int] = {
    ("autoscaling", "DescribeAutoScalingGroups", "AutoScalingGroupNames"): 50,
    ("cloudwatch", "GetMetricData", "MetricDataQueries"): 500,
    ("ecs", "DescribeClusters", "clusters"): 100,
    ("ecs", "DescribeContainerInstances", "containerInstances"): 100,
    ("ecs", "DescribeServices", "services"): 10,
    ("ecs", "DescribeTasks", "tasks"): 100,
    ("elbv2", "DescribeTags", "ResourceArns"): 20,
}

# Ids that cannot be asked for in pages.
UNPAGED: dict[tuple[str, str], str] = {
    ("ec2", "DescribeInstances"): "InstanceIds",
    ("ec2", "DescribeInstanceStatus"): "InstanceIds",
    ("ec2", "DescribeNetworkInterfaces"): "NetworkInterfaceIds",
}

# Operations that continue at an item, not at an opaque token: its members, in the order of the input's.
CONTINUED_AT: dict[tuple[str, str], tuple[str, ...]] = {
    ("route53", "ListResourceRecordSets"): ("Name", "Type", "SetIdentifier"),
}

# Operations that page although botocore has no paginator for them.
_WITHOUT_PAGINATOR: dict[str, dict[str, Any]] = {
    "cloudformation": {
        "DescribeStackResourceDrifts": {
            "input_token": "NextToken",
            "output_token": "NextToken",
            "limit_key": "MaxResults",
            "result_key": "StackResourceDrifts",
        }
    }
}


@cache
def _paginators(service: str) -> Mapping[str, Any]:
    try:
        known: dict[str, Any] = Loader().load_service_model(service, "paginators-1")["pagination"]
    except LookupError:
        known = {}
    return _WITHOUT_PAGINATOR.get(service, {}) | known


class Pager:
    """The pages of one operation in one request; made before the handler is asked, since it may refuse the request."""

    def __init__(self, request: Request, operation: Any, protocol: str) -> None:
        self._request, self._operation, self._protocol = request, operation, protocol
        self._key = (request.service, request.operation)
        known = _paginators(request.service).get(request.operation, {})
        self._inputs, self._outputs = _names(known.get("input_token")), _names(known.get("output_token"))
        self._results = _names(known.get("result_key"))
        self._limit: str | None = known.get("limit_key")
        self._more: str | None = known.get("more_results")
        # Keys such as "EngineDefaults.Marker" reach into a structure; such answers are given whole.
        self._pages = bool(self._results) and not any("." in name for name in (*self._outputs, *self._results))
        self._check_lists()
        self._size = self._page_size() if self._pages else None
        asked = {**request.parameters, **dict.fromkeys((*self._inputs, self._limit or ""))}
        bound_to = [request.account, request.region, *self._key, sorted(asked.items())]
        self._query = hashlib.sha256(json.dumps(bound_to, default=str).encode()).hexdigest()[:16]
        self._start = 0 if self._key in CONTINUED_AT or not self._pages else self._opened(self._token())

    def cut(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The asked page of a whole answer, with the token of the next one."""
        if not self._pages:
            return answer
        items = [(key, item) for key in self._results for item in answer.get(key) or ()]
        start = self._found(items) if self._key in CONTINUED_AT else self._start
        end = self._end(items, start)
        page = {**answer, **{key: [] for key in self._results if key in answer}}
        for key, item in items[start:end]:
            page[key].append(item)
        if end < len(items):
            page |= self._continuation(items[end][1], end)
        if self._more:
            page[self._more] = end < len(items)
        if "KeyCount" in self._operation.output_shape.members:
            page["KeyCount"] = end - start
        return page | self._repeated()

    def _repeated(self) -> dict[str, Any]:
        """What Route 53 and S3 repeat of the question in their answer: Marker, MaxItems, MaxKeys."""
        shape, asked = self._operation.output_shape, self._request.parameters
        repeated: dict[str, Any] = {}
        for name in {self._limit or "", *self._inputs} & set(shape.members) - set(self._outputs):
            value = asked.get(name, self._size if name == self._limit else "")
            if value != "" or name in shape.required_members:
                repeated[name] = str(value) if shape.members[name].type_name == "string" else value
        return repeated

    def _check_lists(self) -> None:
        shape = self._operation.input_shape
        for name, most, count in _lists(shape, self._request.parameters) if shape else ():
            most = MOST.get((*self._key, name), most)
            if most is not None and count > most:
                raise self._refusal("invalid", f"{name} has {count} values; at most {most} are allowed.")

    def _page_size(self) -> int | None:
        page = PAGES.get(self._key) or PAGES.get(self._request.service) or Page()
        if self._limit is None:
            return page.default
        shape = self._operation.input_shape.members[self._limit]
        least = shape.metadata.get("min", 1) if page.minimum is None else page.minimum
        most = shape.metadata.get("max") if page.maximum is None else page.maximum
        asked = self._request.parameters.get(self._limit)
        if asked is None:
            return most if page.default is None else page.default
        size = int(asked)
        if page.clamp:
            return max(least, min(size, most or size))
        if size < least or (most is not None and size > most):
            raise self._refusal("invalid", f"Invalid value {size} for {self._limit}: between {least} and {most}.")
        ids = UNPAGED.get(self._key)
        if ids in self._request.parameters:
            message = f"The parameter {ids} cannot be used with the parameter {self._limit}"
            error = self._refusal("invalid", message)
            error.code = "InvalidParameterCombination"
            raise error
        return size

    def _end(self, items: list[tuple[str, Any]], start: int) -> int:
        if self._size is None:
            return len(items)
        if self._key != ("cloudwatch", "GetMetricData"):
            return min(start + self._size, len(items))
        points, end = 0, start
        while end < len(items) and (end == start or points < self._size):
            points += len(items[end][1].get("Values", ()))
            end += 1
        return end

    def _token(self) -> str | None:
        return self._request.parameters.get(self._inputs[0]) or None

    def _opened(self, token: str | None) -> int:
        if token is None:
            return 0
        try:
            query, start = json.loads(base64.urlsafe_b64decode(token))
        except ValueError:
            query, start = "", 0
        if query != self._query:
            raise self._refusal("token", f"The {self._inputs[0]} is not valid for this request.")
        return int(start)

    def _continuation(self, following: Any, start: int) -> dict[str, Any]:
        if self._key in CONTINUED_AT:
            named = zip(self._outputs, CONTINUED_AT[self._key], strict=True)
            return {output: following[member] for output, member in named if member in following}
        token = base64.urlsafe_b64encode(json.dumps([self._query, start]).encode()).decode()
        return dict.fromkeys(self._outputs, token)

    def _found(self, items: list[tuple[str, Any]]) -> int:
        """Where the item is that an input such as StartRecordName names, or else the first behind it."""
        asked = zip(self._inputs, CONTINUED_AT[self._key], strict=True)
        wanted = {member: self._request.parameters[name] for name, member in asked if name in self._request.parameters}

        def place(item: Mapping[str, Any]) -> list[Any]:
            return [_order(member, item.get(member, "")) for member in wanted]

        return next((index for index, (_, item) in enumerate(items) if place(item) >= place(wanted)), len(items))

    def _refusal(self, trouble: Any, message: str) -> Any:
        return refusal(trouble, self._request.service, self._protocol, message)


def _order(member: str, value: str) -> Any:
    """By what Route 53 sorts records: a name by its labels from the last to the first."""
    return value.removesuffix(".").split(".")[::-1] if member == "Name" else value


def _names(known: Any) -> tuple[str, ...]:
    return (known,) if isinstance(known, str) else tuple(known or ())


def _lists(shape: Any, value: Any) -> Iterator[tuple[str, int | None, int]]:
    """All lists in the parameters: name, the model's maximum, and how long they are."""
    for name, item in value.items() if shape.type_name == "structure" else ():
        member = shape.members[name]
        if member.type_name == "list":
            yield name, member.metadata.get("max"), len(item)
            if member.member.type_name == "structure":
                for inner in item:
                    yield from _lists(member.member, inner)
        elif member.type_name == "structure":
            yield from _lists(member, item)
