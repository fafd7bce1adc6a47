"""The configuration: read once from flags, environment and file into frozen models, every error at once.

``load`` makes it, ``reference`` documents it. What can be configured is in config_models.py, what may be typed in
config_values.py, how file, environment and flags become one tree in config_file.py, the words in config_words.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from .config_expect import Expect
from .config_file import ConfigError, Keys, Place, Tree, dotted, read, shown
from .config_models import (
    Aws,
    CloudWatch,
    CollectorConfig,
    Config,
    DeploymentConfig,
    IdentityKeys,
    Include,
    Log,
    PracticeConfig,
    RateLimit,
    Waiver,
    Web,
)
from .config_values import Shard, close, format_duration, known_region, parse_duration
from .config_words import reference, sentences

__all__ = [
    "Aws",
    "CloudWatch",
    "CollectorConfig",
    "Config",
    "ConfigError",
    "DeploymentConfig",
    "Expect",
    "IdentityKeys",
    "Include",
    "Log",
    "PracticeConfig",
    "RateLimit",
    "Shard",
    "Waiver",
    "Web",
    "expected_values",
    "format_duration",
    "load",
    "need_region",
    "parse_duration",
    "reference",
]


def load(
    path: Path | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] = {},
    *,
    collectors: Mapping[str, float],
) -> Config:
    """The configuration: ``overrides`` (dotted key: value of a flag) over ``environment`` over the file over defaults.

    ``collectors``: every collector there is, with its default interval in seconds; all of them are in the result.
    Raises ConfigError with everything that is wrong.
    """
    tree = read(path, environment, overrides)
    _complete_collectors(tree, collectors)
    inherited = _complete_deployments(tree)
    _check_client_region(tree, environment)
    config = None
    try:
        config = Config.model_validate(tree.data, context={"directory": path.parent if path else Path()})
    except ValidationError as error:
        found = set(sentences(error))
        for keys, sentence in found:
            # What a deployment inherits is reported once, where it was written.
            copied = any(keys[:depth] in inherited for depth in range(len(keys) + 1))
            if not (copied and (keys[2:], sentence) in found):
                tree.errors.append((tree.place(keys), f"{dotted(keys)}: {sentence}"))
    if config is None or tree.errors:
        raise ConfigError(tuple(f"{place}: {message}" for place, message in sorted(tree.errors)))
    return config


def need_region(config: Config, default: str | None) -> None:
    """Raise ConfigError where neither the AWS client (``default``) nor every deployment says which region is meant."""
    if default is None and not (config.deployments and all(each.region for each in config.deployments)):
        message = "no AWS region: set AWS_REGION, a region in the AWS profile, or `region` of each deployment"
        raise ConfigError((message,))


def expected_values(expect: Expect) -> dict[tuple[str, str], float]:
    """What ``expected_value{fact, level}`` exports: thresholds without a family of their own; seconds, or 0 and 1.

    The ages of backups, of restore tests and the numbers of tasks have theirs, by resource.
    """
    return {
        ("restorable_lag_seconds", "ticket"): expect.restorable_lag.ticket,
        ("restorable_lag_seconds", "page"): expect.restorable_lag.page,
        ("certificate_remaining_seconds", "ticket"): expect.certificates.ticket,
        ("certificate_remaining_seconds", "page"): expect.certificates.page,
        ("backup_retention_seconds", "late"): expect.backup_retention,
        ("patch_scan_age_seconds", "late"): expect.patch_scan,
        ("stack_drift_seconds", "late"): expect.drift_check,
        ("auto_minor_version_upgrade_enabled", "ticket"): float(expect.auto_minor_version_upgrade),
    }


def _complete_collectors(tree: Tree, known: Mapping[str, float]) -> None:
    """Give every collector an entry with an interval; complain about those that do not exist."""
    given = tree.data.get("collectors")
    if given is not None and not isinstance(given, dict):
        return
    entries = dict(given or {})
    for name in [name for name in entries if name not in known]:
        del entries[name]
        keys = ("collectors", name)
        every = f"the collectors are {', '.join(sorted(known))}"
        hint = close(name, known)
        message = f"{dotted(keys)}: there is no such collector: {f'{hint} ' if '?' in hint else ''}{every}"
        tree.errors.append((tree.place(keys), message))
    for name, interval in known.items():
        entry = {} if entries.get(name) is None else entries[name]
        if isinstance(entry, dict) and entry.get("interval") is None:
            entry = {**entry, "interval": interval}
        entries[name] = entry
    tree.data["collectors"] = entries


def _complete_deployments(tree: Tree) -> set[Keys]:
    """Merge what is expected of each, name its staging twin, check names; returns the keys of what was inherited.

    This is done before the models are made because their own errors would hide these.
    """
    inherited: set[Keys] = set()
    given = tree.data.get("deployments")
    entries = given if isinstance(given, list) else []
    names = [_name(entry) for entry in entries]
    for index, (entry, name) in enumerate(zip(entries, names, strict=True)):
        if not isinstance(entry, dict):
            continue
        keys: Keys = ("deployments", index)
        for part in ("expect", "practices"):
            common = tree.data.get(part)
            entry[part] = _over({} if common is None else common, entry.get(part), (*keys, part), inherited)
        if name is not None and names.index(name) < index:
            message = f"{dotted(keys)}.name: {shown(name)} is the name of deployments[{names.index(name)}] too"
            tree.errors.append((tree.place((*keys, "name")), message))
        twin = entry.get("staging")
        if twin is None and entry.get("environment") == "prod":
            twins = [
                other_name
                for other, other_name in zip(entries, names, strict=True)
                if isinstance(other, dict)
                and other.get("environment") == "staging"
                and all(other.get(key) == entry.get(key) for key in ("network", "cluster"))
            ]
            entry["staging"] = twins[0] if len(twins) == 1 else None
        elif isinstance(twin, str) and (wrong := _wrong_twin(twin, name, entries, names)):
            tree.errors.append((tree.place((*keys, "staging")), f"{dotted(keys)}.staging: {wrong}"))
    return inherited


def _name(entry: object) -> str | None:
    """The name that a deployment will have; None while it cannot be told."""
    if not isinstance(entry, dict):
        return None
    given = [entry.get(key) for key in (("name",) if entry.get("name") else ("network", "environment", "cluster"))]
    parts = [part for part in given if isinstance(part, str)]
    return "-".join(parts) if len(parts) == len(given) else None


def _wrong_twin(twin: str, name: str | None, entries: list[Any], names: list[str | None]) -> str | None:
    if twin == name:
        return "a deployment is not its own staging twin"
    if twin in names:
        is_prod = entries[names.index(twin)].get("environment") == "prod"
        return f"{shown(twin)} is a prod deployment: expected one whose environment is staging" if is_prod else None
    others = [other for other in names if other is not None and other != name]
    if len(others) < len(names) - 1:  # one whose name cannot be told may be meant
        return None
    return f"no deployment is called {shown(twin)}: {close(twin, others) if others else 'there is no other'}"


def _over(base: Any, own: Any, keys: Keys, inherited: set[Keys]) -> Any:
    """``own`` merged over ``base``, mapping by mapping; adds the keys of what comes from the base to ``inherited``."""
    if own is None and base is not None:
        inherited.add(keys)
        return base
    if isinstance(base, dict) and isinstance(own, dict):
        return {key: _over(base.get(key), own.get(key), (*keys, key), inherited) for key in {**base, **own}}
    return own


def _check_client_region(tree: Tree, environment: Mapping[str, str]) -> None:
    """The AWS client's own region has to exist if a deployment, or finding them, relies on it."""
    entries = tree.data.get("deployments") or [{}]
    if isinstance(entries, list) and any(isinstance(entry, dict) and not entry.get("region") for entry in entries):
        variable = next((name for name in ("AWS_REGION", "AWS_DEFAULT_REGION") if environment.get(name)), None)
        if variable:
            try:
                known_region(environment[variable])
            except ValueError as error:
                tree.errors.append((Place(1, 0, variable), str(error)))
