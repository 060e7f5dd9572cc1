"""Peers of a NetworkPolicy: pods, networks, the public internet, and where a host may be.

A NetworkPolicy selects pods and addresses, not host names: for `cassandra.example` it can only allow every place where
that host may be.
"""

import re
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from embark.addresses import GLOBAL_UNICAST, NAT64, NON_PUBLIC_IPV4, NON_PUBLIC_IPV6, PRIVATE, to_nat64
from embark_operator.names import Manifest

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
"""The label that Kubernetes sets on every namespace, with its name."""

# Names of Services: `cassandra`, `cassandra.data`, and longer ones with these suffixes.
_MAX_SHORT_LABELS: Final = 2
_SERVICE_SUFFIXES: Final = (".svc", ".cluster.local")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?")


def any_pod_peer() -> Manifest:
    """Return every pod of every namespace."""
    return {"namespaceSelector": {}}


def network_peer(cidr: str, excluded: Sequence[str] = ()) -> Manifest:
    """Return the addresses of a network without those of the `excluded` networks."""
    return {"ipBlock": {"cidr": cidr} | ({"except": list(excluded)} if excluded else {})}


def public_peers() -> list[Manifest]:
    """Return the public internet."""
    # As Retina judges addresses: a narrower policy would fail fetches, and a wider one would protect nothing.
    return [
        network_peer("0.0.0.0/0", list(map(str, NON_PUBLIC_IPV4))),
        network_peer(str(GLOBAL_UNICAST), list(map(str, NON_PUBLIC_IPV6))),
        network_peer(str(NAT64), [str(to_nat64(network)) for network in NON_PUBLIC_IPV4]),
    ]


def private_peers() -> list[Manifest]:
    """Return every pod and the private networks, which hold machines without pods."""
    return [any_pod_peer(), *map(network_peer, map(str, PRIVATE))]


def peers_for_hosts(hosts: Sequence[str]) -> list[Manifest]:
    """Return where these hosts of a store or topic, and the hosts that they advertise, may be.

    They are private if every host has the name of a Service or a non-public address; a host with any other name may be
    public too.
    """
    return private_peers() if all(map(_is_private, hosts)) else [*private_peers(), *public_peers()]


def service_peer(host: str, namespace: str) -> Manifest | None:
    """Return the pods that include those of the Service `host`, as resolved in `namespace`; None if it is not one."""
    labels = host.split(".")
    if _is_address(host) or not (len(labels) <= _MAX_SHORT_LABELS or host.endswith(_SERVICE_SUFFIXES)):
        return None
    name = labels[1] if len(labels) > 1 else namespace
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_NAME: name}}} if _NAMESPACE.fullmatch(name) else None


def address_peer(host: str) -> Manifest | None:
    """Return the address `host`; None if it is a name."""
    if not _is_address(host):
        return None
    parsed = ip_address(host)
    return network_peer(f"{parsed}/{parsed.max_prefixlen}")


def _is_private(host: str) -> bool:
    if _is_address(host):
        return not ip_address(host).is_global
    return service_peer(host, "default") is not None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host
