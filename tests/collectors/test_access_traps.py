"""What SSM leaves out, what EC2 spells as -1 or splits over rules, and who is not reached although a group is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt
from small import small_aws

from exporter.answer import Answer
from exporter.collectors.access import fetch, samples
from exporter.demo.request import AwsError, Request
from exporter.deployment import Deployment
from exporter.metrics import Malformed, Sample

Series = Callable[[Any], dict[str, float]]
Served = Callable[..., dict[str, float]]
HOST, OTHER = "i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2"
GROUP, SECOND = "sg-0aaaaaaaaaaaaaaa1", "sg-0aaaaaaaaaaaaaaa2"
STACK = "acme-prod-eu1-1-2-bastion"
ASSOCIATED = {"Association": {"PublicIp": "203.0.113.7", "IpOwnerId": "amazon"}}
OPEN, OUTSIDE = "security_group_ssh_open_to_world", "security_group_ssh_outside_allowed"
EXPOSED = "ec2_instance_ssh_exposed"


def interface(*groups: str, **fields: Any) -> dict[str, Any]:
    """A network interface with a private address."""
    named = [{"GroupId": group, "GroupName": "g"} for group in groups or (GROUP,)]
    return {"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.1", "Groups": named} | fields


def instance(*interfaces: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The bastion as EC2 describes it."""
    return {
        "InstanceId": HOST,
        "State": {"Code": 16, "Name": "running"},
        "NetworkInterfaces": list(interfaces or (interface(),)),
        "MetadataOptions": {"State": "applied", "HttpTokens": "required", "HttpEndpoint": "enabled"},
        "Tags": [{"Key": "aws:cloudformation:stack-name", "Value": STACK}],
    } | fields


def registration(**fields: Any) -> dict[str, Any]:
    """The bastion as SSM knows it."""
    return {
        "InstanceId": HOST,
        "PingStatus": "Online",
        "LastPingDateTime": datetime(2026, 11, 22, 11, 58, tzinfo=UTC),
        "AgentVersion": "3.3.3050.0",
        "IsLatestVersion": True,
        "PlatformName": "Amazon Linux",
        "PlatformVersion": "2023",
    } | fields


def rule(source: str, group: str = GROUP, **fields: Any) -> dict[str, Any]:
    """A rule that lets a source in on port 22."""
    kinds = {"pl-": "PrefixListId", "sg-": "ReferencedGroupInfo"}
    kind = kinds.get(source[:3]) or ("CidrIpv6" if ":" in source else "CidrIpv4")
    named: Any = {"GroupId": source} if source.startswith("sg-") else source
    ports = {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    return {"GroupId": group, **ports, kind: named} | fields


def entries(*cidrs: str) -> dict[str, Any]:
    return {"Entries": [{"Cidr": cidr} for cidr in cidrs]}


def answer_of(*instances: dict[str, Any], **parts: Any) -> Answer:
    """An answer with these instances, one unless given; ``rules`` and ``managed`` are what AWS lists."""
    answer = Answer()
    answer["instances"] = {"Reservations": [{"Instances": list(instances or (instance(),))}]}
    answer["groups"] = {"AutoScalingGroups": []}
    members = {"rules": "SecurityGroupRules", "managed": "InstanceInformationList"}
    answer.update({key: {members[key]: part} if key in members else part for key, part in parts.items()})
    if "rules" in answer:
        answer["rules"]["asked"] = [GROUP, SECOND]
    return answer


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Served:
    """What is served, without the ids of the one host and the one group."""

    def serve(*instances: dict[str, Any], **parts: Any) -> dict[str, float]:
        found = series(samples(answer_of(*instances, **parts), deployment))
        for label in (f'instance_id="{HOST}"', f'security_group="{GROUP}"'):
            found = {name.replace(label, ""): value for name, value in found.items()}
        return {name.removeprefix("tts_aws_").replace("{}", ""): value for name, value in found.items()}

    return serve


@pytest.mark.parametrize(("status", "managed"), [("Online", 1), ("ConnectionLost", 0), ("Inactive", 0)])
def test_session_manager_needs_an_answering_agent(served: Served, status: str, managed: float) -> None:
    """A host is managed only while its agent is online; what was known of the agent stays known."""
    found = served(managed=[registration(PingStatus=status)])

    assert found["ssm_managed"] == managed
    assert found["ssm_last_ping_timestamp_seconds"] == datetime(2026, 11, 22, 11, 58, tzinfo=UTC).timestamp()
    assert found['ssm_instance_info{,platform="Amazon Linux",platform_version="2023",agent_version="3.3.3050.0"}'] == 1


def test_unregistered_hosts_are_absent(served: Served) -> None:
    """SSM says nothing of a host without agent or permission: that is a 0, if SSM was asked at all."""
    assert served(managed=[registration(InstanceId="mi-0123456789abcdef0")])["ssm_managed"] == 0
    assert "ssm_managed" not in served()


def test_a_registration_without_a_name(served: Served) -> None:
    """While one registration does not say whose it is, no other host is known to lack one."""
    nameless = {key: value for key, value in registration().items() if key != "InstanceId"}
    other = instance(InstanceId=OTHER)

    found = served(instance(), other, managed=[registration(), nameless])

    assert found["ssm_managed"] == 1
    assert f'ssm_managed{{instance_id="{OTHER}"}}' not in found


@pytest.mark.parametrize("state", ["pending", "stopping", "stopped"])
def test_only_running_hosts_can_be_managed(served: Served, state: str) -> None:
    """SSM leaves out what does not run, so that of a stopped host nothing is known."""
    assert "ssm_managed" not in served(instance(State={"Name": state}), managed=[])


def test_agent_fields_that_are_absent(served: Served) -> None:
    """What the agent did not report is not served: no version is not an old one."""
    reported = registration()
    for field in ("IsLatestVersion", "LastPingDateTime", "PlatformVersion"):
        del reported[field]

    assert {name for name in served(managed=[reported]) if "ssm" in name} == {"ssm_managed"}
    assert served(managed=[registration(IsLatestVersion=False)])["ssm_agent_latest"] == 0


def test_key_pair(served: Served) -> None:
    """EC2 leaves out the name of a key that a host was not given."""
    assert served()["ec2_instance_key_pair"] == 0
    assert served(instance(KeyName="ops"))["ec2_instance_key_pair"] == 1


@pytest.mark.parametrize(
    ("tokens", "endpoint", "required"),
    [("required", "enabled", 1), ("optional", "enabled", 0), ("optional", "disabled", 1)],
)
def test_metadata_service(served: Served, tokens: str, endpoint: str, required: float) -> None:
    """A metadata service that is off gives nobody credentials without a token, whatever is set beside it."""
    options = {"State": "applied", "HttpTokens": tokens, "HttpEndpoint": endpoint}

    assert served(instance(MetadataOptions=options))["ec2_imdsv2_required"] == required
    assert "ec2_imdsv2_required" not in served(instance(MetadataOptions=options | {"State": "pending"}))


@pytest.mark.parametrize(
    ("rules", "opened", "outside"),
    [
        ([rule("0.0.0.0/0")], 1, 1),
        ([rule("::/0")], 1, 1),
        ([rule("0.0.0.0/0", FromPort=0, ToPort=65_535)], 1, 1),
        ([rule("0.0.0.0/0", FromPort=20, ToPort=25)], 1, 1),
        ([rule("0.0.0.0/0", IpProtocol="-1", FromPort=-1, ToPort=-1)], 1, 1),
        ([rule("0.0.0.0/1"), rule("128.0.0.0/1", FromPort=0, ToPort=1_024)], 1, 1),
        ([rule("0.0.0.0/1")], 0, 1),
        ([rule("203.0.113.7/32")], 0, 1),
        ([rule("10.0.0.0/8"), rule("fd00::/8")], 0, 0),
        ([rule("10.0.0.0/8"), rule("8.8.8.8/32")], 0, 1),
        ([rule("sg-0bbbbbbbbbbbbbbb1")], 0, 0),
        ([rule("0.0.0.0/0", FromPort=443, ToPort=443)], 0, 0),
        ([rule("0.0.0.0/0", IpProtocol="udp")], 0, 0),
        ([rule("0.0.0.0/0", IsEgress=True, IpProtocol="-1", FromPort=-1, ToPort=-1)], 0, 0),
        ([rule("pl-1")], 1, 1),
        ([rule("pl-2")], 0, 0),
        ([], 0, 0),
    ],
)
def test_rules(served: Served, rules: list[dict[str, Any]], opened: float, outside: float) -> None:
    """A group is as open as its rules for port 22 make it together; one without any is closed."""
    lists = {"pl-1": entries("10.0.0.0/8", "0.0.0.0/0"), "pl-2": entries("10.0.0.0/8")}

    found = served(rules=rules, prefix_lists=lists)

    assert (found[OPEN], found[OUTSIDE]) == (opened, outside)


def test_configured_ranges(deployment: Deployment, series: Series) -> None:
    """Which ranges are allowed is configured; the world stays the world even where it is allowed."""

    def found(*allowed: str) -> list[float]:
        expect = type(deployment.expect).model_validate({"ssh_allowed": allowed})
        served = series(samples(answer_of(rules=[rule("0.0.0.0/0")]), replace(deployment, expect=expect)))
        return [served[f'tts_aws_{name}{{security_group="{GROUP}"}}'] for name in (OPEN, OUTSIDE)]

    assert found("203.0.113.0/24") == [1, 1]
    assert found("0.0.0.0/1", "128.0.0.0/1") == [1, 0]


def test_prefix_list_that_could_not_be_read(served: Served) -> None:
    """What is behind an unread list is unknown, unless another rule has opened the group already."""
    unknown = served(rules=[rule("pl-1"), rule("10.0.0.0/8")], prefix_lists={})
    beyond = served(rules=[rule("pl-1"), rule("203.0.113.0/24")], prefix_lists={})
    opened = served(rules=[rule("pl-1"), rule("0.0.0.0/0")])

    assert not {OPEN, OUTSIDE} & set(unknown)
    assert (OPEN in beyond, beyond[OUTSIDE]) == (False, 1)
    assert (opened[OPEN], opened[OUTSIDE]) == (1, 1)


def test_rules_that_could_not_be_read(served: Served) -> None:
    """Without the rules nothing is known of any group but that it is there."""
    assert not [name for name in served() if "ssh" in name and "security_group" in name]


def test_malformed_rule(deployment: Deployment) -> None:
    """A range that is none costs its own group and the exposure of who is in it, and nothing else."""
    exposed = instance(interface(GROUP, **ASSOCIATED))
    other = instance(interface(SECOND, **ASSOCIATED), InstanceId=OTHER)
    rules = [rule("10.0.0.0/33"), rule("0.0.0.0/0", SECOND)]

    found = list(samples(answer_of(exposed, other, rules=rules), deployment))

    [malformed] = [each for each in found if isinstance(each, Malformed)]
    assert GROUP in malformed.resource
    served = {(each.family.name.removeprefix("tts_aws_"), each.labels[0]) for each in found if isinstance(each, Sample)}
    assert {(name, id_) for name, id_ in served if "ssh" in name} == {
        (OPEN, SECOND),
        (OUTSIDE, SECOND),
        (EXPOSED, OTHER),
    }


def test_a_rule_that_names_no_group(deployment: Deployment) -> None:
    """A rule that does not say whose it is may be any group's: none is known to be closed."""
    nameless = {key: value for key, value in rule("0.0.0.0/0").items() if key != "GroupId"}

    found = samples(answer_of(rules=[rule("10.0.0.0/8"), nameless]), deployment)

    assert not [each for each in found if isinstance(each, Sample) and each.family.name.endswith((OPEN, OUTSIDE))]


def test_whose_groups(deployment: Deployment, series: Series) -> None:
    """Groups are those of the stacks, by tag, and those that a host is in, whoever made them; no others."""
    owned = replace(deployment, owned={"AWS::EC2::SecurityGroup": {SECOND: STACK}})
    foreign = instance(interface("sg-0cccccccccccccccc"), InstanceId=OTHER, Tags=[])
    rules = [rule("0.0.0.0/0"), rule("0.0.0.0/0", SECOND, IsEgress=True), rule("0.0.0.0/0", "sg-0cccccccccccccccc")]

    found = series(samples(answer_of(instance(), foreign, rules=rules), owned))

    assert {name: value for name, value in found.items() if "security_group" in name} == {
        f'tts_aws_security_group_info{{security_group="{GROUP}",stack=""}}': 1,
        f'tts_aws_security_group_info{{security_group="{SECOND}",stack="{STACK}"}}': 1,
        f'tts_aws_{OPEN}{{security_group="{GROUP}"}}': 1,
        f'tts_aws_{OPEN}{{security_group="{SECOND}"}}': 0,
        f'tts_aws_{OUTSIDE}{{security_group="{GROUP}"}}': 1,
        f'tts_aws_{OUTSIDE}{{security_group="{SECOND}"}}': 0,
    }


def test_group_that_is_gone(deployment: Deployment, series: Series) -> None:
    """Tags outlive their group, which has no rule any more: nothing is closed. One that a host is in is there."""
    owned = replace(deployment, owned={"AWS::EC2::SecurityGroup": {GROUP: STACK, SECOND: STACK}})

    found = series(samples(answer_of(rules=[]), owned))

    assert {name: value for name, value in found.items() if "security_group" in name} == {
        f'tts_aws_security_group_info{{security_group="{GROUP}",stack="{STACK}"}}': 1,
        f'tts_aws_{OPEN}{{security_group="{GROUP}"}}': 0,
        f'tts_aws_{OUTSIDE}{{security_group="{GROUP}"}}': 0,
    }


def test_group_that_was_not_asked_for(deployment: Deployment, series: Series) -> None:
    """Of a group that a host joined since the rules were read, these say nothing: it is neither closed nor gone."""
    answer = answer_of(rules=[rule("0.0.0.0/0")])
    answer["rules"]["asked"] = [SECOND]

    found = series(samples(answer, deployment))

    assert [name for name in found if "security_group" in name] == [
        f'tts_aws_security_group_info{{security_group="{GROUP}",stack=""}}'
    ]


def test_only_rules_of_our_groups_are_read(
    deployment: Deployment, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules of an account's other groups are not asked for, ours 200 groups at a time; a name is no group's id."""
    ours = {f"sg-{number:017x}": STACK for number in range(250)}
    owned = replace(deployment, owned={"AWS::EC2::SecurityGroup": ours | {"group-by-name": STACK}})

    def listed(request: Request) -> dict[str, Any]:
        [only] = request.parameters["Filters"]
        assert only["Name"] == "group-id"
        return {"SecurityGroupRules": [rule("10.0.0.0/8", group) for group in only["Values"]]}

    async def fetched() -> tuple[Answer, list[Any]]:
        async with account(clock, account_id="111122223333", services=("ec2", "autoscaling", "ssm")) as reads:
            aws = attempt(reads)
            return await fetch(aws, owned), aws.failures

    with small_aws(clock, monkeypatch) as (small, _):
        small.answers("ec2", "DescribeInstances", {"Reservations": [{"Instances": [instance()]}]})
        small.answers("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroups": []})
        small.answers("ec2", "DescribeSecurityGroupRules", listed)
        small.answers("ssm", "DescribeInstanceInformation", {"InstanceInformationList": []})
        answer, failures = asyncio.run(fetched())
        asked = [parameters["Filters"][0]["Values"] for parameters in small.asked("DescribeSecurityGroupRules")]

    assert failures == []
    assert [len(groups) for groups in asked] == [200, 51]
    assert {group for groups in asked for group in groups} == {*ours, GROUP}
    assert {each["GroupId"] for each in answer["rules"]["SecurityGroupRules"]} == {*ours, GROUP}


@pytest.mark.parametrize(
    ("interfaces", "exposed"),
    [
        ([interface()], 0),
        ([interface(**ASSOCIATED)], 1),
        ([interface(SECOND, **ASSOCIATED)], 0),
        ([interface(SECOND, GROUP, **ASSOCIATED)], 1),
        ([interface(SECOND, **ASSOCIATED), interface(GROUP)], 0),
        ([interface(SECOND), interface(GROUP, **ASSOCIATED)], 1),
        ([interface(PrivateIpAddresses=[{"Primary": True}, {"Primary": False, **ASSOCIATED}])], 1),
        ([interface(Ipv6Addresses=[{"Ipv6Address": "2a05:d018::1"}])], 0),
        ([interface(SECOND, Ipv6Addresses=[{"Ipv6Address": "2a05:d018::1"}])], 1),
        ([interface(SECOND, Ipv6Addresses=[{"Ipv6Address": "fd00::1"}])], 0),
    ],
)
def test_exposure(served: Served, interfaces: list[dict[str, Any]], exposed: float) -> None:
    """A host is exposed where one interface has a public address and a group that is open to addresses of its kind."""
    rules = [rule("0.0.0.0/0"), rule("::/0", SECOND)]

    assert served(instance(*interfaces), rules=rules)[EXPOSED] == exposed


def test_exposure_that_is_not_known(served: Served) -> None:
    """Without the rules a host with a public address may be exposed; one without is not, whatever they say."""
    assert EXPOSED not in served(instance(interface(**ASSOCIATED)))
    assert EXPOSED not in served(instance(interface(**ASSOCIATED)), rules=[rule("pl-1")], prefix_lists={})
    assert served(instance(interface()))[EXPOSED] == 0
    both = instance(interface(GROUP, SECOND, **ASSOCIATED))
    assert served(both, rules=[rule("pl-1"), rule("0.0.0.0/0", SECOND)], prefix_lists={})[EXPOSED] == 1


def test_which_prefix_lists_are_asked(
    deployment: Deployment, series: Series, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only lists that let SSH into the deployment's groups are read, each once; one that is refused costs its group."""
    rules = [
        *(rule("pl-0000000000000001"), rule("pl-0000000000000001", SECOND), rule("pl-0000000000000002", SECOND)),
        rule("pl-0000000000000003", FromPort=443, ToPort=443),
        rule("pl-0000000000000004", "sg-0ccccccccccccccc1"),
        rule("pl-0000000000000005", IsEgress=True),
    ]

    def listed(request: Request) -> dict[str, Any]:
        if request.parameters["PrefixListId"].endswith("2"):
            raise AwsError("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
        return entries("0.0.0.0/0")

    def of_groups(request: Request) -> dict[str, Any]:
        [only] = request.parameters["Filters"]
        return {"SecurityGroupRules": [each for each in rules if each["GroupId"] in only["Values"]]}

    async def fetched() -> tuple[Answer, list[str]]:
        async with account(clock, account_id="111122223333", services=("ec2", "autoscaling", "ssm")) as reads:
            aws = attempt(reads)
            return await fetch(aws, deployment), [failure.operation for failure in aws.failures]

    host = instance(interface(GROUP, SECOND, **ASSOCIATED))
    with small_aws(clock, monkeypatch) as (small, _):
        small.answers("ec2", "DescribeInstances", {"Reservations": [{"Instances": [host]}]})
        small.answers("autoscaling", "DescribeAutoScalingGroups", {"AutoScalingGroups": []})
        small.answers("ec2", "DescribeSecurityGroupRules", of_groups)
        small.answers("ssm", "DescribeInstanceInformation", {"InstanceInformationList": []})
        small.answers("ec2", "GetManagedPrefixListEntries", listed)
        answer, failures = asyncio.run(fetched())
        asked = [parameters["PrefixListId"] for parameters in small.asked("GetManagedPrefixListEntries")]
        calls = sorted({request.operation for request in small.seen})

    assert sorted(asked) == ["pl-0000000000000001", "pl-0000000000000002"]
    assert len(small.seen) == 4 + 2, calls
    assert failures == ["ec2.GetManagedPrefixListEntries"]
    found = series(samples(answer, deployment))
    assert found[f'tts_aws_{OPEN}{{security_group="{GROUP}"}}'] == 1
    assert found[f'tts_aws_{OPEN}{{security_group="{SECOND}"}}'] == 1
    assert found[f'tts_aws_{EXPOSED}{{instance_id="{HOST}"}}'] == 1
