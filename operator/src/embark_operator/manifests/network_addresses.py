"""Where egress may lead, as peers of a NetworkPolicy: public addresses, the inside, a host; network_policies calls it.

A NetworkPolicy knows pods and addresses, no host names: of `cassandra.example` it can say only where it may be.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from embark.addresses import GLOBAL_UNICAST, NAT64, NON_PUBLIC_IPV4, NON_PUBLIC_IPV6, PRIVATE, to_nat64
from embark_operator.names import Manifest

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label that every namespace has by itself, with its name."""

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
    # As Retina judges addresses: a narrower policy would fail fetches, and a wider one would protect nothing.
    return [
        network_peer("0.0.0.0/0", list(map(str, NON_PUBLIC_IPV4))),
        network_peer(str(GLOBAL_UNICAST), list(map(str, NON_PUBLIC_IPV6))),
        network_peer(str(NAT64), [str(to_nat64(network)) for network in NON_PUBLIC_IPV4]),
    ]


def private_peers() -> list[Manifest]:
    """Return every pod and the private networks, where machines without pods are."""
    return [any_pod_peer(), *map(network_peer, map(str, PRIVATE))]


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
