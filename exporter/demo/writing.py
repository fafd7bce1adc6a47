"""Writes answers: Python values become the XML, JSON and headers that a shape of botocore's models describes.

What a shape needs is worked out once and kept as a closure: a page of 100 database instances is 17,000 values.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

Write = Callable[[Any], str]
Convert = Callable[[Any], Any]


def timestamp(value: datetime, form: str) -> str | float:
    """An aware datetime as "iso8601", "rfc822" or "unixtimestamp", to the millisecond as AWS does."""
    value = value.astimezone(UTC)
    if form == "unixtimestamp":
        return round(value.timestamp(), 3)
    if form == "rfc822":
        return format_datetime(value, usegmt=True)
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def text(shape: Any, value: Any, form: str) -> str:
    """A scalar as XML and headers carry it; `form` is the place's timestamp format unless the shape has its own."""
    match shape.type_name:
        case "timestamp":
            return str(timestamp(value, shape.serialization.get("timestampFormat", form)))
        case "boolean":
            return "true" if value else "false"
        case "blob":
            return base64.b64encode(value).decode()
    return str(value)


class XmlWriter:
    """Writes the shapes of one service as XML."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Write]] = {}

    def content(self, shape: Any) -> Write:
        """What stands inside a shape's element."""
        match shape.type_name:
            case "structure":
                return lambda value: self._structure(shape, value)
            case "list":
                item = self.element(shape.member.serialization.get("name", "member"), shape.member)
                return lambda values: "".join(map(item, values))
            case "map":
                entry = self._entry("entry", shape)
                return lambda values: "".join(map(entry, values.items()))
            case "string" | "character":
                return escaped
            case "timestamp":
                form = shape.serialization.get("timestampFormat", "iso8601")
                return lambda value: str(timestamp(value, form))
        return lambda value: text(shape, value, "iso8601")

    def element(self, tag: str, shape: Any) -> Write:
        """A shape's whole element; flattened lists and maps are one element for each of their items."""
        traits = shape.serialization
        if traits.get("flattened") and shape.type_name == "list":
            item = self.element(shape.member.serialization.get("name", tag), shape.member)
            return lambda values: "".join(map(item, values))
        if traits.get("flattened") and shape.type_name == "map":
            entry = self._entry(tag, shape)
            return lambda values: "".join(map(entry, values.items()))
        opening, closing, content = f"<{tag}{_namespace(traits)}>", f"</{tag}>", self.content(shape)
        return lambda value: f"{opening}{content(value)}{closing}"

    def _structure(self, shape: Any, value: dict[str, Any]) -> str:
        # Not before the first value comes, since shapes may contain themselves.
        members = self._members.get(shape.name)
        if members is None:
            members = self._members[shape.name] = {
                name: self.element(member.serialization.get("name", name), member)
                for name, member in shape.members.items()
            }
        return "".join([members[name](item) for name, item in value.items() if item is not None])

    def _entry(self, tag: str, shape: Any) -> Callable[[tuple[Any, Any]], str]:
        key = self.element(shape.key.serialization.get("name", "key"), shape.key)
        value = self.element(shape.value.serialization.get("name", "value"), shape.value)
        return lambda pair: f"<{tag}>{key(pair[0])}{value(pair[1])}</{tag}>"


class JsonWriter:
    """Writes the shapes of one service as JSON."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, tuple[str, Convert]]] = {}

    def text(self, shape: Any) -> Write:
        """A value of the shape as JSON."""
        convert = self.value(shape)
        return lambda value: json.dumps(convert(value))

    def value(self, shape: Any) -> Convert:
        """A value of the shape as json.dumps takes it."""
        match shape.type_name:
            case "structure":
                return lambda value: self._structure(shape, value)
            case "list":
                item = self.value(shape.member)
                return lambda values: [item(value) for value in values]
            case "map":
                mapped = self.value(shape.value)
                return lambda values: {key: mapped(value) for key, value in values.items()}
            case "timestamp":
                form = shape.serialization.get("timestampFormat", "unixtimestamp")
                return lambda value: timestamp(value, form)
            case "blob":
                return lambda value: base64.b64encode(value).decode()
        return lambda value: value

    def _structure(self, shape: Any, value: dict[str, Any]) -> dict[str, Any]:
        members = self._members.get(shape.name)
        if members is None:
            members = self._members[shape.name] = {
                name: (member.serialization.get("name", name), self.value(member))
                for name, member in shape.members.items()
            }
        written = {}
        for name, item in value.items():
            key, convert = members[name]
            if item is not None:
                written[key] = convert(item)
        return written


def headers(shape: Any, answer: dict[str, Any]) -> dict[str, str]:
    """The headers of a REST answer: single ones, and maps under a common prefix."""
    found: dict[str, str] = {}
    for name, member in shape.members.items():
        value, traits = answer.get(name), member.serialization
        if value is not None and traits.get("location") == "header":
            found[traits.get("name", name)] = text(member, value, "rfc822")
        elif value is not None and traits.get("location") == "headers":
            found |= {traits.get("name", "") + key: str(item) for key, item in value.items()}
    return found


def escaped(value: Any) -> str:
    """A text as XML content."""
    # A bare carriage return would be read as a line feed.
    return escape(str(value), {"\r": "&#13;"})


def _namespace(traits: dict[str, Any]) -> str:
    match traits.get("xmlNamespace"):
        case {"uri": uri} | str(uri):
            return f' xmlns="{uri}"'
    return ""
