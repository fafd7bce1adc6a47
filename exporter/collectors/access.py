"""Access: can every host be reached through Session Manager, and who else can knock at its SSH port?

Practice: BP-24 (agent), BP-64 (SSH restricted), BP-65 (Session Manager).
Cost: 4, of which 2 are shared with patches; 1 more for each further 200 of its security groups, and for each further
200 of their rules; 1 for each prefix list from which it can be reached by SSH.
API: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroupRules.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..hosts import Host, hosts
from ..metrics import Family, Malformed, Sample, each
from ..ssh import Door, covers, door, either, public_addresses

GROUP_TYPE = "AWS::EC2::SecurityGroup"
HOST, GROUP = ("instance_id",), ("security_group",)

MANAGED = Family(
    "tts_aws_ssm_managed",
    "Session Manager can reach the running host: registered and online (SSM InstanceInformation.PingStatus).",
    HOST,
    "flag",
)
AGENT = Family(
    "tts_aws_ssm_instance_info",
    "A registered host's system and agent (SSM InstanceInformation).",
    (*HOST, "platform", "platform_version", "agent_version"),
)
LAST_PING = Family(
    "tts_aws_ssm_last_ping_timestamp_seconds",
    "When the agent was last heard of (SSM InstanceInformation.LastPingDateTime).",
    HOST,
    "time",
)
LATEST = Family(
    "tts_aws_ssm_agent_latest", "The agent is the newest (SSM InstanceInformation.IsLatestVersion).", HOST, "flag"
)
GROUP_INFO = Family(
    "tts_aws_security_group_info",
    "A group of the deployment's stacks, or that a host of it is in (EC2 SecurityGroup).",
    (*GROUP, "stack"),
)
OPEN = Family(
    "tts_aws_security_group_ssh_open_to_world",
    "Port 22 can be reached from every public IPv4 or IPv6 address, by one rule or several (EC2 SecurityGroupRule).",
    GROUP,
    "flag",
)
OUTSIDE = Family(
    "tts_aws_security_group_ssh_outside_allowed",
    "Port 22 can be reached from an address outside the configured ranges (EC2 SecurityGroupRule).",
    GROUP,
    "flag",
)
EXPOSED = Family(
    "tts_aws_ec2_instance_ssh_exposed",
    "It has a public address, and a group on it that is open to the world (EC2 InstanceNetworkInterface).",
    HOST,
    "flag",
)
KEY_PAIR = Family(
    "tts_aws_ec2_instance_key_pair", "It was started with an SSH key (EC2 Instance.KeyName).", HOST, "flag"
)
IMDSV2 = Family(
    "tts_aws_ec2_imdsv2_required",
    "Its metadata service answers with a token only, or is off (EC2 Instance.MetadataOptions).",
    HOST,
    "flag",
)

ACTIONS = (
    "ec2:DescribeInstances",
    "autoscaling:DescribeAutoScalingGroups",
    "ssm:DescribeInstanceInformation",
    "ec2:DescribeSecurityGroupRules",
    "ec2:GetManagedPrefixListEntries",
)

FILTER_VALUES = 200  # the most that EC2 takes


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {
            **listings(aws),
            "rules": security_group_rules(aws, deployment),
            "managed": aws.read("ssm", "DescribeInstanceInformation"),
            "prefix_lists": prefix_lists(aws, deployment),
        }
    )


def listings(aws: Aws) -> dict[str, Any]:
    return {
        "instances": aws.read("ec2", "DescribeInstances"),
        "groups": aws.read("autoscaling", "DescribeAutoScalingGroups"),
    }


async def security_group_rules(aws: Aws, deployment: Deployment) -> dict[str, Any]:
    """The rules of the deployment's groups alone, as an account may have very many others; and of which that is."""
    mine = security_groups(await aws.gather(listings(aws)), deployment)
    # CloudFormation knows groups of old by their name, for which EC2 may refuse the whole question.
    asked = sorted(id_ for id_ in mine if id_.startswith("sg-"))
    rules = []
    for start in range(0, len(asked), FILTER_VALUES):
        some = {"Name": "group-id", "Values": asked[start : start + FILTER_VALUES]}
        rules += (await aws.read("ec2", "DescribeSecurityGroupRules", Filters=[some]))["SecurityGroupRules"]
    return {"asked": asked, "SecurityGroupRules": rules}


async def prefix_lists(aws: Aws, deployment: Deployment) -> Answer:
    """The entries of the prefix lists, also of AWS's own, from which the deployment's groups let SSH in."""
    rules = (await security_group_rules(aws, deployment))["SecurityGroupRules"]
    wanted = {rule.get("PrefixListId") for rule in rules if covers(rule)} - {None}
    return await aws.gather(
        {id_: aws.read("ec2", "GetManagedPrefixListEntries", PrefixListId=id_) for id_ in sorted(wanted)}
    )


def security_groups(answer: Mapping[str, Any], deployment: Deployment) -> dict[str, str]:
    """The groups that the deployment's stacks own, and those that its hosts are in: id -> stack or ""."""
    return {**dict.fromkeys(attached(hosts(answer, deployment)), ""), **deployment.resources(GROUP_TYPE)}


def attached(owned: Iterable[Host]) -> list[str]:
    """The groups that hosts are in."""
    interfaces = [each for host in owned for each in host.instance.get("NetworkInterfaces", ())]
    groups = [group for interface in interfaces for group in interface.get("Groups", ())]
    return [group["GroupId"] for group in groups if "GroupId" in group]


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    owned = hosts(answer, deployment)
    managed = answer.get("managed", {}).get("InstanceInformationList")
    registered = {info.get("InstanceId"): info for info in managed or ()}
    listed = answer.get("rules", {}).get("SecurityGroupRules")
    asked = answer.get("rules", {}).get("asked", ()) if listed is not None else ()
    rules: dict[str | None, list[Mapping[str, Any]]] = {}
    for rule in listed or ():
        rules.setdefault(rule.get("GroupId"), []).append(rule)
    # The tags of a group outlive it for a while. Without a rule, also for the way out, and without a host it is gone.
    gone = set(asked) - rules.keys() - set(attached(owned)) if None not in rules else set()
    groups = {id_: stack for id_, stack in security_groups(answer, deployment).items() if id_ not in gone}
    doors: dict[str, Door] = {}

    def of_group(id_: str) -> Iterator[Sample]:
        if None in rules:
            raise LookupError("a rule names no group, so it may be this one's")
        doors[id_] = opened = door(rules.get(id_, ()), answer.get("prefix_lists", {}))
        for family, value in (
            (OPEN, either(opened.open_to_world(version) for version in (4, 6))),
            (OUTSIDE, opened.outside(deployment.expect.ssh_allowed)),
        ):
            if value is not None:
                yield family.sample(value, security_group=id_)

    def of_management(host: Host) -> Iterator[Sample]:
        id_ = host.instance["InstanceId"]
        info = registered.get(id_)
        # SSM lists nothing that is not registered; a registration that names no host may be this one's.
        if host.instance["State"]["Name"] == "running" and (info or None not in registered):
            yield MANAGED.sample(info is not None and info["PingStatus"] == "Online", instance_id=id_)

    def of_exposure(host: Host) -> Iterator[Sample]:
        ways = [
            doors[group["GroupId"]].open_to_world(version) if group["GroupId"] in doors else None
            for interface in host.instance["NetworkInterfaces"]
            for version in public_addresses(interface)
            for group in interface["Groups"]
        ]
        if (exposed := either(ways)) is not None:
            yield EXPOSED.sample(exposed, instance_id=host.instance["InstanceId"])

    for id_, stack in groups.items():
        yield GROUP_INFO.sample(1, security_group=id_, stack=stack)
    yield from each([id_ for id_ in groups if id_ in asked], of_group)
    if managed is not None:
        yield from each(owned, of_management)
    yield from each(owned, lambda host: agent_samples(registered.get(host.instance["InstanceId"], {})))
    yield from each(owned, of_exposure)
    yield from each(owned, host_samples)


def agent_samples(info: Mapping[str, Any]) -> Iterator[Sample]:
    fields = {"platform": "PlatformName", "platform_version": "PlatformVersion", "agent_version": "AgentVersion"}
    if all(field in info for field in fields.values()):
        about = {label: info[field] for label, field in fields.items()}
        yield AGENT.sample(1, instance_id=info["InstanceId"], **about)
    for family, field in ((LAST_PING, "LastPingDateTime"), (LATEST, "IsLatestVersion")):
        if (value := info.get(field)) is not None:
            yield family.sample(value, instance_id=info["InstanceId"])


def host_samples(host: Host) -> Iterator[Sample]:
    id_, options = host.instance["InstanceId"], host.instance["MetadataOptions"]
    yield KEY_PAIR.sample("KeyName" in host.instance, instance_id=id_)
    if options.get("State") != "pending":  # what it will be, is not yet so
        safe = options["HttpTokens"] == "required" or options["HttpEndpoint"] == "disabled"
        yield IMDSV2.sample(safe, instance_id=id_)


COLLECTOR = Collector(
    name="access",
    interval=300,
    actions=ACTIONS,
    families=(MANAGED, AGENT, LAST_PING, LATEST, GROUP_INFO, OPEN, OUTSIDE, EXPOSED, KEY_PAIR, IMDSV2),
    fetch=fetch,
    samples=samples,
)
