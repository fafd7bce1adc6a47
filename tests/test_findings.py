"""The truth about whole deployments: each finding that an inventory expects is visible in the gauges, and none beside.

The exporter runs as a process of its own against the stand-in AWS; what is judged is what /metrics serves. Each
practice is one predicate over gauges, as a rule or a board would have it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
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
from exporter.publication import Publication

DAY = 86_400.0
Series = dict[str, list[tuple[dict[str, str], float]]]


class Gauges:
    """What one deployment's gauges say."""

    def __init__(self, series: Series, deployment: str, account_id: str, now: float) -> None:
        self.now = now
        self._series = series
        self._deployment = deployment
        self._account = account_id

    def all(self, name: str, **having: str) -> list[tuple[dict[str, str], float]]:
        return [
            (labels, value)
            for labels, value in self._series.get(f"tts_aws_{name}", [])
            if labels.get("deployment", self._deployment) == self._deployment
            and labels.get("account_id", self._account) == self._account
            and all(labels.get(key) == wanted for key, wanted in having.items())
        ]

    def names(self, name: str, label: str, fits: Callable[[float], bool], **having: str) -> set[str]:
        """The values of a label for which the gauge fits."""
        return {labels[label] for labels, value in self.all(name, **having) if fits(value)}

    def value(self, name: str, **having: str) -> float | None:
        found = self.all(name, **having)
        return found[0][1] if found else None

    def info(self, name: str, label: str, key: str) -> dict[str, str]:
        """From an info series: one label by another."""
        return {labels[key]: labels[label] for labels, _ in self.all(name)}


def zero(value: float) -> bool:
    return value == 0


def one(value: float) -> bool:
    return value == 1


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def age_of_backups(gauges: Gauges, storage: str) -> set[str]:
    """Important stores without a fresh automatic backup, or never backed up."""
    stale = set()
    for labels, _ in gauges.all("backup_store_info", storage=storage):
        resource = labels["resource"]
        newest = max(
            (value for seen, value in gauges.all("backup_last_success_timestamp_seconds", resource=resource)
             if seen["method"] != "manual"),
            default=0.0,
        )  # fmt: skip
        late = gauges.value("backup_max_age_seconds", resource=resource, level="late")
        collector = gauges.value("collector_oldest_read_timestamp_seconds", collector="backups")
        if late is None or collector is None or collector - newest > late:
            stale.add(resource)
    return stale


def bp_41(gauges: Gauges) -> set[str]:
    off = gauges.names("backup_retention_seconds", "resource", zero, storage="elasticache")
    return off | age_of_backups(gauges, "elasticache")


def bp_44(gauges: Gauges) -> set[str]:
    short = gauges.value("expected_value", fact="backup_retention_seconds")
    lag = gauges.value("expected_value", fact="restorable_lag_seconds", level="ticket")
    read = gauges.value("collector_oldest_read_timestamp_seconds", collector="backups")
    assert short
    assert lag
    assert read
    return (
        gauges.names("backup_retention_seconds", "resource", lambda value: value < short, storage="aurora")
        | gauges.names("backup_latest_restorable_timestamp_seconds", "resource", lambda value: read - value > lag)
        | {
            labels["resource"]
            for labels, value in gauges.all("backup_last_success_timestamp_seconds", method="automated")
            if labels["storage"] == "aurora"
            and read - value > (gauges.value("backup_max_age_seconds", resource=labels["resource"], level="late") or 0)
        }
    )


def bp_45(gauges: Gauges) -> set[str]:
    found = set()
    for labels, _ in gauges.all("backup_store_info", importance="important"):
        resource = labels["resource"]
        passed = gauges.value("restore_test_last_success_timestamp_seconds", resource=resource) or 0.0
        failed = gauges.value("restore_test_last_failure_timestamp_seconds", resource=resource) or 0.0
        allowed = gauges.value("restore_test_max_age_seconds", resource=resource) or 0.0
        if failed > passed or gauges.now - passed > allowed:
            found.add(resource)
    return found


def bp_31(gauges: Gauges) -> set[str]:
    found = set()
    for labels, least in gauges.all("ecs_service_min_tasks"):
        service = labels["ecs_service"]
        desired = gauges.value("ecs_service_desired_tasks", ecs_service=service) or 0
        running = gauges.value("ecs_service_running_tasks", ecs_service=service) or 0
        zones = gauges.value("ecs_service_availability_zones", ecs_service=service)
        if least >= 2 and (desired < least or running < least or (running >= 2 and zones == 1)):
            found.add(service)
    return found


def bp_32(gauges: Gauges) -> set[str]:
    single = {"prometheus", "trm_prometheus", "trm_alertmanager"}
    component = gauges.info("ecs_service_info", "component", "ecs_service")
    return {
        each
        for each in gauges.names("ecs_service_desired_tasks", "ecs_service", lambda value: value > 1)
        if component[each] in single
    }


def bp_21(gauges: Gauges) -> set[str]:
    many = gauges.names("ecs_service_min_tasks", "ecs_service", lambda value: value > 1)
    return gauges.names("ecs_service_minimum_healthy_ratio", "ecs_service", zero) & many


def bp_37(gauges: Gauges) -> set[str]:
    component = gauges.info("ecs_service_info", "component", "ecs_service")
    small = gauges.names("ecs_task_memory_bytes", "ecs_service", lambda value: value < 2048 * 2**20)
    return {each for each in small if component[each] == "prometheus"}


def bp_39(gauges: Gauges) -> set[str]:
    nodes: dict[str, float] = {}
    for labels, value in gauges.all("elasticache_nodes"):
        nodes[labels["replication_group"]] = nodes.get(labels["replication_group"], 0) + value
    return (
        gauges.names("elasticache_multi_az_enabled", "replication_group", zero)
        | gauges.names("elasticache_automatic_failover_enabled", "replication_group", zero)
        | {group for group, count in nodes.items() if count < 2}
    )


def bp_42(gauges: Gauges) -> set[str]:
    engines = gauges.info("elasticache_replication_group_info", "engine_version", "replication_group")
    old = {group for group, engine in engines.items() if version(engine) < (6, 2)}
    return old | gauges.names("elasticache_cluster_mode_enabled", "replication_group", one)


def bp_40(gauges: Gauges) -> set[str]:
    purpose = gauges.info("elasticache_replication_group_info", "purpose", "replication_group")
    policy = gauges.info("elasticache_maxmemory_policy_info", "policy", "replication_group")
    return {group for group, how in policy.items() if how != "noeviction" and purpose[group] == "general"}


def bp_43(gauges: Gauges) -> set[str]:
    return gauges.names("rds_cluster_members", "db_cluster", zero, role="reader") | gauges.names(
        "rds_cluster_availability_zones", "db_cluster", lambda value: value < 2
    )


def bp_47(gauges: Gauges) -> set[str]:
    engines = gauges.info("rds_cluster_info", "engine_version", "db_cluster")
    return {cluster for cluster, engine in engines.items() if version(engine) < (14,)}


def bp_48(gauges: Gauges) -> set[str]:
    return (
        gauges.names("rds_cluster_storage_encrypted", "db_cluster", zero)
        | gauges.names("elasticache_at_rest_encryption_enabled", "replication_group", zero)
        | gauges.names("elasticache_transit_encryption_enabled", "replication_group", zero)
        | gauges.names("timescaledb_volume_encrypted", "volume_id", zero)
    )


def bp_51(gauges: Gauges) -> set[str]:
    purpose = gauges.info("s3_bucket_info", "purpose", "bucket")
    off = gauges.names("s3_bucket_versioning_enabled", "bucket", zero)
    return {bucket for bucket in off if purpose[bucket] != "logs"}


def bp_59(gauges: Gauges) -> set[str]:
    return gauges.names("ecs_scheduled_task_enabled", "rule", zero) | gauges.names(
        "ecs_scheduled_task_interval_seconds", "rule", lambda value: value > 14 * DAY
    )


def bp_66(gauges: Gauges) -> set[str]:
    allowed = gauges.value("expected_value", fact="patch_scan_age_seconds")
    read = gauges.value("collector_oldest_read_timestamp_seconds", collector="patches")
    assert allowed
    assert read
    return {
        labels["instance_id"]
        for labels, value in gauges.all("ec2_patches_missing")
        if value > 0 and labels["patch_severity"] in ("critical", "security")
    } | gauges.names("ec2_patch_scan_timestamp_seconds", "instance_id", lambda value: read - value > allowed)


# The inventory names the group of the instances that the gauge names.
GROUP_OF = {"i-0950726ac28c47e14": "acme-staging-eu1-ecs", "i-0b0rea1150000002": "tts-core-ecs"}


def bp_19(gauges: Gauges) -> set[str]:
    return {GROUP_OF[each] for each in gauges.names("ec2_launch_template_outdated", "instance_id", one)}


def bp_67(gauges: Gauges) -> set[str]:
    info = {labels["instance_id"]: labels for labels, _ in gauges.all("ec2_instance_info")}
    launched = "ec2_instance_launched_timestamp_seconds"
    old = gauges.names(launched, "instance_id", lambda value: gauges.now - value > 30 * DAY)
    return {info[each]["stack"] for each in old if info[each]["role"] == "bastion"}


def bp_18(gauges: Gauges) -> set[str]:
    over = gauges.names("ec2_os_support_end_timestamp_seconds", "instance_id", lambda value: value < gauges.now)
    return {labels["deployment"] for labels, _ in gauges.all("ec2_instance_info") if labels["instance_id"] in over}


def bp_20(gauges: Gauges) -> set[str]:
    return {
        labels["volume_id"] for labels, _ in gauges.all("timescaledb_volume_info") if labels["volume_type"] == "gp2"
    }


PREDICATES: dict[str, Callable[[Gauges], set[str]]] = {
    "BP-18": bp_18,
    "BP-19": bp_19,
    "BP-20": bp_20,
    "BP-21": bp_21,
    "BP-30": lambda gauges: gauges.names("ecs_account_setting_enabled", "setting", zero),
    "BP-31": bp_31,
    "BP-32": bp_32,
    "BP-33": lambda gauges: gauges.names("ecs_service_deployment_rollout", "ecs_service", one, rollout_state="failed"),
    "BP-36": lambda gauges: gauges.names("ecs_container_instance_agent_connected", "instance_id", zero),
    "BP-37": bp_37,
    "BP-39": bp_39,
    "BP-40": bp_40,
    "BP-41": bp_41,
    "BP-42": bp_42,
    "BP-43": bp_43,
    "BP-44": bp_44,
    "BP-45": bp_45,
    "BP-46": lambda gauges: gauges.names("rds_auto_minor_version_upgrade_enabled", "db_instance", one),
    "BP-47": bp_47,
    "BP-48": bp_48,
    "BP-49": lambda gauges: age_of_backups(gauges, "timescaledb"),
    "BP-51": bp_51,
    "BP-52": lambda gauges: gauges.names("s3_required_object_present", "bucket", zero),
    "BP-57": lambda gauges: gauges.names("autoscaling_launches", "autoscaling_group", lambda value: value >= 3),
    "BP-59": bp_59,
    "BP-66": bp_66,
    "BP-67": bp_67,
    "BP-70": lambda gauges: gauges.names("ecs_service_running_tasks", "ecs_service", lambda value: value > 8),
    "BP-76": lambda gauges: gauges.names("ecs_container_insights_enabled", "ecs_cluster", zero),
}

# Findings of these practices that only the collectors of a later issue can see.
OF_STACKS = {("BP-48", "acme-staging-eu1-5-4-ecs-services")}


def deployments(inventory: Path) -> list[tuple[str, dict[str, Any]]]:
    """Name and facts of an inventory's deployments."""
    read = yaml.safe_load(inventory.read_text())["deployments"]
    return [(f"{each['network']}-{each['environment']}-{each['cluster']}", each) for each in read]


def expected(inventory: Path) -> set[tuple[str, str, str]]:
    """Deployment, practice and resource of every finding that an inventory expects."""
    return {
        (name, finding["bp"], finding["resource"])
        for name, facts in deployments(inventory)
        for finding in facts.get("expected_findings", [])
        if finding["bp"] in PREDICATES and (finding["bp"], finding["resource"]) not in OF_STACKS
    }


def observed(series: Series, inventory: Path, now: float) -> set[tuple[str, str, str]]:
    """The same, as the gauges have it."""
    return {
        (name, practice, resource)
        for name, facts in deployments(inventory)
        for practice, predicate in PREDICATES.items()
        for resource in predicate(Gauges(series, name, facts["account_id"], now))
    }


@pytest.fixture(scope="module", params=["example", "second"])
def watched(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Exporter, Path]]:
    inventory = run.EXAMPLE if request.param == "example" else SECOND
    facts = World.load(inventory)
    config = tmp_path_factory.mktemp("config") / "config.yaml"
    config.write_text(yaml.safe_dump(run.configuration(facts)))
    with Standin.in_thread(facts) as standin, exporter_of(standin, "--config.file", str(config)) as exporter:
        exporter.until(lambda: "tts_aws_collector_success" in exporter.series())
        yield exporter, inventory


def test_finds_what_is_expected_and_nothing_beside(watched: tuple[Exporter, Path]) -> None:
    """Practice by practice, the resources that the gauges convict are those that the inventory expects."""
    exporter, inventory = watched

    found, wanted = observed(exporter.series(), inventory, time.time()), expected(inventory)

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


@pytest.mark.parametrize("hours", [0, 3, 31, 24 * 6])
def test_is_as_true_later_as_at_the_start(hours: int, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in's healthy deployment stays healthy and its findings stay, however long the demo runs."""
    started = world(run.EXAMPLE, clock)
    clock.now += hours * 3600
    with Standin.in_thread(started) as aws:
        point_at(aws, monkeypatch)
        series = asyncio.run(read_all(clock, run.configuration(started)))

    found, wanted = observed(series, run.EXAMPLE, clock.now), expected(run.EXAMPLE)
    assert sorted(found - wanted) == []
    assert sorted(wanted - found) == []


async def read_all(clock: FrozenClock, settings: dict[str, Any]) -> Series:
    """What an exporter serves after its first read, on a clock that stands still."""
    config = load_config(settings)
    publication = Publication(FAMILIES)
    async with clients(clock, config) as opened:
        engine = Engine(COLLECTORS, opened, publication, clock)
        await engine.apply(config)
        turning = asyncio.create_task(engine.run())
        await asyncio.wait_for(engine.complete.wait(), 60)
        page = publication.page(openmetrics=False).plain
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
    return parse(page)


def load_config(settings: dict[str, Any]) -> Config:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "config.yaml"
        file.write_text(yaml.safe_dump(settings))
        return load(file, {}, collectors={each.name: each.interval for each in COLLECTORS})
