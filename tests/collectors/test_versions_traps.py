"""What runs is not always what is configured: roll-outs, mirrors, side-cars, tags that move, tasks of no service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed

from exporter import releases
from exporter.answer import Answer
from exporter.collectors.versions import COLLECTOR, samples
from exporter.config import Expect
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.deployment import Deployment, Stack
from exporter.ecs import Described
from exporter.metrics import Malformed
from exporter.task_definitions import OneOff, one_offs

Series = Callable[[Any], dict[str, float]]
CLUSTER = "acme-prod-eu1"
ARN = "arn:aws:ecs:eu-west-1:111122223333:task-definition/"
HUB = "docker.io/thethingsindustries/lorawan-stack"
OPS = OneOff("ops", "acme-prod-eu1-ops:21", CLUSTER)


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One cluster, and an expectation of the newest release that does not move."""
    owned = {"AWS::ECS::Cluster": {CLUSTER: "acme-prod-eu1-5-1-ecs-cluster"}}
    return replace(deployment, owned=owned, expect=Expect(latest_version="3.36.2"))


def container(tag: str, name: str = "ttes", start: str = "gs", **fields: Any) -> dict[str, Any]:
    return {"name": name, "image": f"{HUB}:{tag}", "command": ["tti-lw-stack", "start", start]} | fields


def definition(*containers: dict[str, Any], family: str = "gs") -> dict[str, Any]:
    return {"family": family, "revision": 1, "containerDefinitions": list(containers)}


def service(name: str = "gs", **fields: Any) -> dict[str, Any]:
    """A service of one deployment with two tasks, as ECS describes it."""
    arn = f"{ARN}{name}:1"
    return {
        "serviceArn": f"arn:aws:ecs:eu-west-1:111122223333:service/{CLUSTER}/{name}",
        "serviceName": name,
        "status": "ACTIVE",
        "runningCount": 2,
        "taskDefinition": arn,
        "deployments": [{"status": "PRIMARY", "taskDefinition": arn, "runningCount": 2}],
    } | fields


def task(name: str = "gs", status: str = "RUNNING", **digests: str | None) -> dict[str, Any]:
    containers = [
        {"name": each.replace("_", "-")} | ({"imageDigest": digest} if digest else {})
        for each, digest in digests.items()
    ]
    return {"group": f"service:{name}", "lastStatus": status, "containers": containers}


def answered(
    services: list[dict[str, Any]],
    definitions: dict[str, dict[str, Any]],
    tasks: list[dict[str, Any]] | None = None,
    *,
    complete: bool = True,
) -> Answer:
    """An answer with these services, the definitions by name and revision, and the running tasks."""
    answer = Answer()
    by_arn = {f"{ARN}{name}": each for name, each in definitions.items()}
    answer["services", CLUSTER] = (Described(services, [], complete), by_arn)
    if tasks is not None:
        answer["running", CLUSTER] = Described(tasks, [], complete)
    return answer


Served = Callable[[Answer], dict[str, float]]


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of an answer, without the common beginning of the names and the cluster's label."""

    def serve(answer: Answer) -> dict[str, float]:
        found = series(samples(answer, deployment))
        return {
            name.removeprefix("tts_aws_").replace(f'ecs_cluster="{CLUSTER}",', ""): value
            for name, value in found.items()
        }

    return serve


def test_a_pinned_service(served: Served) -> None:
    """Of a service on one release everything is told: image, pinned, flavour, release, and how far behind it is."""
    labels = 'ecs_service="gs",ecs_container="ttes"'

    assert served(answered([service()], {"gs:1": definition(container("3.35.2-aws"))})) == {
        f'container_image_info{{{labels},image="{HUB}",tag="3.35.2-aws",version="3.35.2"}}': 1,
        f"container_image_pinned{{{labels}}}": 1,
        f"container_image_aws_flavour{{{labels}}}": 1,
        'ecs_service_minors_behind{ecs_service="gs"}': 1,
        'component_version_info{component="gs",version="3.35.2"}': 1,
        'component_version_number{component="gs",bound="lowest"}': 3_035_002,
        'component_version_number{component="gs",bound="highest"}': 3_035_002,
    }


def test_a_floating_tag(served: Served) -> None:
    """Of 3.35 only the minor is known: it is not pinned, is one behind, and has no release."""
    found = served(answered([service()], {"gs:1": definition(container("3.35-aws"))}))

    assert found['container_image_pinned{ecs_service="gs",ecs_container="ttes"}'] == 0
    assert found['ecs_service_minors_behind{ecs_service="gs"}'] == 1
    assert (
        f'container_image_info{{ecs_service="gs",ecs_container="ttes",image="{HUB}",tag="3.35-aws",version=""}}'
        in found
    )
    assert not [name for name in found if "component_version" in name]


@pytest.mark.parametrize(("tag", "pinned"), [("latest", 0), ("production", 0), ("3.35-aws@sha256:ab", 1)])
def test_a_tag_that_is_no_release(served: Served, tag: str, pinned: float) -> None:
    """A tag of the operator's own tells no release, nor how far behind it is; a digest pins whatever the tag."""
    found = served(answered([service()], {"gs:1": definition(container(tag))}))

    assert found['container_image_pinned{ecs_service="gs",ecs_container="ttes"}'] == pinned
    assert not [name for name in found if "component_version" in name]
    assert ("ecs_service_minors_behind" in str(found)) == tag.startswith("3.35")


def test_a_tag_without_flavour(served: Served) -> None:
    """An image that was not made for ECS is one that has a release but no flavour."""
    flavour = 'container_image_aws_flavour{ecs_service="gs",ecs_container="ttes"}'

    assert served(answered([service()], {"gs:1": definition(container("3.35.2"))}))[flavour] == 0
    assert flavour not in served(answered([service()], {"gs:1": definition(container("latest"))}))


def test_a_side_car(served: Served) -> None:
    """A side-car's image is listed, but its numbers are no release of The Things Stack, and nobody asks to pin it."""
    thanos = {"name": "thanos", "image": "quay.io/thanos/thanos:v0.29.0"}
    prometheus = {"name": "ttes", "image": f"{HUB}:3.29.2-aws-prometheus"}

    found = served(answered([service("prometheus")], {"prometheus:1": definition(prometheus, thanos)}))

    [name] = [name for name in found if "thanos" in name]
    assert name.endswith('ecs_container="thanos",image="quay.io/thanos/thanos",tag="v0.29.0",version=""}')
    assert name.startswith("container_image_info")
    assert found['component_version_number{component="prometheus",bound="lowest"}'] == 3_029_002
    assert len([name for name in found if "version_info" in name]) == 1
    assert found['ecs_service_minors_behind{ecs_service="prometheus"}'] == 7


def test_grafana_beside_its_service(served: Served) -> None:
    """NOC's Grafana is a component of its own also in NOC's task, and its old release makes NOC no older."""
    grafana = {"name": "grafana", "image": "ghcr.io/thethingsindustries/lorawan-stack-noc-grafana:3.30.0"}

    found = served(answered([service("noc")], {"noc:1": definition(container("3.36.2-aws", start="noc"), grafana)}))

    assert found['component_version_number{component="noc_grafana",bound="highest"}'] == 3_030_000
    assert found['component_version_number{component="noc",bound="lowest"}'] == 3_036_002
    assert found['ecs_service_minors_behind{ecs_service="noc"}'] == 0
    assert 'container_image_aws_flavour{ecs_service="noc",ecs_container="grafana"}' not in found


def test_a_mirror_under_any_name(served: Served) -> None:
    """Who starts the vendor's binary runs a release of it, whatever the repository is called."""
    found = served(answered([service()], {"gs:1": definition(container("", image="mirror.local:5000/tts:3.36.1"))}))

    assert 'component_version_info{component="gs",version="3.36.1"}' in found


def test_what_does_not_run(served: Served) -> None:
    """A service that is switched off has an image, but no release that runs; one that is deleted has nothing."""
    definitions = {"gs:1": definition(container("3.35.2-aws"))}
    deployments = [{"status": "PRIMARY", "taskDefinition": f"{ARN}gs:1", "runningCount": 0}]

    off = served(answered([service(runningCount=0, deployments=deployments)], definitions))

    assert 'container_image_pinned{ecs_service="gs",ecs_container="ttes"}' in off
    assert not [name for name in off if "component_version" in name or "behind" in name]
    assert served(answered([service(status="DRAINING")], definitions)) == {}


def test_a_roll_out(served: Served) -> None:
    """While the old tasks still run, the component has both releases, and the service is as far behind as the older."""
    deployments = [
        {"status": "PRIMARY", "taskDefinition": f"{ARN}gs:2", "runningCount": 1},
        {"status": "ACTIVE", "taskDefinition": f"{ARN}gs:1", "runningCount": 1},
    ]
    definitions = {"gs:1": definition(container("3.34.3-aws")), "gs:2": definition(container("3.36.2-aws"))}

    found = served(answered([service(taskDefinition=f"{ARN}gs:2", deployments=deployments)], definitions))

    assert found['component_version_number{component="gs",bound="lowest"}'] == 3_034_003
    assert found['component_version_number{component="gs",bound="highest"}'] == 3_036_002
    assert found['ecs_service_minors_behind{ecs_service="gs"}'] == 2
    assert len([name for name in found if "container_image_info" in name]) == 1


def test_a_roll_out_that_fails(served: Served) -> None:
    """A new release of which no task has come up runs nowhere: the old one does."""
    deployments = [
        {"status": "PRIMARY", "taskDefinition": f"{ARN}gs:2", "runningCount": 0},
        {"status": "ACTIVE", "taskDefinition": f"{ARN}gs:1", "runningCount": 2},
    ]
    definitions = {"gs:1": definition(container("3.34.3-aws")), "gs:2": definition(container("3.36.2-aws"))}

    found = served(answered([service(taskDefinition=f"{ARN}gs:2", deployments=deployments)], definitions))

    assert found['component_version_number{component="gs",bound="highest"}'] == 3_034_003


def test_no_deployments(served: Served) -> None:
    """CodeDeploy's services have no deployments: their tasks are of the service's task definition."""
    found = served(answered([service(deployments=[])], {"gs:1": definition(container("3.35.2-aws"))}))

    assert 'component_version_info{component="gs",version="3.35.2"}' in found


@pytest.mark.parametrize("other", ["production", "3.35-aws", None])
def test_bounds_are_of_the_whole(served: Served, other: str | None) -> None:
    """Where one of a component's services runs what is not known, its releases are told and its bounds are not."""
    definitions = {"gs:1": definition(container("3.35.2-aws")), "js:1": definition(container("3.36.2-aws", start="js"))}
    if other:
        definitions["more-gs:1"] = definition(container(other))

    found = served(answered([service("gs"), service("more-gs"), service("js")], definitions))

    assert 'component_version_info{component="gs",version="3.35.2"}' in found
    assert {name for name in found if "version_number" in name} == {
        'component_version_number{component="js",bound="lowest"}',
        'component_version_number{component="js",bound="highest"}',
    }


def test_the_oldest_of_a_task_has_to_be_known(served: Served) -> None:
    """A service of which one container may be of any release may be any number of minors behind."""
    both = definition(container("3.35.2-aws"), container("production", name="more"))

    assert not [name for name in served(answered([service()], {"gs:1": both})) if "behind" in name]


def test_services_that_were_not_described(served: Served) -> None:
    """When some services could not be read no bound is known of any component."""
    found = served(answered([service()], {"gs:1": definition(container("3.35.2-aws"))}, complete=False))

    assert 'component_version_info{component="gs",version="3.35.2"}' in found
    assert not [name for name in found if "version_number" in name]


def test_a_malformed_service(deployment: Deployment) -> None:
    """A service that is not as AWS promises is counted; the others are served, without bounds."""
    broken = service("js")
    del broken["runningCount"], broken["deployments"]
    definitions = {"gs:1": definition(container("3.35.2-aws")), "js:1": definition(container("3.35.2-aws"))}

    found = list(samples(answered([service(), broken], definitions), deployment))

    assert [each.resource[:20] for each in found if isinstance(each, Malformed)]
    names = {each.family.name for each in found if not isinstance(each, Malformed)}
    assert "tts_aws_component_version_info" in names
    assert "tts_aws_component_version_number" not in names


def test_a_pre_release(served: Served) -> None:
    """A pre-release is a release that runs, and its number lies just before that of the release."""
    found = served(answered([service()], {"gs:1": definition(container("3.36.0-rc1-aws"))}))

    assert found['component_version_number{component="gs",bound="lowest"}'] == 3_035_999.5
    assert 'component_version_info{component="gs",version="3.36.0-rc1"}' in found


def test_newest_release(deployment: Deployment, series: Series) -> None:
    """How far behind counts to the newest release of the shipped table, unless another is configured."""
    newest = releases.load().newest()
    answer = answered([service()], {"gs:1": definition(container(f"3.{newest.minor - 2}.0-aws"))})
    name = f'tts_aws_ecs_service_minors_behind{{ecs_cluster="{CLUSTER}",ecs_service="gs"}}'

    assert series(samples(answer, replace(deployment, expect=Expect())))[name] == 2
    ahead = Expect(latest_version=f"3.{newest.minor + 3}.0")
    assert series(samples(answer, replace(deployment, expect=ahead)))[name] == 5


def digests(served: Served, *tasks: dict[str, Any], complete: bool = True) -> dict[str, float]:
    """The numbers of digests by container."""
    definitions = {"gs:1": definition(container("3.35-aws"), container("3.35-aws", name="more"))}
    answer = answered([service()], definitions, list(tasks))
    answer["running", CLUSTER] = Described(list(tasks), [], complete)
    found = served(answer)
    return {name.rpartition('="')[2][:-2]: value for name, value in found.items() if "digests" in name}


def test_digests(served: Served) -> None:
    """A floating tag shows as two images among the running tasks of one service; other tasks do not count."""
    one, other = task(ttes="sha256:1", more="sha256:3"), task(ttes="sha256:2", more="sha256:3")

    assert digests(served, one, other) == {"ttes": 2, "more": 1}
    assert digests(served, one, one) == {"ttes": 1, "more": 1}
    assert digests(served, one, task(status="PENDING", ttes="sha256:2")) == {"ttes": 1, "more": 1}
    assert digests(served, one, task("js", ttes="sha256:2")) == {"ttes": 1, "more": 1}
    assert digests(served) == {"ttes": 0, "more": 0}


def test_digest_that_is_not_known(served: Served) -> None:
    """A container without digest may run any image: of it nothing is counted, of the others it is."""
    assert digests(served, task(ttes="sha256:1", more="sha256:3"), task(ttes=None, more="sha256:3")) == {"more": 1}


def test_digests_of_some_tasks(served: Served) -> None:
    """Of a part of the tasks nothing is told."""
    assert digests(served, task(ttes="sha256:1", more="sha256:3"), complete=False) == {}


def test_containers_that_aws_adds(served: Served) -> None:
    """GuardDuty puts an agent into tasks and renews it when it likes: that is nobody's floating tag."""
    one = task(ttes="sha256:1", more="sha256:3", aws_guardduty_agent="sha256:8")
    other = task(ttes="sha256:1", more="sha256:3", aws_guardduty_agent="sha256:9")

    assert digests(served, one, other) == {"ttes": 1, "more": 1}


def test_deleted_cluster(deployment: Deployment, series: Series) -> None:
    """A deleted cluster, which ECS describes for a while, hides no bounds of the components in others."""
    gone = replace(deployment, owned={"AWS::ECS::Cluster": {CLUSTER: "", "gone": ""}})
    answer = answered([service()], {"gs:1": definition(container("3.35.2-aws"))})
    answer["services", "gone"] = (Described([], [], complete=False), {})
    answer["clusters"] = [{"clusterName": "gone", "status": "INACTIVE"}]

    assert 'tts_aws_component_version_number{component="gs",bound="lowest"}' in series(samples(answer, gone))


def with_outputs(deployment: Deployment, *outputs: dict[str, str]) -> Deployment:
    """The deployment with stacks that have these outputs."""
    return replace(
        deployment, stacks=tuple(Stack(f"s-{number}", None, outputs=each) for number, each in enumerate(outputs))
    )


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"OpsRunTaskArguments": "ops:21 acme subnet-1 subnet-2 sg-1"}, [("ops", "ops:21", "acme")]),
        ({"OpsRunTaskArguments": ""}, []),
        (
            {"RunCertbotTaskCLICommand": "aws ecs run-task --cluster acme --task-definition certbot:9"},
            [("certbot", "certbot:9", "acme")],
        ),
        (
            {
                "RunCertbotTaskCLICommand": "aws ecs run-task \\\n  --task-definition='arn:aws:ecs:eu-west-1:1:"
                'task-definition/certbot:9\' --cluster "arn:aws:ecs:eu-west-1:1:cluster/acme" --launch-type FARGATE'
            },
            [("certbot", "arn:aws:ecs:eu-west-1:1:task-definition/certbot:9", "acme")],
        ),
        ({"RunCertbotTaskCLICommand": "aws ecs run-task --task-definition certbot"}, [("certbot", "certbot", "")]),
        ({"RunCertbotTaskCLICommand": "see the documentation"}, []),
    ],
)
def test_tasks_without_a_service(
    deployment: Deployment, outputs: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    """The outputs of 5-2 and 5-8a name task definition and cluster, as people type commands."""
    assert one_offs(with_outputs(deployment, outputs)) == expected


def test_ops(deployment: Deployment, series: Series) -> None:
    """The release that the next migration would be run with is told, under the name of its task definition's family."""
    answer = Answer()
    answer[OPS] = definition(container("3.36.1-aws"), family="acme-prod-eu1-ops")

    found = series(samples(answer, with_outputs(deployment, {"OpsRunTaskArguments": f"{OPS.name} {CLUSTER}"})))

    assert found['tts_aws_component_version_number{component="ops",bound="lowest"}'] == 3_036_001
    labels = f'ecs_cluster="{CLUSTER}",ecs_service="acme-prod-eu1-ops",ecs_container="ttes"'
    assert found[f"tts_aws_container_image_pinned{{{labels}}}"] == 1
    assert not [name for name in found if "behind" in name or "digests" in name]


def test_certbots(deployment: Deployment, series: Series) -> None:
    """There may be a certbot for each certificate; the bounds are of all of them, none if one was deleted."""
    command = "aws ecs run-task --cluster c --task-definition"
    two = with_outputs(
        deployment,
        {"RunCertbotTaskCLICommand": f"{command} a:1"},
        {"RunCertbotTaskCLICommand": f"{command} b:1"},
    )
    answer = Answer()
    answer[OneOff("certbot", "a:1", "c")] = definition({"name": "certbot", "image": f"{HUB}:3.30.0-aws-certbot"})
    answer[OneOff("certbot", "b:1", "c")] = definition(
        {"name": "certbot", "image": f"{HUB}:3.36.1-aws-certbot"}, family="b"
    )
    number = 'tts_aws_component_version_number{component="certbot",bound="lowest"}'

    assert series(samples(answer, two))[number] == 3_030_000
    answer[OneOff("certbot", "b:1", "c")] = {}
    assert number not in series(samples(answer, two))


@pytest.mark.parametrize("tags", [("3.36.1-aws", "3.36"), ("3.36", "3.36.1-aws")])
def test_two_revisions_of_a_family(deployment: Deployment, series: Series, tags: tuple[str, str]) -> None:
    """Of a family that stacks name by two revisions both images are told, and the less favourable of their flags."""
    command = "run-task --cluster c --task-definition"
    two = with_outputs(deployment, *({"RunCertbotTaskCLICommand": f"{command} a:{each}"} for each in (1, 2)))
    answer = Answer()
    for revision, tag in enumerate(tags, start=1):
        answer[OneOff("certbot", f"a:{revision}", "c")] = definition(container(tag), family="a")

    found = series(samples(answer, two))

    labels = 'ecs_cluster="c",ecs_service="a",ecs_container="ttes"'
    assert found[f"tts_aws_container_image_pinned{{{labels}}}"] == 0
    assert found[f"tts_aws_container_image_aws_flavour{{{labels}}}"] == 0
    assert len([name for name in found if "image_info" in name]) == 2


@pytest.mark.parametrize("tags", [("3.36.1-aws", "3.36"), ("3.36", "3.36.1-aws")])
def test_family_named_like_a_service(deployment: Deployment, series: Series, tags: tuple[str, str]) -> None:
    """What moves is told as moving, be it the service's image or that of ops under the same name."""
    answer = answered([service()], {"gs:1": definition(container(tags[0]))})
    answer[OneOff("ops", "gs:9", CLUSTER)] = definition(container(tags[1]))
    given = with_outputs(deployment, {"OpsRunTaskArguments": f"gs:9 {CLUSTER}"})

    found = series(samples(answer, given))

    labels = f'ecs_cluster="{CLUSTER}",ecs_service="gs",ecs_container="ttes"'
    assert found[f"tts_aws_container_image_pinned{{{labels}}}"] == 0
    assert found[f"tts_aws_container_image_aws_flavour{{{labels}}}"] == 0


def test_the_vendors_own_certbot(deployment: Deployment, series: Series) -> None:
    """The image that the vendor documents has no release and is not pinned."""
    answer = Answer()
    image = "docker.io/thethingsindustries/aws-certbot-dns-route53:latest"
    answer[OneOff("certbot", "a:1", "c")] = definition({"name": "certbot", "image": image}, family="a")
    one = with_outputs(deployment, {"RunCertbotTaskCLICommand": "run-task --cluster c --task-definition a:1"})

    found = series(samples(answer, one))

    assert found['tts_aws_container_image_pinned{ecs_cluster="c",ecs_service="a",ecs_container="certbot"}'] == 0
    assert len(found) == 2


def fetched(clock: FrozenClock, change: Callable[[Deployment], Deployment] = lambda same: same) -> Answer:
    """The answer of the stand-in at the second of two reads, neither of which failed."""

    async def fetch() -> Answer:
        async with account(clock) as reads:
            [deployment] = await surveyed(reads)
            for _ in range(2):
                aws = attempt(reads, COLLECTOR.interval)
                answer = await COLLECTOR.fetch(aws, change(deployment))
                assert aws.failures == []
                clock.now += COLLECTOR.interval
            return answer

    return asyncio.run(fetch())


def described(standin: Standin) -> int:
    """How many task definitions were asked for."""
    return sum(count for call, count in standin.calls.items() if "DescribeTaskDefinition" in call)


def test_definitions_are_read_once(standin: Standin, clock: FrozenClock) -> None:
    """A revision never changes: ops' and certbot's are read once, as those of the services."""
    _, definitions = fetched(clock)["services", CLUSTER]

    assert described(standin) == len(definitions) + 2


def test_family_without_revision(standin: Standin, clock: FrozenClock) -> None:
    """A family that is named without revision can have a new one each time."""

    def unnumbered(deployment: Deployment) -> Deployment:
        ops = {"OpsRunTaskArguments": f"acme-prod-eu1-ops {CLUSTER}"}
        return replace(deployment, owned={}, stacks=(Stack("s", None, outputs=ops),))

    fetched(clock, unnumbered)

    assert described(standin) == 2


def test_deleted_definition(standin: Standin, clock: FrozenClock) -> None:
    """An output that names what was deleted is no failure, and has nothing to tell."""

    def stale(deployment: Deployment) -> Deployment:
        ops = {"OpsRunTaskArguments": f"acme-prod-eu1-gone:1 {CLUSTER}"}
        return replace(deployment, owned={}, stacks=(Stack("s", None, outputs=ops),))

    assert list(fetched(clock, stale).values()) == [[], {}]


def test_older_definitions_are_read(standin: Standin, clock: FrozenClock) -> None:
    """In a roll-out the task definition that tasks still have is read as well."""
    old = f"{ARN}acme-prod-eu1-ops:21"
    deployments = [{"status": "PRIMARY", "runningCount": 1}, {"status": "ACTIVE", "taskDefinition": old}]
    world = standin.world
    assert isinstance(world, World)
    world.change("deployments/acme-prod-eu1/ecs/services/0/deployments", deployments)

    assert old in fetched(clock)["services", CLUSTER][1]
