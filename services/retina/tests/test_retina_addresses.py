"""The addresses that Retina may dial."""

from ipaddress import ip_address, ip_network

import pytest

from retina.addresses import refusal


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "169.254.169.254",
        "168.63.129.16",
        "192.88.99.1",
        "192.0.0.1",
        "198.18.0.1",
        "203.0.113.5",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo of the client 127.0.0.1
        "2001:0:7f00:1:8000:63bf:3fff:fdd2",  # Teredo through the server 127.0.0.1
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
        "100::1",
        "5f00::1",
    ],
)
def test_a_refusal_names_the_address_that_is_not_public(address: str) -> None:
    assert str(ip_address(address)) in refusal(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"],
)
def test_a_public_address_may_be_dialled(address: str) -> None:
    assert refusal(ip_address(address), ()) == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.1/32"),
        ("::ffff:10.1.2.3", "10.1.0.0/16"),
        ("64:ff9b::10.1.2.3", "10.1.0.0/16"),
        ("fd00::7", "fd00::/8"),
        ("64:ff9b:1::1", "64:ff9b:1::/48"),
    ],
)
def test_an_address_of_an_allowed_network_may_be_dialled_in_every_notation(address: str, network: str) -> None:
    assert refusal(ip_address(address), (ip_network(network),)) == ""


@pytest.mark.parametrize("address", ["127.0.0.2", "::1", "::ffff:127.0.0.2", "10.0.0.1"])
def test_an_allowed_network_does_not_allow_other_addresses(address: str) -> None:
    assert refusal(ip_address(address), (ip_network("127.0.0.1/32"), ip_network("fd00::/8")))


def test_a_refusal_names_the_embedded_address() -> None:
    reason = refusal(ip_address("64:ff9b::169.254.169.254"), ())
    assert reason == "the address 64:ff9b::a9fe:a9fe, which embeds 169.254.169.254, is link-local"
