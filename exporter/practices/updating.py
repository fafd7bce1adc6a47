"""Updating: do stacks, images and hosts belong to one version, in the order that the vendor documents?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import NamedTuple

from .. import releases
from ..config import Expect
from ..facts import Facts
from ..images import Version
from ..practice import DEPLOYMENT, PARAMETER, Practice, Verdict
from ..templates import CURRENT, OURS
from .checks import Check, all_of, amount

STACK, SERVICE = "AWS::CloudFormation::Stack", "AWS::ECS::Service"
# Stacks that are updated within this time are taken for one upgrade; seconds.
WINDOW = 7 * 86_400.0
ORDER = {template: index for index, template in enumerate(CURRENT)}
OPS, SERVICES = "5-2-ecs-ops", ("5-3a-ecs-is-service", "5-4-ecs-services")
# Grafana of NOC goes by a rule of its own (BP-29), and the tasks of certbot and ops are no services.
GRAFANA = "noc_grafana"
NO_SERVICE = (GRAFANA, "certbot", "ops")
TIMESCALEDB = ("2-5-db-timescale-master", "2-6-db-timescale-replica")
# Of such a stack the outputs are not there yet, or no more, so that they do not tell its version.
WITHOUT_OUTPUTS = ("CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_", "DELETE_")


class Stack(NamedTuple):
    """What the facts say of a stack of a current template.

    ``version`` is None where its template tells none; it is ``old`` if that is because it is from before 3.16.2.
    """

    name: str
    template: str
    version: Version | None
    updated: float | None
    old: bool


def stacks(facts: Facts) -> list[Stack]:
    updated = facts.by("stack_last_updated_timestamp_seconds", "stack")
    status = facts.words("stack_status", "stack", "status")
    found = []
    for labels, _ in facts.rows("stack_info"):
        name, template, version = labels["stack"], labels["template"], labels["template_version"]
        if template in ORDER:
            old = not version and not status.get(name, "").startswith(WITHOUT_OUTPUTS)
            found.append(Stack(name, template, Version.parse(version), updated.get(name), old))
    return found


def ours(facts: Facts) -> set[str]:
    """The stacks of this project's own templates, which no practice is about."""
    return {stack for stack, template in facts.words("stack_info", "stack", "template").items() if template in OURS}


def running(facts: Facts) -> dict[str, str]:
    """The services that run images of The Things Stack now, each with its component."""
    alive = {labels["ecs_service"] for labels, count in facts.rows("ecs_service_running_tasks") if count}
    vendors = alive & facts.by("container_image_pinned", "ecs_service").keys()
    components = facts.words("ecs_service_info", "ecs_service", "component")
    return {service: component for service, component in components.items() if service in vendors}


def in_order(facts: Facts) -> Iterator[Verdict]:
    known = stacks(facts)
    for stack in known:
        earlier = sorted({other.template for other in known if overtaken(stack, other)})
        if stack.version is None or stack.updated is None:
            if not stack.old:
                yield Verdict(stack.name, None, "when it was updated to which version is not known")
        elif earlier:
            yield Verdict(stack.name, False, f"updated before {', '.join(earlier)}", stack.updated)
        else:
            yield Verdict(stack.name, True, "updated in the order of the templates")


def overtaken(stack: Stack, other: Stack) -> bool:
    """Whether a stack was updated to a version before another whose turn was first."""
    if stack.updated is None or other.updated is None or stack.version is None or stack.version != other.version:
        return False
    out_of_turn = ORDER[other.template] < ORDER[stack.template] and 0 < other.updated - stack.updated < WINDOW
    return out_of_turn and not {stack.template, other.template} & excepted(stack.version)


def excepted(version: Version) -> set[str]:
    """The templates for which the vendor documents another place in the order on the way to a minor (BP-10)."""
    exceptions = [each for each in releases.load().order_exceptions if each.version.minor == version.minor]
    return {step.template for each in exceptions for step in (*each.first, *each.last)}


def behind(version: Version, newest: Version) -> str:
    return f"template {version}, the newest here is {newest}"


def together(facts: Facts) -> Iterator[Verdict]:
    """The warning: two minors behind, no version at all, or older than the services that it configures."""
    known = stacks(facts)
    newest = max((stack.version for stack in known if stack.version), default=None)
    services = max((stack.version.minor for stack in known if stack.version and stack.template[0] == "5"), default=0)
    for stack in known:
        if stack.version is None or newest is None:
            fact = "no VersionTag: its template is older than 3.16.2" if stack.old else "its version is not known"
            yield Verdict(stack.name, False if stack.old else None, fact)
        else:
            configures = stack.template.startswith(("3-", "4-"))
            late = releases.minors_between(stack.version, newest) >= 2
            late = late or (configures and stack.version.minor < services)
            yield Verdict(stack.name, not late, behind(stack.version, newest))


def up_to_date(facts: Facts) -> Iterator[Verdict]:
    known = [(stack.name, stack.version) for stack in stacks(facts) if stack.version]
    newest = max((version for _, version in known), default=None)
    for name, version in known:
        if newest:
            yield Verdict(name, version.minor == newest.minor, behind(version, newest))


def one_version(facts: Facts) -> Iterator[Verdict]:
    """Each component's number is known only if all is known that runs of it."""
    found, components = set(), set(running(facts).values())
    for labels, _ in facts.rows("component_version_info"):
        components.add(labels["component"])
        if labels["component"] not in NO_SERVICE and (version := Version.parse(labels["version"])):
            found.add(version)
    unknown = sorted(components - facts.by("component_version_number", "component").keys() - {*NO_SERVICE})
    name = facts.deployment.name
    if len(found) > 1:
        yield Verdict(name, False, f"images of {', '.join(map(str, sorted(found, reverse=True)))} run side by side")
    elif unknown:
        yield Verdict(name, None, f"the versions of {', '.join(unknown)} are not known")
    elif found:
        yield Verdict(name, True, f"every image is {max(found)}")


def migrated_first(facts: Facts) -> Iterator[Verdict]:
    known = stacks(facts)
    services = [stack for stack in known if stack.template in SERVICES]
    for ops in known:
        if ops.template == OPS and services:
            yield all_of(ops.name, *(not_after(ops, each) for each in services), as_new_as_services(facts))


def not_after(ops: Stack, services: Stack) -> Check:
    if ops.version is None or ops.updated is None or services.version is None or services.updated is None:
        return Check(None, "", "")
    if services.version.minor > ops.version.minor:
        return Check(False, "", f"{services.template} is at {services.version} already", services.updated)
    late = ops.version == services.version and 0 < ops.updated - services.updated < WINDOW
    return Check(not late, "", f"updated after {services.template}", services.updated)


def as_new_as_services(facts: Facts) -> Check:
    """The image of ops, whose migrations are those of its own minor."""
    highest = facts.by("component_version_number", "component", bound="highest")
    # A pre-release is half below its release, and so may seem to be of the minor before.
    services = [ceil(number) // 1_000 for component, number in highest.items() if component not in NO_SERVICE]
    known = "ops" in highest and bool(services)
    return Check(
        ceil(highest["ops"]) // 1_000 >= max(services) if known else None,
        "not updated after the services",
        "its image is of an older minor than the services'",
    )


def harmless_change_sets(facts: Facts) -> Iterator[Verdict]:
    endangers = facts.by("change_set_endangers_data", "stack")
    for stack in (facts.words("stack_info", "stack", "template") | endangers).keys() - ours(facts):
        if stack in endangers:
            kinds = sorted(row.labels["resource_type"] for row in facts.rows("change_set_replacements", stack=stack))
            wrong = "a pending change set endangers data"
            if kinds:
                wrong += f"; it would replace or remove {', '.join(kinds)}"
            yield Verdict.of(stack, not endangers[stack], "no pending change set endangers data", wrong)
        elif not facts.known("change_set_endangers_data"):
            yield Verdict(stack, None, "what its pending change sets would do is not known")


def worth_replacing(facts: Facts) -> Iterator[Verdict]:
    pending = facts.by("change_sets_pending", "stack")
    only_image = facts.by("change_set_only_image_changes", "stack")
    for stack in stacks(facts):
        if stack.template not in TIMESCALEDB:
            continue
        if stack.name in only_image:
            yield Verdict.of(
                stack.name, not only_image[stack.name], "its change set changes more than the machine image",
                "a pending change set changes nothing but the machine image",
            )  # fmt: skip
        elif pending.get(stack.name) == 0:
            yield Verdict(stack.name, True, "no change set is pending")
        elif stack.name in pending or not facts.known("change_sets_pending"):
            yield Verdict(stack.name, None, "what its pending change sets would do is not known")


def switched_on(value: str) -> bool:
    """Whether a parameter of a template switches something on; they are words in some versions, booleans in others."""
    return value.lower() not in ("false", "disabled", "")


def paired(facts: Facts) -> Iterator[Verdict]:
    prefix = f"{facts.deployment.stack_prefix}-"
    for name in ("SupportProxyTLS", "LBSCUPSmTLSEnabled", "InteropEnabled"):
        stacks_by: dict[bool, list[str]] = {}
        for labels, _ in facts.rows("stack_parameter_info"):
            # The Identity Server's stack has a name of its own for it.
            if labels["parameter"] in (name, f"{name}IS"):
                stacks_by.setdefault(switched_on(labels["value"]), []).append(labels["stack"].removeprefix(prefix))
        said = [
            f"{'on' if is_on else 'off'} in {', '.join(sorted(stacks_by[is_on]))}"
            for is_on in (True, False)
            if is_on in stacks_by
        ]
        if said:
            yield Verdict(name, len(said) == 1, "; ".join(said))


def supported(most: int) -> Callable[[Facts], Iterator[Verdict]]:
    """Services of the vendor's images by how many minors the oldest that they run is behind."""

    def judge(facts: Facts) -> Iterator[Verdict]:
        latest = newest_release(facts.deployment.expect)
        late: dict[str, float] = {}
        for labels, minors in facts.rows("ecs_service_minors_behind"):
            late[labels["ecs_service"]] = max(minors, late.get(labels["ecs_service"], 0))
        for service, minors in late.items():
            fact = f"runs 3.{latest.minor - minors:g}, {amount(minors, 'minor')} behind {latest}"
            yield Verdict(service, minors <= most, fact if minors else f"no older than {latest.major}.{latest.minor}")
        for service, component in running(facts).items():
            if service not in late and component != GRAFANA:
                yield Verdict(service, None, "what its image's tag stands for is not known")

    return judge


def newest_release(expect: Expect) -> Version:
    configured = Version.parse(expect.latest_version) if expect.latest_version else None
    return configured or releases.load().newest()


def latest_expected(expect: Expect) -> str:
    return f"one of the two newest minors; the newest is {newest_release(expect)}"


INFO, UPDATED = "stack_info", "stack_last_updated_timestamp_seconds"
STACKS = (INFO, UPDATED, "stack_status")
NUMBER, PENDING = "component_version_number", "change_sets_pending"
RUNS = ("container_image_pinned", "ecs_service_info", "ecs_service_running_tasks")
ENDANGERS = ("change_set_endangers_data", "change_set_replacements")
BEHIND = ("ecs_service_minors_behind", *RUNS)
PRACTICES: tuple[Practice, ...] = (
    Practice("BP-09", "info", STACK, "updated after every stack of a lower number", STACKS, in_order),
    Practice("BP-11", "warning", STACK, "at most one minor behind, and not behind the services", STACKS, together),
    Practice("BP-11", "info", STACK, "the minor of the newest stack", STACKS, up_to_date),
    Practice(
        "BP-12",
        "warning",
        DEPLOYMENT,
        "one version of all images",
        ("component_version_info", NUMBER, *RUNS),
        one_version,
    ),
    Practice("BP-13", "warning", STACK, "5-2 before 5-3a and 5-4", (*STACKS, NUMBER), migrated_first),
    Practice(
        "BP-15",
        "critical",
        STACK,
        "no change set that replaces or removes data",
        (INFO, *ENDANGERS),
        harmless_change_sets,
    ),
    Practice(
        "BP-16",
        "info",
        STACK,
        "more than a new machine image",
        (*STACKS, PENDING, "change_set_only_image_changes"),
        worth_replacing,
    ),
    Practice("BP-22", "warning", PARAMETER, "the same value in every stack", ("stack_parameter_info",), paired),
    Practice("BP-26", "critical", SERVICE, latest_expected, BEHIND, supported(2)),
    Practice("BP-26", "warning", SERVICE, latest_expected, BEHIND, supported(1)),
)
