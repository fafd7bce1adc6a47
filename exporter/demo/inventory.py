"""The invented AWS accounts behind the stand-in: an inventory file, its clock, and changes made while it runs.

The inventory states facts in AWS's own member names (example-deployment.yaml says how). Its times are moved once, when
it is loaded: `meta.as_of` becomes that moment. From then on a time is one of three things:

* fixed: a creation, an expiry, a stale backup; and whatever was set through `change()`;
* keeping its age: how far point-in-time recovery reaches, an agent's last ping, a task that just crashed;
* recurring daily: a backup or patch scan that was less than a day old at `as_of`, so part of a healthy daily series.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from exporter.demo.inventory_check import TIMES, check, parse_time
from exporter.demo.machines import instances, launch_templates
from exporter.demo.request import Handler, Request
from exporter.demo.resources import Resources

Facts = dict[str, Any]

DAY = timedelta(days=1)
# Free text of the operator: what looks like a time there is a string all the same.
_TEXT = {"Parameters", "Outputs", "Tags", "attributes", "_attributes", "meta"}
_KEEPS_AGE = {"LatestRestorableTime", "LastPingDateTime", "stoppedAt"}
_DAILY = {"cluster_snapshots", "snapshots", "recovery_points", "backup_jobs", "ssm_patch_states", "_latestSnapshot"}


@dataclass(frozen=True)
class Aging:
    """A time that always lies `age` before now."""

    age: timedelta

    def seen(self, now: datetime) -> datetime:
        return now - self.age


@dataclass(frozen=True)
class Recurring:
    """A time that comes again every 24 hours, together with the `last` time of the event that it belongs to."""

    at: datetime
    last: datetime

    def seen(self, now: datetime) -> datetime:
        return self.at + max((now - self.last) // DAY, 0) * DAY


class View:
    """One deployment at one moment: its facts, times being datetimes."""

    def __init__(self, facts: Facts, resources: Resources, now: datetime) -> None:
        self.facts = facts
        self.resources = resources
        self.now = now
        self.name: str = facts["id"]
        self.account: str = facts["account_id"]
        self.region: str = facts["region"]
        self._sections: dict[str, Any] = {}

    def get(self, *keys: str) -> Any:
        """What stands under these keys; None if there is nothing."""
        first, *rest = keys
        if first not in self._sections:
            self._sections[first] = _seen(self.facts.get(first), self.now)
        value = self._sections[first]
        for key in rest:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def all(self, *keys: str) -> list[Facts]:
        """The items of a section; none if the inventory lacks it."""
        return self.get(*keys) or []

    def tags(self, type_: str, id_: str) -> list[dict[str, str]]:
        """The tags of a resource, as AWS lists them in most answers."""
        return [{"Key": key, "Value": value} for key, value in self.resources.tags(type_, id_).items()]

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    @cached_property
    def instances(self) -> list[Facts]:
        """Every EC2 instance in one form, see `machines.instances`."""
        return instances({"ec2": self.get("ec2"), "ecs": self.get("ecs")})

    @cached_property
    def launch_templates(self) -> list[Facts]:
        return launch_templates({"ec2": self.get("ec2"), "ecs": self.get("ecs")})

    @cached_property
    def zones(self) -> list[str]:
        """Every availability zone that the deployment names, else the first two of the region."""
        subnets = {subnet["AvailabilityZone"] for subnet in self.all("vpc", "Subnets")}
        return sorted(subnets) or [f"{self.region}a", f"{self.region}b"]


class World:
    """All deployments of an inventory, as the operations of AWS see them."""

    def __init__(self, inventory: object, now: Callable[[], float] = time.time) -> None:
        """Raises ValueError, naming the key path, for what is no inventory."""
        self.inventory = check(inventory)
        self._clock = now
        started = self.now()
        as_of = self.inventory.get("meta", {}).get("as_of")
        self._offset = started - parse_time(as_of) if as_of else timedelta()
        self.deployments: list[Facts] = [
            _placed(facts, self._offset, started) for facts in self.inventory["deployments"]
        ]
        self._resources: dict[str, Resources] = {}

    @classmethod
    def load(cls, path: str | Path, now: Callable[[], float] = time.time) -> World:
        """Read an inventory file; raises ValueError naming the file and the key path, OSError if it cannot be read."""
        try:
            return cls(yaml.load(Path(path).read_text(), _Loader), now)
        except (ValueError, yaml.YAMLError) as error:
            raise ValueError(f"{path}: {error}") from error

    @property
    def handlers(self) -> Mapping[tuple[str, str], Handler]:
        from exporter.demo.answers import OPERATIONS  # the answers import the inventory

        return OPERATIONS

    @property
    def default_account(self) -> str:
        account: str = self.deployments[0]["account_id"]
        return account

    @property
    def roles(self) -> dict[str, str | None]:
        """Role ARN -> the external id that it asks for (the deployment's key `_external_id`), or None."""
        roles: dict[str, str | None] = {}
        for facts in self.deployments:
            role = f"arn:aws:iam::{facts['account_id']}:role/tts-aws-exporter"
            roles[role] = roles.get(role) or facts.get("_external_id")
        return roles

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)

    def views(self, request: Request, *, everywhere: bool = False) -> Iterator[View]:
        """The deployments in the request's account and region; `everywhere`: in all regions, for global services."""
        for facts in self.deployments:
            if facts["account_id"] == request.account and (everywhere or facts["region"] == request.region):
                name = facts["id"]
                if name not in self._resources:
                    self._resources[name] = Resources(_seen(facts, request.now))
                yield View(facts, self._resources[name], request.now)

    def inspect(self, path: str) -> Any:
        """The fact at a path, in plain JSON types and with its times as seen now; raises LookupError."""
        value: Any = {"deployments": self.deployments}
        for key in _steps(value, path):
            value = value[key]
        return _plain(_seen(value, self.now()))

    def change(self, path: str, value: Any) -> None:
        """Set the fact at a path; it then stays as it was set, times included.

        Items of a list are addressed by a name that identifies them, or by index. None removes an item of a list; an
        index just behind the last appends one. Raises LookupError if the path leads nowhere.
        """
        holder: Any = {"deployments": self.deployments}
        *way, last = _steps(holder, path) or [""]
        if not way:
            raise LookupError(f"{path or '/'}: too much to set at once")
        for key in way:
            holder = holder[key]
        fixed = _parsed(value, str(last))
        if isinstance(holder, list) and value is None:
            del holder[last]
        elif isinstance(holder, list) and last == len(holder):
            holder.append(fixed)
        else:
            holder[last] = fixed
        self._resources.clear()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Leaves times as the strings that they are, whether quoted or not."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _placed(value: Any, offset: timedelta, started: datetime, key: str = "", daily: bool = False) -> Any:
    """The facts with their times moved to `started` and made what they are: fixed, aging or recurring."""
    if isinstance(value, list):
        return [_placed(item, offset, started, key, daily) for item in value]
    if isinstance(value, dict):
        if key in _TEXT:
            return dict(value)
        daily = daily or (key in _DAILY and "manual" not in (value.get("SnapshotType"), value.get("SnapshotSource")))
        placed = {name: _placed(fact, offset, started, name, daily) for name, fact in value.items()}
        times = [fact for fact in placed.values() if isinstance(fact, datetime)]
        if daily and times and timedelta() <= started - max(times) < DAY:
            last = max(times)
            placed = {n: Recurring(fact, last) if isinstance(fact, datetime) else fact for n, fact in placed.items()}
        return placed
    if value is None or not TIMES.fullmatch(key):
        return value
    moved = parse_time(value) + offset
    return Aging(started - moved) if key in _KEEPS_AGE else moved


def _parsed(value: Any, key: str = "") -> Any:
    """A value set from outside: its times become datetimes, and stay."""
    if isinstance(value, list):
        return [_parsed(item, key) for item in value]
    if isinstance(value, dict):
        return {name: fact if name in _TEXT else _parsed(fact, name) for name, fact in value.items()}
    return parse_time(value) if isinstance(value, str) and TIMES.fullmatch(key) else value


def _seen(value: Any, now: datetime) -> Any:
    if isinstance(value, Aging | Recurring):
        return value.seen(now)
    if isinstance(value, dict):
        return {key: _seen(fact, now) for key, fact in value.items()}
    if isinstance(value, list):
        return [_seen(item, now) for item in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, dict):
        return {key: _plain(fact) for key, fact in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _steps(value: Any, path: str) -> list[Any]:
    """The keys and indexes that lead to `path`. Names may hold slashes, as ARNs do: the longest that fits wins."""
    steps: list[Any] = []
    rest = path.strip("/")
    while rest:
        found = max((name for name, _ in _names(value) if f"{rest}/".startswith(f"{name}/")), key=len, default=None)
        if found is None and isinstance(value, dict) and "/" not in rest:
            return [*steps, rest]  # a fact that the inventory leaves out, about to be set
        if found is None and isinstance(value, list) and rest == str(len(value)):
            return [*steps, len(value)]
        if found is None:
            raise LookupError(f"{path}: nothing is called {rest!r} there")
        step = next(step for name, step in _names(value) if name == found)
        steps.append(step)
        value = value[step]
        rest = rest[len(found) + 1 :]
    return steps


def _names(value: Any) -> Iterator[tuple[str, Any]]:
    """What the parts of a value are called: a mapping's by their keys, a list's by the names in them and by index."""
    if isinstance(value, dict):
        yield from ((key, key) for key in value)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from (
                    (fact.strip("/"), index)
                    for key, fact in item.items()
                    if isinstance(fact, str) and re.search(r"(?i)(name|id|identifier|arn|url|family)$", key)
                )
            yield str(index), index
