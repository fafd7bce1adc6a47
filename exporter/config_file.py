"""The configuration before it is understood: one tree of keys and texts from file, environment and flags.

Every leaf of the file and of the environment stays the text that was typed, so that the model decides its type:
``cluster: no`` is a cluster called "no" and ``latest_version: 3.40`` is not 3.4. Each key remembers its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

# With two underscores: Kubernetes gives every pod TTS_AWS_EXPORTER_SERVICE_HOST and the like if a service has our name.
PREFIX = "TTS_AWS_EXPORTER__"

Keys = tuple[str | int, ...]

_MERGE, _NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"
_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "value")}
_TAGS |= {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
_MOST_NODES = 100_000  # a few aliases of aliases make billions


class ConfigError(Exception):
    """The configuration cannot be used. ``errors``: every reason, each one line with its place and key."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


class Place(NamedTuple):
    """Where a key was set. Places sort as a person reads: the file by lines, then the environment, then flags."""

    rank: int
    line: int
    name: str

    def __str__(self) -> str:
        return f"{self.name}:{self.line}" if self.line else self.name


@dataclass
class Tree:
    """Nested dicts, lists, texts and None (and whatever flags gave), the place of every key, and what is wrong."""

    origin: Place
    data: dict[str, Any] = field(default_factory=dict)
    places: dict[Keys, Place] = field(default_factory=dict)
    errors: list[tuple[Place, str]] = field(default_factory=list)

    def place(self, keys: Keys) -> Place:
        """Where the key was set, or the nearest one above it."""
        return next((self.places[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in self.places), self.origin)

    def put(self, keys: Keys, value: Any, place: Place, places: Mapping[Keys, Place]) -> None:
        """Set a key, replacing all that was at and beneath it; the way there is made where it does not exist."""
        above: Any = self.data
        for depth, key in enumerate(keys):
            fits = isinstance(above, list) and isinstance(key, int) and key <= len(above)
            if not fits and not isinstance(above, dict):
                has = f"a list of {len(above)}" if isinstance(above, list) else "no mapping"
                self.errors.append((place, f"{dotted(keys)}: there is {has} at {dotted(keys[:depth])}"))
                return
            if isinstance(above, list):
                above.extend([None] * (int(key) + 1 - len(above)))
            else:
                above.setdefault(key, None)
            if depth == len(keys) - 1:
                above[key] = value
            elif above[key] is None:
                above[key] = [] if isinstance(keys[depth + 1], int) else {}
                self.places.setdefault(keys[: depth + 1], place)
            above = above[key]
        self.places = {old: where for old, where in self.places.items() if old[: len(keys)] != keys}
        self.places |= {keys: place} | {(*keys, *below): where for below, where in places.items()}


def read(path: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Tree:
    """The merged tree: flags over environment over file. Raises ConfigError where a text is not YAML."""
    tree = Tree(Place(0, 0, str(path) if path else "configuration"))
    broken: list[str] = []
    if path:
        try:
            text = path.read_bytes().decode("utf-8-sig")
            reader = _Reader(str(path))
            data = reader.read(text, (), None)
            tree.places, tree.errors = reader.places, reader.errors
            if isinstance(data, dict):
                tree.data = data
            elif data is not None:
                broken.append(f"{path}:1: expected a mapping of keys at the top, got {shown(data)}")
        except OSError as error:
            broken.append(f"{path}: cannot be read: {error.strerror}")
        except UnicodeDecodeError as error:
            broken.append(f"{path}: is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}")
        except NotYamlError as error:
            broken.append(str(error))
    # In the order of their keys, so that a mapping is there before a key of it is set, and item 0 before item 1.
    for keys, name in sorted((_keys(name), name) for name in environment if name.startswith(PREFIX)):
        place = Place(1, 0, name)
        reader = _Reader(name)
        path_ = tuple(number if number >= 0 else word for number, word in keys)
        try:
            value = reader.read(environment[name], path_, place)
        except NotYamlError as error:
            broken.append(str(error))
            continue
        tree.errors += reader.errors
        if "" in path_:
            tree.errors.append((place, f"unknown variable: expected {PREFIX}<KEY>, with __ between keys"))
        else:
            tree.put(path_, value, place, dict.fromkeys(reader.places, place))
    for key, value in overrides.items():
        place = Place(2, 0, flag(key, value))
        tree.put(tuple(int(part) if part.isdecimal() else part for part in key.split(".")), deepcopy(value), place, {})
    if broken:
        raise ConfigError((*broken, *(f"{place}: {message}" for place, message in sorted(tree.errors))))
    return tree


def flag(key: str, value: object) -> str:
    """The flag that a person typed for a dotted key: collectors have switches as in node_exporter."""
    if switch := re.fullmatch(r"collectors\.(\w+)\.enabled", key):
        return f"--{'' if value else 'no-'}collector.{switch[1]}"
    return "--" + key.replace("_", "-")


def dotted(keys: Keys) -> str:
    """A key as a person writes it: ``deployments[0].role_arn``; empty for the top."""
    parts = (
        f"[{key}]" if isinstance(key, int) else f".{key}" if re.fullmatch(r"[\w-]+", key) else f"[{key!r}]"
        for key in keys
    )
    return "".join(parts).removeprefix(".")


def shown(value: object) -> str:
    """A value as an error message shows it: what kind of thing, or the text itself, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping of keys"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}...{text[-1]}"


def _keys(name: str) -> list[tuple[int, str]]:
    """The keys that a variable names, each (index, "") or (-1, key): pairs, because numbers and texts do not sort."""
    words = name.removeprefix(PREFIX).lower().split("__")
    return [(int(word), "") if re.fullmatch("[0-9]{1,4}", word) else (-1, word) for word in words]


class NotYamlError(Exception):
    """A text is not YAML at all; the message names place, line and column."""


class _Reader:
    """One YAML document to a tree of texts, with the place of each key; what is wrong in it is kept in ``errors``."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[Keys, Place] = {}
        self.errors: list[tuple[Place, str]] = []
        self._nodes = 0
        self._above: list[yaml.Node] = []

    def read(self, text: str, prefix: Keys, place: Place | None) -> Any:
        """The document's tree; ``prefix`` is the key that it is the value of, ``place`` its place unless lines count.

        Raises NotYamlError.
        """
        self._prefix, self._place = prefix, place
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            return self._value(node, ()) if node else None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark else self.name
            what = ", ".join(filter(None, (error.context, error.problem)))
            raise NotYamlError(f"{where}: not YAML: {what}") from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise NotYamlError(f"{self.name}:{line}: not YAML: character {error.character:#x} may not occur") from None
        except RecursionError:
            raise NotYamlError(f"{self.name}: not YAML that can be read: nested too deeply") from None
        except (ValueError, OverflowError) as error:  # PyYAML's own, of "\UFFFFFFFF" for example
            raise NotYamlError(f"{self.name}: not YAML: {error}") from None

    def _value(self, node: yaml.Node, keys: Keys) -> Any:
        self._nodes += 1
        if node in self._above or self._nodes > _MOST_NODES:
            raise NotYamlError(f"{self._at(node)}: not YAML that can be read: an alias makes it endless")
        if node.tag not in _TAGS:
            self._wrong(node, keys, f"the tag {node.tag} means nothing here")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._text(node, keys)
        self._above.append(node)
        result = self._mapping(node, keys) if isinstance(node, yaml.MappingNode) else self._list(node, keys)
        self._above.pop()
        return result

    def _text(self, node: yaml.ScalarNode, keys: Keys) -> str | None:
        text: str = node.value
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._wrong(node, keys, "half a character (a lone surrogate)")
            return None
        return None if node.tag == _NULL else text

    def _list(self, node: yaml.Node, keys: Keys) -> list[Any]:
        for index, item in enumerate(node.value):
            self.places[(*keys, index)] = self._at(item)
        return [self._value(item, (*keys, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in self._pairs(node, keys):
            below = (*keys, key.value)
            if key.value in result:
                first = self.places[below]
                self._wrong(key, below, f"given twice, first in line {first.line}" if first.line else "given twice")
                continue
            self.places[below] = self._at(key)
            result[key.value] = self._value(value, below)
        return result

    def _pairs(self, node: yaml.MappingNode, keys: Keys) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key, value in node.value:
            if key.tag == _MERGE:
                self._wrong(key, keys, "merge keys (<<) are not supported: an alias (*name) gives a whole value")
            elif not isinstance(key, yaml.ScalarNode):
                self._wrong(key, keys, "a key has to be a text")
            elif key.tag not in _TAGS or self._text(key, keys) is None:
                self._wrong(key, keys, f"{shown(key.value)} cannot be a key")
            else:
                yield key, value

    def _at(self, node: yaml.Node) -> Place:
        return self._place or Place(0, node.start_mark.line + 1, self.name)

    def _wrong(self, node: yaml.Node, keys: Keys, message: str) -> None:
        where = dotted(self._prefix + keys)
        self.errors.append((self._at(node), f"{where}: {message}" if where else message))
