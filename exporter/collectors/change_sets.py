"""Change sets: which updates wait to be executed, and would one of them replace or remove something, even data?

Practice: BP-15 (data), BP-16 (images alone), BP-49 (no snapshot while one waits).
Cost: 1 for each stack of databases, buckets and queues; every half an hour 1 for each other stack; once 1 for each
change set that can be executed.
API: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeChangeSet.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment, Stack
from ..metrics import Family, Malformed, Sample, each
from ..resource_changes import endangers_data, only_images, replaces

STACK = ("stack",)

PENDING = Family(
    "tts_aws_change_sets_pending",
    "Change sets that can be executed now (CloudFormation ChangeSetSummary.ExecutionStatus).",
    STACK,
)
REPLACEMENTS = Family(
    "tts_aws_change_set_replacements",
    "Resources that one would replace, perhaps, or remove (CloudFormation ResourceChange.Action and Replacement).",
    (*STACK, "resource_type"),
)
ENDANGERS = Family(
    "tts_aws_change_set_endangers_data",
    "One would replace or remove a volume, database, file system or bucket, or change a volume "
    "(CloudFormation ResourceChange).",
    STACK,
    "flag",
)
ONLY_IMAGES = Family(
    "tts_aws_change_set_only_image_changes",
    "All that they change are images of machines; none without a change set, or where AWS does not say "
    "(CloudFormation ResourceChange.Details).",
    STACK,
    "flag",
)

ACTIONS = ("cloudformation:ListChangeSets", "cloudformation:DescribeChangeSet")

STATEFUL = "2-"  # templates of databases, buckets and queues
OTHERS_EVERY = 1_800.0  # seconds
GONE = ("ValidationError",)  # of a stack that was deleted since the survey; its name is all that is sent
EXECUTED = ("ChangeSetNotFound",)  # or deleted, since it was listed


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    # One after another: CloudFormation answers few calls a second, and whoever else asks it, as the survey does, shall
    # not have to wait for all of these.
    answer = Answer()
    for stack in deployment.stacks:
        answer.keep(await aws.gather({stack.name: change_sets(aws, stack)}))
    return answer


async def change_sets(aws: Aws, stack: Stack) -> dict[str, Any]:
    """A stack's change sets as listed, and by id what each that can be executed would do; what is gone is empty."""
    max_age = None if (stack.template or "").startswith(STATEFUL) else OTHERS_EVERY - aws.interval / 2
    listed = await aws.read("cloudformation", "ListChangeSets", StackName=stack.name, max_age=max_age, absent=GONE)
    described = await aws.gather(
        {
            id_: aws.read("cloudformation", "DescribeChangeSet", ChangeSetName=id_, max_age=inf, absent=EXECUTED)
            for id_ in executable(listed)
        }
    )
    return {"listed": listed, "described": described}


def executable(listed: Mapping[str, Any]) -> list[str]:
    """Ids of the change sets that can be executed; those that failed or are out of date are listed as well."""
    return [
        summary["ChangeSetId"]
        for summary in listed.get("Summaries", ())
        if summary["Status"] == "CREATE_COMPLETE" and summary["ExecutionStatus"] == "AVAILABLE"
    ]


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    read = [(stack, answer[stack.name]) for stack in deployment.stacks if stack.name in answer]
    there = [(stack, part) for stack, part in read if "Summaries" in part["listed"]]
    yield from each(there, lambda item: pending_samples(*item))
    yield from each(there, lambda item: change_samples(*item))


def pending_samples(stack: Stack, part: Mapping[str, Any]) -> Iterator[Sample]:
    yield PENDING.sample(len(waiting(part)), stack=stack.name)


def change_samples(stack: Stack, part: Mapping[str, Any]) -> Iterator[Sample]:
    ids, described = waiting(part), part["described"]
    if not described.keys() >= set(ids):  # what the others would do is not known
        return
    sets = [[change["ResourceChange"] for change in described[id_]["Changes"]] for id_ in ids]
    changes = [change for changes in sets for change in changes]
    replaced = {(change["LogicalResourceId"], change["ResourceType"]) for change in changes if replaces(change)}
    for type_, count in sorted(Counter(type_ for _, type_ in replaced).items()):
        yield REPLACEMENTS.sample(count, stack=stack.name, resource_type=type_)
    yield ENDANGERS.sample(any(endangers_data(change, stack.template) for change in changes), stack=stack.name)
    verdicts = {only_images(changes) for changes in sets}
    if False in verdicts or verdicts == {True}:
        yield ONLY_IMAGES.sample(verdicts == {True}, stack=stack.name)


def waiting(part: Mapping[str, Any]) -> list[str]:
    """Ids of the change sets that can be executed, without those that were when they were to be described."""
    return [id_ for id_ in executable(part["listed"]) if part["described"].get(id_) != {}]


COLLECTOR = Collector(
    name="change_sets",
    interval=300,
    actions=ACTIONS,
    families=(PENDING, REPLACEMENTS, ENDANGERS, ONLY_IMAGES),
    fetch=fetch,
    samples=samples,
)
