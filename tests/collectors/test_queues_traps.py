"""What SQS says as a string or not at all, and the names under which it and CloudFormation know a queue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import Small, small_aws

from exporter.answer import Answer
from exporter.aws import Aws
from exporter.collectors.queues import age_of, fetch, purpose, queues, samples
from exporter.demo.request import AwsError, Request
from exporter.demo.server import Standin
from exporter.deployment import Deployment, Stack
from exporter.metrics import Malformed, Sample

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
QUEUE, DEAD = "acme-prod-eu1-ars.fifo", "acme-prod-eu1-undelivered.fifo"
STACK = "acme-prod-eu1-2-7-queue-sqs"
AT = "https://sqs.eu-west-1.amazonaws.com/111122223333/"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One queue, of the stack that makes queues."""
    return replace(deployment, owned={"AWS::SQS::Queue": {QUEUE: STACK}})


def redrive(name: str) -> str:
    return json.dumps({"deadLetterTargetArn": f"arn:aws:sqs:eu-west-1:111122223333:{name}", "maxReceiveCount": 3})


def attributes(waiting: int = 0, **more: str) -> dict[str, Any]:
    """What SQS says of a queue when it is asked for everything."""
    counts = {"ApproximateNumberOfMessages": str(waiting), "ApproximateNumberOfMessagesNotVisible": "7"}
    return {"Attributes": {"QueueArn": "arn", **counts} | more}


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served of the queue of which these parts were read, without the common beginning of the names."""

    def serve(metrics: Any = None, **parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["queue", QUEUE] = parts
        answer["metrics"] = metrics or {}
        found = series(samples(answer, deployment))
        return {
            name.removeprefix("tts_aws_sqs_").replace(f'queue="{QUEUE}"', "").replace("{}", ""): value
            for name, value in found.items()
        }

    return serve


def test_counts_are_strings(served: Served) -> None:
    """Numbers come as text; messages that somebody is working on do not wait."""
    assert served(queue=attributes(842))["messages_visible"] == 842


def test_plain_queue_does_not_say_so(deployment: Deployment, series: Series) -> None:
    """Only a FIFO queue has the attribute FifoQueue; its name ends with .fifo, and no other may contain a dot."""
    plain = replace(deployment, owned={"AWS::SQS::Queue": {"acme-prod-eu1-ars": STACK, "fifo": STACK, QUEUE: STACK}})

    found = series(samples(Answer(), plain))

    assert found['tts_aws_sqs_queue_fifo{queue="acme-prod-eu1-ars"}'] == 0
    assert found['tts_aws_sqs_queue_fifo{queue="fifo"}'] == 0
    assert found[f'tts_aws_sqs_queue_fifo{{queue="{QUEUE}"}}'] == 1


def test_no_dead_letter_queue(served: Served) -> None:
    """A queue without a redrive policy has no dead letters, and that it sets none aside is told beside."""
    found = served(queue=attributes(), dead_letters={})

    assert found["dead_letter_queue_configured"] == 0
    assert found["dead_letter_messages"] == 0


def test_dead_letters_are_counted_where_they_are(served: Served) -> None:
    """The messages of the dead-letter queue are told of the queue from which they came."""
    found = served(queue=attributes(5, RedrivePolicy=redrive(DEAD)), dead_letters=attributes(17))

    assert found["messages_visible"] == 5
    assert found["dead_letter_queue_configured"] == 1
    assert found["dead_letter_messages"] == 17


def test_dead_letter_queue_that_is_gone_or_unread(served: Served) -> None:
    """A policy can name a queue that was deleted: how much is lost there is unknown, as it is where SQS refuses."""
    source = attributes(RedrivePolicy=redrive(DEAD))

    for found in (served(queue=source, dead_letters={}), served(queue=source)):
        assert found["dead_letter_queue_configured"] == 1
        assert "dead_letter_messages" not in found


def test_malformed_policy(deployment: Deployment) -> None:
    """A policy that cannot be read costs what is known of its own queue only, but for its name."""
    two = replace(deployment, owned={"AWS::SQS::Queue": {QUEUE: STACK, "webhooks": STACK}})
    answer = Answer()
    answer["queue", QUEUE] = {"queue": attributes(RedrivePolicy="{")}
    answer["queue", "webhooks"] = {"queue": attributes(3)}

    found = list(samples(answer, two))

    assert [each.resource for each in found if isinstance(each, Malformed)] == [f"'{QUEUE}'"]
    counted = [
        (each.labels, each.value) for each in found if isinstance(each, Sample) and "visible" in each.family.name
    ]
    assert counted == [(("webhooks",), 3)]


def test_age_without_a_datum(served: Served) -> None:
    """CloudWatch measures only queues in use: without a datum there is no age, and one of 0 is an age."""
    assert "oldest_message_age_seconds" not in served(queue=attributes())
    assert served(queue=attributes(), metrics={age_of(QUEUE): 0.0})["oldest_message_age_seconds"] == 0


def test_the_oldest_message() -> None:
    """The oldest is the greatest age in a period; an average would hide it. The dimension is the name."""
    assert age_of("q").statistic == "Maximum"
    assert age_of("q").dimensions == (("QueueName", "q"),)


def test_deleted_queue(served: Served) -> None:
    """A queue that is gone, though the tagging API still lists it, has no series at all."""
    assert served(queue={}, dead_letters={}, metrics={age_of(QUEUE): 60.0}) == {}


def test_queue_that_could_not_be_read(served: Served) -> None:
    """What the name tells is known of a queue of which SQS tells nothing."""
    assert served() == {f'queue_info{{,purpose="ars",stack="{STACK}"}}': 1, "queue_fifo": 1}


def test_names_and_addresses(deployment: Deployment) -> None:
    """To CloudFormation and in `include` a queue's id is its address, in an ARN its name: it is one queue."""
    twice = {QUEUE: STACK, f"{AT}{QUEUE}": STACK, f"{AT}webhooks": ""}

    assert queues(replace(deployment, owned={"AWS::SQS::Queue": twice})) == {QUEUE: STACK, "webhooks": ""}


@pytest.mark.parametrize(
    ("name", "discriminator", "expected"),
    [
        ("acme-prod-eu1-ars.fifo", "", "ars"),
        ("acme-prod-eu1-2-7-queue-sqs-ARSQueue-1X2Y3Z.fifo", "", "ars"),
        ("acme-prod-eu1-alert-routing", "", "ars"),
        ("acme-prod-eu1-webhooks", "", "webhooks"),
        ("acme-prod-eu1-as_webhook", "", "webhooks"),
        ("acme-prod-eu1-2-7-queue-sqs-Queue-1X2Y3Z.fifo", "ars", "ars"),
        ("acme-prod-eu1-queue.fifo", "as-webhooks", "webhooks"),
        ("acme-prod-eu1-ars-dlq.fifo", "ars", "dead_letter"),
        ("acme-prod-eu1-2-7-queue-sqs-DeadLetterQueue-1X2Y3Z", "webhooks", "dead_letter"),
        ("acme-prod-eu1_ars", "", "ars"),
        ("acme-prod-eu1-queue", "", "other"),
        ("acme-prod-eu1-stars", "", "other"),
    ],
)
def test_purposes(name: str, discriminator: str, expected: str) -> None:
    """The text behind the stack's name tells what a queue is for, else its own name; a whole word, not a part."""
    stack = Stack(f"{STACK}-{discriminator}", "2-7-queue-sqs", "acme-prod-eu1", discriminator)

    assert purpose(name, stack, "acme-prod-eu1") == expected


def test_purpose_of_a_network_that_is_called_ars() -> None:
    """The deployment's own name, which every queue begins with, tells nothing of what one is for."""
    assert purpose("ars-prod-eu1-webhooks", None, "ars-prod-eu1") == "webhooks"
    assert purpose("ars-prod-eu1-queue", None, "ars-prod-eu1") == "other"


def test_purpose_by_policy(deployment: Deployment, series: Series) -> None:
    """A queue that another one's policy names is a dead-letter queue whatever it is called."""
    both = replace(deployment, owned={"AWS::SQS::Queue": {QUEUE: STACK, "acme-prod-eu1-ars-later": STACK}})
    answer = Answer()
    answer["queue", QUEUE] = {"queue": attributes(RedrivePolicy=redrive("acme-prod-eu1-ars-later"))}

    found = series(samples(answer, both))

    info = f'tts_aws_sqs_queue_info{{queue="acme-prod-eu1-ars-later",purpose="dead_letter",stack="{STACK}"}}'
    assert found[info] == 1


GONE = AwsError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")


def answering(small: Small, known: dict[str, dict[str, Any]]) -> None:
    """Let SQS have these queues and no others."""

    def url(request: Request) -> dict[str, Any]:
        if request.parameters["QueueName"] not in known:
            raise GONE
        return {"QueueUrl": f"{AT}{request.parameters['QueueName']}"}

    small.answers("sqs", "GetQueueUrl", url)
    small.answers("sqs", "GetQueueAttributes", lambda request: known[request.parameters["QueueUrl"].removeprefix(AT)])
    small.answers("cloudwatch", "GetMetricData", {"MetricDataResults": []})


def test_calls(deployment: Deployment, series: Series, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address is asked for once an hour; a dead-letter queue that the deployment owns as well is read once."""
    both = replace(deployment, owned={"AWS::SQS::Queue": {QUEUE: STACK, DEAD: STACK}})
    counts: list[tuple[int, int]] = []
    found: dict[str, float] = {}

    async def run(small: Small) -> None:
        async with account(clock, account_id="111122223333", services=("sqs", "cloudwatch")) as reads:
            for _ in range(3):
                aws: Aws = attempt(reads)
                found.update(series(samples(await fetch(aws, both), both)))
                assert aws.failures == []
                counts.append((len(small.asked("GetQueueUrl")), len(small.asked("GetQueueAttributes"))))
                clock.now += 1_800

    with small_aws(clock, monkeypatch) as (small, _):
        answering(small, {QUEUE: attributes(1, RedrivePolicy=redrive(DEAD)), DEAD: attributes(9)})
        asyncio.run(run(small))
        asked = small.asked("GetQueueAttributes")

    assert counts == [(2, 2), (2, 4), (4, 6)]
    assert all(parameters["AttributeNames"] == ["All"] for parameters in asked)
    assert found[f'tts_aws_sqs_dead_letter_messages{{queue="{QUEUE}"}}'] == 9
    assert found[f'tts_aws_sqs_messages_visible{{queue="{DEAD}"}}'] == 9


def test_gone_queues_are_no_failures(
    deployment: Deployment, series: Series, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS's error for a queue that there is not is an answer, of a queue and of its dead-letter queue."""
    two = replace(deployment, owned={"AWS::SQS::Queue": {QUEUE: STACK, "gone": STACK}})

    async def run() -> tuple[Answer, list[Any]]:
        async with account(clock, account_id="111122223333", services=("sqs", "cloudwatch")) as reads:
            aws = attempt(reads)
            return await fetch(aws, two), aws.failures

    with small_aws(clock, monkeypatch) as (small, _):
        answering(small, {QUEUE: attributes(1, RedrivePolicy=redrive("never-there"))})
        answer, failures = asyncio.run(run())

    assert failures == []
    found = series(samples(answer, two))
    assert not [name for name in found if "gone" in name]
    assert f'tts_aws_sqs_dead_letter_messages{{queue="{QUEUE}"}}' not in found


def test_refused_attributes(standin: Standin, clock: FrozenClock, deployment: Deployment, series: Series) -> None:
    """A refusal is counted once though two parts want the same, and leaves what the name and CloudWatch tell."""
    standin.faults.add(kind="deny", service="sqs", operation="GetQueueAttributes")

    async def run() -> tuple[Answer, list[str]]:
        async with account(clock, services=("sqs", "cloudwatch", "sts")) as reads:
            aws = attempt(reads)
            return await fetch(aws, deployment), [failure.action or "" for failure in aws.failures]

    answer, denied = asyncio.run(run())

    assert denied == ["sqs:GetQueueAttributes"]
    assert {name.partition("{")[0].removeprefix("tts_aws_sqs_") for name in series(samples(answer, deployment))} == {
        "queue_info",
        "queue_fifo",
        "oldest_message_age_seconds",
    }
