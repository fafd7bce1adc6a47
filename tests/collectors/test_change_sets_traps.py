"""What change sets say misleadingly: leftovers that cannot be executed, and changes that only look harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import Small, small_aws

from exporter.answer import Answer
from exporter.aws import Aws
from exporter.collectors.change_sets import COLLECTOR, samples
from exporter.demo.request import AwsError, Request
from exporter.deployment import Deployment, Stack
from exporter.errors import Failure
from exporter.metrics import Malformed, Sample
from exporter.resource_changes import endangers_data, only_images, replaces

Series = Callable[[Any], dict[str, float]]
TIMESCALE = "2-5-db-timescale-master"
NAME = f"acme-prod-eu1-{TIMESCALE}"
SERVICES = "acme-prod-eu1-5-4-ecs-services"


def summary(id_: str = "a", status: str = "CREATE_COMPLETE", execution: str = "AVAILABLE") -> dict[str, Any]:
    """A change set as it is listed."""
    return {"ChangeSetId": id_, "ChangeSetName": id_, "Status": status, "ExecutionStatus": execution}


def change(
    type_: str = "AWS::EC2::Volume", action: str = "Modify", replacement: str | None = None, **fields: Any
) -> Any:
    """What would become of a resource; Replacement is told of modifications only."""
    told = replacement or ("False" if action == "Modify" else None)
    whole = {"Action": action, "LogicalResourceId": "Thing", "ResourceType": type_, "Replacement": told} | fields
    return {key: value for key, value in whole.items() if value is not None}


def described(*changes: Any) -> dict[str, Any]:
    return {"Changes": [{"Type": "Resource", "ResourceChange": each} for each in changes]}


@pytest.fixture
def answered(deployment: Deployment) -> Callable[..., tuple[Answer, Deployment]]:
    """An answer about one stack: what is listed, and by id what is described."""

    def answer(listed: list[Any] | None, **sets: Any) -> tuple[Answer, Deployment]:
        found = Answer()
        found[NAME] = {"listed": {} if listed is None else {"Summaries": listed}, "described": sets}
        return found, replace(deployment, stacks=(Stack(NAME, TIMESCALE),))

    return answer


@pytest.fixture
def served(answered: Callable[..., tuple[Answer, Deployment]], series: Series) -> Callable[..., dict[str, float]]:
    """What is served of it, without what the families' names begin with and the stack's name."""

    def serve(listed: list[Any] | None, **sets: Any) -> dict[str, float]:
        found = series(samples(*answered(listed, **sets)))
        return {
            name.removeprefix("tts_aws_change_").replace(f'stack="{NAME}"', "").replace("{}", ""): value
            for name, value in found.items()
        }

    return serve


def test_none(served: Callable[..., dict[str, float]]) -> None:
    """A stack without change sets has none that wait and none that endangers; whether images change is no question."""
    assert served([]) == {"sets_pending": 0, "set_endangers_data": 0}


@pytest.mark.parametrize(
    ("status", "execution"),
    [
        ("FAILED", "UNAVAILABLE"),
        ("CREATE_PENDING", "UNAVAILABLE"),
        ("CREATE_IN_PROGRESS", "UNAVAILABLE"),
        ("CREATE_COMPLETE", "OBSOLETE"),
        ("CREATE_COMPLETE", "EXECUTE_IN_PROGRESS"),
        ("CREATE_COMPLETE", "EXECUTE_COMPLETE"),
        ("CREATE_COMPLETE", "EXECUTE_FAILED"),
        ("DELETE_FAILED", "AVAILABLE"),
    ],
)
def test_what_cannot_be_executed(status: str, execution: str, served: Callable[..., dict[str, float]]) -> None:
    """Change sets that failed, say that nothing changes, or are out of date stay listed for ever and harm nobody."""
    assert served([summary("a", status, execution)]) == {"sets_pending": 0, "set_endangers_data": 0}


def test_replaced(served: Callable[..., dict[str, float]]) -> None:
    """Resources that go are counted by type, each once in however many change sets; those that stay are not."""
    group = {"type_": "AWS::ElastiCache::ReplicationGroup"}
    found = served(
        [summary("a"), summary("b"), summary("c", "FAILED", "UNAVAILABLE")],
        a=described(
            change(**group, replacement="Conditional", LogicalResourceId="One"),
            change(**group, action="Remove", LogicalResourceId="Two"),
            change(**group, LogicalResourceId="Three"),
            change("AWS::ElasticLoadBalancingV2::LoadBalancer", replacement="True"),
        ),
        b=described(change(**group, replacement="True", LogicalResourceId="One")),
    )

    assert found == {
        "sets_pending": 2,
        'set_replacements{,resource_type="AWS::ElastiCache::ReplicationGroup"}': 2,
        'set_replacements{,resource_type="AWS::ElasticLoadBalancingV2::LoadBalancer"}': 1,
        "set_endangers_data": 1,
        "set_only_image_changes": 0,
    }


@pytest.mark.parametrize(
    ("action", "replacement", "goes"),
    [
        ("Modify", "True", True),
        ("Modify", "Conditional", True),
        ("Modify", "False", False),
        ("Remove", None, True),
        ("Dynamic", None, True),
        ("Add", None, False),
        ("Import", None, False),
        ("SyncWithActual", None, False),
    ],
)
def test_replaces(action: str, replacement: str | None, goes: bool) -> None:
    """Replacement is a word, and only modifications have one; what cannot be told yet may be a replacement."""
    assert replaces(change("AWS::RDS::DBCluster", action, replacement)) is goes
    assert endangers_data(change("AWS::RDS::DBCluster", action, replacement), "2-1-db-aurora-master") is goes


@pytest.mark.parametrize(
    "type_",
    [
        "AWS::EC2::Volume",
        "AWS::RDS::DBCluster",
        "AWS::RDS::DBInstance",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::EFS::FileSystem",
        "AWS::S3::Bucket",
    ],
)
def test_data(type_: str) -> None:
    """To replace what holds data endangers it, in whatever stack, even where the old one is retained."""
    assert endangers_data(change(type_, replacement="True"), None)
    assert endangers_data(change(type_, "Remove", PolicyAction="Retain"), "1-1-vpc")


@pytest.mark.parametrize(
    "type_",
    [
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        "AWS::EC2::VolumeAttachment",
        "AWS::RDS::DBSubnetGroup",
        "AWS::ElastiCache::ParameterGroup",
        "AWS::S3::BucketPolicy",
        "AWS::EFS::MountTarget",
        "AWS::SQS::Queue",
    ],
)
def test_no_data(type_: str) -> None:
    """To replace what belongs to a store but holds no data is a replacement, and no danger to data."""
    assert replaces(change(type_, replacement="True"))
    assert not endangers_data(change(type_, replacement="True"), TIMESCALE)


@pytest.mark.parametrize(
    ("fields", "template", "endangered"),
    [
        ({}, None, True),
        ({"Scope": ["Properties"]}, TIMESCALE, True),
        ({"Scope": ["Tags", "Properties"]}, TIMESCALE, True),
        ({"Scope": ["DeletionPolicy"]}, TIMESCALE, True),
        ({"Scope": ["Tags"]}, TIMESCALE, False),
        ({"Scope": ["Metadata", "Tags"]}, TIMESCALE, False),
        ({"Scope": ["Tags"], "replacement": "True"}, TIMESCALE, True),
        ({"action": "Add"}, TIMESCALE, False),
        ({"type_": "Custom::Disk", "LogicalResourceId": "Volume"}, TIMESCALE, True),
        ({"type_": "Custom::Disk", "LogicalResourceId": "StorageVolume"}, "2-6-db-timescale-replica", True),
        ({"type_": "Custom::Disk", "LogicalResourceId": "Volume", "action": "Remove"}, TIMESCALE, True),
        ({"type_": "Custom::Disk", "LogicalResourceId": "Volume"}, "1-2-bastion", False),
        ({"type_": "AWS::IAM::Role", "LogicalResourceId": "VolumeLifecycleRole"}, TIMESCALE, False),
    ],
)
def test_volumes(fields: dict[str, Any], template: str | None, endangered: bool) -> None:
    """A volume is not to be touched at all, even in place, but for its tags; under its name it may be of any type."""
    assert endangers_data(change(**fields), template) is endangered


def test_unknown_until_described(served: Callable[..., dict[str, float]]) -> None:
    """What a change set would do is unknown, not nothing, while one of them could not be described."""
    found = served([summary("a"), summary("b")], a=described(change()))

    assert found == {"sets_pending": 2}


def test_gone(served: Callable[..., dict[str, float]]) -> None:
    """A change set that was executed after it had been listed waits no more; of a stack that is gone all is unknown."""
    assert served([summary("a")], a={}) == {"sets_pending": 0, "set_endangers_data": 0}
    assert served(None) == {}


def test_malformed(answered: Callable[..., tuple[Answer, Deployment]]) -> None:
    """A modification that does not tell whether it replaces is malformed: how many wait is known, no more."""
    silent = change()
    del silent["Replacement"]

    found = list(samples(*answered([summary("a")], a=described(silent))))

    assert [each.family.name for each in found if isinstance(each, Sample)] == ["tts_aws_change_sets_pending"]
    assert len([each for each in found if isinstance(each, Malformed)]) == 1


def detail(name: str | None, source: str, entity: str | None = None, evaluation: str = "Static") -> dict[str, Any]:
    """Why a property is changed; tags have no name."""
    target = {"Attribute": "Properties", "Name": name} if name else {"Attribute": "Tags"}
    found = {"Target": target, "Evaluation": evaluation, "ChangeSource": source, "CausingEntity": entity}
    return {key: value for key, value in found.items() if value is not None}


def machine(*details: dict[str, Any], type_: str = "AWS::EC2::LaunchTemplate", **fields: Any) -> Any:
    return change(type_, Details=list(details), **fields)


DATA = "LaunchTemplateData"
IMAGE = machine(detail(DATA, "ParameterReference", "LatestAmiId"))
INSTANCE = "AWS::EC2::Instance"
GROUP = "AWS::AutoScaling::AutoScalingGroup"
FOLLOWS = machine(
    detail("LaunchTemplate", "ResourceAttribute", "LaunchTemplate.LatestVersionNumber", "Dynamic"), type_=GROUP
)


@pytest.mark.parametrize(
    ("changes", "only"),
    [
        ([IMAGE], True),
        ([IMAGE, FOLLOWS], True),
        ([machine(detail("ImageId", "DirectModification"), type_=INSTANCE, replacement="True")], True),
        # A property that is computed: both what changes it, and that it may change anyhow.
        ([machine(detail(DATA, "DirectModification", None, "Dynamic"), *IMAGE["Details"])], True),
        ([machine(*FOLLOWS["Details"], detail("LaunchTemplate", "DirectModification", None, "Dynamic"))], False),
        ([IMAGE, machine(detail(DATA, "ParameterReference", "InstanceType"))], False),
        ([machine(detail(DATA, "ParameterReference", "DynamicSettings"))], False),
        ([machine(detail(DATA, "ParameterReference", "SAMIdentity"))], False),
        ([IMAGE, machine(detail(None, "DirectModification"), type_=GROUP)], False),
        ([IMAGE, machine(detail("UserData", "DirectModification"), type_=INSTANCE)], False),
        (
            [IMAGE, change("AWS::EC2::Volume", replacement="True", Details=[detail("ImageId", "DirectModification")])],
            False,
        ),
        ([IMAGE, change("AWS::EC2::LaunchTemplate", "Add")], False),
        ([IMAGE, change("AWS::EC2::Instance", "Remove")], False),
        # The template itself changed, which may be its table of images or anything else.
        ([machine(detail(DATA, "DirectModification"))], None),
        ([IMAGE, machine(detail("MinSize", "DirectModification", None, "Dynamic"), type_=GROUP)], None),
        ([IMAGE, machine(type_=GROUP)], None),
        ([machine(detail(DATA, "DirectModification")), change("AWS::IAM::Role")], False),
        ([], False),
    ],
)
def test_only_images(changes: list[Any], only: bool | None) -> None:
    """A change is due to an image by the property's or the parameter's name; where neither tells, it is not known."""
    assert only_images(changes) is only


@pytest.mark.parametrize("parameter", ["AMI", "AmiId", "ImageId", "ECSImageID", "LatestAMIId", "AMI2"])
def test_image_parameters(parameter: str) -> None:
    """A parameter that names an image is recognised by its key."""
    assert only_images([machine(detail(DATA, "ParameterReference", parameter))]) is True


def test_several_change_sets(served: Callable[..., dict[str, float]]) -> None:
    """Only if each change set that waits changes nothing but images is that all that they change."""
    silent = machine(detail(DATA, "DirectModification"))
    flag = "set_only_image_changes"

    def of(*sets: Any) -> float | None:
        ids = "abc"[: len(sets)]
        return served([summary(id_) for id_ in ids], **dict(zip(ids, map(described, sets), strict=True))).get(flag)

    assert of(IMAGE, IMAGE) == 1
    assert of(IMAGE, change()) == 0
    assert of(silent, change()) == 0
    assert of(IMAGE, silent) is None


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """An AWS with one change set for each stack."""
    with small_aws(clock, monkeypatch) as (world, _):
        world.answers(
            "cloudformation",
            "ListChangeSets",
            lambda request: {"Summaries": [summary(f"arn:{request.parameters['StackName']}")]},
        )
        world.answers("cloudformation", "DescribeChangeSet", described(change()))
        yield world


def test_how_often(small: Small, clock: FrozenClock, deployment: Deployment) -> None:
    """Stacks with data are asked at every tick, others each half an hour, and a change set once."""
    watched = replace(deployment, stacks=(Stack(NAME, TIMESCALE), Stack(SERVICES, "5-4-ecs-services")))

    async def ticks() -> Answer:
        async with account(clock, services=("cloudformation",)) as reads:
            for _ in range(7):  # of 300 s: half an hour from the first to the last
                answer = await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), watched)
                clock.now += COLLECTOR.interval
            return answer

    answer = asyncio.run(ticks())

    asked = [each["StackName"] for each in small.asked("ListChangeSets")]
    assert (asked.count(NAME), asked.count(SERVICES)) == (7, 2)
    assert [each["ChangeSetName"] for each in small.asked("DescribeChangeSet")] == [f"arn:{NAME}", f"arn:{SERVICES}"]
    assert answer[SERVICES]["described"].keys() == {f"arn:{SERVICES}"}


def test_property_values_are_not_asked_for(small: Small, clock: FrozenClock, deployment: Deployment) -> None:
    """The values before and after, which may be secrets, stay in AWS."""

    async def fetch() -> None:
        async with account(clock, services=("cloudformation",)) as reads:
            await COLLECTOR.fetch(attempt(reads), replace(deployment, stacks=(Stack(NAME, TIMESCALE),)))

    asyncio.run(fetch())

    assert small.asked("DescribeChangeSet") == [{"ChangeSetName": f"arn:{NAME}"}]


def test_one_at_a_time(small: Small, clock: FrozenClock, deployment: Deployment) -> None:
    """At most one call waits for CloudFormation's rate limit, so that others get their turn in between."""
    running: list[str] = []

    class Slow(Aws):
        async def read(self, *_: Any, **parameters: Any) -> Any:
            running.append(parameters["StackName"])
            await asyncio.sleep(0)
            assert running == [parameters["StackName"]]
            running.clear()
            return {"Summaries": []}

    async def fetch() -> Answer:
        async with account(clock, services=("cloudformation",)) as reads:
            return await COLLECTOR.fetch(Slow(reads, interval=300, max_age=900), deployment)

    assert asyncio.run(fetch()).keys() == {stack.name for stack in deployment.stacks}


def test_gone_is_no_failure(small: Small, clock: FrozenClock, deployment: Deployment) -> None:
    """A stack that was deleted since the survey, or a change set since it was listed, is gone and nothing failed."""

    def listed(request: Request) -> Any:
        if request.parameters["StackName"] == SERVICES:
            raise AwsError("ValidationError", f"Stack [{SERVICES}] does not exist")
        return {"Summaries": [summary("arn:a")]}

    def gone(request: Request) -> Any:
        raise AwsError("ChangeSetNotFound", "ChangeSet [a] does not exist", 404)

    small.answers("cloudformation", "ListChangeSets", listed)
    small.answers("cloudformation", "DescribeChangeSet", gone)
    watched = replace(deployment, stacks=(Stack(NAME, TIMESCALE), Stack(SERVICES, "5-4-ecs-services")))

    async def fetch() -> tuple[Answer, list[Failure]]:
        async with account(clock, services=("cloudformation",)) as reads:
            aws = attempt(reads)
            return await COLLECTOR.fetch(aws, watched), aws.failures

    answer, failures = asyncio.run(fetch())

    assert failures == []
    assert answer[SERVICES] == {"listed": {}, "described": {}}
    assert answer[NAME]["described"] == {"arn:a": {}}


def test_refused(small: Small, clock: FrozenClock, deployment: Deployment) -> None:
    """Where change sets may be listed but not described, how many wait is known and the missing action is told."""

    def refused(request: Request) -> Any:
        raise AwsError("AccessDenied", "not authorized to perform: cloudformation:DescribeChangeSet", 403)

    small.answers("cloudformation", "DescribeChangeSet", refused)
    watched = replace(deployment, stacks=(Stack(NAME, TIMESCALE),))

    async def fetch() -> tuple[Answer, list[Failure]]:
        async with account(clock, services=("cloudformation",)) as reads:
            aws = attempt(reads)
            return await COLLECTOR.fetch(aws, watched), aws.failures

    answer, failures = asyncio.run(fetch())

    assert [each.action for each in failures] == ["cloudformation:DescribeChangeSet"]
    assert [each.family.name for each in samples(answer, watched) if isinstance(each, Sample)] == [
        "tts_aws_change_sets_pending"
    ]
