"""The way from what a deployment runs to a release: what is migrated, what may surprise, and which stack is next.

Of the release table (releases.yaml) that remains which this deployment has: its databases, and the templates of its
stacks at the versions that they have now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Literal, NamedTuple, TypeVar

from .. import releases
from ..facts import Facts
from ..images import Version
from ..practices.updating import OPS, TIMESCALEDB, Stack, stacks
from ..releases import Migration, OrderException, Stopover, Trap
from ..templates import CURRENT, REMOVED
from .running import Running

# The component that uses a database. One that nobody runs is not migrated; of others it tells from which release.
USED_BY = {"is-db": "is", "ns-db": "ns", "as-db": "as", "js-db": "js", "noc-db": "noc", "storage-db": "as"}
# Before 3.16.2 templates did not tell their version.
UNTOLD = Version(3, 0, 0)
ON = ("true", "enabled")


class Due(NamedTuple):
    """A migration that is due, once, whichever releases named it."""

    database: str
    command: str
    versions: tuple[Version, ...]
    notes: tuple[str, ...]
    optional: bool

    @property
    def line(self) -> str:
        """What the ops task runs."""
        return f"tti-lw-stack {self.database} {self.command}"


class Step(NamedTuple):
    """Something to be done. ``resource``: a stack, a volume, a database, or the template that has no stack yet."""

    kind: Literal["prepare", "snapshot", "update", "deploy", "migrate", "finish", "remove"]
    resource: str
    template: str
    words: str


T = TypeVar("T")


class Split(NamedTuple, Generic[T]):
    """What of a list concerns a deployment, and why the rest does not, in words."""

    here: list[T]
    left_out: list[str]


def uses(facts: Facts, known: Running, database: str) -> tuple[bool | None, str]:
    """Whether a deployment has a database, and if not, why; None where that is not known."""
    if database == "storage-db":
        switches = facts.rows("stack_parameter_info", parameter="ApplicationServerStorageEnabled")
        if any(labels["value"].lower() in ON for labels, _ in switches):
            return True, ""
        off = bool(switches) or facts.known("stack_parameter_info")
        return (False if off else None), "the storage integration is switched off"
    component = USED_BY.get(database)
    if component is None or component in known.versions or component in known.unknown:
        return True, ""
    return (False if known.complete else None), f"no {component} runs here"


def _before(known: Running, database: str) -> Version | None:
    """The release from which a database is migrated."""
    return min(known.versions.get(USED_BY.get(database, ""), ()), default=known.lowest)


def migrations(facts: Facts, known: Running, target: Version) -> Split[Due]:
    """The migrations that are due, each once, in the order of the newest release that names it."""
    named: dict[tuple[str, str], list[Migration]] = {}
    for each in releases.load().migrations:
        before = _before(known, each.database)
        if before and before < each.version <= target:
            named.setdefault((each.database, each.command), []).append(each)
    due, left_out = [], {}
    for (database, command), those in sorted(named.items(), key=lambda item: item[1][-1].version):
        has, why = uses(facts, known, database)
        if has is False:
            left_out[database] = why
            continue
        notes = [f"{each.version}: {each.note}" for each in those if each.note]
        notes += ["whether it is used here is not known"] if has is None else []
        optional = all(each.optional for each in those)
        due.append(Due(database, command, tuple(each.version for each in those), tuple(notes), optional))
    return Split(due, [f"{database}: {why}" for database, why in left_out.items()])


def stopovers(facts: Facts, known: Running, target: Version) -> Split[Stopover]:
    """The releases that a database has to be migrated with on the way."""
    stops, left_out = [], []
    for stop in releases.load().stopovers:
        before = _before(known, stop.database)
        if before and before < stop.version and stop.entering <= target:
            has, why = uses(facts, known, stop.database)
            if has is False:
                left_out.append(f"{stop.version} for {stop.database}: {why}")
            else:
                stops.append(stop)
    return Split(stops, left_out)


def traps(facts: Facts, known: Running, target: Version) -> Split[Trap]:
    """The traps that wait for stacks of this deployment, at the versions that their templates have."""
    have = stacks(facts)
    crossed, left_out = [], []
    for trap in releases.load().traps:
        concerned = [stack for stack in have if stack.template in trap.templates]
        before = _oldest(concerned) if trap.templates else known.lowest
        # Of stacks that were not read nobody can say that there are none.
        if trap.templates and not concerned and not facts.known("stack_info"):
            before = known.lowest
        if before and before < target and trap.waits_for(before, target):
            crossed.append(trap)
        elif known.lowest and trap.waits_for(known.lowest, target):
            why = "its stacks are past it" if concerned else "there is no stack of it"
            left_out.append(f"{trap.version}, {', '.join(trap.templates)}: {why}")
    return Split(crossed, left_out)


def _oldest(members: Iterable[Stack]) -> Version | None:
    return min((stack.version or UNTOLD for stack in members), default=None)


def steps(facts: Facts, target: Version, due: Sequence[Due]) -> list[Step]:
    """What is done to which stack, one after the other, with what has to come in between."""
    have = stacks(facts)
    missing = {template for template, present in facts.by("stack_expected_present", "template").items() if not present}
    exceptions = [
        each
        for each in releases.load().order_exceptions
        if _crosses(each, have, target) and _in_use(facts, each, have) is not False
    ]
    found = [step for each in exceptions for step in _exception(facts, each, have, target, "prepare")]
    updated = {step.template for each in exceptions for step in each.first if step.instead_of_its_turn}
    for template in CURRENT:
        outdated = sorted(stack for stack in have if stack.template == template and _behind(stack, target))
        if template not in updated:
            found += [Step("update", stack.name, template, _from_to(stack, target)) for stack in outdated]
        if template in missing:
            found.append(Step("deploy", template, template, "such a cluster needs it, and there is no stack of it"))
        if template == OPS:
            for each in due:
                may = "; may be left out" if each.optional else ""
                words = "".join(
                    (f"with the ops task of {target}: {each.line}", may, *(f"; {note}" for note in each.notes))
                )
                found.append(Step("migrate", each.database, OPS, words))
    found += [step for each in exceptions for step in _exception(facts, each, have, target, "finish")]
    for stack_name, template in facts.words("stack_info", "stack", "template").items():
        if template in REMOVED:
            words = "its template is no more; first see that nothing uses the stack"
            found.append(Step("remove", stack_name, template, words))
    return list(_with_snapshots(facts, found))


def _behind(stack: Stack, target: Version) -> bool:
    return (stack.version or UNTOLD) < target


def _from_to(stack: Stack, target: Version) -> str:
    return f"{stack.version or 'a release that it does not tell'} to {target}"


def _crosses(exception: OrderException, have: Sequence[Stack], target: Version) -> bool:
    """Whether a stack that it is about goes past it."""
    about = exception.templates or tuple(step.template for step in exception.first)
    oldest = _oldest(stack for stack in have if stack.template in about)
    return oldest is not None and oldest < exception.version <= target


def _in_use(facts: Facts, exception: OrderException, have: Sequence[Stack]) -> bool | None:
    """Whether a deployment has what it is about; None where that is not known."""
    if not exception.switch:
        return True
    deployed = {step.template for step in exception.first if step.action.startswith("deploy")}
    switches = facts.rows("stack_parameter_info", parameter=exception.switch)
    if any(labels["value"].lower() in ON for labels, _ in switches) or any(each.template in deployed for each in have):
        return True
    return False if switches or facts.known("stack_parameter_info") else None


def _exception(
    facts: Facts, exception: OrderException, have: Sequence[Stack], target: Version, kind: Literal["prepare", "finish"]
) -> Iterator[Step]:
    unknown = _in_use(facts, exception, have) is None
    note = f"; whether {exception.switch} is on here is not known" if unknown else ""
    for step in exception.first if kind == "prepare" else exception.last:
        words = f"{step.action} ({exception.version}){note}"
        those = sorted(stack for stack in have if stack.template == step.template)
        for stack in those:
            if step.instead_of_its_turn and _behind(stack, target):
                yield Step(kind, stack.name, step.template, f"{_from_to(stack, target)}: {words}")
            elif not step.instead_of_its_turn:
                yield Step(kind, stack.name, step.template, words)
        if not those and step.action.startswith("deploy"):
            yield Step(kind, step.template, step.template, words)


def _with_snapshots(facts: Facts, found: Iterable[Step]) -> Iterator[Step]:
    """Whatever there is: what a change of TimescaleDB's stack may break is as new as the change."""
    taken: set[str] = set()
    volumes = facts.words("backup_store_info", "resource", "stack", storage="timescaledb")
    for step in found:
        if step.template in TIMESCALEDB and step.resource not in taken:
            taken.add(step.resource)
            for volume, owner in volumes.items():
                if owner == step.resource:
                    yield Step("snapshot", volume, step.template, "right before the first change of its stack")
        yield step
