"""Keeps the verdicts of every deployment in step with what its collectors serve, and publishes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from time import monotonic
from typing import NamedTuple

from . import scorecard, skew
from .clock import Clock
from .collector import Collector
from .config import Config, PracticeConfig
from .deployment import Deployment, target_labels
from .facts import Facts, Reading
from .metrics import lines
from .poll import Job
from .practice import Practice
from .publication import Publication
from .scorecard import Finding

FAMILIES = (*scorecard.FAMILIES, *skew.FAMILIES)
# Ages grow and waivers end though no collector reads anything new; seconds.
AT_LEAST_EVERY = 60.0
# Seconds of one tick that a fleet may take.
AT_MOST = 0.25


class _Card(NamedTuple):
    state: object
    judged_at: float
    findings: list[Finding]


class Scorecards:
    """The verdicts on each deployment, made anew when one of its network's deployments has new facts."""

    def __init__(
        self, practices: Sequence[Practice], collectors: Iterable[Collector], publication: Publication, clock: Clock
    ) -> None:
        self.facts: dict[str, Facts] = {}
        self._practices = tuple(practices)
        self._collector_of = {family.name: each.name for each in collectors for family in each.families}
        self._collector_of |= {family.name: "versions" for family in skew.FAMILIES}
        self._publication = publication
        self._clock = clock
        self._cards: dict[str, _Card] = {}
        publication.publish("practices", lines(scorecard.info_samples(self._practices), {}))

    def findings(self, deployment: str) -> list[Finding]:
        """The verdicts on a deployment, the worst first; none before its facts were read."""
        card = self._cards.get(deployment)
        return card.findings if card else []

    async def update(self, config: Config, watched: Mapping[str, tuple[Deployment, str]], jobs: Iterable[Job]) -> None:
        """Judge what has changed. ``watched``: by name, every deployment and its staging twin's name, "" for none.

        Of a fleet a part at a time: who was judged longest ago first, scrapes are answered between, and what is left
        is for the next time.
        """
        if not self._practices:
            return
        by_deployment: dict[str, list[Job]] = {name: [] for name in watched}
        for job in jobs:
            by_deployment.get(job.deployment.name, []).append(job)
        networks: dict[str, dict[str, tuple[Deployment, str]]] = {}
        for name, each in watched.items():
            if by_deployment[name]:  # without any: not surveyed yet
                networks.setdefault(each[0].network, {})[name] = each
        began = monotonic()
        for members in sorted(networks.values(), key=self._judged_at):
            changes = [(job.key, job.changes) for name in members for job in by_deployment[name]]
            state = (config, members, changes)  # of what is the same object, Python compares no more than that
            cards, now = [self._cards.get(name) for name in members], self._clock.time()
            if all(card and card.state == state and 0 <= now - card.judged_at < AT_LEAST_EVERY for card in cards):
                continue
            self._judge(config, members, by_deployment, state, now)
            await asyncio.sleep(0)
            if monotonic() - began > AT_MOST:
                break
        for name in self._cards.keys() - watched.keys():
            del self._cards[name], self.facts[name]
            self._publication.withdraw((name, "practices"))

    def _judged_at(self, names: Iterable[str]) -> float:
        """When the first of some deployments was judged; 0 for one that never was."""
        return min(card.judged_at if (card := self._cards.get(name)) else 0.0 for name in names)

    def _judge(
        self,
        config: Config,
        network: Mapping[str, tuple[Deployment, str]],
        jobs: Mapping[str, list[Job]],
        state: object,
        now: float,
    ) -> None:
        facts = {
            name: facts_of(deployment, jobs[name], self._collector_of, now) for name, (deployment, _) in network.items()
        }
        for name, each in facts.items():
            twin = network[name][1]
            each.twin = facts.get(twin)
            each.others = tuple(other for other_name, other in facts.items() if other_name != name)
        derived = {name: list(skew.samples(each, network[name][1])) for name, each in facts.items()}
        for name, each in facts.items():
            each.add(derived[name])
        for name, each in facts.items():
            before = {finding.key: finding for finding in self.findings(name)}
            judged = scorecard.judge(each, self._practices, practices_of(config, name), config.accept)
            findings = scorecard.remembered(judged, before, now)
            self.facts[name] = each
            self._cards[name] = _Card(state, now, findings)
            ready = lines([*derived[name], *scorecard.samples(findings)], target_labels(each.deployment))
            self._publication.publish((name, "practices"), ready)


def practices_of(config: Config, name: str) -> Mapping[str, PracticeConfig]:
    """What the configuration says of the practices for a deployment."""
    return next((each.practices for each in config.deployments if each.name == name), config.practices)


def facts_of(deployment: Deployment, jobs: Iterable[Job], collector_of: Mapping[str, str], now: float) -> Facts:
    """What the collectors serve of a deployment."""
    readings = {
        job.collector.name: Reading(
            job.samples, job.oldest_read, job.attempted and not job.failures, tuple(job.failures)
        )
        for job in jobs
    }
    return Facts(deployment, readings, collector_of, now)
