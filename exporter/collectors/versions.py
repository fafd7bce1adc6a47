"""Versions: which releases run, how far behind the newest are they, and can any image change by itself?

Practice: BP-02 and BP-12 (versions), BP-13 (the ops image), BP-26 (support window), BP-27 to BP-29 (images).
Cost: once 1 for each certbot and ops task; a cluster 3 + services/10 + running tasks/100, all of which ecs shares; in a
roll-out 1 for each older task definition that nobody has read yet.
API: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Iterator, Mapping
from functools import partial
from typing import Any

from .. import ecs, releases
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..images import Version
from ..metrics import Family, Malformed, Sample, each
from ..task_definitions import OneOff, image_of, one_off, one_offs, services, what_runs

OF_SERVICE = ("ecs_cluster", "ecs_service")
OF_CONTAINER = (*OF_SERVICE, "ecs_container")

IMAGE = Family(
    "tts_aws_container_image_info",
    "The image of a service's task definition, or of certbot's and ops', with its family as ecs_service; "
    "version if the tag of an image of The Things Stack says it in full (ECS ContainerDefinition.image).",
    (*OF_CONTAINER, "image", "tag", "version"),
)
PINNED = Family(
    "tts_aws_container_image_pinned",
    "The image is always the same one: by a digest or by the tag of one release. "
    "Of images of The Things Stack, ecs_service as in container_image_info (ECS ContainerDefinition.image).",
    OF_CONTAINER,
    "flag",
)
FLAVOUR = Family(
    "tts_aws_container_image_aws_flavour",
    "The tag is one of those that are made for ECS, 3.x.y-aws and longer; none where it names no version, and of "
    "NOC's Grafana (ECS ContainerDefinition.image).",
    OF_CONTAINER,
    "flag",
)
VERSION = Family(
    "tts_aws_component_version_info",
    "A release that runs, or that ops and certbot would run (ECS ContainerDefinition.image).",
    ("component", "version"),
)
NUMBER = Family(
    "tts_aws_component_version_number",
    "The lowest and highest release that runs, or that ops and certbot would run: 3036001 for 3.36.1, half less for "
    "its pre-releases; none unless all of it is known (ECS ContainerDefinition.image).",
    ("component", "bound"),
)
BEHIND = Family(
    "tts_aws_ecs_service_minors_behind",
    "Minor releases from the oldest that the service runs to the newest known or configured; NOC's Grafana does not "
    "count (ECS ContainerDefinition.image).",
    OF_SERVICE,
)
DIGESTS = Family(
    "tts_aws_ecs_service_image_digests",
    "Different images that the running tasks of a service have for one container (ECS Container.imageDigest).",
    OF_CONTAINER,
)

ACTIONS = (
    "ecs:DescribeClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
)

GRAFANA = "noc_grafana"  # has no release of its own for each of the others

Raw = Mapping[str, Any]
Ran = dict[str, set[Version | None]]  # by component; None is a release that is not known


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    names = sorted(deployment.resources(ecs.CLUSTER))
    parts: dict[Any, Awaitable[Any]] = {"clusters": ecs.clusters(aws, names)}
    for name in names:
        parts["services", name] = services(aws, name)
        parts["running", name] = ecs.tasks(aws, name, "RUNNING")
    return await aws.gather(parts | {task: one_off(aws, task) for task in one_offs(deployment)})


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    """Each flag once, by its worst value: stacks can name two revisions of a family, or one called like a service."""
    worst: dict[tuple[Any, ...], Sample] = {}
    for found in told(answer, deployment):
        if isinstance(found, Sample) and found.family.kind == "flag":
            series = found.family, found.labels
            worst[series] = min(found, worst.get(series, found), key=lambda sample: sample.value)
        else:
            yield found
    yield from worst.values()


def told(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    ran: Ran = defaultdict(set)
    complete = True
    for cluster in ecs.living(answer.get("clusters", ()), deployment):
        described, definitions = answer.get(("services", cluster), (ecs.UNREAD, {}))
        tasks = answer.get(("running", cluster), ecs.UNREAD)
        active = [service for service in described.found if service.get("status") == "ACTIVE"]
        of_service = partial(service_samples, cluster=cluster, definitions=definitions, deployment=deployment, ran=ran)
        found = list(each(active, of_service))
        yield from described.refused()
        yield from found
        yield from each(active, partial(digest_samples, cluster=cluster, definitions=definitions, tasks=tasks))
        complete = complete and described.complete and understood(found)
    yield from version_samples(ran, complete=complete)
    would_run: Ran = defaultdict(set)
    found = list(each(one_offs(deployment), partial(one_off_samples, answer=answer, would_run=would_run)))
    yield from found
    yield from version_samples(would_run, complete=understood(found))


def understood(found: list[Sample | Malformed]) -> bool:
    return not any(isinstance(item, Malformed) for item in found)


def service_samples(service: Raw, cluster: str, definitions: Raw, deployment: Deployment, ran: Ran) -> Iterator[Sample]:
    """Samples of a service; ``ran`` is told what it runs."""
    labels = {"ecs_cluster": cluster, "ecs_service": service["serviceName"]}
    if (definition := definitions.get(service.get("taskDefinition", ""))) is not None:
        yield from image_samples(definition, labels)
    oldest = []
    for component, version in what_runs(service, definitions, deployment):
        ran[component].add(version)
        if component != GRAFANA:
            oldest.append(version)
    known = [version for version in oldest if version is not None]
    if known and len(known) == len(oldest):
        newest = Version.parse(deployment.expect.latest_version or "") or releases.load().newest()
        yield BEHIND.sample(releases.minors_between(min(known), newest), **labels)


def one_off_samples(task: OneOff, answer: Answer, would_run: Ran) -> Iterator[Sample]:
    """Samples of a task without a service; ``would_run`` is told what it would run."""
    if not (definition := answer.get(task)):
        would_run[task.component].add(None)
        return
    images = [image_of(container) for container in definition["containerDefinitions"]]
    would_run[task.component].update(image.version for image in images if image.vendors)
    yield from image_samples(definition, {"ecs_cluster": task.cluster, "ecs_service": definition["family"]})


def image_samples(definition: Raw, labels: dict[str, str]) -> Iterator[Sample]:
    for container in definition["containerDefinitions"]:
        image, of_container = image_of(container), labels | {"ecs_container": container["name"]}
        version = str(image.version) if image.version and image.version.patch is not None else ""
        yield IMAGE.sample(1, **of_container, image=image.repository, tag=image.tag, version=version)
        if image.vendors:
            yield PINNED.sample(image.pinned, **of_container)
        if image.flavour is not None:
            yield FLAVOUR.sample(image.flavour != "", **of_container)


def digest_samples(service: Raw, cluster: str, definitions: Raw, tasks: ecs.Described) -> Iterator[Sample]:
    """Of the containers that the service has defined: AWS adds some to a task, and changes them when it likes."""
    definition = definitions.get(service.get("taskDefinition", ""))
    if definition is None or not tasks.complete:
        return
    group = f"service:{service['serviceName']}"
    running = [task for task in tasks.found if task["group"] == group and task["lastStatus"] == "RUNNING"]
    for name in [container["name"] for container in definition["containerDefinitions"]]:
        containers = [item for task in running for item in task["containers"] if item["name"] == name]
        digests = {item.get("imageDigest") for item in containers}
        if None not in digests:
            labels = {"ecs_cluster": cluster, "ecs_service": service["serviceName"], "ecs_container": name}
            yield DIGESTS.sample(len(digests), **labels)


def version_samples(ran: Ran, *, complete: bool) -> Iterator[Sample]:
    """``complete``: whether no component can run anything beside; a bound of a part would be none of the whole."""
    for component, versions in sorted(ran.items()):
        known = sorted(item for item in versions if item is not None and item.patch is not None)
        for version in known:
            yield VERSION.sample(1, component=component, version=str(version))
        numbers = [version.number for version in known]
        if complete and numbers and len(numbers) == len(versions):
            yield NUMBER.sample(min(numbers), component=component, bound="lowest")
            yield NUMBER.sample(max(numbers), component=component, bound="highest")


COLLECTOR = Collector(
    name="versions",
    interval=900,
    actions=ACTIONS,
    families=(IMAGE, PINNED, FLAVOUR, VERSION, NUMBER, BEHIND, DIGESTS),
    fetch=fetch,
    samples=samples,
)
