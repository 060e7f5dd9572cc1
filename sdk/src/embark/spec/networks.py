"""A CIDR as a spec value."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """Parse `127.0.0.1/32`.

    Raises:
        ValueError: not a CIDR, or host bits are set.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str) or "/" not in value:
        raise ValueError(f"{value!r} is not a CIDR such as 10.1.0.0/16")
    return ip_network(value)


Network = Annotated[
    IPv4Network | IPv6Network, PlainValidator(parse_network), PlainSerializer(str), WithJsonSchema({"type": "string"})
]
