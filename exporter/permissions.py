"""``check-config --aws``: try every declared read action once, and say which are allowed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import boto3

from . import engine, iam
from .clock import Clock
from .collector import Collector
from .config import Config, DeploymentConfig, need_region
from .trials import DENIED, NOT_TRIED, VERDICTS, Operation, Place, Trials

EVERYONE = ("every collector",)


def check(config: Config, collectors: Iterable[Collector], clock: Clock, say: Callable[[str], None]) -> int:
    """Try each action at each place and say how it went; return 1 if one is denied or could not be tried, else 0.

    Raises ConfigError where no region is known, and BotoCoreError where no AWS client can be made.
    """
    needed_by = _needed_by(collectors)
    session = boto3.Session()
    verdicts: Counter[str] = Counter()
    # boto3 reads AWS_DEFAULT_REGION only; ECS, Lambda and the other SDKs set AWS_REGION.
    for place in _places(config, os.environ.get("AWS_REGION") or session.region_name):
        with Trials(session, place, config, {operation_of(action) for action in needed_by}, clock) as trials:
            needed = {"sts:AssumeRole": EVERYONE, **needed_by} if place.role_arn else needed_by
            for line, verdict, count in _report(trials, needed):
                say(line)
                verdicts[verdict] += count
    say(", ".join(f"{verdicts[each]} {each}" for each in VERDICTS))
    return 1 if verdicts[DENIED] or verdicts[NOT_TRIED] else 0


def operation_of(action: str) -> Operation:
    """The operation by which an IAM action is tried."""
    [(service, [operation])] = iam.operations([action]).items()
    return service, operation


def _needed_by(collectors: Iterable[Collector]) -> dict[str, tuple[str, ...]]:
    """Every action, sorted, with the names of the collectors that need it."""
    collectors = list(collectors)
    return {
        action: EVERYONE
        if action in engine.ACTIONS
        else tuple(collector.name for collector in collectors if action in collector.actions)
        for action in iam.actions(collectors)
    }


def _places(config: Config, default: str | None) -> list[Place]:
    need_region(config, default)
    found: dict[tuple[str, str | None, str | None], list[DeploymentConfig]] = {}
    for each in config.deployments:
        external_id = each.external_id.get_secret_value() if each.external_id else None
        found.setdefault((each.region or default or "", each.role_arn, external_id), []).append(each)
    places = [Place(*key, tuple(members)) for key, members in found.items()] or [Place(default or "")]
    return sorted(places, key=lambda place: (place.role_arn or "", place.region))


def _report(trials: Trials, needed_by: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str, int]]:
    """Lines, each as soon as it is known: of the place, then of each action with its verdict and 1."""
    possible = trials.begin()
    yield trials.heading(), "", 0
    width = max(map(len, needed_by))
    for action, needing in sorted(needed_by.items()):
        operation = operation_of(action)
        if possible or operation in trials.tried:
            outcome = trials.outcome(operation)
            line = f"  {outcome.verdict:<14}  {action:<{width}}  {', '.join(needing):<24}  {outcome.note}"
            yield line.rstrip(), outcome.verdict, 1
    if not possible:
        others = len(needed_by) - len(trials.tried)
        yield f"  {NOT_TRIED:<14}  the other {others} actions", NOT_TRIED, others
