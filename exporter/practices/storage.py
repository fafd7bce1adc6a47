"""Storage and what depends on it: are volumes, buckets, TimescaleDB and queues as services need them?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import partial

from ..config import Expect, format_duration
from ..facts import Facts
from ..practice import Practice, Verdict
from . import backups
from .checks import Check, age, all_of, amount

VOLUME, BUCKET, STACK = "AWS::EC2::Volume", "AWS::S3::Bucket", "AWS::CloudFormation::Stack"
SERVICE, GROUP, QUEUE = "AWS::ECS::Service", "AWS::AutoScaling::AutoScalingGroup", "AWS::SQS::Queue"
MASTER, REPLICA = "2-5-db-timescale-master", "2-6-db-timescale-replica"
QUEUES, SERVICES = "2-7-queue-sqs", "5-4-ecs-services"
# Buckets of 2-4b, which its template versions.
ROUTING = ("interop", "edcs", "plugins")
LOOP = 3  # launches in an hour


def versioned(facts: Facts, *, routing: bool) -> Iterator[Verdict]:
    on = facts.by("s3_bucket_versioning_enabled", "bucket")
    for bucket, purpose in facts.words("s3_bucket_info", "bucket", "purpose").items():
        if purpose != "logs" and (purpose in ROUTING) is routing:
            yield all_of(bucket, Check(on.get(bucket), "versioning is on", "versioning is off"))


def holds_object(facts: Facts) -> Iterator[Verdict]:
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, present in facts.rows("s3_required_object_present"):
        key = labels["key"]
        checks[labels["bucket"]].append(Check(present, f"{key} is there", f"{key} is missing"))
    for bucket, purpose in facts.words("s3_bucket_info", "bucket", "purpose").items():
        if purpose in (*ROUTING, "mtls"):
            yield all_of(bucket, *(checks[bucket] or [Check(None, "", "")]))


def of_template(facts: Facts, template: str) -> list[str]:
    return list(facts.words("stack_info", "stack", "template", template=template))


def noc_has_database(facts: Facts) -> Iterator[Verdict]:
    wanted = facts.by("ecs_service_desired_tasks", "ecs_service")
    there: bool | None = bool(of_template(facts, MASTER))
    if not there and not facts.known("stack_info"):
        there = None
    for service in facts.words("ecs_service_info", "ecs_service", "component", component="noc"):
        if wanted.get(service, 1):
            right, wrong = "there is a stack of 2-5-db-timescale-master", "there is no stack of 2-5-db-timescale-master"
            yield all_of(service, Check(there, right, wrong))


def replica_in_step(facts: Facts) -> Iterator[Verdict]:
    using = [
        labels["stack"]
        for labels, _ in facts.rows("stack_parameter_info", parameter="ApplicationServerStorageReplicaEnabled")
        if labels["value"].lower() == "true" and labels["stack"] in of_template(facts, SERVICES)
    ]
    replicas, failed = of_template(facts, REPLICA), facts.by("stack_failed", "stack")
    running = facts.by("timescaledb_instance_running", "instance_id", role="replica")
    stack_of = facts.words("ec2_instance_info", "instance_id", "stack")
    known = facts.known("timescaledb_instance_running", "ec2_instance_info")
    if not using:
        return
    for stack in replicas:
        hosts = any(on for instance, on in running.items() if stack_of.get(instance) == stack)
        sound = None if stack not in failed else not failed[stack]
        yield all_of(
            stack,
            Check(sound, "its last change took", "its last change failed or was rolled back"),
            Check(hosts or (False if known else None), "its host runs", "no host of it runs"),
        )
    if not replicas:
        there = False if facts.known("stack_info") else None
        for stack in using:
            yield all_of(
                stack, Check(there, "", "it uses a replica, and there is no stack of 2-6-db-timescale-replica")
            )


def starts_once(facts: Facts) -> Iterator[Verdict]:
    """None is in service, or some have ended again: more launches than wanted are no scaling out, nor a replacement."""
    launched = facts.by("autoscaling_launches", "autoscaling_group")
    wanted = facts.by("autoscaling_instances_desired", "autoscaling_group")
    in_service = facts.by("autoscaling_instances_in_service", "autoscaling_group")
    for group in sorted(launched.keys() | wanted.keys()):
        launches, size, now = launched.get(group), wanted.get(group), in_service.get(group)
        steady = None if launches is None else launches < LOOP or (None if size is None else launches <= size)
        serving = True if now or size == 0 else None if size is None or now is None else False
        fact = f"{amount(launches, 'instance')} launched in an hour"
        running = "" if size is None or now is None else f"{now:g} of {size:g} in service"
        looping = ", ".join(filter(None, (fact, running if serving else "")))
        yield all_of(group, Check(steady, fact, looping), Check(serving, running, running))


def in_order(facts: Facts) -> Iterator[Verdict]:
    """Of the Alert Routing Server's queue, or one of its template that does not tell what it is for."""
    fifo, oldest = facts.by("sqs_queue_fifo", "queue"), facts.by("sqs_oldest_message_age_seconds", "queue")
    stacks = of_template(facts, QUEUES)
    for labels, _ in facts.rows("sqs_queue_info"):
        queue = labels["queue"]
        if labels["purpose"] == "ars" or (labels["purpose"] == "other" and labels["stack"] in stacks):
            waits = f"; its oldest message is {age(oldest[queue])} old" if oldest.get(queue) else ""
            yield all_of(queue, Check(fifo.get(queue), f"FIFO{waits}", f"not FIFO{waits}"))


def volumes_expected(expect: Expect) -> str:
    return f"a snapshot at most {format_duration(expect.backups.timescaledb.late)} old"


VERSIONED = ("s3_bucket_info", "s3_bucket_versioning_enabled")
BACKUPS = (
    "backup_store_info",
    "backup_max_age_seconds",
    "backup_recovery_points",
    "backup_last_success_timestamp_seconds",
)

PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-49",
        "warning",
        VOLUME,
        "a snapshot while a change set waits",
        ("backup_store_info", "backup_recovery_points", "change_sets_pending"),
        backups.snapshot_before_change,
    ),
    Practice("BP-49", "info", VOLUME, volumes_expected, BACKUPS, backups.volumes_backed_up),
    Practice("BP-51", "warning", BUCKET, "versioning", VERSIONED, partial(versioned, routing=True)),
    Practice("BP-51", "info", BUCKET, "versioning", VERSIONED, partial(versioned, routing=False)),
    Practice(
        "BP-52",
        "warning",
        BUCKET,
        "the object that services read",
        ("s3_bucket_info", "s3_required_object_present"),
        holds_object,
    ),
    Practice(
        "BP-55",
        "critical",
        SERVICE,
        "a TimescaleDB of its own",
        ("ecs_service_info", "ecs_service_desired_tasks", "stack_info"),
        noc_has_database,
    ),
    Practice(
        "BP-56",
        "warning",
        STACK,
        "a sound stack and a running host of 2-6-db-timescale-replica",
        (
            *("stack_info", "stack_failed", "stack_parameter_info"),
            *("timescaledb_instance_running", "ec2_instance_info"),
        ),
        replica_in_step,
    ),
    Practice(
        "BP-57",
        "critical",
        GROUP,
        f"instances in service, and fewer than {LOOP} launches in an hour, or no more than instances wanted",
        ("autoscaling_launches", "autoscaling_instances_desired", "autoscaling_instances_in_service"),
        starts_once,
    ),
    Practice(
        "BP-58",
        "warning",
        QUEUE,
        "FIFO",
        ("sqs_queue_info", "sqs_queue_fifo", "sqs_oldest_message_age_seconds", "stack_info"),
        in_order,
    ),
)
