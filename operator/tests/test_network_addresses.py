"""The public addresses of the policies are those that Retina dials."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embark_operator.manifests.network_addresses import public_peers
from retina.addresses import refusal

Address = IPv4Address | IPv6Address
# Retina judges these by the address that they embed, and the policies exclude them: Teredo, 6to4, and IPv4-mapped
# addresses, which are not used on the wire.
CARRYING = [ip_network(text) for text in ("2001::/32", "2002::/16", "::ffff:0:0/96")]


def in_policies(address: Address) -> bool:
    return any(
        _within(address, peer["ipBlock"]["cidr"])
        and not any(_within(address, excluded) for excluded in peer["ipBlock"]["except"])
        for peer in public_peers()
    )


def in_retina(address: Address) -> bool:
    return not refusal(address, ())


def edges() -> Iterator[Address]:
    """Yield the first and last address of every network in the policies, and their neighbours."""
    for peer in public_peers():
        for text in (peer["ipBlock"]["cidr"], *peer["ipBlock"]["except"]):
            network = ip_network(text)
            kind = IPv4Address if network.version == 4 else IPv6Address
            first, last = int(network.network_address), int(network.broadcast_address)
            numbers = (first - 1, first, last, last + 1)
            yield from (kind(number) for number in numbers if 0 <= number < 2**network.max_prefixlen)


def check(address: Address) -> None:
    if in_policies(address) or not any(_within(address, str(network)) for network in CARRYING):
        assert in_policies(address) == in_retina(address), address


@pytest.mark.parametrize("address", sorted(set(edges()), key=str), ids=str)
def test_the_policies_and_retina_agree_at_the_edges_of_networks(address: Address) -> None:
    check(address)


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_the_policies_and_retina_agree_on_ipv4_addresses(address: IPv4Address) -> None:
    check(address)


@given(
    st.one_of(
        st.integers(0, 2**128 - 1),
        st.integers(2**125, 2**126 - 1),
        st.integers(0, 2**32 - 1).map(lambda carried: int(IPv6Address("64:ff9b::")) + carried),
    ).map(IPv6Address)
)
def test_the_policies_and_retina_agree_on_ipv6_addresses(address: IPv6Address) -> None:
    check(address)


@pytest.mark.parametrize("text", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_a_public_address_is_allowed(text: str) -> None:
    assert in_policies(ip_address(text))
    assert in_retina(ip_address(text))


@pytest.mark.parametrize("text", ["10.0.0.1", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1", "64:ff9b::a00:1"])
def test_a_private_address_is_denied(text: str) -> None:
    assert not in_policies(ip_address(text))
    assert not in_retina(ip_address(text))


def test_every_exception_is_within_its_network() -> None:
    for peer in public_peers():
        network = ip_network(peer["ipBlock"]["cidr"])
        for text in peer["ipBlock"]["except"]:
            excluded = ip_network(text)
            if isinstance(network, IPv4Network):
                assert isinstance(excluded, IPv4Network)
                assert excluded.subnet_of(network)
            else:
                assert isinstance(excluded, IPv6Network)
                assert excluded.subnet_of(network)


def _within(address: Address, cidr: str) -> bool:
    network = ip_network(cidr)
    return address.version == network.version and address in network
