"""Access to hosts: who can reach them, are they patched, and is the bastion up only when it is needed?"""

from __future__ import annotations

from collections.abc import Iterator

from ..config import format_duration
from ..facts import Facts
from ..practice import Practice, Verdict

STACK, INSTANCE = "AWS::CloudFormation::Stack", "AWS::EC2::Instance"
SECURITY_GROUP = "AWS::EC2::SecurityGroup"
DAY = 86_400.0
BASTION_FOR = 30 * DAY
HARMFUL = ("critical", "security")  # severities of patches


def for_days(seconds: float) -> str:
    return f"{max(0.0, seconds) / DAY:.1f} days"


def closed_ssh(facts: Facts) -> Iterator[Verdict]:
    """What is configured as allowed is allowed, were it the whole internet."""
    outside = facts.by("security_group_ssh_outside_allowed", "security_group")
    world = facts.by("security_group_ssh_open_to_world", "security_group")
    for group in facts.words("security_group_info", "security_group", "stack"):
        if outside.get(group, world.get(group)):
            who = "the whole internet" if world.get(group) else "others than the allowed ranges"
            yield Verdict(group, False, f"{who} can reach port 22")
        elif group in outside:
            yield Verdict(group, True, "port 22 can be reached from allowed ranges only")
        else:
            yield Verdict(group, None, "from where port 22 can be reached is not known")


def runs(facts: Facts, instance: str) -> bool | None:
    """Whether a host runs, which shows in that Session Manager is expected to reach it."""
    if facts.rows("ssm_managed", instance_id=instance):
        return True
    return False if facts.known("ssm_managed") else None


def managed(facts: Facts) -> Iterator[Verdict]:
    online = facts.by("ssm_managed", "instance_id")
    for instance in facts.by("ec2_instance_info", "instance_id").keys() | online.keys():
        if runs(facts, instance) is not False:
            yield Verdict.of(
                instance, online.get(instance), "Session Manager reaches it", "Session Manager does not reach it"
            )


def patched(facts: Facts) -> Iterator[Verdict]:
    missing: dict[str, dict[str, float]] = {}
    for labels, value in facts.rows("ec2_patches_missing"):
        missing.setdefault(labels["instance_id"], {})[labels["patch_severity"]] = value
    scanned = facts.by("ec2_patch_scan_timestamp_seconds", "instance_id")
    allowed = facts.deployment.expect.patch_scan
    for instance in facts.by("ec2_instance_info", "instance_id"):
        counts, scan = missing.get(instance, {}), scanned.get(instance)
        harmful = [f"{counts[kind]:.0f} {kind}" for kind in HARMFUL if counts.get(kind)]
        age = 0.0 if scan is None else facts.read_at("ec2_patch_scan_timestamp_seconds") - scan
        up = runs(facts, instance)
        if harmful:
            yield Verdict(instance, False, f"missing patches: {', '.join(harmful)}")
        elif scan is None:
            yield Verdict(instance, None, "no scan for missing patches is known")
        elif age > allowed and up:
            yield Verdict(instance, False, f"its last patch scan is {for_days(age)} old", scan + allowed)
        elif age > allowed:
            fact = "; it does not run" if up is False else ""
            yield Verdict(instance, None, f"its last patch scan is {for_days(age)} old{fact}")
        elif not counts.keys() >= set(HARMFUL):
            yield Verdict(instance, None, "its last patch scan did not tell what is missing")
        else:
            yield Verdict(instance, True, f"none missing, as of a scan {for_days(age)} ago")


def seldom_up(facts: Facts) -> Iterator[Verdict]:
    launched = facts.by("ec2_instance_launched_timestamp_seconds", "instance_id")
    read_at = facts.read_at("ec2_instance_launched_timestamp_seconds")
    bastions: dict[str, list[str]] = {}
    for labels, _ in facts.rows("ec2_instance_info", role="bastion"):
        bastions.setdefault(labels["stack"], []).append(labels["instance_id"])
    for stack, instances in bastions.items():
        up = {instance: runs(facts, instance) for instance in instances}
        start = min((launched[each] for each in instances if up[each] and each in launched), default=read_at)
        late = read_at - start > BASTION_FOR
        fact = f"the bastion has been running for {for_days(read_at - start)}"
        if late:
            yield Verdict(stack, False, fact, start + BASTION_FOR)
        elif None in up.values() or any(up[each] and each not in launched for each in instances):
            yield Verdict(stack, None, "whether the bastion runs, and since when, is not known")
        else:
            yield Verdict(stack, True, fact if any(up.values()) else "the bastion does not run")


RUNS = "ssm_managed"
PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-64",
        "warning",
        SECURITY_GROUP,
        lambda expect: f"port 22 from {', '.join(map(str, expect.ssh_allowed)) or 'nowhere'} only",
        ("security_group_info", "security_group_ssh_open_to_world", "security_group_ssh_outside_allowed"),
        closed_ssh,
    ),
    Practice(
        "BP-65",
        "warning",
        INSTANCE,
        "Session Manager reaches every host that runs",
        ("ec2_instance_info", RUNS),
        managed,
    ),
    Practice(
        "BP-66",
        "info",
        INSTANCE,
        lambda expect: f"no critical or security patch missing, scanned within {format_duration(expect.patch_scan)}",
        ("ec2_instance_info", "ec2_patches_missing", "ec2_patch_scan_timestamp_seconds", RUNS),
        patched,
    ),
    Practice(
        "BP-67",
        "info",
        STACK,
        f"running only when needed, at most {format_duration(BASTION_FOR)} at a time",
        ("ec2_instance_info", "ec2_instance_launched_timestamp_seconds", RUNS),
        seldom_up,
    ),
)
