"""From where a security group's rules let port 22 be reached, against addresses counted one by one."""

from __future__ import annotations

from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.ssh import Door, Network, covers, door, either, public_addresses

PORTS = st.integers(0, 65_535)
# Few addresses, so that all of them can be looked at; all of them are private ones.
SMALL = "10.0.0.0/27"


@st.composite
def small_ranges(draw: st.DrawFn) -> list[IPv4Network]:
    """Some ranges in SMALL, which may overlap, touch, or be one address."""
    found = []
    for prefix in draw(st.lists(st.integers(27, 32), max_size=5)):
        subnets = list(IPv4Network(SMALL).subnets(new_prefix=prefix))
        found.append(draw(st.sampled_from(subnets)))
    return found


@st.composite
def tilings(draw: st.DrawFn) -> list[Network]:
    """All addresses of an IP version, cut into a few ranges at random places."""
    tiles: list[Network] = [draw(st.sampled_from((ip_network("0.0.0.0/0"), ip_network("::/0"))))]
    for _ in range(draw(st.integers(0, 8))):
        cut = draw(st.sampled_from([each for each in tiles if each.prefixlen < 24]))
        tiles.remove(cut)
        tiles += cut.subnets()
    return draw(st.permutations(tiles))


def rule(**fields: Any) -> dict[str, Any]:
    """A rule that lets in from the world on port 22, or what the fields make of it."""
    return {"IsEgress": False, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "0.0.0.0/0"} | fields


def ranges(*cidrs: str) -> frozenset[Network]:
    return frozenset(map(ip_network, cidrs))


@given(PORTS, PORTS)
def test_covers_a_range_of_ports(one: int, other: int) -> None:
    """A rule is for port 22 exactly if that is among its ports."""
    first, last = sorted((one, other))

    assert covers(rule(FromPort=first, ToPort=last)) == (22 in range(first, last + 1))


@pytest.mark.parametrize(
    ("fields", "covered"),
    [
        ({"FromPort": 0, "ToPort": 65_535}, True),
        ({"FromPort": -1, "ToPort": -1}, True),
        ({"IpProtocol": "6"}, True),
        ({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1}, True),
        ({"IpProtocol": "udp"}, False),
        ({"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1}, False),
        ({"IpProtocol": "50", "FromPort": -1, "ToPort": -1}, False),
        ({"IsEgress": True}, False),
        ({"IsEgress": True, "IpProtocol": "-1"}, False),
    ],
)
def test_covers_all_ports_and_all_protocols(fields: dict[str, Any], *, covered: bool) -> None:
    """All ports of TCP and all protocols are port 22 too; other protocols and what goes out are not."""
    assert covers(rule(**fields)) is covered


def test_all_protocols_name_no_ports() -> None:
    """Where a rule is for every protocol its ports do not matter, and may be absent."""
    assert covers({"IsEgress": False, "IpProtocol": "-1"})


@given(tilings())
def test_ranges_that_cover_the_world_are_open_to_it(tiles: list[Network]) -> None:
    """However many ranges somebody cuts the world into, a group that has all of them is open to it."""
    version = tiles[0].version

    assert Door(frozenset(tiles), complete=True).open_to_world(version) is True
    assert Door(frozenset(tiles), complete=False).open_to_world(version) is True
    assert Door(frozenset(tiles), complete=True).open_to_world(10 - version) is False


@given(tilings(), st.data())
def test_the_world_without_a_public_range_is_not_the_world(tiles: list[Network], data: st.DataObject) -> None:
    """A group that leaves out one range with a public address is not open to the world, but beyond what is allowed."""
    public = [each for each in tiles if any(each.overlaps(one) for one in ranges("8.8.8.8/32", "2600::/16"))]
    left_out = data.draw(st.sampled_from(public))
    rest = Door(frozenset(tiles) - {left_out}, complete=True)

    assert rest.open_to_world(left_out.version) is False
    assert rest.outside(ranges("10.0.0.0/8", "fc00::/7")) is bool(rest.ranges)


@pytest.mark.parametrize(
    ("cidrs", "version", "opened"),
    [
        (("0.0.0.0/0",), 4, True),
        (("0.0.0.0/0",), 6, False),
        (("::/0",), 6, True),
        (("0.0.0.0/1", "128.0.0.0/1"), 4, True),
        (("0.0.0.0/1", "128.0.0.0/2", "192.0.0.0/3"), 4, True),  # without multicast and what is reserved
        (("2000::/3",), 6, True),
        (("0.0.0.0/1",), 4, False),
        (("0.0.0.0/1", "128.0.0.0/2"), 4, False),
        (("2000::/4",), 6, False),
        ((), 4, False),
        (("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"), 4, False),
    ],
)
def test_what_is_the_world(cidrs: tuple[str, ...], version: int, *, opened: bool) -> None:
    """The world is all public addresses; half of them are not, and private ones need not be among them."""
    assert Door(ranges(*cidrs), complete=True).open_to_world(version) is opened


@given(small_ranges(), small_ranges())
def test_outside_is_any_address_that_is_not_allowed(opened: list[IPv4Network], allowed: list[IPv4Network]) -> None:
    """Ranges are outside exactly if one of their addresses is in no allowed range."""
    inside = {address for each in allowed for address in each}
    beyond = {address for each in opened for address in each} - inside

    assert Door(frozenset(opened), complete=True).outside(allowed) is bool(beyond)
    assert Door(frozenset(opened), complete=False).outside(allowed) is (True if beyond else None)


def test_outside_in_both_kinds() -> None:
    """An IPv6 range is not inside what is allowed for IPv4 only."""
    assert Door(ranges("fd00::/8"), complete=True).outside(ranges("0.0.0.0/0")) is True
    assert Door(ranges("fd00::/8"), complete=True).outside(ranges("0.0.0.0/0", "fc00::/7")) is False


def test_sources_of_rules() -> None:
    """Ranges come from either kind of CIDR and from prefix lists; another group is none, a rule for 443 is nothing."""
    rules = [
        rule(),
        {**rule(CidrIpv6="2001:db8::/32"), "CidrIpv4": None},
        {**rule(PrefixListId="pl-1"), "CidrIpv4": None},
        {**rule(ReferencedGroupInfo={"GroupId": "sg-2"}), "CidrIpv4": None},
        rule(FromPort=443, ToPort=443, CidrIpv4="198.51.100.0/24"),
    ]
    lists = {"pl-1": {"Entries": [{"Cidr": "203.0.113.0/24"}, {"Cidr": "192.0.2.0/24", "Description": "office"}]}}

    assert door(rules, lists) == (ranges("0.0.0.0/0", "2001:db8::/32", "203.0.113.0/24", "192.0.2.0/24"), True)


def test_a_prefix_list_that_is_not_known() -> None:
    """Without one list's entries the rest is known, and that it is not all; a list for other ports does not matter."""
    rules = [{**rule(PrefixListId="pl-1"), "CidrIpv4": None}, rule(CidrIpv4="10.0.0.0/8")]
    other = [{**rule(PrefixListId="pl-1", FromPort=443, ToPort=443), "CidrIpv4": None}]

    assert door(rules, {}) == (ranges("10.0.0.0/8"), False)
    assert door(rules, {"pl-1": {"Entries": []}}) == (ranges("10.0.0.0/8"), True)
    assert door(other, {}) == (ranges(), True)


@pytest.mark.parametrize(
    "malformed",
    [
        rule(CidrIpv4="10.0.0.0/33"),
        rule(CidrIpv4="10.0.0.1/8"),
        rule(CidrIpv4="everywhere"),
        rule(CidrIpv4=None),
        rule(CidrIpv4=None, PrefixListId="pl-1"),
        {key: value for key, value in rule().items() if key != "IsEgress"},
        {key: value for key, value in rule().items() if key != "IpProtocol"},
        {key: value for key, value in rule().items() if key != "ToPort"},
    ],
)
def test_malformed_rules_are_not_ignored(malformed: dict[str, Any]) -> None:
    """A rule that is not understood could be the one that opens the group."""
    with pytest.raises((KeyError, ValueError)):
        door([rule(CidrIpv4="10.0.0.0/8"), malformed], {"pl-1": {"Entries": [{"Cidr": "half"}]}})


@pytest.mark.parametrize(
    ("interface", "versions"),
    [
        ({"PrivateIpAddress": "10.0.0.1"}, set()),
        ({"Association": {"PublicIp": "203.0.113.1"}}, {4}),
        ({"PrivateIpAddresses": [{"Primary": True}, {"Association": {"PublicIp": "203.0.113.1"}}]}, {4}),
        ({"Ipv6Addresses": [{"Ipv6Address": "2a05:d018::1"}]}, {6}),
        ({"Ipv6Addresses": [{"Ipv6Address": "fd00::1"}, {"Ipv6Address": "fe80::1"}]}, set()),
        ({"Ipv6Prefixes": [{"Ipv6Prefix": "2a05:d018::/80"}]}, {6}),
        ({"Association": {"PublicIp": "203.0.113.1"}, "Ipv6Addresses": [{"Ipv6Address": "2a05:d018::1"}]}, {4, 6}),
    ],
)
def test_public_addresses(interface: dict[str, Any], versions: set[int]) -> None:
    """A public IPv4 address is associated, with any of the private ones; an IPv6 address is public by itself."""
    assert public_addresses(interface) == versions


@given(st.lists(st.sampled_from([True, False, None])))
def test_either(values: list[bool | None]) -> None:
    """One that is true decides; else one that is unknown leaves it open."""
    assert either(values) is (True if True in values else None if None in values else False)
