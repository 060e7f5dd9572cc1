"""Whether an IP address may be dialled: it is public, or the cache allows it."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address

from embark.addresses import NAT64, IpAddress, IpNetwork, is_public


def refusal(address: IpAddress, allowed: Iterable[IpNetwork]) -> str:
    """Return why `address` may not be dialled, naming it; empty if it may.

    An address that embeds another one (IPv4-mapped, NAT64, 6to4, Teredo) is judged by the embedded one, since its
    packets end there. `allowed` are the cache's `allowedPrivateNetworks`.
    """
    networks = tuple(allowed)
    if _within(address, networks):
        return ""
    for reached in _reached(address):
        if _within(reached, networks):
            continue
        if reason := _not_public(reached):
            embedded = "" if reached == address else f", which embeds {reached},"
            return f"the address {address}{embedded} is {reason}"
    return ""


def _within(address: IpAddress, networks: Iterable[IpNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _reached(address: IpAddress) -> Iterator[IpAddress]:
    """Yield the addresses at which packets to `address` may end."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in NAT64:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    else:
        yield address


def _not_public(address: IpAddress) -> str:
    """Return the kind of an `address` that is not public; empty if it is."""
    if is_public(address):
        return ""
    kinds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "private": address.is_private,
        "reserved": address.is_reserved,
    }
    return next((kind for kind, holds in kinds.items() if holds), "not public")
