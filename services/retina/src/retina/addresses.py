"""Whether an IP address may be dialled: public, or allowed by the cache; `dialling` asks for every socket."""

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# IANA has assigned global unicast IPv6 addresses only from this block (RFC 3513, IANA's IPv6 address space registry).
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1
# Public by number, yet answered by the machine's own network: Azure's platform server, and RFC 7526's 6to4 relays.
_NOT_REALLY_PUBLIC: Final = (IPv4Network("168.63.129.16/32"), IPv4Network("192.88.99.0/24"))


def refusal(address: Address, allowed: Iterable[Network]) -> str:
    """Return why `address` may not be dialled, naming it; an empty text when it may.

    An address that carries another one (IPv4-mapped, NAT64, 6to4, Teredo) is judged by the one it carries, since that
    is where its packets end. `allowed` are the cache's `allowedPrivateNetworks`.
    """
    networks = tuple(allowed)
    if _within(address, networks):
        return ""
    for reached in _reached(address):
        if _within(reached, networks):
            continue
        if reason := _not_public(reached):
            carried = "" if reached == address else f", which carries {reached},"
            return f"the address {address}{carried} is {reason}"
    return ""


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _reached(address: Address) -> Iterator[Address]:
    """Yield the addresses that packets to `address` may end at."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFF_FFFF)
    elif address.sixtofour is not None:
        yield address.sixtofour
    elif address.teredo is not None:
        yield from address.teredo
    else:
        yield address


def _not_public(address: Address) -> str:
    """Return what `address` is instead of public."""
    kinds = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "private": address.is_private,
        "reserved": address.is_reserved,
    }
    for kind, holds in kinds.items():
        if holds:
            return kind
    if isinstance(address, IPv6Address):
        # Leaves out, among others, 64:ff9b:1::/48: NAT64 for local use (RFC 8215), whose form only its network knows.
        public = address in _GLOBAL_UNICAST and address.is_global
    else:
        public = address.is_global and not _within(address, _NOT_REALLY_PUBLIC)
    return "" if public else "not public"
