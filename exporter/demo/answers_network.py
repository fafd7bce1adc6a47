"""EC2's network: VPC, subnets, NAT gateways, security groups and key pairs."""

from __future__ import annotations

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, filtered, invented, named
from exporter.demo.inventory import World
from exporter.demo.request import AwsError, Handler, Request


def describe_vpcs(world: World, request: Request) -> Facts:
    found = []
    for view in world.views(request):
        vpc = view.get("vpc") or {}
        if vpc.get("VpcId"):
            cidr = vpc.get("CidrBlock", "10.0.0.0/16")
            block = {"CidrBlock": cidr, "CidrBlockState": {"State": "associated"}}
            tags = view.tags("AWS::EC2::VPC", vpc["VpcId"])
            kept = {"VpcId": vpc["VpcId"], "CidrBlock": cidr, "CidrBlockAssociationSet": [block], "Tags": tags}
            found.append({**kept, "State": "available", "OwnerId": view.account, "IsDefault": False})
    found = named(found, "VpcId", request.parameters.get("VpcIds"), "InvalidVpcID.NotFound")
    return {"Vpcs": filtered(found, request.parameters.get("Filters"))}


def describe_subnets(world: World, request: Request) -> Facts:
    found = [
        aws(
            subnet,
            VpcId=view.get("vpc", "VpcId"),
            State="available",
            AvailableIpAddressCount=4000,
            OwnerId=view.account,
            MapPublicIpOnLaunch=subnet.get("_tier") == "public",
            Tags=view.tags("AWS::EC2::Subnet", subnet["SubnetId"]),
        )
        for view in world.views(request)
        for subnet in view.all("vpc", "Subnets")
    ]
    found = named(found, "SubnetId", request.parameters.get("SubnetIds"), "InvalidSubnetID.NotFound")
    return {"Subnets": filtered(found, request.parameters.get("Filters"))}


def describe_nat_gateways(world: World, request: Request) -> Facts:
    found = [
        aws(
            gateway,
            VpcId=view.get("vpc", "VpcId"),
            State="available",
            ConnectivityType="public",
            AvailabilityMode="zonal",
            CreateTime=view.now - BORN,
            NatGatewayAddresses=[{"PublicIp": gateway["_eip"], "IsPrimary": True}] if gateway.get("_eip") else [],
            Tags=view.tags("AWS::EC2::NatGateway", gateway["NatGatewayId"]),
        )
        for view in world.views(request)
        for gateway in view.all("vpc", "NatGateways")
    ]
    found = named(found, "NatGatewayId", request.parameters.get("NatGatewayIds"), "NatGatewayNotFound")
    return {"NatGateways": filtered(found, request.parameters.get("Filter"))}


def describe_security_group_rules(world: World, request: Request) -> Facts:
    """The rules of the inventory, and the one that lets everything out of each group."""
    found = []
    for view in world.views(request):
        rules = view.all("security_group_rules")
        everything = [
            {"GroupId": group, "IsEgress": True, "IpProtocol": "-1", "CidrIpv4": "0.0.0.0/0"}
            for group in dict.fromkeys(rule["GroupId"] for rule in rules)
        ]
        for position, rule in enumerate([*rules, *everything]):
            found.append(
                aws(
                    rule,
                    SecurityGroupRuleId=invented("sgr-0", rule["GroupId"], position, digits=16),
                    GroupOwnerId=view.account,
                    IsEgress=False,
                    IpProtocol="tcp",
                    FromPort=-1,
                    ToPort=-1,
                    Tags=[],
                )
            )
    return {"SecurityGroupRules": filtered(found, request.parameters.get("Filters"))}


def describe_security_groups(world: World, request: Request) -> Facts:
    found = []
    for view in world.views(request):
        for group in dict.fromkeys(rule["GroupId"] for rule in view.all("security_group_rules")):
            tags = view.tags("AWS::EC2::SecurityGroup", group)
            about = {"GroupId": group, "GroupName": f"{view.name}-{group[-4:]}", "Description": "of the stack"}
            found.append(aws({**about, "VpcId": view.get("vpc", "VpcId"), "OwnerId": view.account, "Tags": tags}))
    found = named(found, "GroupId", request.parameters.get("GroupIds"), "InvalidGroup.NotFound")
    return {"SecurityGroups": filtered(found, request.parameters.get("Filters"))}


def get_managed_prefix_list_entries(world: World, request: Request) -> Facts:
    """A rule's prefix list holds what its `_cidrs` say."""
    wanted = request.parameters["PrefixListId"]
    for view in world.views(request):
        for rule in view.all("security_group_rules"):
            if rule.get("PrefixListId") == wanted:
                return {"Entries": [{"Cidr": cidr} for cidr in rule.get("_cidrs") or ["10.0.0.0/8"]]}
    raise AwsError("InvalidPrefixListID.NotFound", f"The prefix list ID '{wanted}' does not exist")


def describe_key_pairs(world: World, request: Request) -> Facts:
    keys = {
        instance["KeyName"] for view in world.views(request) for instance in view.instances if instance.get("KeyName")
    }
    found = [
        {
            "KeyName": key,
            "KeyPairId": invented("key-0", key, digits=16),
            "KeyType": "ed25519",
            "CreateTime": request.now - BORN,
            "Tags": [],
        }
        for key in sorted(keys)
    ]
    return {"KeyPairs": named(found, "KeyName", request.parameters.get("KeyNames"), "InvalidKeyPair.NotFound")}


def get_ebs_encryption_by_default(world: World, request: Request) -> Facts:
    return {"EbsEncryptionByDefault": True, "SseType": "sse-ebs"}


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("ec2", "DescribeVpcs"): describe_vpcs,
    ("ec2", "DescribeSubnets"): describe_subnets,
    ("ec2", "DescribeNatGateways"): describe_nat_gateways,
    ("ec2", "DescribeSecurityGroupRules"): describe_security_group_rules,
    ("ec2", "DescribeSecurityGroups"): describe_security_groups,
    ("ec2", "GetManagedPrefixListEntries"): get_managed_prefix_list_entries,
    ("ec2", "DescribeKeyPairs"): describe_key_pairs,
    ("ec2", "GetEbsEncryptionByDefault"): get_ebs_encryption_by_default,
}
