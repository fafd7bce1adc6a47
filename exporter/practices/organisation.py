"""Organisation: are stacks named, staged and changed as the vendor advises, and do networks not overlap?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from ipaddress import ip_network

from ..config import Expect, format_duration
from ..facts import Facts
from ..images import Version
from ..practice import DEPLOYMENT, Practice, Verdict
from .updating import RUNS, ours, running

STACK, VPC = "AWS::CloudFormation::Stack", "AWS::EC2::VPC"
# No update or deletion of a stack takes longer unless something hangs; seconds.
LONGEST_CHANGE = 7_200.0
# A change set for a stack that was never made makes it look like one.
NOT_MADE = "REVIEW_IN_PROGRESS"


def named(facts: Facts) -> Iterator[Verdict]:
    left_out = ours(facts)
    for stack, follows in facts.by("stack_name_follows_scheme", "stack").items():
        if stack not in left_out:
            yield Verdict.of(stack, follows, "named after its template", "its name tells no template")


def staging_first(facts: Facts) -> Iterator[Verdict]:
    name, twin = facts.deployment.name, facts.twin
    if facts.value("staging_configured") != 1:
        return
    ahead = facts.by("version_ahead_of_staging", "component") if twin else {}
    here, there = set(running(facts).values()), set(running(twin).values()) if twin else set()
    untried = ", ".join(sorted(here - there)) if twin else ""
    maybe = bool(untried and twin and (twin.deployment.expect.may_sleep or not twin.known(*RUNS)))
    unknown = sorted((here & there) - ahead.keys())
    wrong = too_new(facts, twin, ahead) if twin else []
    if untried and not maybe:
        wrong.append(f"does not run in staging: {untried}")
    if wrong:
        yield Verdict(name, False, "; ".join(wrong))
    elif maybe:
        yield Verdict(name, None, f"whether staging ran {untried} is not known")
    elif unknown or not ahead:
        of = f" of {', '.join(unknown)}" if unknown else ""
        yield Verdict(name, None, f"the versions{of} that run here and in staging are not both known")
    else:
        yield Verdict(name, True, "staging runs what runs here, or newer")


def too_new(facts: Facts, twin: Facts, ahead: Mapping[str, float]) -> list[str]:
    """The components that are ahead, together where it is from and to the same release."""
    pairs: dict[tuple[Version, Version], list[str]] = defaultdict(list)
    for component in sorted(component for component, is_ahead in ahead.items() if is_ahead):
        pairs[max(versions(facts, component)), min(versions(twin, component))].append(component)
    return [
        f"runs {newest} while staging still runs {oldest} ({', '.join(components)})"
        for (newest, oldest), components in pairs.items()
    ]


def versions(facts: Facts, component: str) -> Iterator[Version]:
    """The releases of a component that run."""
    for labels, _ in facts.rows("component_version_info", component=component):
        if version := Version.parse(labels["version"]):
            yield version


def has_staging(facts: Facts) -> Iterator[Verdict]:
    for _, configured in facts.rows("staging_configured"):  # staging itself has none
        yield Verdict.of(facts.deployment.name, configured, "it has a staging twin", "no staging twin is known")


def apart(facts: Facts) -> Iterator[Verdict]:
    if not facts.others:
        return
    theirs, unknown = [], []
    for other in facts.others:
        rows = other.rows("vpc_cidr_info")
        theirs += [(other.deployment.name, labels["vpc"], labels["cidr"]) for labels, _ in rows]
        if not rows and not other.known("vpc_cidr_info"):
            unknown.append(other.deployment.name)
    ranges: dict[str, list[str]] = {}
    for labels, _ in facts.rows("vpc_cidr_info"):
        ranges.setdefault(labels["vpc"], []).append(labels["cidr"])
    for vpc, cidrs in ranges.items():
        shared = sorted(
            f"{cidr} overlaps with {other} of {name}"
            for cidr in cidrs
            for name, other_vpc, other in theirs
            if other_vpc != vpc and ip_network(cidr).overlaps(ip_network(other))
        )
        if shared:
            yield Verdict(vpc, False, "; ".join(shared))
        elif unknown:
            yield Verdict(vpc, None, f"the ranges of {', '.join(unknown)} are not known")
        else:
            yield Verdict(vpc, True, f"no other deployment of the network overlaps with {', '.join(cidrs)}")


def undrifted(facts: Facts) -> Iterator[Verdict]:
    drifted, checked = facts.by("stack_drifted", "stack"), facts.by("stack_drift_check_timestamp_seconds", "stack")
    allowed = facts.deployment.expect.drift_check
    for stack in facts.words("stack_info", "stack", "template").keys() - ours(facts):
        if drifted.get(stack) == 1:
            yield Verdict(stack, False, "drifted, as of its last drift detection")
        elif stack not in checked:
            yield Verdict(stack, None, "drift was never detected")
        elif stack not in drifted:
            yield Verdict(stack, None, "its last drift detection did not tell")
        elif facts.read_at("stack_drifted") - checked[stack] > allowed:
            yield Verdict(stack, None, f"its last drift detection is more than {format_duration(allowed)} old")
        else:
            yield Verdict(stack, True, "in sync, as of its last drift detection")


def changes(facts: Facts) -> Iterator[tuple[str, str, float | None]]:
    """Stacks, what their last change came to, and when that began; when a deletion did AWS does not say."""
    began, left_out = facts.by("stack_last_updated_timestamp_seconds", "stack"), ours(facts)
    for stack, status in facts.words("stack_status", "stack", "status").items():
        if status != NOT_MADE and stack not in left_out:
            yield stack, status, None if status.startswith("DELETE_") else began.get(stack)


def not_failed(facts: Facts) -> Iterator[Verdict]:
    for stack, status, began in changes(facts):
        failed = status.endswith("_FAILED")
        yield Verdict(stack, not failed, status, began if failed else None)


def settled(facts: Facts) -> Iterator[Verdict]:
    for stack, status, began in changes(facts):
        if not status.endswith("_IN_PROGRESS"):
            wrong = "ROLLBACK" in status or status.endswith("_FAILED")
            fact = f"{status}: the last change did not take" if wrong else status
            yield Verdict(stack, not wrong, fact, began if wrong else None)
        elif began is None:
            yield Verdict(stack, None, f"{status}, nobody knows for how long")
        else:
            late = facts.read_at("stack_status") - began > LONGEST_CHANGE
            fact = f"{status} for more than {format_duration(LONGEST_CHANGE)}" if late else status
            yield Verdict(stack, not late, fact, began + LONGEST_CHANGE if late else None)


def drift_expected(expect: Expect) -> str:
    return f"no drift, detected within the last {format_duration(expect.drift_check)}"


INFO = "stack_info"
STATUS = (INFO, "stack_status", "stack_last_updated_timestamp_seconds")
AHEAD = ("version_ahead_of_staging", "staging_configured", "component_version_info", *RUNS)
DRIFT = (INFO, "stack_drifted", "stack_drift_check_timestamp_seconds")
PRACTICES: tuple[Practice, ...] = (
    Practice("BP-01", "info", STACK, "PREFIX-TEMPLATE", (INFO, "stack_name_follows_scheme"), named),
    Practice(
        "BP-02",
        "warning",
        DEPLOYMENT,
        "every component and version runs in staging first",
        AHEAD,
        staging_first,
        "prod",
        "twin",
    ),
    Practice("BP-02", "info", DEPLOYMENT, "a staging twin", ("staging_configured",), has_staging, "prod"),
    Practice("BP-05", "info", VPC, "ranges of its own within the network", ("vpc_cidr_info",), apart, network="others"),
    Practice("BP-07", "warning", STACK, drift_expected, DRIFT, undrifted),
    Practice("BP-08", "critical", STACK, "no failed change", STATUS, not_failed),
    Practice("BP-08", "warning", STACK, "no change rolled back or hanging", STATUS, settled),
)
