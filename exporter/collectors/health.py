"""Health: does AWS itself have trouble, or plan something, where the deployment is?

Practice: none. Who is called at night wants to know first whether it is AWS.
Cost: 1 every five minutes for each 100 events; without a support plan that includes AWS Health, 1 every six hours.
API: https://docs.aws.amazon.com/health/latest/APIReference/API_DescribeEvents.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..metrics import Family, Malformed, Sample, each

EVENTS = Family(
    "tts_aws_health_events",
    "Events that are open or upcoming, of the region and global ones; none without a support plan that includes AWS "
    "Health (Health Event.service, eventTypeCategory).",
    ("aws_service", "category"),
    scope="account",
)

ACTIONS = ("health:DescribeEvents",)

NO_PLAN = ("SubscriptionRequiredException",)
NO_PLAN_FOR = 21_600  # seconds
CATEGORIES = ("issue", "scheduledChange", "accountNotification", "investigation")
# What AWS Health calls the services that The Things Stack runs on; others have a series while they have an event.
SERVICES = (
    *("EC2", "EBS", "ECS", "VPC", "NATGATEWAY", "ELASTICLOADBALANCING", "ROUTE53", "ACM"),
    *("RDS", "ELASTICACHE", "ELASTICFILESYSTEM", "S3", "BACKUP"),
    *("SQS", "SNS", "SECRETSMANAGER", "SSM", "CLOUDWATCH", "CLOUDFORMATION"),
)


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({"events": events(aws, deployment)})


async def events(aws: Aws, deployment: Deployment) -> list[dict[str, Any]] | None:
    """The events; None where the account has no support plan, which is asked again after some hours only."""
    wanted = {"eventStatusCodes": ["open", "upcoming"], "regions": [deployment.region, "global"]}
    read = partial(aws.read, "health", "DescribeEvents", absent=NO_PLAN, filter=wanted)
    if "events" not in await read(max_age=NO_PLAN_FOR):
        return None
    return (await read()).get("events")


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    if (found := answer.get("events")) is not None:
        yield from each([found], event_samples)


def event_samples(events: list[dict[str, Any]]) -> Iterator[Sample]:
    """All of them or none: a malformed event may be of any service."""
    counts = Counter((event["service"], event["eventTypeCategory"]) for event in events)
    for service, category in sorted(counts.keys() | set(product(SERVICES, CATEGORIES))):
        yield EVENTS.sample(counts[service, category], aws_service=service, category=category)


COLLECTOR = Collector(
    name="health",
    interval=300,
    actions=ACTIONS,
    families=(EVENTS,),
    fetch=fetch,
    samples=samples,
)
