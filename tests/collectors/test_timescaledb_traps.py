"""What EC2, DLM and Auto Scaling say of TimescaleDB's hosts and volumes in their own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.answer import Answer
from exporter.collectors.timescaledb import samples
from exporter.deployment import Deployment
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
MASTER = "acme-prod-eu1-2-5-db-timescale-master"
REPLICA = "acme-prod-eu1-2-6-db-timescale-replica"
UNASSIGNED = 'unassigned_resources{resource_type="AWS::EC2::Volume"}'


def tags(stack: str) -> list[dict[str, str]]:
    return [{"Key": "aws:cloudformation:stack-name", "Value": stack}]


def volume(**fields: Any) -> dict[str, Any]:
    """The data volume of the master as EC2 describes it."""
    return {
        "VolumeId": "vol-1",
        "Size": 500,
        "VolumeType": "gp3",
        "Encrypted": True,
        "State": "in-use",
        "AvailabilityZone": "eu-west-1a",
        "Attachments": [{"InstanceId": "i-1", "State": "attached"}],
        "Tags": tags(MASTER),
    } | fields


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of an answer with these parts, without the common beginning of the names."""

    def serve(**parts: Any) -> dict[str, float]:
        answer = Answer()
        answer.update(parts)
        return {name.removeprefix("tts_aws_"): value for name, value in series(samples(answer, deployment)).items()}

    return serve


def test_volume(served: Served) -> None:
    """EC2 counts in GiB; the data volume is known by its stack's template."""
    assert served(volumes={"Volumes": [volume()]}) == {
        UNASSIGNED: 0,
        f'timescaledb_volume_info{{volume_id="vol-1",instance_id="i-1",volume_type="gp3",'
        f'availability_zone="eu-west-1a",stack="{MASTER}"}}': 1,
        'timescaledb_volume_size_bytes{volume_id="vol-1"}': 500 * 2**30,
        'timescaledb_volume_encrypted{volume_id="vol-1"}': 1,
        'timescaledb_volume_attached{volume_id="vol-1"}': 1,
    }


def test_root_volumes_are_not_tagged(served: Served) -> None:
    """A root volume has no tags; while an instance has it, it is no data volume and nobody's orphan."""
    assert served(volumes={"Volumes": [volume(Tags=[])]}) == {UNASSIGNED: 0}


def test_forgotten_volume(served: Served) -> None:
    """A volume that no instance has and no stack owns is counted as nobody's."""
    assert served(volumes={"Volumes": [volume(Tags=[], State="available", Attachments=[])]}) == {UNASSIGNED: 1}


def test_volumes_of_other_stacks(served: Served) -> None:
    """A volume of the ECS hosts is none of TimescaleDB's."""
    assert served(volumes={"Volumes": [volume(Tags=tags("acme-prod-eu1-5-1-ecs-cluster"))]}) == {UNASSIGNED: 0}


def test_included_volume(deployment: Deployment, series: Series) -> None:
    """A volume that the configuration includes is watched, though no stack tells that it is TimescaleDB's."""
    answer = Answer()
    answer["volumes"] = {"Volumes": [volume(Tags=[]), volume(VolumeId="vol-2", Tags=[])]}

    found = series(samples(answer, replace(deployment, owned={"AWS::EC2::Volume": {"vol-1": ""}})))

    assert found['tts_aws_timescaledb_volume_attached{volume_id="vol-1"}'] == 1
    assert not [name for name in found if "vol-2" in name]


def test_detached_volume(served: Served) -> None:
    """A data volume that is being detached, or is not attached at all, is not attached; its instance is none."""
    for attachments in ([], [{"InstanceId": "i-1", "State": "detaching"}]):
        found = served(volumes={"Volumes": [volume(Attachments=attachments)]})

        assert found['timescaledb_volume_attached{volume_id="vol-1"}'] == 0
        assert any('instance_id=""' in name for name in found)


def test_deleted_volume(served: Served) -> None:
    """A volume that is being deleted is gone."""
    assert served(volumes={"Volumes": [volume(State="deleting", Attachments=[])]}) == {UNASSIGNED: 0}


@pytest.mark.parametrize(("state", "enabled"), [("ENABLED", 1), ("DISABLED", 0), ("ERROR", 0)])
def test_policy_in_error(served: Served, state: str, enabled: int) -> None:
    """A policy in error makes no snapshots, just as one that is disabled. DLM gives tags as a map."""
    policy = {"PolicyId": "policy-1", "State": state, "Tags": {"aws:cloudformation:stack-name": MASTER}}
    other = {"PolicyId": "policy-2", "State": "ENABLED", "Tags": {}}

    assert served(policies={"Policies": [policy, other]}) == {
        'unassigned_resources{resource_type="AWS::DLM::LifecyclePolicy"}': 1,
        'dlm_policy_enabled{policy="policy-1"}': enabled,
    }


def instance(id_: str, stack: str, state: str) -> dict[str, Any]:
    return {"InstanceId": id_, "State": {"Name": state}, "Tags": tags(stack)}


def test_instances(served: Served) -> None:
    """A stopped host does not run; a terminated one, which EC2 lists for a while, is no host; others are not ours."""
    instances = [
        instance("i-1", MASTER, "running"),
        instance("i-2", REPLICA, "stopped"),
        instance("i-3", MASTER, "terminated"),
        instance("i-4", "acme-prod-eu1-1-2-bastion", "running"),
    ]

    assert served(instances={"Reservations": [{"Instances": [each]} for each in instances]}) == {
        'timescaledb_instance_running{instance_id="i-1",role="master"}': 1,
        'timescaledb_instance_running{instance_id="i-2",role="replica"}': 0,
    }


def test_malformed_volume(deployment: Deployment) -> None:
    """A volume without a size costs its own samples and no other's."""
    broken = volume(VolumeId="vol-2")
    del broken["Size"]
    answer = Answer()
    answer["volumes"] = {"Volumes": [broken, volume()]}

    found = list(samples(answer, deployment))

    assert [each for each in found if isinstance(each, Malformed)]
    assert {"vol-1"} == {each.labels[0] for each in found if not isinstance(each, Malformed)} - {"AWS::EC2::Volume"}
