"""Organisation: are stacks named, staged and changed as the vendor advises, and do networks not overlap?"""

from __future__ import annotations

from collections.abc import Collection, Iterator
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
    first = sorted(component for component, is_ahead in ahead.items() if is_ahead)
    in_both = set(running(facts).values()) & set(running(twin).values()) if twin else set()
    unknown = sorted(in_both - ahead.keys())
    if first and twin:
        newest, oldest = max(versions(facts, first)), min(versions(twin, first))
        yield Verdict(name, False, f"runs {newest} while staging still runs {oldest} ({', '.join(first)})")
    elif unknown or not ahead:
        of = f" of {', '.join(unknown)}" if unknown else ""
        yield Verdict(name, None, f"the versions{of} that run here and in staging are not both known")
    else:
        yield Verdict(name, True, "staging runs what runs here, or newer")


def versions(facts: Facts, components: Collection[str]) -> Iterator[Version]:
    """The releases of some components that run."""
    for labels, _ in facts.rows("component_version_info"):
        if labels["component"] in components and (version := Version.parse(labels["version"])):
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
    Practice("BP-02", "warning", DEPLOYMENT, "every version runs in staging first", AHEAD, staging_first, "prod"),
    Practice("BP-02", "info", DEPLOYMENT, "a staging twin", ("staging_configured",), has_staging, "prod"),
    Practice("BP-05", "info", VPC, "ranges of its own within the network", ("vpc_cidr_info",), apart),
    Practice("BP-07", "warning", STACK, drift_expected, DRIFT, undrifted),
    Practice("BP-08", "critical", STACK, "no failed change", STATUS, not_failed),
    Practice("BP-08", "warning", STACK, "no change rolled back or hanging", STATUS, settled),
)
