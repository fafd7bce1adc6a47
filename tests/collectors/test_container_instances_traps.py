"""What ECS leaves out of its hosts, still lists of clusters that are gone, and tells of an account beside the point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt

from exporter.answer import Answer
from exporter.collectors import container_instances, ecs
from exporter.collectors.container_instances import COLLECTOR, samples
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.ecs import Described
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
CLUSTER = "acme-prod-eu1"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One cluster."""
    return replace(deployment, owned={"AWS::ECS::Cluster": {CLUSTER: "acme-prod-eu1-5-1-ecs-cluster"}})


def host(id_: str = "i-1", **fields: Any) -> dict[str, Any]:
    """A host as ECS describes it."""
    return {"ec2InstanceId": id_, "status": "ACTIVE", "agentConnected": True} | fields


def health(status: str) -> dict[str, Any]:
    return {"healthStatus": {"overallStatus": status, "details": []}}


def attributes(*names: str) -> dict[str, Any]:
    """Attributes with these names; most of them have no value."""
    return {"attributes": [{"name": name} for name in names]}


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of these hosts, by family and the last label's value."""

    def serve(*hosts: dict[str, Any], complete: bool = True, **parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["hosts", CLUSTER] = Described(list(hosts), [], complete)
        answer.update(parts)
        found = series(samples(answer, deployment))
        return {
            f"{name.partition('{')[0].removeprefix('tts_aws_ecs_')} {name.split('=')[-1].strip('}')}": value
            for name, value in found.items()
        }

    return serve


def test_hosts(served: Served) -> None:
    """Hosts are counted by status, each status has a number; an agent that is not connected is a 0."""
    found = served(host(), host("i-2", status="DRAINING", agentConnected=False), host("i-3", status="REGISTERING"))

    assert found == {
        'container_instance_agent_connected "i-1"': 1,
        'container_instance_agent_connected "i-2"': 0,
        'container_instance_agent_connected "i-3"': 1,
        'container_instances "active"': 1,
        'container_instances "draining"': 1,
        'container_instances "registering"': 1,
        'container_instances "deregistering"': 0,
        'container_instances "registration_failed"': 0,
    }


def test_health_that_is_not_known(served: Served) -> None:
    """ECS knows no health of a host that has just come, and of an old agent never: neither healthy nor impaired."""
    found = served(
        host(**health("OK")),
        host("i-2", **health("IMPAIRED")),
        host("i-3", **health("INITIALIZING")),
        host("i-4", **health("INSUFFICIENT_DATA")),
        host("i-5"),
    )

    assert {name: value for name, value in found.items() if "healthy" in name} == {
        'container_instance_healthy "i-1"': 1,
        'container_instance_healthy "i-2"': 0,
    }


def test_trunk(served: Served) -> None:
    """A trunk is an attribute that is there or not; of a host whose attributes are not told nothing is known."""
    found = served(
        host(**attributes("ecs.capability.task-eni", "ecs.awsvpc-trunk-id")),
        host("i-2", **attributes("ecs.capability.task-eni", "ecs.capability.eni-trunking-capable")),
        host("i-3"),
    )

    assert {name: value for name, value in found.items() if "trunking" in name} == {
        'container_instance_eni_trunking "i-1"': 1,
        'container_instance_eni_trunking "i-2"': 0,
    }


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("ACTIVE", True),
        ("DRAINING", True),
        ("REGISTRATION_FAILED", True),
        ("REGISTERING", False),
        ("DEREGISTERING", False),
    ],
)
def test_trunk_that_comes_and_goes(served: Served, status: str, *, told: bool) -> None:
    """While a host registers or leaves its trunk is being made or removed: that it lacks one is no finding."""
    found = served(host(status=status, **attributes("ecs.capability.task-eni")))

    assert ('container_instance_eni_trunking "i-1"' in found) is told


def test_cluster_without_hosts(served: Served) -> None:
    """A cluster on Fargate alone has 0 hosts; one whose hosts could not all be read has no number."""
    assert set(served().values()) == {0}
    assert served(complete=False) == {}


def test_deleted_cluster(served: Served) -> None:
    """ECS describes a deleted cluster for a while as inactive: that it has no hosts is nothing to tell."""
    assert served(host(), clusters=[{"clusterName": CLUSTER, "status": "INACTIVE"}]) == {}


def test_failures_inside_a_good_answer(deployment: Deployment) -> None:
    """A host that ECS could not describe is an error to count; the others are served, but for their number."""
    answer = Answer()
    answer["hosts", CLUSTER] = Described([host()], [{"arn": "arn:of-a-host", "reason": "ACCESS_DENIED"}], False)

    found = list(samples(answer, deployment))

    assert [each.resource for each in found if isinstance(each, Malformed)] == ["arn:of-a-host"]
    assert [each.labels for each in found if not isinstance(each, Malformed)] == [(CLUSTER, "i-1")]


def test_malformed_host(deployment: Deployment) -> None:
    """A host without an id costs its own samples and no other's; all are counted."""
    broken = host()
    del broken["ec2InstanceId"]
    answer = Answer()
    answer["hosts", CLUSTER] = Described([broken, host("i-2")], [], complete=True)

    found = list(samples(answer, deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert (CLUSTER, "i-2") in [each.labels for each in found if not isinstance(each, Malformed)]
    assert 2 in [each.value for each in found if not isinstance(each, Malformed)]


def test_account_settings(served: Served) -> None:
    """Of the account's settings those that the vendor asks for are served, enabled or not."""
    settings = [
        {"name": "awsvpcTrunking", "value": "disabled"},
        {"name": "taskLongArnFormat", "value": "enabled"},
        {"name": "guardDutyActivate", "value": "on"},
    ]

    assert served(complete=False, settings={"settings": settings}) == {
        'account_setting_enabled "awsvpcTrunking"': 0,
        'account_setting_enabled "taskLongArnFormat"': 1,
    }


def test_without_a_cluster(standin: Standin, clock: FrozenClock, deployment: Deployment) -> None:
    """Without a cluster none is asked for, as ECS would then describe the one that is called default."""

    async def fetch() -> Answer:
        async with account(clock, services=["ecs"]) as reads:
            return await COLLECTOR.fetch(attempt(reads), replace(deployment, owned={}))

    answer = asyncio.run(fetch())

    assert set(answer) == {"settings", "clusters"}
    assert {key[3] for key in standin.calls} & {"DescribeClusters", "ListContainerInstances"} == set()


def test_clusters_are_asked_for_once(standin: Standin, clock: FrozenClock, deployment: Deployment) -> None:
    """This collector and that of the services ask for the clusters in the same words, and share the answer."""

    async def fetch() -> None:
        async with account(clock) as reads:
            for collector in (ecs.COLLECTOR, container_instances.COLLECTOR):
                await collector.fetch(attempt(reads, collector.interval), deployment)

    asyncio.run(fetch())

    assert [count for key, count in standin.calls.items() if key[3] == "DescribeClusters"] == [1]


def test_hosts_are_read_each_time(standin: Standin, clock: FrozenClock, deployment: Deployment) -> None:
    """Each attempt reads the hosts anew, however punctual it is: an agent that is lost shows within the interval."""

    async def fetch() -> None:
        async with account(clock, services=["ecs"]) as reads:
            for _ in range(3):
                await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), deployment)
                clock.now += COLLECTOR.interval - 1

    asyncio.run(fetch())

    assert COLLECTOR.interval <= 300
    counts = {key[3]: count for key, count in standin.calls.items()}
    assert (counts["ListContainerInstances"], counts["DescribeContainerInstances"]) == (3, 3)
