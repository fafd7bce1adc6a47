"""Finding deployments: which there are, which stacks they consist of, and whose a resource is.

``survey`` reads one account and region; the rest is pure. Whose a resource is says the tag that CloudFormation sets, a
stack's output, ListStackResources for stacks that still have none, or ``include:`` in the configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import templates
from .assignment import TYPES, assign, resource_of, resources_in_outputs
from .aws import Aws
from .config import DeploymentConfig, Expect, IdentityKeys
from .deployment import STACK_TAG, Deployment, Stack, as_dict

# DescribeStacks of all stacks is allowed by both: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
ACTIONS = (
    "cloudformation:DescribeStacks",
    "cloudformation:ListStacks",
    "cloudformation:ListStackResources",
    "tag:GetResources",
)

# Where the resources that collectors read are created. A stack of these templates for which neither tags nor outputs
# show such a resource is asked for its resources; every other stack is not worth a call.
_HOLDS = {
    "2-1-db-aurora-master": "AWS::RDS::DBCluster",
    "2-3-db-redis": "AWS::ElastiCache::ReplicationGroup",
    "2-4a-is-s3": "AWS::S3::Bucket",
    "2-4b-routing-s3": "AWS::S3::Bucket",
    "2-4c-mtls-s3": "AWS::S3::Bucket",
    "2-5-db-timescale-master": "AWS::EC2::Volume",
    "2-6-db-timescale-replica": "AWS::EC2::Volume",
    "2-7-queue-sqs": "AWS::SQS::Queue",
    "5-1-ecs-cluster": "AWS::ECS::Cluster",
    "5-6-ecs-monitoring": "AWS::EFS::FileSystem",
    "5-8b-ecs-certbot-scheduled-task": "AWS::Events::Rule",  # rules of before 2025 have no tag
}


async def survey(
    aws: Aws, configured: Sequence[DeploymentConfig], keys: IdentityKeys, expect: Expect
) -> list[Deployment]:
    """Read an account and region; return its deployments: the configured ones, or without any those that are found.

    A configured deployment is returned even when nothing can be read. Raises ReadFailed only where none is configured
    and neither stacks nor tags can be read: nothing is then known, which is not the same as none.
    """
    answer = await aws.gather(
        {
            "stacks": aws.read("cloudformation", "DescribeStacks"),
            "tagged": aws.read(
                "resourcegroupstaggingapi",
                "GetResources",
                TagFilters=[{"Key": STACK_TAG}],
                ResourceTypeFilters=[kind.rstrip(":") for kind in TYPES],
            ),
        }
    )
    if not answer and not configured:
        await aws.read("cloudformation", "DescribeStacks", max_age=aws.max_age)  # raises what the gathering counted
    tagged = answer.get("tagged", {}).get("ResourceTagMappingList", [])
    stacks = parse_stacks(answer["stacks"]["Stacks"], configured) if "stacks" in answer else stacks_of_tags(tagged)
    found = group(stacks, keys)
    deployments = (
        [from_config(aws.account_id, aws.region, config, stacks, keys) for config in configured]
        if configured
        else [_found(aws, prefix, identity, members, expect) for identity, (prefix, members) in found.items()]
    )
    listed = await _list_resources(aws, deployments, tagged)
    assigned = assign(deployments, tagged, listed)
    if not aws.failures:
        return assigned

    def marked(each: Deployment) -> Deployment:
        """With why something, or anything, of what it has may be unknown: what is not seen is then not absent."""
        untagged = "tagged" not in answer
        refused = "stacks" not in answer or bool({stack.name for stack in _silent([each], tagged)} - listed.keys())
        unread = refused and (untagged or not each.owned)
        why = aws.failures[0]
        return replace(each, unread=why if unread else None, incomplete=why if refused or untagged else None)

    return [marked(each) for each in assigned]


def parse_stacks(described: Iterable[Mapping[str, Any]], configured: Sequence[DeploymentConfig]) -> list[Stack]:
    """AWS's stacks as ours; deleted and nested ones are left out."""
    explicit = {name: template for config in configured for name, template in config.stacks.items()}
    stacks = []
    for raw in described:
        if raw["StackStatus"] == "DELETE_COMPLETE" or raw.get("ParentId"):
            continue
        parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in raw.get("Parameters", [])}
        outputs = {each["OutputKey"]: each["OutputValue"] for each in raw.get("Outputs", [])}
        name = templates.parse(raw["StackName"])
        stacks.append(
            Stack(
                raw["StackName"],
                explicit.get(raw["StackName"])
                or (name.template if name else templates.fingerprint(parameters, outputs)),
                name.prefix if name else "",
                name.discriminator if name else "",
                raw["StackStatus"],
                parameters,
                outputs,
                (raw["StackStatus"], raw.get("LastUpdatedTime", raw["CreationTime"])),
            )
        )
    return stacks


def stacks_of_tags(tagged: Iterable[Mapping[str, Any]]) -> list[Stack]:
    """Stacks of which only the names are known, from their resources' tags."""
    names = {as_dict(each["Tags"]).get(STACK_TAG, "") for each in tagged} - {""}
    parsed = [(name, templates.parse(name)) for name in sorted(names)]
    return [Stack(name, part.template, part.prefix, part.discriminator) for name, part in parsed if part]


Identity = tuple[str, str, str]  # network, environment, cluster


def group(stacks: Iterable[Stack], keys: IdentityKeys) -> dict[Identity, tuple[str, list[Stack]]]:
    """Stacks by deployment, each with its stacks' usual prefix: by the identity that their parameters give, else by
    the prefix of their name.

    A prefix is a deployment only where a stack of it says who it is: by parameters, or by a prefix of the form
    network-environment-cluster. A stack of an unknown template joins by its parameters.
    """
    stacks = list(stacks)
    said: dict[str, Counter[Identity]] = {}
    for stack in stacks:
        if stack.template:
            votes = said.setdefault(stack.prefix, Counter())
            votes.update([who] if (who := _identity(stack, keys)) else [])
    # One stack whose parameters were mistyped is still its prefix's; and two prefixes may be one deployment.
    by_prefix = {
        prefix: votes.most_common(1)[0][0] if votes else _identity_of_prefix(prefix) for prefix, votes in said.items()
    }
    grouped: dict[Identity, list[Stack]] = {who: [] for who in by_prefix.values() if who}
    for stack in stacks:
        who = by_prefix[stack.prefix] if stack.template else _identity(stack, keys)
        if who in grouped:
            grouped[who].append(stack)
    return {
        who: (Counter(stack.prefix for stack in members if stack.template).most_common(1)[0][0], members)
        for who, members in grouped.items()
    }


def _identity(stack: Stack, keys: IdentityKeys) -> Identity | None:
    network, environment, cluster = (
        stack.parameters.get(key, "") for key in (keys.network, keys.environment, keys.cluster)
    )
    return (network, environment, cluster) if network and environment and cluster else None


def _identity_of_prefix(prefix: str) -> Identity | None:
    network, _, rest = prefix.partition("-")
    environment, _, cluster = rest.partition("-")
    return (network, environment, cluster) if environment in ("prod", "staging") and cluster else None


def _role(stacks: Iterable[Stack]) -> str | None:
    """The primary cluster of a network owns the Identity Server and its database; a secondary one has a proxy to it."""
    names = {stack.template for stack in stacks}
    if names & {"2-1-db-aurora-master", "5-3a-ecs-is-service"}:
        return "primary"
    return "secondary" if "5-3b-ecs-external-is-proxy" in names else None


def _found(aws: Aws, prefix: str, who: Identity, stacks: list[Stack], expect: Expect) -> Deployment:
    return Deployment(
        "-".join(who), *who, aws.account_id, aws.region, prefix, expect, role=_role(stacks), stacks=tuple(stacks)
    )


def from_config(
    account_id: str, region: str, config: DeploymentConfig, stacks: Sequence[Stack], keys: IdentityKeys
) -> Deployment:
    """A configured deployment with those of the stacks that are its own: by name, by prefix, or by their parameters."""
    who = (config.network, config.environment, config.cluster)
    mine = tuple(
        stack
        for stack in stacks
        if stack.name in config.stacks
        or (stack.name.startswith(config.stack_prefix + "-") and _identity(stack, keys) in (None, who))
        or _identity(stack, keys) == who
    )
    include: dict[str, tuple[str, ...]] = {}
    for each in config.include:
        include[each.type] = (*include.get(each.type, ()), each.id)
    return Deployment(
        config.name,
        *who,
        account_id,
        region,
        config.stack_prefix,
        config.expect,
        config.staging or "",
        config.role or _role(mine),
        config.multi_tenant,
        config.components,
        include,
        mine,
    )


async def _list_resources(
    aws: Aws, deployments: Iterable[Deployment], tagged: Iterable[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Ask the stacks that should hold a resource that collectors read, but show none by tag or output."""
    answer = await aws.gather(
        {
            stack.name: aws.read(
                "cloudformation", "ListStackResources", StackName=stack.name, unchanged_since=stack.changed
            )
            for stack in _silent(deployments, tagged)
        }
    )
    return {name: part["StackResourceSummaries"] for name, part in answer.items()}


def _silent(deployments: Iterable[Deployment], tagged: Iterable[Mapping[str, Any]]) -> list[Stack]:
    """The stacks that should hold a resource that collectors read, but show none by tag or output."""
    shown = {
        (as_dict(each["Tags"]).get(STACK_TAG), found[0])
        for each in tagged
        if (found := resource_of(each["ResourceARN"]))
    }
    return [
        stack
        for deployment in deployments
        for stack in deployment.stacks
        if (type_ := _HOLDS.get(stack.template or ""))
        and (stack.name, type_) not in shown
        and not resources_in_outputs(stack)
    ]
