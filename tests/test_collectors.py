"""Every collector against the stand-in AWS: what it serves, what it asks, and that nothing absent becomes a number."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import AS_OF, FrozenClock, account, attempt, surveyed

from exporter.answer import Answer
from exporter.collector import Collector
from exporter.collectors import COLLECTORS
from exporter.demo.server import Standin
from exporter.deployment import UNASSIGNED, Deployment, target_labels
from exporter.errors import iam_action
from exporter.metrics import Malformed, Sample, lines

GOLDENS = Path(__file__).parent / "goldens"
ROLES = tuple(f"arn:aws:iam::{account_id}:role/tts-aws-exporter" for account_id in ("111122223333", "444455556666"))
EVERY = pytest.mark.parametrize("collector", COLLECTORS, ids=lambda collector: collector.name)


def ask(collector: Collector, clock: FrozenClock) -> list[tuple[Deployment, Answer]]:
    """The collector's answers for both deployments of the example."""

    async def fetch() -> list[tuple[Deployment, Answer]]:
        answers = []
        for role in ROLES:
            async with account(clock, role_arn=role) as reads:
                for deployment in await surveyed(reads):
                    aws = attempt(reads, collector.interval)
                    answers.append((deployment, await collector.fetch(aws, deployment)))
                    assert aws.failures == []
        return answers

    return asyncio.run(fetch())


def exposition(collector: Collector, answers: list[tuple[Deployment, Answer]]) -> str:
    """The golden's text: each family's samples for all deployments."""
    ready: dict[str, bytes] = {}
    for deployment, answer in answers:
        samples = [each for each in collector.samples(answer, deployment) if isinstance(each, Sample)]
        for name, text in lines(samples, target_labels(deployment)).items():
            ready[name] = ready.get(name, b"") + text
    heads = {family.name: family.head(openmetrics=False) for family in collector.families}
    return b"".join(heads[name] + ready[name] for name in heads if name in ready).decode()


@EVERY
def test_golden(collector: Collector, standin: Standin, clock: FrozenClock) -> None:
    """A collector serves exactly the golden exposition for the example deployments (`make update` rewrites it)."""
    text = exposition(collector, ask(collector, clock))

    assert text == (GOLDENS / f"{collector.name}.prom").read_text()


@EVERY
def test_declares_the_families_it_serves(collector: Collector, standin: Standin, clock: FrozenClock) -> None:
    """No sample is of a family that the collector does not declare, and no series occurs twice."""
    for deployment, answer in ask(collector, clock):
        served = list(collector.samples(answer, deployment))

        assert {each.family for each in served if isinstance(each, Sample)} <= set(collector.families)
        assert not [each for each in served if isinstance(each, Malformed)]
        series = [(each.family.name, each.labels) for each in served if isinstance(each, Sample)]
        assert len(series) == len(set(series))


@EVERY
def test_declares_the_actions_it_needs(collector: Collector, standin: Standin, clock: FrozenClock) -> None:
    """The IAM actions of the calls that reach AWS are those that the collector declares, no more and no fewer."""
    ask(collector, clock)
    found = {("cloudformation", "DescribeStacks"), ("resourcegroupstaggingapi", "GetResources")}
    found |= {("cloudformation", "ListStackResources"), ("sts", "AssumeRole"), ("sts", "GetCallerIdentity")}

    calls = {(service, operation) for _, _, service, operation, _ in standin.calls} - found

    # The example has no group with a launch configuration, which the second inventory has, and no prefix list.
    unused = {"autoscaling:DescribeLaunchConfigurations", "ec2:GetManagedPrefixListEntries"}
    unused |= {"cloudformation:DescribeStacks", "cloudformation:ListStacks"}  # the survey's call, which stacks shares
    assert {iam_action(*call) for call in calls} == set(collector.actions) - unused


def deletions(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every key of every dictionary below a value, once for each shape of path: (path, its dictionary, the key)."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield f"{path}.{key}", value, key
            yield from deletions(below, f"{path}.{key}" if isinstance(key, str) else f"{path}.*")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from deletions(item, f"{path}[]")


# Where the absence of a field is the fact itself: what AWS leaves out because it is not configured or not there.
ABSENCE_IS_A_FACT = {
    "load_balancer": (".AlpnPolicy",),
    "queues": (".RedrivePolicy",),
    "backups": (".RestoreJobs[].ValidationStatus", ".Snapshots[].Tags"),
    "s3": (".Status", ".PublicAccessBlockConfiguration"),
    "ecs": (".tags", ".key", ".value", ".launchType", ".capacityProviderStrategy"),
    "stacks": (".LastUpdatedTime", ".Outputs"),
    "autoscaling": (".Instances[].LaunchTemplate",),
    "patches": (".Tags", ".Key", ".Value"),
    "tenancy": (".DeletedDate",),
}


@EVERY
def test_absent_never_becomes_a_number(collector: Collector, standin: Standin, clock: FrozenClock) -> None:
    """When any one field of AWS's answer is missing, samples may vanish, but none appears and none changes."""
    for deployment, answer in ask(collector, clock):
        known = {each[:2]: each.value for each in collector.samples(answer, deployment) if isinstance(each, Sample)}
        seen: dict[str, int] = {}
        holder = Answer()
        holder.update(copy.deepcopy(dict(answer)))
        for path, parent, key in list(deletions(holder)):
            seen[path] = seen.get(path, 0) + 1
            if seen[path] > 2 or path.endswith(ABSENCE_IS_A_FACT.get(collector.name, ())):
                continue
            removed = parent.pop(key)
            try:
                left = [each for each in collector.samples(holder, deployment) if isinstance(each, Sample)]
            except (LookupError, TypeError, ValueError, AttributeError):
                left = []  # poll.py counts it; nothing is served
            parent[key] = removed
            for each in left:
                if each.family is not UNASSIGNED:
                    assert known.get(each[:2]) == each.value, f"without {path}: {each}"


def test_every_collector_is_listed() -> None:
    """A file in exporter/collectors is a collector that runs."""
    folder = Path(__file__).parent.parent / "exporter" / "collectors"

    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {each.name for each in COLLECTORS}


def test_as_of() -> None:
    """The frozen clock stands where the example's times are true."""
    assert AS_OF == 1795348800
