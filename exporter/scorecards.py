"""Keeps the verdicts of every deployment in step with what its collectors serve, and publishes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
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
    """The verdicts on a deployment; ``state``: what they were made of, another whenever they may be others."""

    state: object
    judged_at: float
    findings: list[Finding]


class Scorecards:
    """The verdicts on each deployment, made anew when it or its staging twin has new facts."""

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
        self._states: dict[str, object] = {}  # of which the facts were made
        publication.publish("practices", lines(scorecard.info_samples(self._practices), {}))

    def findings(self, deployment: str) -> list[Finding]:
        """The verdicts on a deployment, the worst first; none before its facts were read."""
        card = self._cards.get(deployment)
        return card.findings if card else []

    async def update(self, config: Config, watched: Mapping[str, tuple[Deployment, str]], jobs: Iterable[Job]) -> bool:
        """Judge what has changed; return whether nothing is left to judge.

        ``watched``: by name, every deployment and its staging twin's name, "" for none. Of a fleet a part at a time:
        who was judged longest ago first, scrapes are answered between, and what is left is for the next time.
        """
        if not self._practices:
            return True
        for name in self._cards.keys() - watched.keys():
            del self._cards[name], self.facts[name], self._states[name]
            self._publication.withdraw((name, "practices"))
        members: dict[str, list[Job]] = {name: [] for name in watched}
        for job in jobs:
            members.get(job.deployment.name, []).append(job)
        now = self._clock.time()
        # Who has no job was not surveyed yet. Of what is the same object, Python compares no more than that.
        states = {
            name: (watched[name], [(job.key, job.changes) for job in own]) for name, own in members.items() if own
        }
        due = [
            (card.judged_at if card else 0.0, name, (config, state, states.get(watched[name][1])))
            for name, state in states.items()
            if not (card := self._cards.get(name))
            or card.state != (config, state, states.get(watched[name][1]))
            or not 0 <= now - card.judged_at < AT_LEAST_EVERY
        ]
        began, looked_at = monotonic(), set()
        for left, (_, name, state) in zip(range(len(due) - 1, -1, -1), sorted(due, key=itemgetter(0, 1)), strict=True):
            network = watched[name][0].network
            for other in states if network not in looked_at else ():
                if watched[other][0].network == network and self._states.get(other) != states[other]:
                    self._look_at(other, watched[other][0], members[other], states[other], now)
            looked_at.add(network)
            self._look_at(name, watched[name][0], members[name], states[name], now)
            self._judge(config, name, watched[name][1], state, now)
            await asyncio.sleep(0)
            if left and monotonic() - began > AT_MOST:
                return False
        return True

    def _look_at(self, name: str, deployment: Deployment, jobs: list[Job], state: object, now: float) -> None:
        self.facts[name] = facts_of(deployment, jobs, self._collector_of, now)
        self._states[name] = state

    def _judge(self, config: Config, name: str, twin: str, state: object, now: float) -> None:
        facts = self.facts[name]
        facts.twin = self.facts.get(twin)
        facts.others = tuple(
            other
            for other in self.facts.values()
            if other is not facts and other.deployment.network == facts.deployment.network
        )
        derived = list(skew.samples(facts, twin))
        facts.add(derived)
        before = {finding.key: finding for finding in self.findings(name)}
        judged = scorecard.judge(facts, self._practices, practices_of(config, name), config.accept)
        findings = scorecard.remembered(judged, before, now)
        self._cards[name] = _Card(state, now, findings)
        ready = lines([*derived, *scorecard.samples(findings)], target_labels(facts.deployment))
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
