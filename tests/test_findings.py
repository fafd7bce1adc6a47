"""The truth about whole deployments: the verdicts are the findings that an inventory expects, and none beside.

The exporter runs as a process of its own against the stand-in AWS; what is judged is what /metrics serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import SECOND, Exporter, FrozenClock, clients, exporter_of, parse, point_at, world

from exporter.cli import FAMILIES
from exporter.collectors import COLLECTORS
from exporter.config import Config, load
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.engine import Engine
from exporter.practices import PRACTICES
from exporter.publication import Publication

Series = dict[str, list[tuple[dict[str, str], float]]]
Found = tuple[str, str, str, str]  # deployment, practice, impact, resource

EXPIRING = "certificate/b609d697"


def deployments(inventory: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name and facts of an inventory's deployments."""
    read = yaml.safe_load(inventory.read_text())["deployments"]
    return [(f"{each['network']}-{each['environment']}-{each['cluster']}", each) for each in read]


def expected(inventory: Path) -> set[Found]:
    """Every finding that an inventory expects."""
    findings = {
        (name, finding["bp"], finding["severity"], finding["resource"])
        for name, facts in deployments(inventory)
        for finding in facts.get("expected_findings", [])
    }
    between = yaml.safe_load(inventory.read_text()).get("cross_deployment_findings", [])
    return findings | {
        (finding["deployment"], finding["bp"], finding["severity"], finding["resource"])
        for finding in between
        if finding["expected"]
    }


def observed(series: Series) -> set[Found]:
    """The same, as the gauges have it."""
    return {
        (labels["deployment"], labels["practice"], labels["impact"], labels["resource"])
        for labels, value in series["tts_aws_best_practice_compliant"]
        if value == 0
    }


@pytest.fixture(scope="module", params=["example", "second"])
def watched(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Path]]:
    inventory = run.EXAMPLE if request.param == "example" else SECOND
    facts = World.load(inventory)
    config = tmp_path_factory.mktemp("config") / "config.yaml"
    config.write_text(yaml.safe_dump(run.configuration(facts)))
    with Standin.in_thread(facts) as standin, exporter_of(standin, "--config.file", str(config)) as exporter:
        exporter.until(lambda: "tts_aws_best_practice_compliant" in exporter.series())
        yield exporter, inventory


def test_finds_what_is_expected_and_nothing_beside(watched: tuple[Exporter, Path]) -> None:
    """Practice by practice, the resources that are convicted are those that the inventory expects."""
    exporter, inventory = watched

    found, wanted = observed(exporter.series()), expected(inventory)

    assert sorted(found - wanted) == []
    assert sorted(wanted - found) == []


def test_everything_could_be_read(watched: tuple[Exporter, Path]) -> None:
    """Every collector of every deployment read every fact, and nothing was counted as an error."""
    exporter, inventory = watched
    series = exporter.series()

    assert {value for _, value in series["tts_aws_collector_success"]} == {1.0}
    assert {value for _, value in series["tts_aws_collector_errors_total"]} == {0.0}
    names = {labels["deployment"] for labels, _ in series["tts_aws_deployment_info"]}
    assert names == {name for name, _ in deployments(inventory)}


def test_verdicts_add_up(watched: tuple[Exporter, Path]) -> None:
    """The counts of verdicts are those of the series: compliant, violated or accepted by impact."""
    exporter, _ = watched
    series = exporter.series()

    for deployment in {labels["deployment"] for labels, _ in series["tts_aws_deployment_info"]}:
        for impact in ("critical", "warning", "info"):
            of = {"deployment": deployment, "impact": impact}

            def count(value: float, of: dict[str, str] = of) -> int:
                compliant = series["tts_aws_best_practice_compliant"]
                return sum(of.items() <= labels.items() and found == value for labels, found in compliant)

            counted = {
                labels["verdict"]: value
                for labels, value in series["tts_aws_best_practice_verdicts"]
                if of.items() <= labels.items()
            }
            assert counted["compliant"] == count(1)
            assert counted["violated"] + counted["accepted"] == count(0)


@pytest.mark.parametrize("hours", [0, 3, 31, 24 * 6])
def test_is_as_true_later_as_at_the_start(hours: int, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's healthy deployment stays healthy and its findings stay, however long the demo runs."""
    started = world(run.EXAMPLE, clock)
    clock.now += hours * 3600
    with Standin.in_thread(started) as aws:
        point_at(aws, monkeypatch)
        series = asyncio.run(read_all(clock, run.configuration(started)))

    found, wanted = observed(series), expected(run.EXAMPLE)
    if hours >= 48:  # the certificate of staging that had 8.5 days left has less than 7 then
        expires = next(each for each in wanted if each[:2] == ("acme-staging-eu1", "BP-60") and EXPIRING in each[3])
        wanted = wanted - {expires} | {(*expires[:2], "critical", expires[3])}
    assert sorted(found - wanted) == []
    assert sorted(wanted - found) == []


async def read_all(clock: FrozenClock, settings: dict[str, Any]) -> Series:
    """What an exporter serves after its first read, on a clock that stands still."""
    config = load_config(settings)
    publication = Publication(FAMILIES)
    async with clients(clock, config) as opened:
        engine = Engine(COLLECTORS, opened, publication, clock, PRACTICES)
        await engine.apply(config)
        turning = asyncio.create_task(engine.run())
        await asyncio.wait_for(engine.complete.wait(), 60)
        page = publication.page(openmetrics=False).plain
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
    return parse(page)


def load_config(settings: dict[str, Any]) -> Config:
    """The configuration of settings that a file could hold."""
    environment = {f"TTS_AWS_EXPORTER__{key.upper()}": yaml.safe_dump(value) for key, value in settings.items()}
    intervals = {collector.name: collector.interval for collector in COLLECTORS}
    return load(None, environment, collectors=intervals)
