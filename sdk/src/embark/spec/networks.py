"""CIDRs in the spec."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

# One spelling of a prefix length: no netmask, no zone, no leading zero, as the API server's CEL reads it.
NETWORK_PATTERN: Final = r"^[0-9a-fA-F.:]+/(0|[1-9][0-9]{0,2})$"
_MAX_LENGTH: Final = 49


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """Parse `127.0.0.1/32`.

    Raises:
        ValueError: not a CIDR, host bits are set, or an IPv4 network is written as an IPv6 one.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str) or len(value) > _MAX_LENGTH or not re.fullmatch(NETWORK_PATTERN, value):
        raise ValueError(f"{value!r} is not a CIDR such as 10.1.0.0/16")
    network = ip_network(value)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(f"{value!r} is an IPv4 network in IPv6; write the IPv4 one")
    return network


Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(parse_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": NETWORK_PATTERN, "maxLength": _MAX_LENGTH}),
]
