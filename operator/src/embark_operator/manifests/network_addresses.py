"""Where egress may lead, as peers of a NetworkPolicy: public addresses, the inside, a host; network_policies calls it.

A NetworkPolicy knows pods and addresses, no host names: of `cassandra.example` it can say only where it may be.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from embark_operator.names import Manifest

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label that every namespace has by itself, with its name."""

# As retina.addresses judges them, by IANA's registries of special-purpose addresses: a policy that let through less
# would fail fetches, and one that let through more would protect nothing. A test compares the two.
_NOT_PUBLIC_IPV4: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
)
_GLOBAL_UNICAST: Final = "2000::/3"
# Protocol assignments, Teredo among them; documentation, twice; 6to4, which RFC 7526 has ended.
_NOT_PUBLIC_IPV6: Final = ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
# Clusters of IPv6 alone reach IPv4 through it (RFC 6052): what it carries is judged.
_NAT64: Final = IPv6Network("64:ff9b::/96")

# RFC 1918, RFC 6598, RFC 4193. Link-local addresses are not among them: clouds hand out credentials there.
_PRIVATE: Final = ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
# As Services are called: `cassandra` and `cassandra.data`, and what follows with more labels.
_LABELS_OF_A_SERVICE: Final = 2
_SERVICE_SUFFIXES: Final = (".svc", ".cluster.local")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?")


def any_pod_peer() -> Manifest:
    """Return every pod of every namespace."""
    return {"namespaceSelector": {}}


def network_peer(cidr: str, beside: Sequence[str] = ()) -> Manifest:
    """Return the addresses of a network, without those in the networks `beside`."""
    return {"ipBlock": {"cidr": cidr} | ({"except": list(beside)} if beside else {})}


def public_peers() -> list[Manifest]:
    """Return the public internet."""
    carried = [str(_in_nat64(IPv4Network(text))) for text in _NOT_PUBLIC_IPV4]
    return [
        network_peer("0.0.0.0/0", _NOT_PUBLIC_IPV4),
        network_peer(_GLOBAL_UNICAST, _NOT_PUBLIC_IPV6),
        network_peer(str(_NAT64), carried),
    ]


def private_peers() -> list[Manifest]:
    """Return every pod and the private networks, where machines without pods are."""
    return [any_pod_peer(), *map(network_peer, _PRIVATE)]


def peers_for_hosts(hosts: Sequence[str]) -> list[Manifest]:
    """Return where these hosts of a store or topic, and those that they name in turn, may be.

    That is inside where every host is called as a Service is, or has an address that is not public; a host of any other
    name may be public too.
    """
    return private_peers() if all(map(_is_inside, hosts)) else [*private_peers(), *public_peers()]


def service_peer(host: str, namespace: str) -> Manifest | None:
    """Return the pods among which those of the Service `host` are, asked for from `namespace`; None: it is none."""
    labels = host.split(".")
    if _is_address(host) or not (len(labels) <= _LABELS_OF_A_SERVICE or host.endswith(_SERVICE_SUFFIXES)):
        return None
    name = labels[1] if len(labels) > 1 else namespace
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}} if _NAMESPACE.fullmatch(name) else None


def address_peer(host: str) -> Manifest | None:
    """Return the one address that `host` is; None: it is a name."""
    if not _is_address(host):
        return None
    parsed = ip_address(host)
    return network_peer(f"{parsed}/{parsed.max_prefixlen}")


def _is_inside(host: str) -> bool:
    if _is_address(host):
        return not ip_address(host).is_global
    return service_peer(host, "default") is not None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def _in_nat64(carried: IPv4Network) -> IPv6Network:
    start = int(_NAT64.network_address) + int(carried.network_address)
    return IPv6Network((start, _NAT64.prefixlen + carried.prefixlen))
