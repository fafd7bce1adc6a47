"""Images of containers: is each the one that somebody chose, made for ECS, and the same in every task?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from .. import images
from ..facts import Facts
from ..practice import Practice, Verdict
from .checks import HOUR, Check, all_of, amount

SERVICE, DEFINITION = "AWS::ECS::Service", "AWS::ECS::TaskDefinition"
ROLLOUT = HOUR  # until then tasks of two versions are as it should be
# The vendor's own instructions have this image, which has no releases.
UNPINNED_BY_THE_VENDOR = "aws-certbot-dns-route53"
GRAFANA = "noc_grafana"


def image_names(facts: Facts, *, services: bool) -> list[str]:
    """Whose images are known: services, or the families of what runs without one (certbot, ops)."""
    running = {*facts.by("ecs_service_info", "ecs_service"), *facts.by("ecs_service_image_digests", "ecs_service")}
    if not services and not facts.known("ecs_service_info"):
        return []
    return [name for name in facts.by("container_image_info", "ecs_service") if (name in running) is services]


def pinned(facts: Facts, *, services: bool, documented: bool = False) -> Iterator[Verdict]:
    texts, exempt, trial = {}, set(), set()
    for labels, _ in facts.rows("container_image_info"):
        image = labels["image"].rpartition("/")[2]
        texts[labels["ecs_service"], labels["ecs_container"]] = f"{image}:{labels['tag']}".rstrip(":")
        if image == UNPINNED_BY_THE_VENDOR:
            exempt.add(labels["ecs_service"])
        version = images.Version.parse(labels["version"])
        if version and version.pre and facts.deployment.environment == "prod":
            trial.add((labels["ecs_service"], labels["ecs_container"]))
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, on in facts.rows("container_image_pinned"):
        container = labels["ecs_service"], labels["ecs_container"]
        text = texts.get(container, labels["ecs_container"])
        checks[labels["ecs_service"]].append(Check(on, f"{text} stays the same", f"{text} can become another image"))
        if container in trial:
            checks[labels["ecs_service"]].append(Check(False, "", f"{text} is a pre-release"))
    for name in image_names(facts, services=services):
        if checks[name] and (services or (name in exempt) is documented):
            yield all_of(name, *checks[name])


def one_image(facts: Facts) -> Iterator[Verdict]:
    """Of each container; while a service is deployed, and in the hour after that began, it may have two."""
    busy = facts.by("ecs_service_deployment_rollout", "ecs_service", rollout_state="in_progress")
    created = facts.by("ecs_service_deployment_created_timestamp_seconds", "ecs_service")
    read_at = facts.read_at("ecs_service_image_digests")
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, count in facts.rows("ecs_service_image_digests"):
        service = labels["ecs_service"]
        deploying = busy.get(service) == 1 or read_at - created.get(service, 0.0) < ROLLOUT
        fact = f"its tasks run {amount(count, 'image')} of {labels['ecs_container']}"
        checks[service].append(Check(count <= 1 or deploying, fact, fact))
    for service, found in checks.items():
        yield all_of(service, *found)


def made_for_ecs(facts: Facts, *, services: bool) -> Iterator[Verdict]:
    """Of images whose tag names a version; what the others are for nobody can tell."""
    tags = {
        (labels["ecs_service"], labels["ecs_container"]): labels["tag"]
        for labels, _ in facts.rows("container_image_info")
    }
    components = facts.words("ecs_service_info", "ecs_service", "component")
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, on in facts.rows("container_image_aws_flavour"):
        tag = f"tag {tags.get((labels['ecs_service'], labels['ecs_container']), '')}"
        checks[labels["ecs_service"]].append(Check(on, tag, f"{tag} is not made for ECS"))
    for name in image_names(facts, services=services):
        if checks[name] and components.get(name) != GRAFANA:
            yield all_of(name, *checks[name])


def grafana_follows(facts: Facts) -> Iterator[Verdict]:
    """The Network Operations Center's Grafana against its own minor, or the newest of all where it does not run."""
    components = facts.words("ecs_service_info", "ecs_service", "component")
    minors: dict[str, tuple[int, int]] = {}
    for labels, _ in facts.rows("container_image_info"):
        text = f"{labels['image']}:{labels['tag']}"
        version = images.Version.parse(labels["version"]) or images.parse(text).version
        if version:
            minors[labels["ecs_service"]] = version.major, version.minor
    others = {service: minor for service, minor in minors.items() if components.get(service, GRAFANA) != GRAFANA}
    noc = [minor for service, minor in others.items() if components[service] == "noc"]
    stack = max(noc or others.values(), default=None)
    for service, component in components.items():
        if component == GRAFANA:
            own = minors.get(service)
            met = None if own is None or stack is None else own == stack
            right, wrong = f"{dotted(own)} as the stack", f"{dotted(own)}, while the stack is {dotted(stack)}"
            yield all_of(service, Check(met, right, wrong))


def dotted(minor: tuple[int, int] | None) -> str:
    return ".".join(map(str, minor or ()))


IMAGES = ("container_image_info", "ecs_service_info", "ecs_service_image_digests")
PINNED, FLAVOUR = (*IMAGES, "container_image_pinned"), (*IMAGES, "container_image_aws_flavour")
DIGESTS = (
    "ecs_service_image_digests",
    "ecs_service_deployment_rollout",
    "ecs_service_deployment_created_timestamp_seconds",
)
A_RELEASE = "the tag of one release, 3.x.y, or a digest; in production no pre-release"

PRACTICES: tuple[Practice, ...] = (
    Practice("BP-27", "critical", SERVICE, "the same image in every task", DIGESTS, one_image),
    Practice("BP-27", "warning", SERVICE, A_RELEASE, PINNED, partial(pinned, services=True)),
    Practice("BP-27", "warning", DEFINITION, A_RELEASE, PINNED, partial(pinned, services=False)),
    Practice("BP-27", "info", DEFINITION, A_RELEASE, PINNED, partial(pinned, services=False, documented=True)),
    Practice("BP-28", "warning", SERVICE, "a tag 3.x.y-aws", FLAVOUR, partial(made_for_ecs, services=True)),
    Practice("BP-28", "warning", DEFINITION, "a tag 3.x.y-aws", FLAVOUR, partial(made_for_ecs, services=False)),
    Practice("BP-29", "info", SERVICE, "the minor of the stack", IMAGES[1::-1], grafana_follows),
)
