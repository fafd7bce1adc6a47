"""What ECS says in its own way: failures inside a good answer, fields that are not there, and why a task stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt

from exporter.answer import Answer
from exporter.collectors.ecs import COLLECTOR, samples
from exporter.components import is_exporter, least_tasks, recognise
from exporter.config import Expect
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.ecs import Described, reason_of
from exporter.metrics import Malformed

Series = Callable[[Any], dict[str, float]]
CLUSTER = "acme-prod-eu1"
DEFINITION = "arn:aws:ecs:eu-west-1:111122223333:task-definition/gs:1"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One cluster."""
    return replace(deployment, owned={"AWS::ECS::Cluster": {CLUSTER: "acme-prod-eu1-5-1-ecs-cluster"}})


def service(name: str = "gs", **fields: Any) -> dict[str, Any]:
    """A healthy service as ECS describes it."""
    return {
        "serviceArn": f"arn:aws:ecs:eu-west-1:111122223333:service/{CLUSTER}/{name}",
        "serviceName": name,
        "clusterArn": f"arn:aws:ecs:eu-west-1:111122223333:cluster/{CLUSTER}",
        "status": "ACTIVE",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "launchType": "FARGATE",
        "schedulingStrategy": "REPLICA",
        "taskDefinition": DEFINITION,
        "deployments": [],
    } | fields


def described(*found: dict[str, Any], complete: bool = True) -> Described:
    return Described(list(found), [], complete)


def answered(*services: dict[str, Any], definition: dict[str, Any] | None = None, **parts: Any) -> Answer:
    """An answer with these services and, by name, other parts of the cluster (running, stopped)."""
    answer = Answer()
    definitions = {} if definition is None else {DEFINITION: {"taskDefinition": definition}}
    answer["services", CLUSTER] = (described(*services), definitions)
    for name, part in parts.items():
        answer[name, CLUSTER] = part
    return answer


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Callable[[Answer], dict[str, float]]:
    """What is served of an answer, without the common beginning of the names and the labels of the service gs."""

    def serve(answer: Answer) -> dict[str, float]:
        found = series(samples(answer, deployment))
        common = f'ecs_cluster="{CLUSTER}",ecs_service="gs"'
        return {name.removeprefix("tts_aws_ecs_").replace(common, ""): value for name, value in found.items()}

    return serve


Served = Callable[[Answer], dict[str, float]]


def test_failures_inside_a_good_answer(deployment: Deployment) -> None:
    """What ECS could not describe is an error to count, though the answer's status is 200; the rest is served."""
    answer = answered(service())
    failed = Described([], [{"arn": "arn:of-a-task", "reason": "ACCESS_DENIED"}], complete=False)
    answer["running", CLUSTER] = failed

    found = list(samples(answer, deployment))

    assert [(each.resource, "ACCESS_DENIED" in each.error) for each in found if isinstance(each, Malformed)] == [
        ("arn:of-a-task", True)
    ]
    assert len(found) > 1


def test_services_that_end(served: Served) -> None:
    """Services that are draining or inactive have no tasks to miss, and give no samples."""
    assert served(answered(service(status="DRAINING"), service(status="INACTIVE"))) == {}


def test_desired_zero_is_served(served: Served) -> None:
    """A service that is switched off has a desired count of 0; that is a fact, not an absence."""
    found = served(answered(service(desiredCount=0, runningCount=0)))

    assert found["service_desired_tasks{}"] == 0
    assert found["service_running_tasks{}"] == 0


@pytest.mark.parametrize(
    ("providers", "expected"),
    [
        (["FARGATE"], "FARGATE"),
        (["FARGATE", "FARGATE_SPOT"], "FARGATE"),
        (["acme-hosts"], "EC2"),
    ],
)
def test_launch_type_of_capacity_providers(served: Served, providers: list[str], expected: str) -> None:
    """With capacity providers ECS gives no launchType: it follows from theirs."""
    given = service(capacityProviderStrategy=[{"capacityProvider": each} for each in providers])
    del given["launchType"]

    assert f'service_info{{,component="gs",launch_type="{expected}",stack=""}}' in served(answered(given))


def test_launch_type_that_is_unknown(served: Served) -> None:
    """A service of which nothing tells the launch type has its info all the same, with an empty launch type."""
    given = service()
    del given["launchType"]

    assert 'service_info{,component="gs",launch_type="",stack=""}' in served(answered(given))


def test_launch_type_that_is_given(served: Served) -> None:
    """A launch type that ECS gives is served as it is."""
    assert 'service_info{,component="gs",launch_type="EC2",stack=""}' in served(answered(service(launchType="EC2")))


def test_stack_of_a_service(served: Served) -> None:
    """ECS spells the keys of tags small; the stack that they name owns the service."""
    tags = [{"key": "aws:cloudformation:stack-name", "value": "acme-prod-eu1-5-4-ecs-services"}]

    found = served(answered(service(tags=tags)))

    assert 'service_info{,component="gs",launch_type="FARGATE",stack="acme-prod-eu1-5-4-ecs-services"}' in found


def test_rollout(served: Served) -> None:
    """Only the primary deployment tells whether a rollout failed; each state is served, one of them 1."""
    created = datetime(2026, 1, 1, tzinfo=UTC)
    deployments = [
        {"status": "PRIMARY", "rolloutState": "FAILED", "failedTasks": 3, "createdAt": created},
        {
            "status": "ACTIVE",
            "rolloutState": "COMPLETED",
            "failedTasks": 0,
            "createdAt": datetime(2025, 1, 1, tzinfo=UTC),
        },
    ]

    found = served(answered(service(deployments=deployments)))

    states = {name: value for name, value in found.items() if "rollout" in name}
    assert states == {
        'service_deployment_rollout{,rollout_state="completed"}': 0,
        'service_deployment_rollout{,rollout_state="in_progress"}': 0,
        'service_deployment_rollout{,rollout_state="failed"}': 1,
    }
    assert found["service_failed_tasks{}"] == 3
    assert found["service_deployment_created_timestamp_seconds{}"] == created.timestamp()


def test_rollout_state_absent(served: Served) -> None:
    """A deployment that CodeDeploy makes has no rolloutState: unknown, not failed and not completed."""
    found = served(answered(service(deployments=[{"status": "PRIMARY"}])))

    assert not [name for name in found if "rollout" in name or "failed_tasks" in name or "created" in name]


def test_minimum_healthy(served: Served) -> None:
    """A minimum of 0 % is served; no deployment configuration is no minimum."""
    zero = served(answered(service(deploymentConfiguration={"minimumHealthyPercent": 0})))

    assert zero["service_minimum_healthy_ratio{}"] == 0
    assert "service_minimum_healthy_ratio{}" not in served(answered(service()))


def test_zones(served: Served) -> None:
    """Zones are counted over running tasks of the service itself, as other tasks only may run one day."""

    def task(group: str, zone: str | None, status: str = "RUNNING") -> dict[str, Any]:
        return {"group": group, "lastStatus": status} | ({"availabilityZone": zone} if zone else {})

    running = described(
        task("service:gs", "eu-west-1a"),
        task("service:gs", "eu-west-1a"),
        task("service:gs", "eu-west-1b", "PENDING"),
        task("service:gs", None, "PROVISIONING"),
        task("service:gs-udp", "eu-west-1c"),
        task("family:gs", "eu-west-1c"),
    )

    assert served(answered(service(), running=running))["service_availability_zones{}"] == 1


def test_tasks_outside_aws(served: Served) -> None:
    """A task on a host of the operator's own (EXTERNAL) is in no zone: its service has no count, all else is there."""
    running = described(
        {"group": "service:gs", "lastStatus": "RUNNING", "launchType": "EXTERNAL"},
        {"group": "service:ns", "lastStatus": "RUNNING", "availabilityZone": "eu-west-1a"},
    )

    found = served(answered(service(), service("ns"), running=running, stopped=described()))

    assert "service_availability_zones{}" not in found
    assert found[f'service_availability_zones{{ecs_cluster="{CLUSTER}",ecs_service="ns"}}'] == 1
    assert found['service_stopped_tasks{,reason="other"}'] == 0


def test_no_zones_from_a_part(served: Served) -> None:
    """If some tasks could not be described, a count of zones would look like an outage: there is none."""
    part = described({"group": "service:gs", "lastStatus": "RUNNING", "availabilityZone": "a"}, complete=False)

    assert "service_availability_zones{}" not in served(answered(service(), running=part))
    assert "service_availability_zones{}" not in served(answered(service()))


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (
            {
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited",
                "containers": [{"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}],
            },
            "out_of_memory",
        ),
        (
            {
                "stopCode": "EssentialContainerExited",
                "stoppedReason": "Essential container in task exited",
                "containers": [{"exitCode": 137}],
            },
            "essential_exited",
        ),
        (
            {
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
            },
            "image_pull",
        ),
        (
            {
                "stopCode": "ServiceSchedulerInitiated",
                "stoppedReason": "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:...)",
            },
            "health_check",
        ),
        (
            {
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "ResourceInitializationError: unable to pull secrets or registry auth: execution "
                "resource retrieval failed: unable to retrieve secret from asm: service call has been retried",
            },
            "image_pull",
        ),
        (
            {
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "Task failed to start",
                "containers": [{"reason": "CannotPullContainerError: Error response from daemon: manifest unknown"}],
            },
            "image_pull",
        ),
        ({"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}, "spot"),
        ({"stopCode": "TerminationNotice", "stoppedReason": "Your Spot Task was interrupted."}, "spot"),
        (
            {"stopCode": "TerminationNotice", "stoppedReason": "Host EC2 (instance i-04b17daec78ef4a0b) terminated."},
            "other",
        ),
        (
            {
                "stopCode": "TaskFailedToStart",
                "stoppedReason": "Capacity is unavailable at this time. Please try again later",
            },
            "placement",
        ),
        (
            {
                "stopCode": "ServiceSchedulerInitiated",
                "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)",
            },
            "deployment",
        ),
        ({"stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1234567890123456789)"}, "deployment"),
        ({"stoppedReason": "Task stopped by capacity provider scale-in"}, "deployment"),
        ({"stopCode": "UserInitiated", "stoppedReason": "Task stopped by user"}, "other"),
        ({}, "other"),
    ],
)
def test_reasons_for_stopping(task: dict[str, Any], reason: str) -> None:
    """The first reason that fits is told; exit code 137 alone is not a want of memory."""
    assert reason_of(task) == reason


def test_stopped_tasks(served: Served) -> None:
    """When the stopped tasks were read, every reason of every service has a number, also 0; else none has."""
    stopped = described({"group": "service:gs", "stopCode": "SpotInterruption"}, {"group": "family:ops"})

    found = served(answered(service(), stopped=stopped))
    counts = {name: value for name, value in found.items() if "stopped" in name}

    assert len(counts) == 8
    assert counts.pop('service_stopped_tasks{,reason="spot"}') == 1
    assert set(counts.values()) == {0}
    assert not [name for name in served(answered(service())) if "stopped" in name]


def test_memory(served: Served) -> None:
    """Memory is in MiB, of the task or, on EC2, of its containers if each of them says."""
    name = "task_memory_bytes{}"

    assert served(answered(service(), definition={"memory": "2048"}))[name] == 2 * 2**30
    assert served(answered(service(), definition={"containerDefinitions": [{"memory": 256}, {"memory": 256}]}))[
        name
    ] == (512 * 2**20)
    assert name not in served(answered(service(), definition={"containerDefinitions": [{"memory": 256}, {}]}))
    assert name not in served(answered(service()))


def test_deleted_cluster(served: Served) -> None:
    """ECS describes a deleted cluster for a while as inactive: nothing is served of it."""
    answer = answered(service())
    answer["clusters"] = [{"clusterName": CLUSTER, "status": "INACTIVE", "settings": []}]

    assert served(answer) == {}


def test_container_insights(served: Served) -> None:
    """Container Insights is on when enabled or enhanced."""

    def insights(value: str) -> float:
        settings = [{"name": "containerInsights", "value": value}]
        answer = Answer()
        answer["clusters"] = [{"clusterName": CLUSTER, "status": "ACTIVE", "settings": settings}]
        return served(answer)[f'container_insights_enabled{{ecs_cluster="{CLUSTER}"}}']

    assert (insights("enabled"), insights("enhanced"), insights("disabled")) == (1, 1, 0)


@pytest.mark.parametrize(
    ("name", "container", "fields", "component"),
    [
        ("web", {"command": ["tti-lw-stack", "start", "as", "dr"]}, {}, "as"),
        ("web", {"entryPoint": ["tti-lw-stack"], "command": ["start", "is"]}, {}, "is"),
        ("web", {"entryPoint": ["sh", "-c"], "command": ["tti-lw-stack start gs --log.level=debug"]}, {}, "gs"),
        ("acme-ns", {"command": ["tti-lw-stack", "start", "as"]}, {}, "as"),
        ("web", {"image": "registry.local:5000/tts:3.36.1-aws-trm-prometheus"}, {}, "trm_prometheus"),
        ("web", {"image": "lorawan-stack:3.36.1-aws-prometheus@sha256:ab"}, {}, "prometheus"),
        ("web", {"image": "ghcr.io/thethingsindustries/lorawan-stack-noc-grafana:3.30.0"}, {}, "noc_grafana"),
        ("web", {"image": "lorawan-stack:3.36.1-aws-proxy"}, {}, "proxy"),
        ("acme-is-proxy", {"image": "lorawan-stack:3.36.1-aws-proxy"}, {}, "is_proxy"),
        ("acme-prod-eu1-trm-alertmanager", {}, {}, "trm_alertmanager"),
        ("as-prod-eu1-gs", {}, {}, "gs"),
        ("acme-5-4-ecs-services-GatewayConfigurationServerService", {}, {}, "gcs"),
        ("acme-gs-udp", {"command": ["tti-lw-stack", "start", "gs"]}, {}, "udp_gs"),
        ("acme-gs", {"command": ["tti-lw-stack", "start", "gs"]}, {"schedulingStrategy": "DAEMON"}, "udp_gs"),
        ("acme-billing-ui", {"image": "nginx:1.27"}, {}, "other"),
    ],
)
def test_components(name: str, container: dict[str, Any], fields: dict[str, Any], component: str) -> None:
    """A service's component is known by its start command, else by its image, else by its name."""
    assert recognise(service(name, **fields), [container], None) == component


def test_identity_server_proxy_by_its_stack() -> None:
    """The proxy of a secondary cluster has the image of the other proxy; its stack tells them apart."""
    container = {"image": "lorawan-stack:3.36.1-aws-proxy"}

    assert recognise(service("proxy"), [container], "5-3b-ecs-external-is-proxy") == "is_proxy"
    assert recognise(service("proxy"), [container], "5-7-ecs-proxy") == "proxy"


@pytest.mark.parametrize(
    ("name", "image", "template", "ours"),
    [
        ("as-prod-eu1-tts-aws-exporter", "registry.local/monitoring:1", None, True),
        ("watcher-as", "registry.local:5000/tts-aws-exporter:1.0@sha256:ab", None, True),
        ("watcher-as", "registry.local/monitoring:1", "5-9-ecs-aws-exporter", True),
        ("watcher-as", "registry.local/yet-another-cloudwatch-exporter:1", "5-6-ecs-monitoring", False),
    ],
)
def test_exporter_of_our_own(name: str, image: str, template: str | None, *, ours: bool) -> None:
    """This exporter is known by its stack, name or image; it is no component, and one task of it is enough."""
    containers = [{"image": image}]

    assert is_exporter(service(name), containers, template) is ours
    assert recognise(service(name), containers, template) == ("other" if ours else "as")


def test_tasks_of_the_exporter(served: Served) -> None:
    """One task of this exporter is enough, of another service that is none of the vendor's two; off it needs none."""

    def needed(image: str, desired: int) -> float:
        definition = {"containerDefinitions": [{"image": image}]}
        found = served(answered(service("watcher", desiredCount=desired), definition=definition))
        return found[f'service_min_tasks{{ecs_cluster="{CLUSTER}",ecs_service="watcher"}}']

    assert needed("tts-aws-exporter:1", 1) == 1
    assert needed("tts-aws-exporter:1", 0) == 0
    assert needed("nginx:1", 1) == 2


def test_component_of_the_configuration_wins(deployment: Deployment, series: Series) -> None:
    """A pattern of the configuration decides before the start command does."""
    configured = replace(deployment, components={"g*": "console"})
    definition = {"containerDefinitions": [{"command": ["tti-lw-stack", "start", "gs"]}]}

    found = series(samples(answered(service(), definition=definition), configured))

    assert any('component="console"' in name for name in found)


@pytest.mark.parametrize(
    ("component", "desired", "tasks"),
    [
        ("gs", 4, 2),
        ("gs", 0, 2),
        ("console", 0, 2),
        ("pba", 2, 2),
        ("pba", 0, 0),
        ("prometheus", 2, 1),
        ("prometheus", 0, 1),
        ("tbs", 1, 1),
        ("ars", 0, 0),
        ("udp_gs", 1, 0),
        ("other", 1, 2),
    ],
)
def test_tasks_that_are_needed(component: str, desired: int, tasks: int) -> None:
    """Two, one of what runs only once, none of what is optional and switched off; the core cannot be switched off."""
    assert least_tasks(component, desired) == tasks


def test_configured_number_of_tasks(deployment: Deployment, series: Series) -> None:
    """The configuration gives the number by the service's name, else by its component."""
    configured = replace(deployment, expect=Expect(min_tasks={"gs": 3, "acme-ns": 4, "ns": 5}))

    found = series(samples(answered(service(), service("acme-ns"), service("ns-2")), configured))

    numbers = {name.partition("ecs_service=")[2]: value for name, value in found.items() if "min_tasks" in name}
    assert numbers == {'"gs"}': 3, '"acme-ns"}': 4, '"ns-2"}': 5}


def test_malformed_service(deployment: Deployment) -> None:
    """A service without a count costs its own samples and no other's."""
    broken = service("ns")
    del broken["runningCount"]

    found = list(samples(answered(broken, service()), deployment))

    assert any(isinstance(each, Malformed) for each in found)
    assert {each.labels[1] for each in found if not isinstance(each, Malformed)} == {"gs"}


def fetched(clock: FrozenClock, deployment: Deployment) -> tuple[Answer, list[str]]:
    """The answer of the stand-in, and the reasons of the failures."""

    async def fetch() -> tuple[Answer, list[str]]:
        async with account(clock) as reads:
            aws = attempt(reads, COLLECTOR.interval)
            answer = await COLLECTOR.fetch(aws, deployment)
            return answer, [failure.reason for failure in aws.failures]

    return asyncio.run(fetch())


def test_without_a_cluster(standin: Standin, clock: FrozenClock, deployment: Deployment) -> None:
    """Without a cluster none is asked for, as ECS would then describe the one that is called default."""
    answer, failures = fetched(clock, replace(deployment, owned={}))

    assert failures == []
    assert dict(answer) == {"clusters": []}
    assert not [key for key in standin.calls if key[3] == "DescribeClusters"]


def test_cluster_that_is_gone(standin: Standin, clock: FrozenClock, deployment: Deployment, series: Series) -> None:
    """A cluster that was deleted, but is still listed by the tagging API, gives no samples and is no failure."""
    gone = replace(deployment, owned={"AWS::ECS::Cluster": {"acme-prod-eu1-gone": ""}})

    answer, failures = fetched(clock, gone)

    assert failures == []
    assert not [name for name in series(samples(answer, gone)) if "ecs_cluster" in name]


def test_batches(standin: Standin, clock: FrozenClock, deployment: Deployment) -> None:
    """ECS describes ten services in a call: all 19 are there, and the tasks of all are listed at once."""
    answer, failures = fetched(clock, deployment)

    services, definitions = answer["services", CLUSTER]
    assert failures == []
    assert len(services.found) == len(definitions) == 19
    operations = {key[3]: count for key, count in standin.calls.items()}
    assert operations["DescribeServices"] == 2
    assert operations["ListTasks"] == 2
