"""What runs now: the releases of a deployment's components, and what is not known of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..facts import Facts
from ..images import Version
from ..practices.checks import amount
from ..practices.updating import NO_SERVICE

# What was removed, or is none of the vendor's, is of no release that a deployment could be upgraded from.
NOT_COUNTED = (*NO_SERVICE, "udp_gs", "other")


class Running(NamedTuple):
    """The releases that run, by component. ``unknown``: components of which not all is known.

    ``complete``: whether all that runs was read, so that no other component does.
    """

    versions: dict[str, tuple[Version, ...]]
    unknown: tuple[str, ...] = ()
    complete: bool = True

    @property
    def lowest(self) -> Version | None:
        """The lowest release that is known to run."""
        return min((version for each in self.versions.values() for version in each), default=None)

    def all_known(self) -> bool:
        """Whether nothing else can run."""
        return bool(self.versions) and not self.unknown and self.complete


def running(facts: Facts) -> Running:
    """What runs now, by the images of the services."""
    found: dict[str, set[Version]] = {}
    for labels, _ in facts.rows("component_version_info"):
        version = Version.parse(labels["version"])
        if version and labels["component"] not in NOT_COUNTED:
            found.setdefault(labels["component"], set()).add(version)
    tasks = facts.by("ecs_service_running_tasks", "ecs_service")
    of_service = facts.words("ecs_service_info", "ecs_service", "component")
    there = {component for service, component in of_service.items() if tasks.get(service)} - set(NOT_COUNTED)
    told = facts.by("component_version_number", "component", bound="lowest")
    # The collector of the second reads much more; where its services are told, all of them are.
    complete = facts.known("component_version_info") and (bool(of_service) or facts.known("ecs_service_info"))
    return Running(
        {component: tuple(sorted(found[component])) for component in sorted(found)},
        tuple(sorted((there | found.keys()) - told.keys())),
        complete,
    )


def components(known: Running, only: Iterable[Version] | None = None) -> str:
    """``3.36.1 (gs, ns), 3.36.2 (is)``; a release that all run without them."""
    by: dict[Version, list[str]] = defaultdict(list)
    for component, versions in known.versions.items():
        for version in versions:
            by[version].append(component)
    wanted = by if only is None else only
    if only is None and len(by) == 1:
        return f"{next(iter(by))} in {amount(len(known.versions), 'component')}"
    return ", ".join(f"{version} ({', '.join(by[version])})" for version in sorted(wanted))


def not_known(facts: Facts, known: Running) -> Iterator[str]:
    if known.unknown:
        yield f"which release runs is not known of {', '.join(known.unknown)}"
    elif known.complete:
        yield "nothing of The Things Stack runs"
    if not known.complete:
        yield from unread(facts, "component_version_info", "ecs_service_info")


def unread(facts: Facts, *families: str, none: str = "") -> list[str]:
    """Why not all of these families was read, with the IAM actions that are missing; ``none``: if all was."""
    if facts.known(*families):
        return [none] if none else []
    why = [f"the collector {name} does not run" for name in facts.disabled(families)]
    for failure in facts.failures(families):
        missing = f" (missing IAM action: {failure.action})" if failure.action else ""
        why.append(f"{failure.operation}: {failure.reason} {failure.code}".rstrip() + missing)
    return list(dict.fromkeys(why)) or ["it was not read"]


def some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
