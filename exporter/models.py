"""AWS's service models, cut down to the operations that are asked for: half of the memory, and no build step.

botocore's model of EC2 alone has more than 700 operations; for each, every client would get a method and its
documentation. The loader keeps one copy of a model for all clients, so it is cut once, right after loading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import UnknownServiceError

# What botocore itself calls: to find the region of a bucket that answers with a redirect, and for credentials.
_OWN = {"s3": {"HeadBucket"}, "sts": {"AssumeRole", "AssumeRoleWithWebIdentity"}}


def load(loader: Any, operations: Mapping[str, Collection[str]]) -> None:
    """Load the models of services into botocore's loader, with the given operations by service and nothing else."""
    loader.load_data_with_path("endpoints")
    for service, names in operations.items():
        # In the very words in which clients ask, so that the loader gives them this copy: in others it would be another
        # one, into which it would merge botocore's additions to shapes that are cut away here.
        model = loader.load_service_model(service, "service-2", api_version=None)
        cut(model, {*names, *_OWN.get(service, ())})
        for kind in ("endpoint-rule-set-1", "paginators-1"):
            with suppress(UnknownServiceError):  # DLM and STS list nothing in pages
                loader.load_service_model(service, kind)


def cut(model: dict[str, Any], operations: Collection[str]) -> None:
    """Leave in a service model these operations and the shapes that they are made of, without documentation."""
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    todo = [name for operation in kept.values() for name in _shapes_of_operation(operation)]
    while todo:
        name = todo.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            todo += _shapes_of_shape(shapes[name])
    model["operations"], model["shapes"] = kept, shapes
    for described in (*kept.values(), *shapes.values()):
        described.pop("documentation", None)
        for member in described.get("members", {}).values():
            member.pop("documentation", None)


def _shapes_of_operation(operation: Mapping[str, Any]) -> Iterator[str]:
    for reference in (operation.get("input"), operation.get("output"), *operation.get("errors", ())):
        if reference:
            yield reference["shape"]


def _shapes_of_shape(shape: Mapping[str, Any]) -> Iterator[str]:
    for reference in (*shape.get("members", {}).values(), *(shape.get(each) for each in ("member", "key", "value"))):
        if reference:
            yield reference["shape"]
