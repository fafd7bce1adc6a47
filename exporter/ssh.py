"""From where the rules of a security group let port 22 be reached, as ranges of addresses. Pure.

What a rule's fields mean: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, NamedTuple

Network = IPv4Network | IPv6Network

_PORT, _ANY = 22, -1
_TCP, _EVERY_PROTOCOL = ("tcp", "6"), "-1"
_WORLD: dict[int, Network] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
# Where no public address is, so that a group without these is as open as one with them. Source: IANA IPv4
# Special-Purpose Address Registry (its large blocks), IANA IPv6 Address Space (2000::/3 alone is global unicast).
_NOT_PUBLIC: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "224.0.0.0/3", "::/3", "4000::/2", "8000::/1"),
        ),
    )
)


class Door(NamedTuple):
    """The ranges from which port 22 can be reached; ``complete`` unless a prefix list is not known."""

    ranges: frozenset[Network]
    complete: bool

    def open_to_world(self, version: int) -> bool | None:
        """Whether every public address of an IP version is in the ranges, in one or in several; None if unknown."""
        if _WORLD[version] in _fewest((*self.ranges, *_NOT_PUBLIC)):
            return True
        return False if self.complete else None

    def outside(self, allowed: Iterable[Network]) -> bool | None:
        """Whether any address that is not allowed is in the ranges; None if unknown."""
        inside = _fewest(allowed)
        if _fewest((*inside, *self.ranges)) != inside:
            return True
        return False if self.complete else None


def covers(rule: Mapping[str, Any]) -> bool:
    """Whether a rule lets in what is for port 22. Raises KeyError where the rule does not tell."""
    if rule["IsEgress"]:
        return False
    if rule["IpProtocol"] == _EVERY_PROTOCOL:
        return True
    if rule["IpProtocol"] not in _TCP:
        return False
    first, last = rule["FromPort"], rule["ToPort"]
    return _ANY in (first, last) or bool(first <= _PORT <= last)


def door(rules: Iterable[Mapping[str, Any]], prefix_lists: Mapping[str, Mapping[str, Any]]) -> Door:
    """The ranges of one group's rules; ``prefix_lists``: the answers of GetManagedPrefixListEntries by list.

    Raises KeyError or ValueError for a rule that EC2 would not give: half a truth about a group is none.
    """
    ranges: set[Network] = set()
    complete = True
    for rule in filter(covers, rules):
        if cidr := rule.get("CidrIpv4") or rule.get("CidrIpv6"):
            ranges.add(ip_network(cidr))
        elif (id_ := rule.get("PrefixListId", "")) in prefix_lists:
            ranges.update(ip_network(entry["Cidr"]) for entry in prefix_lists[id_]["Entries"])
        elif id_:
            complete = False
        elif "ReferencedGroupInfo" not in rule:  # members of another group, by their private addresses: no range
            raise ValueError("a rule without a source")
    return Door(frozenset(ranges), complete)


def public_addresses(interface: Mapping[str, Any]) -> set[int]:
    """The IP versions of which a network interface of an instance has an address for the outside."""
    # An elastic or automatic IPv4 address is associated with a private one, of which there may be several.
    associated = [each for each in (interface, *interface.get("PrivateIpAddresses", ())) if "Association" in each]
    addresses = [ip_address(each["Ipv6Address"]) for each in interface.get("Ipv6Addresses", ())]
    prefixes = [ip_network(each["Ipv6Prefix"]) for each in interface.get("Ipv6Prefixes", ())]
    return ({4} if associated else set()) | {6 for each in (*addresses, *prefixes) if each.is_global}


def either(values: Iterable[bool | None]) -> bool | None:
    """Whether any of some facts is true; None if none is but one is unknown."""
    known = set(values)
    return True if True in known else None if None in known else False


def _fewest(ranges: Iterable[Network]) -> set[Network]:
    """The fewest ranges that hold the same addresses; there is one such set."""
    ranges = list(ranges)
    four = [each for each in ranges if isinstance(each, IPv4Network)]
    six = [each for each in ranges if isinstance(each, IPv6Network)]
    return {*collapse_addresses(four), *collapse_addresses(six)}
