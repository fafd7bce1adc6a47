"""Which releases: what may be upgraded to, what runs now, and what staging has run."""

from __future__ import annotations

from collections import defaultdict

from .. import releases
from ..images import Version
from ..practices.checks import age
from ..practices.updating import ORDER, stacks
from .line import Asked, Line, by_practice
from .running import components, not_known, running, some, unread


def released(asked: Asked) -> Line:
    known, target = releases.load().releases, asked.target
    line = Line("release", f"Is {target} a release that is known here?", "yes", (), "release table", blocks=True)
    of_minor = max((each for each in known if each.minor == target.minor), default=None)
    if target not in known:
        newest, of = (of_minor, f" of {target.major}.{target.minor}") if of_minor else (max(known), "")
        what = f"not in this exporter's table, where the newest{of} is {newest}"
        untold = "what it asks for beside what is below is not known: read its notes, or update the exporter"
        return line._replace(answer="unknown", evidence=(what, untold))
    evidence = [f"released {known[target]}"]
    if of_minor and of_minor > target:
        evidence.append(f"{of_minor} is newer and of the same minor")
    return line._replace(evidence=tuple(evidence))


def newer(asked: Asked) -> Line:
    known, target = asked.running, asked.target
    line = Line("newer", f"Is {target} newer than what runs?", "yes", (), "images of the services", blocks=True)
    ahead = {version for each in known.versions.values() for version in each if version > target}
    if ahead:
        there = f"{components(known, ahead)} already; databases are not migrated back"
        return line._replace(answer="no", evidence=(f"runs {there}",))
    if not known.all_known():
        return line._replace(answer="unknown", evidence=tuple(not_known(asked.facts, known)))
    already = "; it runs already, only stacks can be behind" if known.lowest == target else ""
    return line._replace(evidence=(f"runs {components(known)}{already}",))


def one_version(asked: Asked) -> Line:
    return by_practice(asked, "one_version", "Does one release run everywhere?", "BP-12")


def templates(asked: Asked) -> Line:
    """What the stacks are made from; that of a stack that is ahead would be downgraded."""
    facts, target = asked.facts, asked.target
    line = Line("templates", "Of which releases are the stacks?", "info", (), "BP-11", blocks=True)
    have = sorted(stacks(facts), key=lambda stack: (ORDER[stack.template], stack.name))
    ahead = [stack.name for stack in have if stack.version and stack.version > target]
    names: dict[Version | None, list[str]] = defaultdict(list)
    for stack in have:
        names[stack.version].append(stack.name)
    told = sorted((version for version in names if version), reverse=True)
    evidence = [f"{version}: {some(names[version])}" for version in told]
    if None in names:
        evidence.append(f"which tell no release: {some(names[None])}")
    if ahead:
        return line._replace(answer="no", evidence=(f"newer than {target} already: {some(ahead)}", *evidence))
    if not have or not facts.known("stack_info"):
        return line._replace(
            answer="unknown", evidence=(*unread(facts, "stack_info", none="no stack is known"), *evidence)
        )
    return line._replace(evidence=tuple(evidence))


def staging(asked: Asked) -> Line | None:
    """Whether the twin runs the release, or a newer one, in all that runs here; asked of production only."""
    facts, target, twin = asked.facts, asked.target, asked.facts.twin
    if facts.deployment.environment == "staging":
        return None
    waived = asked.waived("BP-02", facts.deployment.name)
    line = Line("staging", f"Has staging run {target} completely?", "yes", (), "BP-02", blocks=not waived)
    notes = (waived,) if waived else ()
    if twin is None:
        none = facts.value("staging_configured") == 0
        what = "no staging twin is known" if none else "nothing is known of its staging twin"
        return line._replace(answer="no" if none else "unknown", evidence=(what, *notes))
    name, there = twin.deployment.name, running(twin)
    behind = {version for each in there.versions.values() for version in each if version < target}
    old = sorted(stack.name for stack in stacks(twin) if not stack.version or stack.version < target)
    if old:
        notes = (*notes, f"templates that are older than {target} there: {some(old)}")
    here = asked.running.versions.keys() | set(asked.running.unknown)
    lacking = sorted(here - there.versions.keys() - set(there.unknown)) if there.complete else []
    asleep = twin.deployment.expect.may_sleep
    if lacking:
        may = ", where services may be switched off" if asleep else ""
        notes = (f"not tried, as it does not run there{may}: {', '.join(lacking)}", *notes)
    if not there.all_known():
        notes = (*(f"{name}: {why}" for why in not_known(twin, there)), *notes)
    if behind:
        return line._replace(answer="no", evidence=(f"{name} still runs {components(there, behind)}", *notes))
    if lacking and not asleep:
        return line._replace(answer="no", evidence=notes)
    if lacking or not there.all_known():
        return line._replace(answer="unknown", evidence=notes)
    created = "ecs_service_deployment_created_timestamp_seconds"
    newest = max(twin.by(created, "ecs_service").values(), default=None)
    since = f", the newest rollout began {age(twin.read_at(created) - newest)} ago" if newest is not None else ""
    return line._replace(evidence=(f"{name} runs {components(there)}{since}", *notes))
