"""What CloudWatch has no value of, measures under another name, or still lists although it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, clients, surveyed
from hypothesis import given
from hypothesis import strategies as st

from exporter import cloudwatch_agent as agent
from exporter.answer import Answer
from exporter.aws import reads_of
from exporter.cli import FAMILIES
from exporter.collectors.utilization import COLLECTOR, samples
from exporter.config import Config
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.engine import Engine
from exporter.measured import gauges
from exporter.metric_data import PRICE, Metric
from exporter.publication import Publication

Series = Callable[[Any], dict[str, float]]
PROD = "arn:aws:iam::111122223333:role/tts-aws-exporter"
HOST = "i-0000000000000000a"
TICKS_A_MONTH = 12 * 730
SURVEY = ("cloudformation", "resourcegroupstaggingapi", "sts")
ASKED = (*SURVEY, "ecs", "rds", "elasticache", "ec2", "autoscaling", "cloudwatch")


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """A deployment with one of each that is measured."""
    owned = {
        "AWS::RDS::DBCluster": {"aurora": "acme-prod-eu1-2-1-db-aurora-master"},
        "AWS::RDS::DBInstance": {"tagged": "acme-prod-eu1-2-2-db-aurora-replica-b"},
        "AWS::ElastiCache::ReplicationGroup": {"sessions": "acme-prod-eu1-2-3-db-redis-general"},
        "AWS::EC2::Instance": {HOST: "acme-prod-eu1-2-5-db-timescale-master"},
    }
    return replace(deployment, owned=owned)


def service(name: str, running: int = 2) -> dict[str, Any]:
    return {"serviceName": name, "runningCount": running}


def database(name: str, status: str = "available", cluster: str = "") -> dict[str, Any]:
    return {"DBInstanceIdentifier": name, "DBInstanceStatus": status, "DBClusterIdentifier": cluster}


def group(name: str = "sessions", status: str = "available") -> dict[str, Any]:
    return {"ReplicationGroupId": name, "Status": status, "MemberClusters": [f"{name}-001", f"{name}-002"]}


def host(id_: str = HOST, state: str = "running") -> dict[str, Any]:
    return {"InstanceId": id_, "State": {"Name": state}, "InstanceType": "m7g.large", "ImageId": "ami-1"}


def published(name: str, **dimensions: str) -> dict[str, Any]:
    dimensions = {"InstanceId": HOST, **dimensions}
    return {"MetricName": name, "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]}


def listed(
    services: dict[str, list[dict[str, Any]]] | None = None,
    databases: list[dict[str, Any]] | None = None,
    caches: list[dict[str, Any]] | None = None,
    hosts: list[dict[str, Any]] | None = None,
    agents: list[dict[str, Any]] | None = None,
) -> Answer:
    answer = Answer()
    answer["services"] = services or {}
    answer["databases"] = {"DBInstances": databases or []}
    answer["caches"] = {"ReplicationGroups": caches or []}
    answer["instances"] = {"Reservations": [{"Instances": hosts or []}]}
    by_name = {
        name: [each for each in agents or [] if each["MetricName"] == name] for name in (agent.MEMORY, agent.DISK)
    }
    answer["agent"] = {name: {"Metrics": metrics} for name, metrics in by_name.items()}
    return answer


def asked(answer: Answer, deployment: Deployment) -> list[Metric]:
    return [metric for gauge in gauges(answer, deployment) for metric in gauge.metrics]


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Callable[..., dict[str, float]]:
    """What is served, by names without prefix and labels' names, when CloudWatch has these values in this order."""

    def serve(answer: Answer, *values: float | None) -> dict[str, float]:
        answer["values"] = dict(zip(asked(answer, deployment), values, strict=True))
        found = series(samples(answer, deployment))
        return {" ".join((name[8:].split("_")[0], *name.split('"')[1::2])): value for name, value in found.items()}

    return serve


def test_percent(served: Callable[..., dict[str, float]]) -> None:
    """CloudWatch's percent is served as a ratio, which of a service on hosts can be more than one."""
    assert served(listed({"main": [service("gs")]}), 131.0, 48.0) == {
        "cpu ecs_service gs": 1.31,
        "memory ecs_service gs": 0.48,
        "cloudwatch ecs_service gs cpu": 0,
        "cloudwatch ecs_service gs memory": 0,
    }


def test_no_datum(served: Callable[..., dict[str, float]]) -> None:
    """Where CloudWatch has no value there is no ratio, above all no 0, and it is said that it is missing."""
    assert served(listed({"main": [service("gs")]}), None, 0.0) == {
        "memory ecs_service gs": 0,
        "cloudwatch ecs_service gs cpu": 1,
        "cloudwatch ecs_service gs memory": 0,
    }


def test_not_read(deployment: Deployment, series: Series) -> None:
    """What CloudWatch was not asked, or could not answer, is not missing: nothing is known of it."""
    answer = listed({"main": [service("gs")]})

    unread = series(samples(answer, deployment))
    answer["values"] = {}
    new = series(samples(answer, deployment))

    assert unread == new == {}


def test_what_does_not_run_is_not_asked(deployment: Deployment) -> None:
    """A service without tasks, a stopped database or host and a group that is being made have no values to miss."""
    answer = listed(
        {"main": [service("gs", running=0)]},
        [database("tagged", "stopped"), database("tagged", "creating")],
        [group(status="creating")],
        [host(state="stopped"), host(state="terminated")],
    )

    assert asked(answer, deployment) == []


def test_what_is_busy_is_asked(deployment: Deployment) -> None:
    """A database that takes a backup and a group that is modified are in use."""
    answer = listed(databases=[database("tagged", "backing-up")], caches=[group(status="modifying")])

    assert len(asked(answer, deployment)) == 1 + 4


def test_of_others(deployment: Deployment) -> None:
    """What no stack of the deployment owns costs nothing; a database is ours by its cluster as well."""
    answer = listed(
        databases=[database("others"), database("untagged", cluster="aurora")],
        caches=[group("others")],
        hosts=[host("i-others")],
    )

    assert [metric.dimensions for metric in asked(answer, deployment)] == [(("DBInstanceIdentifier", "untagged"),)]


def test_services_of_one_name(served: Callable[..., dict[str, float]]) -> None:
    """A service goes by its name; where two clusters have one of that name, by its cluster's as well."""
    found = served(listed({"blue": [service("gs"), service("ns")], "green": [service("gs")]}), *range(1, 7))

    assert {name: value for name, value in found.items() if name.startswith("cpu")} == {
        "cpu ecs_service blue/gs": 0.01,
        "cpu ecs_service ns": 0.03,
        "cpu ecs_service green/gs": 0.05,
    }


def test_busiest_node(served: Callable[..., dict[str, float]]) -> None:
    """A group is as busy as its busiest node: the mean of a primary at its limit and an idle replica is no news."""
    found = served(listed(caches=[group()]), 97.0, 3.0, 41.0, 42.0)

    assert found["cpu elasticache_replication_group sessions"] == 0.97
    assert found["memory elasticache_replication_group sessions"] == 0.42


def test_node_without_datum(served: Callable[..., dict[str, float]]) -> None:
    """Without one node's value the group's is not known, as that node may be the busiest."""
    found = served(listed(caches=[group()]), None, 3.0, 41.0, 42.0)

    assert "cpu elasticache_replication_group sessions" not in found
    assert found["cloudwatch elasticache_replication_group sessions cpu"] == 1
    assert found["memory elasticache_replication_group sessions"] == 0.42


def test_without_agent(served: Callable[..., dict[str, float]]) -> None:
    """Of a host without the CloudWatch agent neither memory nor disk is missing: nothing publishes it."""
    assert served(listed(hosts=[host()]), 20.0) == {
        f"cpu ec2_instance {HOST}": 0.2,
        f"cloudwatch ec2_instance {HOST} cpu": 0,
    }


def test_agent(served: Callable[..., dict[str, float]]) -> None:
    """Each disk has its own series by path, whatever dimensions the agent's configuration adds to it."""
    more = {"ImageId": "ami-1", "InstanceType": "m7g.large", "AutoScalingGroupName": "timescale"}
    agents = [
        published("mem_used_percent", **more),
        published("disk_used_percent", path="/", device="nvme0n1p1", fstype="xfs", **more),
        published("disk_used_percent", path="/data", fstype="ext4"),
    ]

    found = served(listed(hosts=[host()], agents=agents), 20.0, 51.0, 30.0, None)

    assert found[f"memory ec2_instance {HOST}"] == 0.51
    assert found[f"disk ec2_instance {HOST} /"] == 0.3
    assert f"disk ec2_instance {HOST} /data" not in found
    assert found[f"cloudwatch ec2_instance {HOST} disk"] == 1
    assert found[f"cloudwatch ec2_instance {HOST} memory"] == 0


def dimensions_of(*metrics: dict[str, Any], name: str = agent.DISK) -> list[dict[str, str]]:
    found = agent.metrics_of(host(), name, metrics)
    return [dict(metric.dimensions) for alternatives in found.values() for metric in alternatives]


def test_exact_dimensions() -> None:
    """CloudWatch finds a metric only by all of its dimensions, so that they are asked for as they are listed."""
    disk = {"InstanceId": HOST, "path": "/", "device": "nvme0n1p1", "fstype": "xfs", "ImageId": "ami-1", "role": "db"}

    assert dimensions_of(published("disk_used_percent", **disk)) == [disk]


def test_aggregates_of_the_agent() -> None:
    """What the agent publishes again with fewer dimensions, or for a whole group, is no other disk or host."""
    disk = published("disk_used_percent", path="/", device="nvme0n1p1", fstype="xfs")
    group = {"Dimensions": [{"Name": "AutoScalingGroupName", "Value": "timescale"}, {"Name": "path", "Value": "/"}]}

    found = dimensions_of(disk, published("disk_used_percent", path="/"), published("disk_used_percent"), group)

    assert found == [{"InstanceId": HOST, "path": "/", "device": "nvme0n1p1", "fstype": "xfs"}]
    more = published("mem_used_percent", ImageId="ami-1")
    assert dimensions_of(published("mem_used_percent"), more, name=agent.MEMORY) == [
        {"InstanceId": HOST, "ImageId": "ami-1"}
    ]


@pytest.mark.parametrize("fstype", ["tmpfs", "devtmpfs", "overlay", "squashfs"])
def test_no_disks(fstype: str) -> None:
    """What is mounted but can fill no disk is not paid for: each container has such a mount."""
    assert dimensions_of(published("disk_used_percent", path="/run", device=fstype, fstype=fstype)) == []


def test_renamed_device(served: Callable[..., dict[str, float]]) -> None:
    """A disk that has another device's name after a restart is the same path: the one that has values counts."""
    agents = [
        published("disk_used_percent", path="/data", device=device, fstype="xfs") for device in ("nvme1n1", "nvme2n1")
    ]

    found = served(listed(hosts=[host()], agents=agents), 20.0, None, 77.0)

    assert found[f"disk ec2_instance {HOST} /data"] == 0.77
    assert found[f"cloudwatch ec2_instance {HOST} disk"] == 0


def test_resized_host() -> None:
    """What a host published while it was of another type or image is listed for hours, and is not asked for."""
    old = published("mem_used_percent", InstanceType="m6g.large", ImageId="ami-1")
    new = published("mem_used_percent", InstanceType="m7g.large", ImageId="ami-1")

    assert dimensions_of(old, new, name=agent.MEMORY) == dimensions_of(new, name=agent.MEMORY) != []


names = st.sampled_from(["InstanceId", "InstanceType", "ImageId", "path", "device", "fstype", "AutoScalingGroupName"])
words = st.sampled_from([HOST, "i-other", "m7g.large", "ami-1", "/", "/data", "xfs", "tmpfs"])


@given(st.lists(st.dictionaries(names, words)))
def test_only_what_is_the_hosts(metrics: list[dict[str, str]]) -> None:
    """Whatever the agents of an account publish, of a host only what names it is asked for."""
    given = [{"Dimensions": [{"Name": name, "Value": value} for name, value in each.items()]} for each in metrics]

    found = dimensions_of(*given)

    assert all(each in metrics for each in found)
    assert all(each["InstanceId"] == HOST and "path" in each and each.get("fstype") != "tmpfs" for each in found)
    by_path = agent.metrics_of(host(), agent.DISK, given)
    assert all(alternatives for alternatives in by_path.values())


def read(
    clock: FrozenClock, attempts: int = 1, *, list_agent_metrics: bool = True
) -> Iterator[tuple[Deployment, Answer, int, int]]:
    """Production as the stand-in has it: deployment, answer, failures and billed metrics of each attempt."""

    async def fetch() -> list[tuple[Deployment, Answer, int, int]]:
        found = []
        async with account(clock, role_arn=PROD, services=ASKED) as made:
            reads = reads_of(made.account, clock, 500, list_agent_metrics)
            [deployment] = await surveyed(reads)
            for _ in range(attempts):
                aws, before = attempt(reads, COLLECTOR.interval), reads.account.billed_metrics
                answer = await COLLECTOR.fetch(aws, deployment)
                found.append((deployment, answer, len(aws.failures), reads.account.billed_metrics - before))
                clock.now += COLLECTOR.interval
        return found

    yield from asyncio.run(fetch())


def calls(standin: Standin) -> dict[str, int]:
    return {key[3]: count for key, count in standin.calls.items() if key[2] == "cloudwatch"}


def test_cost(standin: Standin, clock: FrozenClock) -> None:
    """All values come in one call a tick, the agent's names in two an hour; production costs 5.26 USD a month."""
    billed = [count for *_, count in read(clock, attempts=12)]

    assert calls(standin) == {"GetMetricData": 12, "ListMetrics": 2}
    assert set(billed) == {60}
    assert round(billed[0] * TICKS_A_MONTH * PRICE, 2) == 5.26


def test_agent_switched_off(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """Where the configuration forbids it, what agents publish is neither listed nor served."""
    [(deployment, answer, failures, billed)] = read(clock, list_agent_metrics=False)

    found = series(samples(answer, deployment))

    assert calls(standin) == {"GetMetricData": 1}
    assert (failures, billed) == (0, 54)
    assert not [name for name in found if "disk" in name or ("memory" in name and "ec2_instance" in name)]


def test_cloudwatch_fails(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """While CloudWatch cannot be asked, nothing is missing: nothing is known, and it is a failure."""
    standin.faults.add(kind="deny", operation="GetMetricData")

    [(deployment, answer, failures, _)] = read(clock)

    assert failures == 1
    assert series(samples(answer, deployment)) == {}


def test_cloudwatch_fails_later(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """Of what was read before, the last values go on; a service that is new by then is not called missing."""
    service = "deployments/acme-prod-eu1/ecs/services/acme-prod-eu1-tbs"
    standin.world.change(f"{service}/runningCount", 0)

    async def fetch() -> tuple[dict[str, float], dict[str, float]]:
        async with account(clock, role_arn=PROD, services=ASKED) as reads:
            [deployment] = await surveyed(reads)
            before = await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), deployment)
            standin.world.change(f"{service}/runningCount", 1)
            standin.faults.add(kind="deny", operation="GetMetricData")
            clock.now += COLLECTOR.interval
            after = await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), deployment)
            return series(samples(before, deployment)), series(samples(after, deployment))

    before, after = asyncio.run(fetch())

    assert not [name for name in before if "tbs" in name]
    assert after == before


def test_listing_refused(standin: Standin, clock: FrozenClock, series: Series) -> None:
    """What is not listed has no series, and what is has all of them."""
    standin.faults.add(kind="deny", operation="DescribeReplicationGroups")

    [(deployment, answer, failures, billed)] = read(clock)
    found = series(samples(answer, deployment))

    assert (failures, billed) == (1, 52)
    assert not [name for name in found if "elasticache" in name]
    assert [name for name in found if "rds_instance" in name]


def test_switch(standin: Standin, clock: FrozenClock) -> None:
    """The configuration's cloudwatch.list_agent_metrics is what a collector goes by."""

    async def switched(config: Config) -> bool:
        async with clients(clock, config, SURVEY) as opened:
            engine = Engine((), opened, Publication(FAMILIES), clock)
            await engine.apply(config)
            [source] = engine.sources.values()
            running = asyncio.create_task(engine.run())
            await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return attempt(source.reads).list_agent_metrics

    off = Config.model_validate({"cloudwatch": {"list_agent_metrics": False}})
    assert asyncio.run(switched(Config())) is True
    assert asyncio.run(switched(off)) is False
