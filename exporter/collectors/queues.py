"""Queues: do alerts and webhooks get through, in order, and is what cannot be delivered set aside?

Practice: BP-58 (the Alert Routing Server's queue is FIFO).
Cost: 1 a queue, 1 more for its dead-letter queue, as many again once an hour; 1 billed metric a queue.
API: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment, Stack
from ..metric_data import Metric
from ..metrics import Family, Malformed, Sample, each

QUEUE_TYPE = "AWS::SQS::Queue"
QUEUE = ("queue",)

INFO = Family(
    "tts_aws_sqs_queue_info",
    "A queue; purpose (ars, webhooks, dead_letter, other) by its stack's name and its own (SQS QueueName).",
    (*QUEUE, "purpose", "stack"),
)
FIFO = Family(
    "tts_aws_sqs_queue_fifo", "Messages stay in order: its name ends with .fifo (SQS QueueName).", QUEUE, "flag"
)
VISIBLE = Family(
    "tts_aws_sqs_messages_visible", "Messages that wait, roughly (SQS ApproximateNumberOfMessages).", QUEUE
)
OLDEST = Family(
    "tts_aws_sqs_oldest_message_age_seconds",
    "How long the oldest message waits; none of a queue out of use (CloudWatch AWS/SQS ApproximateAgeOfOldestMessage).",
    QUEUE,
)
HAS_DEAD_LETTERS = Family(
    "tts_aws_sqs_dead_letter_queue_configured",
    "What cannot be delivered is set aside in another queue (SQS RedrivePolicy.deadLetterTargetArn).",
    QUEUE,
    "flag",
)
DEAD_LETTERS = Family(
    "tts_aws_sqs_dead_letter_messages",
    "Messages in the dead-letter queue of the queue, 0 if it has none (SQS ApproximateNumberOfMessages).",
    QUEUE,
)

ACTIONS = ("sqs:GetQueueUrl", "sqs:GetQueueAttributes", "cloudwatch:GetMetricData")

HOUR = 3_600
# A queue that is gone: the tagging API still lists it for a while, and a redrive policy may name it for ever.
GONE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
# The first that fits; CloudFormation makes names of the stack's, then the logical id's letters.
DEAD = re.compile(r"dlq|dead-?letter")
PURPOSES = {"ars": re.compile(r"\bars(queue)?\b|alert-?rout"), "webhooks": re.compile("webhook")}


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    names = queues(deployment)
    parts: dict[Any, Any] = {
        ("queue", name): aws.gather({"queue": attributes(aws, name), "dead_letters": dead_letters(aws, name)})
        for name in names
    }
    if names:
        parts["metrics"] = aws.metrics([age_of(name) for name in names])
    return await aws.gather(parts)


async def attributes(aws: Aws, name: str) -> Mapping[str, Any]:
    """All that SQS says of a queue; nothing if it is gone."""
    # AWS asks not to build the address oneself; it differs between partitions and old queues have others.
    url = await aws.read("sqs", "GetQueueUrl", QueueName=name, max_age=HOUR, absent=GONE)
    if not url:
        return {}
    # Without names of attributes SQS tells nothing.
    return await aws.read("sqs", "GetQueueAttributes", QueueUrl=url["QueueUrl"], AttributeNames=["All"], absent=GONE)


async def dead_letters(aws: Aws, name: str) -> Mapping[str, Any]:
    """The same of its dead-letter queue; nothing if it has none."""
    queue = await attributes(aws, name)
    other = dead_letter_queue(queue["Attributes"]) if queue else None
    return await attributes(aws, other) if other else {}


def dead_letter_queue(attributes: Mapping[str, str]) -> str | None:
    """The name of a queue's dead-letter queue, which is in the same account and region; None if it has none."""
    policy = attributes.get("RedrivePolicy")
    return json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2] if policy else None


def queues(deployment: Deployment) -> dict[str, str]:
    """The deployment's queues by name, each with its stack's; CloudFormation's own id of a queue is its address."""
    return {id_.rpartition("/")[2]: stack for id_, stack in deployment.resources(QUEUE_TYPE).items()}


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    metrics = answer.get("metrics", {})
    parts = {name: answer.get(("queue", name), {}) for name in queues(deployment)}
    there = {name: part for name, part in parts.items() if part.get("queue") != {}}
    dead: set[str] = set()

    def of_queue(name: str) -> Iterator[Sample]:
        if (queue := there[name].get("queue")) is None:
            return
        other = dead_letter_queue(queue["Attributes"])
        yield VISIBLE.sample(int(queue["Attributes"]["ApproximateNumberOfMessages"]), queue=name)
        yield HAS_DEAD_LETTERS.sample(other is not None, queue=name)
        if other is None:
            yield DEAD_LETTERS.sample(0, queue=name)
            return
        dead.add(other)
        if letters := there[name].get("dead_letters"):
            yield DEAD_LETTERS.sample(int(letters["Attributes"]["ApproximateNumberOfMessages"]), queue=name)

    yield from each(there, of_queue)
    for name in there:
        stack = queues(deployment)[name]
        kind = "dead_letter" if name in dead else purpose(name, deployment.stack(stack), deployment.stack_prefix)
        yield INFO.sample(1, queue=name, purpose=kind, stack=stack)
        yield FIFO.sample(name.endswith(".fifo"), queue=name)
        if (age := metrics.get(age_of(name))) is not None:
            yield OLDEST.sample(age, queue=name)


def purpose(name: str, stack: Stack | None, prefix: str) -> str:
    """What a queue is for: what its stack is called tells, else its own name without the deployment's."""
    own = name.lower().removeprefix(prefix.lower()).replace("_", "-")
    if DEAD.search(own):
        return "dead_letter"
    said = [(stack.discriminator if stack else "").lower().replace("_", "-"), own]
    return next((kind for text in said for kind, word in PURPOSES.items() if word.search(text)), "other")


def age_of(name: str) -> Metric:
    return Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", (("QueueName", name),), "Maximum")


COLLECTOR = Collector(
    name="queues",
    interval=300,
    actions=ACTIONS,
    families=(INFO, FIFO, VISIBLE, OLDEST, HAS_DEAD_LETTERS, DEAD_LETTERS),
    fetch=fetch,
    samples=samples,
)
