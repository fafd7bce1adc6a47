"""How facts become answers: AWS's lists of pairs, its filters, and believable identifiers for what has none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from exporter.demo.request import AwsError

Facts = dict[str, Any]


def aws(item: Mapping[str, Any], *without: str, **defaults: Any) -> Facts:
    """What AWS would say of an item: the defaults, then its own facts; nothing that begins with _ or is null."""
    return {
        key: value
        for key, value in {**defaults, **item}.items()
        if value is not None and key not in without and not key.startswith("_")
    }


def pairs(mapping: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """A mapping as the list of key and value that AWS makes of it."""
    return [{key: name, value: text} for name, text in (mapping or {}).items()]


def invented(kind: str, *names: object, digits: int = 17) -> str:
    """An identifier that is always the same for the same names, such as `vol-0b5c...`; `kind` is its beginning."""
    digest = hashlib.sha256("/".join(map(str, (kind, *names))).encode()).hexdigest()
    return f"{kind}{digest[:digits]}"


def number(*names: object, digits: int = 19) -> str:
    """As `invented`, in decimal digits."""
    return str(int(invented("", *names, digits=40), 16))[:digits]


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^0-9A-Za-z]+", name))


def named(
    items: Sequence[Facts], key: str, wanted: Iterable[str] | str | None, code: str, *, status: int = 400
) -> list[Facts]:
    """The items that were asked for by name, or all if none was; AWS's error `code` for a name that there is not."""
    if not wanted:
        return list(items)
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    known = {item[key] for item in items}
    missing = [name for name in names if name not in known]
    if missing:
        raise AwsError(code, f"{key} does not exist: {', '.join(missing)}", status)
    return [item for item in items if item[key] in names]


# EC2's names of filters that are not just the member's name in lower case with dashes.
_FILTER_MEMBERS = {
    "instance-state-name": "State.Name",
    "availability-zone": "AvailabilityZone|Placement.AvailabilityZone",
    "status": "State",
    "subnet-id": "SubnetId",
    "attachment.instance-id": "Attachments.InstanceId",
    "attachment.status": "Attachments.State",
    "security-group-rule-id": "SecurityGroupRuleId",
    "owner-id": "OwnerId",
    "isDefault": "IsDefault",
}


def filtered(items: Iterable[Facts], filters: Sequence[Mapping[str, Any]] | None) -> list[Facts]:
    """The items that pass EC2-like filters: each of the filters, by any of its values, * and ? being wildcards."""
    return [item for item in items if all(_passes(item, each) for each in filters or ())]


def _passes(item: Facts, filter_: Mapping[str, Any]) -> bool:
    name = filter_["Name"]
    tags = {tag["Key"]: tag["Value"] for tag in item.get("Tags", ())}
    if name.startswith("tag:"):
        found = [tags[name[4:]]] if name[4:] in tags else []
    elif name == "tag-key":
        found = list(tags)
    else:
        path = _FILTER_MEMBERS.get(name, ".".join(camel(part) for part in name.split(".")))
        found = [value for way in path.split("|") for value in _reach(item, way.split("."))]
    return any(fnmatchcase(value, wanted) for value in found for wanted in filter_.get("Values", ()))


def _reach(value: Any, way: Sequence[str]) -> list[str]:
    if isinstance(value, list):
        return [text for item in value for text in _reach(item, way)]
    if not way:
        return [str(value).lower() if isinstance(value, bool) else str(value)]
    return _reach(value[way[0]], way[1:]) if isinstance(value, dict) and way[0] in value else []
