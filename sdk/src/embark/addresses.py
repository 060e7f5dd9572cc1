"""Public and other IP addresses, by IANA's registries of special-purpose addresses.

The list is kept here rather than taken from `ipaddress`, whose lists differ between versions of Python: Retina must
dial the same addresses that a cluster's NetworkPolicies let through.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

IpAddress = IPv4Address | IPv6Address
IpNetwork = IPv4Network | IPv6Network

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The only range from which IANA has assigned global unicast IPv6 addresses (RFC 3513)."""
NAT64 = IPv6Network("64:ff9b::/96")
"""IPv6-only clusters reach IPv4 through it (RFC 6052, section 2.1); an address in it carries an IPv4 address."""

NON_PUBLIC_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # public by number, but Azure's platform server
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",  # 6to4 relays, deprecated by RFC 7526
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
NON_PUBLIC_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
"""Within GLOBAL_UNICAST; no address outside of that is public."""

PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""Networks of machines (RFC 1918, RFC 6598, RFC 4193), without link-local ones: clouds serve credentials there."""


def is_public(address: IpAddress) -> bool:
    """Return whether an address is one of the public internet; addresses that it carries (NAT64, 6to4) do not count."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in NON_PUBLIC_IPV4)
    return address in GLOBAL_UNICAST and not any(address in network for network in NON_PUBLIC_IPV6)


def to_nat64(network: IPv4Network) -> IPv6Network:
    """Return the network of the NAT64 addresses that carry those of `network`."""
    start = int(NAT64.network_address) + int(network.network_address)
    return IPv6Network((start, NAT64.prefixlen + network.prefixlen))
