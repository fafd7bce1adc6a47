"""Finding deployments: which there are, of which stacks they consist, and whose a resource is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import SECOND, FrozenClock, account, attempt, point_at, surveyed, world
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter import assignment, survey, templates
from exporter.aws import Aws
from exporter.config import Config, DeploymentConfig, Expect, IdentityKeys
from exporter.demo.server import Standin
from exporter.deployment import STACK_TAG, Deployment, Stack
from exporter.errors import ReadFailed

SERVICES = ("cloudformation", "resourcegroupstaggingapi")
PROD, STAGING = "111122223333", "444455556666"
ELB, ELB_TYPE = "arn:aws:elasticloadbalancing:eu-west-1:1", "AWS::ElasticLoadBalancingV2"
STACKS = "deployments/acme-prod-eu1/cloudformation/stacks"
# What each of these types' stacks is asked for when its tags say nothing.
HELD = (
    "AWS::RDS::DBCluster",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::S3::Bucket",
    "AWS::EC2::Volume",
    "AWS::ECS::Cluster",
    "AWS::EFS::FileSystem",
)


def configured(*given: dict[str, Any]) -> tuple[DeploymentConfig, ...]:
    return Config.model_validate({"deployments": given}).deployments


ACME = {"network": "acme", "environment": "prod", "cluster": "eu1"}


def look(
    clock: FrozenClock, config: Sequence[DeploymentConfig] = (), region: str = "eu-west-1"
) -> tuple[dict[str, Deployment], Aws]:
    """The deployments that one survey sees, by name, and the account of how it went."""

    async def run() -> tuple[dict[str, Deployment], Aws]:
        async with account(clock, region, services=SERVICES) as reads:
            reads.account.account_id = PROD
            aws = attempt(reads)
            found = await survey.survey(aws, config, IdentityKeys(), Expect())
            return {each.name: each for each in found}, aws

    return asyncio.run(run())


def asked(standin: Standin, operation: str) -> int:
    return sum(count for call, count in standin.calls.items() if call[3] == operation)


@contextmanager
def inventory(path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    with Standin.in_thread(world(path, clock)) as running:
        point_at(running, monkeypatch)
        yield running


@pytest.mark.parametrize(("account_id", "environment"), [(PROD, "prod"), (STAGING, "staging")])
def test_zero_configuration(
    standin: Standin, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, account_id: str, environment: str
) -> None:
    """Without configuration the deployment of the present account is found, with its stacks and their templates."""
    point_at(standin, monkeypatch, account_id)

    found, aws = look(clock)

    [deployment] = found.values()
    assert deployment.name == deployment.stack_prefix == f"acme-{environment}-eu1"
    assert (deployment.network, deployment.environment, deployment.cluster) == ("acme", environment, "eu1")
    assert deployment.role == "primary"
    assert deployment.region == "eu-west-1"
    [facts] = [each for each in standin.world.inspect("deployments") if each["account_id"] == account_id]
    # Old numbers and names, text behind the name, an unknown stack that says whose it is; none foreign, none deleted.
    assert {stack.name: stack.template for stack in deployment.stacks} == {
        stack["StackName"]: stack["_template"]
        for stack in facts["cloudformation"]["stacks"]
        if stack["Parameters"].get("NetworkName") and stack["StackStatus"] != "DELETE_COMPLETE"
    }
    assert aws.failures == []


def test_stacks_as_they_are(standin: Standin, clock: FrozenClock) -> None:
    """A stack has its prefix, discriminator, version, parameters, outputs and status."""
    deployment = look(clock)[0]["acme-prod-eu1"]

    stack = deployment.stack("acme-prod-eu1-2-3-db-redis-cache")
    assert stack is not None
    assert (stack.prefix, stack.template, stack.discriminator) == ("acme-prod-eu1", "2-3-db-redis", "cache")
    assert stack.version == standin.world.inspect(f"{STACKS}/{stack.name}/Outputs/VersionTag")
    assert stack.status == standin.world.inspect(f"{STACKS}/{stack.name}/StackStatus")
    assert stack.parameters["Cluster"] == "eu1"
    assert deployment.template_of("acme-prod-eu1-5-5-ecs-monitoring") == "5-6-ecs-monitoring"
    assert deployment.template_of("org-baseline-cloudtrail") is None


def test_resources_by_tag(standin: Standin, clock: FrozenClock) -> None:
    """Resources belong to the deployment whose stack's tag they carry; finding them costs no call for each stack."""
    deployment = look(clock)[0]["acme-prod-eu1"]

    assert deployment.resources("AWS::RDS::DBCluster") == {"acme-prod-eu1-aurora": "acme-prod-eu1-2-1-db-aurora-master"}
    volumes = deployment.resources("AWS::EC2::Volume")
    assert volumes
    for id_, stack in volumes.items():
        assert deployment.tags("AWS::EC2::Volume", id_)[STACK_TAG] == stack
    assert asked(standin, "ListStackResources") == 0
    assert asked(standin, "DescribeStacks") == asked(standin, "GetResources") == 1


def test_two_deployments_in_one_account(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clusters in one account and region, under prefixes of their own, are two deployments with a role each."""
    with inventory(SECOND, clock, monkeypatch):
        found, _ = look(clock, region="ca-central-1")

    assert {name: (each.stack_prefix, each.role) for name, each in found.items()} == {
        "borealis-prod-nam1": ("tts-core", "primary"),
        "borealis-prod-nam2": ("borealis-nam2", "secondary"),
    }
    for each in found.values():
        assert {stack.prefix for stack in each.stacks} == {each.stack_prefix}
        assert each.resources("AWS::ElastiCache::ReplicationGroup")
        assert each.assigned_stacks == {stack.name for other in found.values() for stack in other.stacks}
    one, two = (set(each.resources("AWS::S3::Bucket")) for each in found.values())
    assert one
    assert two
    assert not one & two


def test_elsewhere_is_nothing(standin: Standin, clock: FrozenClock) -> None:
    """A region without stacks has no deployment, and that is known, not failed."""
    found, aws = look(clock, region="eu-central-1")

    assert found == {}
    assert aws.failures == []


def test_tags_refused(standin: Standin, clock: FrozenClock) -> None:
    """Without tags the stacks that hold what collectors read are asked for it, and the same resources are found."""
    with_tags = look(clock)[0]["acme-prod-eu1"]
    assert with_tags.incomplete is None
    standin.faults.add(kind="deny", operation="GetResources")

    found, aws = look(clock)

    # What no such stack holds may be missing: that it is not seen proves nothing.
    assert found["acme-prod-eu1"].incomplete == aws.failures[0]
    assert found["acme-prod-eu1"].unread is None

    for type_ in HELD:
        # The bucket of the network's own logs is the one that is not worth a call.
        known = {id_: stack for id_, stack in with_tags.resources(type_).items() if not stack.endswith("1-1-vpc")}
        assert known, type_
        assert found["acme-prod-eu1"].resources(type_) == known, type_
    assert [(each.operation, each.action) for each in aws.failures] == [
        ("resourcegroupstaggingapi.GetResources", "tag:GetResources")
    ]


def test_stacks_are_asked_again_when_they_change(standin: Standin, clock: FrozenClock) -> None:
    """A stack's resources are listed once, and once more after an update of that stack."""
    standin.faults.add(kind="deny", operation="GetResources")

    async def run() -> list[int]:
        counts = []
        async with account(clock, services=SERVICES) as reads:
            await surveyed(reads)
            counts.append(asked(standin, "ListStackResources"))
            clock.now += 86_400
            await surveyed(reads)
            counts.append(asked(standin, "ListStackResources"))
            path = f"{STACKS}/acme-prod-eu1-2-3-db-redis-cache/LastUpdatedTime"
            standin.world.change(path, "2026-11-23T11:00:00Z")
            clock.now += 300
            await surveyed(reads)
            counts.append(asked(standin, "ListStackResources"))
        return counts

    first, second, third = asyncio.run(run())

    held = ("2-1", "2-3", "2-4", "2-5", "2-6", "2-7", "5-1", "5-6", "5-8b")
    assert first == sum(
        str(stack["_template"]).startswith(held) and not any(key.endswith("Bucket") for key in stack["Outputs"])
        for stack in standin.world.inspect(STACKS)
    )
    assert second == first
    assert third == first + 1


def test_stacks_refused(standin: Standin, clock: FrozenClock) -> None:
    """Without stacks the deployment is found by the tags of its resources and owns them as before."""
    with_stacks = look(clock)[0]["acme-prod-eu1"]
    standin.faults.add(kind="deny", operation="DescribeStacks")

    found, aws = look(clock)

    deployment = found["acme-prod-eu1"]
    assert deployment.role == "primary"
    for type_ in ("AWS::RDS::DBCluster", "AWS::EC2::Volume", "AWS::ElastiCache::ReplicationGroup"):
        assert deployment.resources(type_) == with_stacks.resources(type_)
    assert [each.action for each in aws.failures] == ["cloudformation:DescribeStacks"]


def test_both_refused(standin: Standin, clock: FrozenClock) -> None:
    """With neither stacks nor tags nothing is known without configuration, and a configured deployment is there."""
    standin.faults.add(kind="deny", service="cloudformation")
    standin.faults.add(kind="deny", service="resourcegroupstaggingapi")

    with pytest.raises(ReadFailed):
        look(clock)
    found, aws = look(clock, configured(ACME))

    deployment = found["acme-prod-eu1"]
    assert deployment.stacks == ()
    assert deployment.owner("AWS::EC2::Volume", "vol-1", {STACK_TAG: "acme-prod-eu1-2-5-db-timescale"})
    assert deployment.owner("AWS::EC2::Volume", "vol-2", {STACK_TAG: "acme-staging-eu1-2-5-db-timescale"}) is None
    assert deployment.owner("AWS::EC2::Volume", "vol-3", {}) is None
    assert {each.reason for each in aws.failures} == {"access_denied"}


def test_configured(standin: Standin, clock: FrozenClock) -> None:
    """A configured deployment has its own name, expectations and role, and the stacks that are its own."""
    [config] = configured({**ACME, "name": "main", "role": "secondary", "expect": {"backup_retention": "35d"}})

    found, _ = look(clock, [config])

    [deployment] = found.values()
    assert (deployment.name, deployment.role) == ("main", "secondary")
    assert deployment.expect.backup_retention == 35 * 86_400
    assert len(deployment.stacks) == 29
    assert deployment.resources("AWS::RDS::DBCluster")


def test_configured_elsewhere(standin: Standin, clock: FrozenClock) -> None:
    """A configured deployment of which nothing exists is there all the same, and owns nothing of others."""
    found, _ = look(clock, configured({**ACME, "cluster": "eu2"}))

    deployment = found["acme-prod-eu2"]
    assert deployment.stacks == ()
    assert deployment.owned == {}


def test_configured_stacks_and_includes(standin: Standin, clock: FrozenClock) -> None:
    """The configuration gives a deployment stacks whose names do not tell, and resources that no stack owns."""
    config = configured(
        {
            **ACME,
            "stacks": {"org-baseline-cloudtrail": "1-1-vpc"},
            "include": [{"type": "AWS::S3::Bucket", "id": "by-hand"}, {"type": "AWS::S3::Bucket", "id": "too"}],
        }
    )

    found, _ = look(clock, config)

    deployment = found["acme-prod-eu1"]
    assert deployment.template_of("org-baseline-cloudtrail") == "1-1-vpc"
    assert deployment.owner("AWS::S3::Bucket", "by-hand") == deployment.owner("AWS::S3::Bucket", "too") == ""
    assert deployment.owner("AWS::S3::Bucket", "foreign") is None


def test_unassigned(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resource is unassigned when no deployment of the account owns it, by its id or by the tag it comes with."""
    with inventory(SECOND, clock, monkeypatch):
        found, _ = look(clock, region="ca-central-1")
    one, two = found.values()
    [cluster] = one.resources("AWS::RDS::DBCluster")
    listed: list[tuple[str, Any]] = [
        (cluster, {}),
        ("created a moment ago", [{"Key": STACK_TAG, "Value": "tts-core-2-1-db-aurora-master"}]),
        ("untagged", []),
        ("of another stack", {STACK_TAG: "other"}),
    ]

    assert one.unassigned("AWS::RDS::DBCluster", listed) == 2
    assert two.unassigned("AWS::RDS::DBCluster", listed) == 2
    assert one.unassigned("AWS::S3::Bucket", [(cluster, {})]) == 1


def described(name: str, status: str = "CREATE_COMPLETE", **more: Any) -> dict[str, Any]:
    return {"StackName": name, "StackStatus": status, "CreationTime": datetime(2026, 1, 1, tzinfo=UTC), **more}


def identity(network: str, environment: str, cluster: str) -> dict[str, Any]:
    given = {"NetworkName": network, "Environment": environment, "Cluster": cluster}
    return {"Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]}


def test_deleted_and_nested_stacks_are_none() -> None:
    """Stacks that are deleted, and those that are part of another one, are left out."""
    stacks = survey.parse_stacks(
        [
            described("acme-prod-eu1-1-1-vpc"),
            described("acme-prod-eu1-2-3-db-redis", "DELETE_COMPLETE"),
            described("acme-prod-eu1-1-2-bastion", ParentId="arn:aws:cloudformation:eu-west-1:1:stack/parent/1"),
            described("acme-prod-eu1-2-7-queue-sqs", "DELETE_FAILED"),
        ],
        (),
    )

    assert [stack.template for stack in stacks] == ["1-1-vpc", "2-7-queue-sqs"]


def grouped(*stacks: dict[str, Any]) -> dict[tuple[str, Any], list[str]]:
    groups = survey.group(survey.parse_stacks(stacks, ()), IdentityKeys())
    return {(prefix, who): [stack.name for stack in members] for who, (prefix, members) in groups.items()}


def test_identity_by_parameters_or_prefix() -> None:
    """Parameters say who a deployment is; where they do not, a prefix of the usual form does; else there is none."""
    assert grouped(
        described("tts-1-1-vpc"),
        described("tts-2-3-db-redis", **identity("acme", "prod", "eu1")),
        described("acme-staging-eu1-1-1-vpc"),
        described("someone-elses-1-1-vpc"),
        described("unknown-but-ours", **identity("acme", "prod", "eu1")),
        described("unknown-and-foreign", **identity("other", "prod", "eu1")),
    ) == {
        ("tts", ("acme", "prod", "eu1")): ["tts-1-1-vpc", "tts-2-3-db-redis", "unknown-but-ours"],
        ("acme-staging-eu1", ("acme", "staging", "eu1")): ["acme-staging-eu1-1-1-vpc"],
    }


def test_a_mistyped_parameter_loses_no_stack() -> None:
    """A stack whose parameters say another's is still its prefix's, in whichever order AWS lists the stacks."""
    prod, wrong = identity("acme", "prod", "eu1"), identity("acme", "staging", "eu1")
    stacks = [
        described("tts-1-1-vpc", **prod),
        described("tts-2-1-db-aurora-master", **prod),
        described("tts-5-6-ecs-monitoring", **wrong),
    ]

    for order in (stacks, stacks[::-1]):
        [(key, names)] = grouped(*order).items()
        assert key == ("tts", ("acme", "prod", "eu1"))
        assert len(names) == 3


def test_two_prefixes_of_one_identity_are_one_deployment() -> None:
    """Stacks that an operator named otherwise belong to the deployment that their parameters name."""
    who = identity("acme", "prod", "eu1")

    assert grouped(
        described("acme-prod-eu1-5-1-ecs-cluster", **who),
        described("acme-prod-eu1-1-1-vpc", **who),
        described("legacy-2-1-db-aurora-master", **who),
    ) == {
        ("acme-prod-eu1", ("acme", "prod", "eu1")): [
            "acme-prod-eu1-5-1-ecs-cluster",
            "acme-prod-eu1-1-1-vpc",
            "legacy-2-1-db-aurora-master",
        ]
    }


def test_a_longer_prefix_is_not_ours() -> None:
    """A stack whose name begins with a deployment's prefix is not its own when its parameters say another's."""
    stacks = survey.parse_stacks(
        [
            described("acme-prod-eu1-1-1-vpc"),
            described("acme-prod-eu1-b-1-1-vpc", **identity("acme", "prod", "eu1-b")),
            described("acme-prod-eu10-1-1-vpc"),
            described("renamed", **identity("acme", "prod", "eu1")),
        ],
        (),
    )
    [config] = configured(ACME)

    deployment = survey.from_config(PROD, "eu-west-1", config, stacks, IdentityKeys())

    assert [stack.name for stack in deployment.stacks] == ["acme-prod-eu1-1-1-vpc", "renamed"]


def test_recognised_by_what_only_one_template_has() -> None:
    """A stack whose name says nothing is recognised by a parameter or an output, unless two templates claim it."""
    assert templates.fingerprint({}, {"OpsRunTaskArguments": ""}) == "5-2-ecs-ops"
    assert templates.fingerprint({"UseLongTermStorage": ""}, {}) == "5-6-ecs-monitoring"
    assert templates.fingerprint({"UseLongTermStorage": ""}, {"OpsRunTaskArguments": ""}) is None
    assert templates.fingerprint({"Anything": ""}, {}) is None


def test_mandatory_templates() -> None:
    """A primary cluster has the Identity Server, its database and pictures, a secondary one a proxy to it."""
    everywhere, primary = templates.mandatory(None), templates.mandatory("primary")

    assert set(primary) - set(everywhere) == {"2-1-db-aurora-master", "2-4a-is-s3", "5-3a-ecs-is-service"}
    assert set(templates.mandatory("secondary")) - set(everywhere) == {"5-3b-ecs-external-is-proxy"}
    assert {"1-1-vpc", "2-3-db-redis", "4-2b-configuration-rate-limiting", "5-7-ecs-proxy"} <= set(everywhere)
    assert not {"1-2-bastion", "2-2-db-aurora-replica", "2-5-db-timescale-master", "5-6-ecs-monitoring"} & set(primary)


def test_order_of_templates() -> None:
    """Templates are listed in the order in which their stacks are updated, which is that of their numbers."""
    assert list(templates.CURRENT) == sorted(templates.CURRENT)
    assert templates.mandatory("primary") == sorted(templates.mandatory("primary"))


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:rds:eu-west-1:1:cluster:main", ("AWS::RDS::DBCluster", "main")),
        ("arn:aws:rds:eu-west-1:1:db:main-1", ("AWS::RDS::DBInstance", "main-1")),
        ("arn:aws:rds:eu-west-1:1:cluster-snapshot:rds:main-2026", None),
        ("arn:aws:ec2:eu-west-1:1:volume/vol-1", ("AWS::EC2::Volume", "vol-1")),
        ("arn:aws:ecs:eu-west-1:1:cluster/main", ("AWS::ECS::Cluster", "main")),
        ("arn:aws:ecs:eu-west-1:1:service/main/is", None),
        ("arn:aws:elasticache:eu-west-1:1:replicationgroup:main", ("AWS::ElastiCache::ReplicationGroup", "main")),
        ("arn:aws:elasticfilesystem:eu-west-1:1:file-system/fs-1", ("AWS::EFS::FileSystem", "fs-1")),
        (f"{ELB}:loadbalancer/net/main/01", (f"{ELB_TYPE}::LoadBalancer", f"{ELB}:loadbalancer/net/main/01")),
        (f"{ELB}:targetgroup/main/01", (f"{ELB_TYPE}::TargetGroup", f"{ELB}:targetgroup/main/01")),
        (f"{ELB}:listener/net/main/01/23", None),
        ("arn:aws:s3:::a-bucket", ("AWS::S3::Bucket", "a-bucket")),
        ("arn:aws-cn:sns:cn-north-1:1:alarms", ("AWS::SNS::Topic", "alarms")),
        ("arn:aws:sqs:eu-west-1:1:queue", ("AWS::SQS::Queue", "queue")),
        ("arn:aws:events:eu-west-1:1:rule/bus/certbot", ("AWS::Events::Rule", "certbot")),
        ("arn:aws:lambda:eu-west-1:1:function:f", None),
        ("arn:aws:ec2:eu-west-1:1:volume", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_resource_of_arn(arn: str, expected: tuple[str, str] | None) -> None:
    """An ARN tells type and id of what collectors read; what they do not read, or is no ARN, is nothing."""
    assert assignment.resource_of(arn) == expected


def test_assignment_without_tags_or_outputs() -> None:
    """Stack outputs and listings give resources to the stack's deployment; what was deleted is not given."""
    stack = Stack(
        "p-5-2-ecs-ops", "5-2-ecs-ops", outputs={"InteropConfigBucket": "b", "OpsRunTaskArguments": "task:1 cluster s"}
    )
    deployment = Deployment("d", "n", "prod", "c", PROD, "eu-west-1", "p", Expect(), stacks=(stack,))
    gone = {"ResourceType": "AWS::EC2::Volume", "PhysicalResourceId": "vol-0", "ResourceStatus": "DELETE_COMPLETE"}
    there = {"ResourceType": "AWS::EC2::Volume", "PhysicalResourceId": "vol-1", "ResourceStatus": "UPDATE_COMPLETE"}
    unborn = {"ResourceType": "AWS::EC2::Volume", "ResourceStatus": "CREATE_IN_PROGRESS"}

    [assigned] = assignment.assign([deployment], [], {"p-5-2-ecs-ops": [gone, there, unborn]})

    assert assigned.owned == {
        "AWS::S3::Bucket": {"b": "p-5-2-ecs-ops"},
        "AWS::ECS::Cluster": {"cluster": "p-5-2-ecs-ops"},
        "AWS::EC2::Volume": {"vol-1": "p-5-2-ecs-ops"},
    }


NAMES = [(name, template) for template, names in templates.TEMPLATES.items() for name in names]
prefixes = st.from_regex(r"([A-Za-z][A-Za-z0-9-]{0,30}[A-Za-z0-9])?", fullmatch=True)
numbers = st.from_regex(r"[0-9]{1,3}-[0-9]{1,2}[a-z]?", fullmatch=True)
discriminators = st.from_regex(r"([a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?)?", fullmatch=True)


@given(prefixes, numbers, st.sampled_from(NAMES), discriminators)
def test_stack_names(prefix: str, number: str, named: tuple[str, str], discriminator: str) -> None:
    """Any prefix, any number, any name that a template ever had and any text behind it are told apart again."""
    name, template = named
    tail = "-".join(filter(None, (name, discriminator)))
    longer = [other for other, _ in NAMES if len(other) > len(name)]
    # "configuration" before "rate-limiting" is another name.
    assume(not any(f"{tail}-".startswith(f"{other}-") for other in longer))
    stack_name = "-".join(filter(None, (prefix, number, tail)))

    assert templates.parse(stack_name) == (prefix, template, discriminator)


@given(st.text())
def test_foreign_stack_names(name: str) -> None:
    """A name without the number and name of a template is nobody's."""
    assume(not any(known in name for known, _ in NAMES))

    assert templates.parse(name) is None


@pytest.mark.parametrize(
    "name", ["acme-vpc", "1-vpc", "acme-1-1-vpcs", "acme-1-1vpc", "-1-1-vpc", "acme--1-1-vpc", "1-1-"]
)
def test_nearly_a_stack_name(name: str) -> None:
    """What only looks like a template's stack name is none."""
    assert templates.parse(name) is None
