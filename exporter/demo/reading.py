"""Reads requests: form fields, JSON and URLs become botocore's member names and Python types.

XML bodies are not read: in the services that are served, no operation that only reads has one.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qsl


def read_form(shape: Any, body: bytes, *, ec2: bool) -> dict[str, Any]:
    """Reads the query protocol's "Filters.Filter.1.Name=x"; `ec2` for that service's own way to name things."""
    tree: dict[str, Any] = {}
    for key, text in parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)):
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = text
    return _structure(shape, tree, ec2) if shape else {}


def read_json(shape: Any, value: Any) -> Any:
    """Reads a parsed JSON value of a shape; members that the shape does not have are ignored, as AWS does."""
    if shape is None:
        return {}
    kind = shape.type_name
    if kind == "structure":
        wire = {name: member.serialization.get("name", name) for name, member in shape.members.items()}
        present = {name: value[key] for name, key in wire.items() if value.get(key) is not None}
        return {name: read_json(shape.members[name], item) for name, item in present.items()}
    if kind == "list":
        return [read_json(shape.member, item) for item in value]
    if kind == "map":
        return {key: read_json(shape.value, item) for key, item in value.items()}
    return scalar(shape, value)


def read_url(shape: Any, labels: Mapping[str, str], query: list[tuple[str, str]], headers: Any) -> dict[str, Any]:
    """Reads what a REST request carries outside its body; `labels` are the parts of the path, by name."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items() if shape else ():
        key = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                texts = [labels[key]] if key in labels else []
            case "querystring":
                texts = [text for field, text in query if field == key]
            case "header":
                texts = [headers[key]] if key in headers else []
            case _:
                continue
        if texts and member.type_name == "list":
            found[name] = [scalar(member.member, text) for text in texts]
        elif texts:
            found[name] = scalar(member, texts[0])
    return found


def scalar(shape: Any, value: Any) -> Any:
    """Turns one text (or JSON scalar) into the shape's Python type."""
    match shape.type_name:
        case "boolean":
            return value if isinstance(value, bool) else value == "true"
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case "timestamp":
            return timestamp(value)
        case "blob":
            return base64.b64decode(value)
    return value


def timestamp(value: str | float) -> datetime:
    """Reads Unix seconds, ISO 8601 or an HTTP date, all of which clients send; the result is aware UTC."""
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return parsedate_to_datetime(str(value)).astimezone(UTC)


def _structure(shape: Any, tree: dict[str, Any], ec2: bool) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        key = _form_name(member, name, ec2)
        if key in tree:
            found[name] = _form_value(member, tree[key], ec2)
    return found


def _form_value(shape: Any, node: Any, ec2: bool) -> Any:
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, node or {}, ec2)
    if kind == "list":
        if not ec2 and not shape.serialization.get("flattened") and node:
            node = node[shape.member.serialization.get("name", "member")]
        return [_form_value(shape.member, item, ec2) for item in _in_order(node)]
    if kind == "map":
        if not shape.serialization.get("flattened") and node:
            node = node["entry"]
        key = shape.key.serialization.get("name", "key")
        value = shape.value.serialization.get("name", "value")
        return {entry[key]: _form_value(shape.value, entry[value], ec2) for entry in _in_order(node)}
    return scalar(shape, node)


def _in_order(node: Any) -> list[Any]:
    """The items of {"2": b, "1": a} in their order; an empty list is sent as an empty text."""
    return [node[index] for index in sorted(node, key=int)] if node else []


def _form_name(shape: Any, name: str, ec2: bool) -> str:
    traits = shape.serialization
    if ec2:
        sent = str(traits.get("name", name))
        return str(traits.get("queryName") or (sent[0].upper() + sent[1:] if "name" in traits else sent))
    if shape.type_name == "list" and traits.get("flattened"):
        return str(shape.member.serialization.get("name") or traits.get("name", name))
    return str(traits.get("name", name))
