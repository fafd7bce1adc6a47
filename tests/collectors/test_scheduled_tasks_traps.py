"""What EventBridge calls a rule, which of them are schedules, and how it writes how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.answer import Answer
from exporter.collectors.scheduled_tasks import samples
from exporter.deployment import Deployment
from exporter.metrics import Malformed, Sample
from exporter.schedules import interval_of

Series = Callable[[Any], dict[str, float]]
RATE = "rate(14 days)"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """The rule of certbot, and one that no schedule runs."""
    return replace(deployment, owned={"AWS::Events::Rule": {"certbot": "", "on-change": ""}})


def answered(*rules: dict[str, Any]) -> Answer:
    answer = Answer()
    answer["rules"] = {"Rules": list(rules)}
    return answer


def rule(name: str = "certbot", state: str = "ENABLED", **fields: Any) -> dict[str, Any]:
    return {"Name": name, "State": state} | fields


def test_schedules(deployment: Deployment, series: Series) -> None:
    """Only scheduled rules of the deployment count; a disabled one still tells its interval."""
    answer = answered(
        rule(state="DISABLED", ScheduleExpression=RATE),
        rule("on-change", EventPattern="{}"),
        rule("somebody-else", ScheduleExpression=RATE),
    )

    assert series(samples(answer, deployment)) == {
        'tts_aws_ecs_scheduled_task_enabled{rule="certbot"}': 0,
        'tts_aws_ecs_scheduled_task_interval_seconds{rule="certbot"}': 14 * 86_400,
    }


def test_enabled_in_two_ways(deployment: Deployment, series: Series) -> None:
    """A rule that sees CloudTrail's management events has a state of its own, and is on."""
    answer = answered(rule(state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", ScheduleExpression=RATE))

    assert series(samples(answer, deployment))['tts_aws_ecs_scheduled_task_enabled{rule="certbot"}'] == 1


def test_irregular_schedule(deployment: Deployment, series: Series) -> None:
    """A schedule that is not plainly regular is on or off, and has no interval: unknown is not zero."""
    answer = answered(rule(ScheduleExpression="cron(0 3 ? * MON-FRI *)"))

    assert series(samples(answer, deployment)) == {'tts_aws_ecs_scheduled_task_enabled{rule="certbot"}': 1}


def test_malformed_rule(deployment: Deployment) -> None:
    """A rule without a state costs its own samples and no other's."""
    broken = {"Name": "on-change", "ScheduleExpression": RATE}

    found = list(samples(answered(broken, rule(ScheduleExpression=RATE)), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert {each.labels for each in found if isinstance(each, Sample)} == {("certbot",)}


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("rate(1 minute)", 60),
        ("rate(12 hours)", 43_200),
        ("rate(2 days)", 172_800),
        ("cron(15 * * * ? *)", 3_600),
        ("cron(0 3 * * ? *)", 86_400),
        ("cron(0 3 ? * * *)", 86_400),
        ("cron(0 3 ? * MON *)", 7 * 86_400),
        ("cron(0 3 1 * ? *)", 31 * 86_400),
        ("cron(0 3 ? * MON-FRI *)", None),
        ("cron(0 3 */2 * ? *)", None),
        ("at(2026-11-22T12:00:00)", None),
    ],
)
def test_intervals_of_schedules(expression: str, seconds: float | None) -> None:
    """A rate is exact, a plainly regular cron expression is understood, any other gives no interval."""
    assert interval_of(expression) == seconds


@given(st.one_of(st.text(), st.text().map("cron({})".format), st.text().map("rate({})".format)))
def test_any_expression(expression: str) -> None:
    """Whatever AWS comes to write, an interval is a positive number or none."""
    seconds = interval_of(expression)

    assert seconds is None or seconds > 0 or "rate(0" in expression
