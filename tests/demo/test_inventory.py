"""The inventory: what loads, how its times pass, and how its facts are changed while the stand-in runs."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import exporter.demo
from exporter.demo.answers import OPERATIONS
from exporter.demo.inventory import World
from exporter.demo.request import Request

EXAMPLE = Path(exporter.demo.__file__).parent / "example-deployment.yaml"
SECOND = Path(__file__).parents[1] / "inventories" / "second.yaml"
AS_OF = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START = datetime(2031, 2, 3, 21, 17, tzinfo=UTC)
PROD, STAGING = "acme-prod-eu1", "acme-staging-eu1"
MINIMAL = {"network": "n", "environment": "prod", "cluster": "c", "account_id": "000000000001", "region": "eu-north-1"}

SOURCES = [yaml.safe_load(path.read_text()) for path in (EXAMPLE, SECOND)]


class Clock:
    def __init__(self, start: datetime = START) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now.timestamp()


def world_and_clock(start: datetime = START) -> tuple[World, Clock]:
    clock = Clock(start)
    return World(SOURCES[0], clock), clock


def ask(world: World, account: str, service: str, operation: str, **parameters: Any) -> Any:
    request = Request(account, "eu-west-1", service, operation, parameters, world.now())
    [answer] = OPERATIONS[service, operation](world, request).values()
    return answer


def prod(world: World, service: str, operation: str, **parameters: Any) -> Any:
    return ask(world, "111122223333", service, operation, **parameters)


def staging(world: World, service: str, operation: str, **parameters: Any) -> Any:
    return ask(world, "444455556666", service, operation, **parameters)


def test_as_of_becomes_the_start() -> None:
    """Every time of the inventory has, at the start, the age that it has at as_of."""
    world, _ = world_and_clock()
    [stack] = prod(world, "cloudformation", "DescribeStacks", StackName=f"{PROD}-1-1-vpc")
    assert START - stack["LastUpdatedTime"] == AS_OF - datetime(2026, 7, 21, 8, 0, tzinfo=UTC)
    [snapshot] = prod(world, "rds", "DescribeDBClusterSnapshots")
    assert START - snapshot["SnapshotCreateTime"] == AS_OF - datetime(2026, 11, 22, 2, 10, tzinfo=UTC)
    assert snapshot["DBClusterSnapshotIdentifier"].endswith(f"{snapshot['SnapshotCreateTime']:-%Y-%m-%d-%H-%M}")
    certificates = staging(world, "acm", "SearchCertificates")
    assert certificates[0]["X509Attributes"]["NotAfter"] - START == datetime(2026, 12, 1, tzinfo=UTC) - AS_OF


@pytest.mark.parametrize("later", [timedelta(), timedelta(hours=3), timedelta(hours=23, minutes=59), timedelta(days=3)])
def test_a_healthy_daily_series_stays_fresh(later: timedelta) -> None:
    """Backups and scans of a healthy series are never older than a day and a little, however long the demo runs."""
    world, clock = world_and_clock()
    clock.now += later
    now = world.now()
    times = [s["SnapshotCreateTime"] for s in prod(world, "rds", "DescribeDBClusterSnapshots")]
    times += [
        node["SnapshotCreateTime"]
        for s in prod(world, "elasticache", "DescribeSnapshots")
        for node in s["NodeSnapshots"]
    ]
    times += [s["StartTime"] for s in prod(world, "ec2", "DescribeSnapshots", OwnerIds=["self"])]
    ids = [state["InstanceId"] for state in world.inspect(f"deployments/{PROD}/ssm_patch_states")]
    times += [s["OperationEndTime"] for s in prod(world, "ssm", "DescribeInstancePatchStates", InstanceIds=ids)]
    jobs = prod(world, "backup", "ListBackupJobs")
    times += [job["CompletionDate"] for job in jobs if job["ResourceType"] != "S3"]
    assert len(times) == 1 + 2 + 2 + 6 + 2
    assert all(timedelta() <= now - time < timedelta(days=1) for time in times)


def test_parts_of_one_daily_event_stay_together() -> None:
    """A job that started before and finished after the hour asked about moves as one: it never ends before it began."""
    world, clock = world_and_clock(AS_OF)
    clock.now = AS_OF.replace(hour=4, minute=35) + timedelta(days=2)
    jobs = {job["ResourceType"]: job for job in prod(world, "backup", "ListBackupJobs")}
    assert jobs["EFS"]["CompletionDate"] - jobs["EFS"]["CreationDate"] == timedelta(minutes=11)
    assert jobs["EFS"]["CompletionDate"] < clock.now


def test_a_stale_backup_gets_older() -> None:
    """What was older than a day at as_of is no healthy series: it stays where it is while the clock goes on."""
    world, clock = world_and_clock()
    [before] = staging(world, "rds", "DescribeDBClusterSnapshots")
    clock.now += timedelta(days=3)
    [after] = staging(world, "rds", "DescribeDBClusterSnapshots")
    assert before["SnapshotCreateTime"] == after["SnapshotCreateTime"]
    assert timedelta(hours=57) < START - before["SnapshotCreateTime"] < timedelta(hours=58)


def test_some_times_keep_their_age() -> None:
    """How far a cluster can be restored, and when an agent was heard of, are as long ago after three days."""
    world, clock = world_and_clock()
    for later in (timedelta(), timedelta(hours=3), timedelta(days=3)):
        clock.now = START + later
        [cluster] = prod(world, "rds", "DescribeDBClusters")
        assert clock.now - cluster["LatestRestorableTime"] == timedelta(minutes=4)
        pings = [i["LastPingDateTime"] for i in prod(world, "ssm", "DescribeInstanceInformation")]
        assert all(clock.now - ping < timedelta(minutes=5) for ping in pings)


def test_a_changed_time_stays_as_it_was_set() -> None:
    """What is set while the stand-in runs neither keeps its age nor recurs."""
    world, clock = world_and_clock()
    cluster = f"deployments/{PROD}/rds/clusters/{PROD}-aurora"
    snapshot = f"deployments/{PROD}/rds/cluster_snapshots/0/SnapshotCreateTime"
    set_to = START - timedelta(hours=2)
    world.change(f"{cluster}/LatestRestorableTime", set_to.isoformat())
    world.change(snapshot, set_to.isoformat())
    clock.now += timedelta(days=3)
    assert prod(world, "rds", "DescribeDBClusters")[0]["LatestRestorableTime"] == set_to
    assert prod(world, "rds", "DescribeDBClusterSnapshots")[0]["SnapshotCreateTime"] == set_to


def test_changes_reach_facts_by_name_by_index_and_by_new_key() -> None:
    """A fact is addressed by the names on its way, also names with slashes; new ones, appending and removing work."""
    world, _ = world_and_clock()
    world.change(f"deployments/{PROD}/rds/clusters/{PROD}-aurora/BackupRetentionPeriod", 1)
    world.change(f"deployments/{PROD}/rds/clusters/0/DeletionProtection", False)
    [cluster] = prod(world, "rds", "DescribeDBClusters")
    assert (cluster["BackupRetentionPeriod"], cluster["DeletionProtection"]) == (1, False)
    arn = world.inspect(f"deployments/{PROD}/elbv2/target_groups/0/TargetGroupArn")
    world.change(f"deployments/{PROD}/elbv2/target_groups/{arn}/_health", {"healthy": 0, "unhealthy": 3})
    health = prod(world, "elbv2", "DescribeTargetHealth", TargetGroupArn=arn)
    assert {target["TargetHealth"]["State"] for target in health} == {"unhealthy"}
    count = len(world.inspect(f"deployments/{PROD}/s3"))
    world.change(f"deployments/{PROD}/s3/{count}", {"Name": "one-more", "_owner": "2-4a"})
    world.change(f"deployments/{PROD}/s3/acme-prod-eu1-mtls-8bd71793", None)
    names = [bucket["Name"] for bucket in world.inspect(f"deployments/{PROD}/s3")]
    assert len(names) == count
    assert "one-more" in names
    assert "acme-prod-eu1-mtls-8bd71793" not in names
    tags = prod(world, "resourcegroupstaggingapi", "GetResources", ResourceTypeFilters=["s3"])
    assert "arn:aws:s3:::one-more" in [item["ResourceARN"] for item in tags]


@pytest.mark.parametrize("path", ["", "deployments", "deployments/none", f"deployments/{PROD}/none/deeper", "nothing"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    """Changing what is not there is a LookupError, and changes nothing."""
    world, _ = world_and_clock()
    before = world.inspect("deployments")
    with pytest.raises(LookupError):
        world.change(path, 1)
    assert world.inspect("deployments") == before


def test_inspecting_shows_plain_facts_with_times_as_seen_now() -> None:
    """The inspected fact is fit for JSON; a time is what an answer would say now."""
    world, clock = world_and_clock()
    path = f"deployments/{PROD}/rds/clusters/{PROD}-aurora/LatestRestorableTime"
    clock.now += timedelta(hours=1)
    assert datetime.fromisoformat(world.inspect(path)) == clock.now - timedelta(minutes=4)
    with pytest.raises(LookupError):
        world.inspect(f"deployments/{PROD}/none")


def test_roles_and_the_default_account() -> None:
    """Each account has one role to assume, with an external id only where the inventory names one."""
    world, _ = world_and_clock()
    assert world.roles == {
        "arn:aws:iam::111122223333:role/tts-aws-exporter": None,
        "arn:aws:iam::444455556666:role/tts-aws-exporter": None,
    }
    assert world.default_account == "111122223333"
    guarded = World({"deployments": [{**MINIMAL, "_external_id": "secret"}]})
    assert guarded.roles == {"arn:aws:iam::000000000001:role/tts-aws-exporter": "secret"}


def test_the_example_is_complete() -> None:
    """Both deployments of the example, with everything that tests expect to find in them."""
    world = World.load(EXAMPLE, Clock())
    assert [facts["id"] for facts in world.deployments] == [PROD, STAGING]
    assert len(prod(world, "cloudformation", "DescribeStacks")) == 30
    findings = {facts["id"]: len(facts["expected_findings"]) for facts in world.deployments}
    assert findings == {PROD: 4, STAGING: 91}


def test_a_deployment_is_called_by_its_identity_unless_named() -> None:
    """Without an id the name is network, environment and cluster."""
    assert World({"deployments": [MINIMAL]}).deployments[0]["id"] == "n-prod-c"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("deployments: [", "while parsing"),
        ("- 1", "deployments"),
        ("meta: {}", "deployments"),
        ("deployments: {}", "deployments"),
        (
            "deployments: [{network: a, environment: prod, cluster: b, region: eu-west-1}]",
            r"deployments\[0\].account_id",
        ),
        ("deployments: [{network: a, environment: production}]", r"deployments\[0\].environment"),
        (
            "deployments: [{network: a, environment: prod, cluster: b, region: eu-west-1, account_id: 123456789012}]",
            r"deployments\[0\].account_id",
        ),
    ],
)
def test_what_is_no_inventory_is_refused_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    """Wrong YAML, missing keys and impossible values are ValueErrors that name the file and the key path."""
    path = tmp_path / "inventory.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        World.load(path)
    assert str(path) in str(error.value)


def test_two_deployments_of_one_name_are_refused() -> None:
    """Two deployments cannot be called the same."""
    with pytest.raises(ValueError, match="n-prod-c"):
        World({"deployments": [MINIMAL, MINIMAL]})


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just([]), st.just({}), st.just([[1]])
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every fact that tells something to AWS's answers."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key not in ("expected_findings", "cross_deployment_findings", "conventions", "stack_metrics_sample"):
            found += places(item, (*path, key))
    return found


PLACES = [places(source) for source in SOURCES]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_mangled_inventory_loads_or_names_what_is_wrong(data: st.DataObject) -> None:
    """Whatever stands in place of a fact, loading succeeds or raises a ValueError that names a key on the way to it."""
    which = data.draw(st.integers(0, 1))
    inventory = copy.deepcopy(SOURCES[which])
    way = data.draw(st.sampled_from(PLACES[which]))
    holder: Any = inventory
    for key in way[:-1]:
        holder = holder[key]
    if data.draw(st.booleans()):
        del holder[way[-1]]
    else:
        holder[way[-1]] = data.draw(JUNK)
    message = ""
    try:
        World(inventory, Clock())
    except ValueError as error:
        message = str(error)
    assert not message or any(isinstance(key, str) and key in message for key in ("deployments", *way))


def test_a_minimal_inventory_answers_that_there_is_nothing() -> None:
    """A deployment of required keys alone has no resources, and asking for them is no error."""
    world = World({"deployments": [MINIMAL]}, Clock())
    request: dict[str, Any] = {"account": "000000000001", "region": "eu-north-1", "parameters": {}, "now": world.now()}
    for service, operation, key in (
        ("rds", "DescribeDBClusters", "DBClusters"),
        ("elasticache", "DescribeReplicationGroups", "ReplicationGroups"),
        ("cloudformation", "DescribeStacks", "Stacks"),
        ("ec2", "DescribeInstances", "Reservations"),
        ("ecs", "ListClusters", "clusterArns"),
        ("s3", "ListBuckets", "Buckets"),
        ("efs", "DescribeFileSystems", "FileSystems"),
        ("resourcegroupstaggingapi", "GetResources", "ResourceTagMappingList"),
    ):
        answer = OPERATIONS[service, operation](world, Request(service=service, operation=operation, **request))
        assert answer[key] == []
