"""The list of public addresses against Python's own, and the forms that carry an IPv4 address."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark.addresses import (
    GLOBAL_UNICAST,
    NON_PUBLIC_IPV4,
    NON_PUBLIC_IPV6,
    PRIVATE,
    IpAddress,
    IpNetwork,
    is_public,
    to_nat64,
)

# Where the list is stricter: parts of these serve protocols only, are relays of 6to4 or Azure's platform server, or are
# documentation that older Pythons do not know.
STRICTER = [
    ip_network(text)
    for text in ("192.0.0.0/24", "168.63.129.16/32", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
]


def edges() -> list[IpAddress]:
    found: list[IpAddress] = []
    networks: tuple[IpNetwork, ...] = (*NON_PUBLIC_IPV4, *NON_PUBLIC_IPV6, GLOBAL_UNICAST)
    for network in networks:
        kind = IPv4Address if isinstance(network, IPv4Network) else IPv6Address
        first, last = int(network.network_address), int(network.broadcast_address)
        numbers = (first - 1, first, last, last + 1)
        found += [kind(number) for number in numbers if 0 <= number < 2**network.max_prefixlen]
    return found


def check(address: IpAddress) -> None:
    if any(address.version == network.version and address in network for network in STRICTER):
        assert not is_public(address)
    else:
        # The standard library calls multicast global, and knows unassigned unicast addresses of IPv6 as such.
        unicast = not address.is_multicast and (isinstance(address, IPv4Address) or address in GLOBAL_UNICAST)
        assert is_public(address) == (address.is_global and unicast), address


@pytest.mark.parametrize("address", sorted(set(edges()), key=str), ids=str)
def test_the_edges_are_those_of_the_registries(address: IpAddress) -> None:
    check(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_every_address_is_public_as_the_registries_say(address: IpAddress) -> None:
    check(address)


@pytest.mark.parametrize("network", PRIVATE, ids=str)
def test_private_networks_are_not_public(network: IpNetwork) -> None:
    assert not is_public(network.network_address)
    assert not is_public(network.broadcast_address)


def test_a_network_is_carried_by_nat64_with_its_prefix() -> None:
    assert str(to_nat64(IPv4Network("10.0.0.0/8"))) == "64:ff9b::a00:0/104"
    assert ip_address("64:ff9b::10.1.2.3") in to_nat64(IPv4Network("10.0.0.0/8"))
