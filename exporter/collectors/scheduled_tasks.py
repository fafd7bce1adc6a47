"""Scheduled tasks: are the schedules on that start tasks of ECS, certbot's above all, and often enough?

Practice: BP-59 (certbot runs at least every 14 days).
Cost: 1.
API: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListRules.html
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..metrics import Family, Malformed, Sample, each
from ..schedules import interval_of

RULE = "AWS::Events::Rule"

ENABLED = Family(
    "tts_aws_ecs_scheduled_task_enabled", "The schedule is on (EventBridge Rule.State).", ("rule",), "flag"
)
INTERVAL = Family(
    "tts_aws_ecs_scheduled_task_interval_seconds",
    "Longest time between runs; none for an irregular schedule (EventBridge Rule.ScheduleExpression).",
    ("rule",),
)

ACTIONS = ("events:ListRules",)


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({"rules": aws.read("events", "ListRules")})


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    yield from each(answer.get("rules", {}).get("Rules", ()), partial(rule_samples, deployment))


def rule_samples(deployment: Deployment, rule: dict[str, Any]) -> Iterator[Sample]:
    name = rule["Name"]
    if deployment.owner(RULE, name) is None or "ScheduleExpression" not in rule:  # others wait for an event
        return
    # ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS is on as well.
    yield ENABLED.sample(rule["State"].startswith("ENABLED"), rule=name)
    if (seconds := interval_of(rule["ScheduleExpression"])) is not None:
        yield INTERVAL.sample(seconds, rule=name)


COLLECTOR = Collector(
    name="scheduled_tasks",
    interval=900,
    actions=ACTIONS,
    families=(ENABLED, INTERVAL),
    fetch=fetch,
    samples=samples,
)
