"""Channels to EmbArk and Retina: spread over all ready servers, health-checked, with room for large replies."""

import json
from typing import Final

import grpc
import grpc.aio

# A reply of 1,024 keys of 4,096 float32 elements is 16 MiB; requests with texts and images are much smaller.
MAX_MESSAGE_BYTES: Final = 256 * 1024 * 1024

# A channel resolves addresses again only when a connection ends. So servers close each connection after a while, once
# its calls are finished, and an added server gets its share within that time.
_CONNECTION_AGE_MS: Final = 20_000
_RESOLUTION_INTERVAL_MS: Final = 5_000

BIND_FAILURE: Final = "the port is in use, or the address is not this host's; choose another port, or 0 for a free one"
"""Why a server cannot listen; gRPC's own error only refers to its debug log."""

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.dns_min_time_between_resolutions_ms", _RESOLUTION_INTERVAL_MS),
)


def channel_options(service: str) -> list[tuple[str, str | int]]:
    """Return the options of a channel to `service` (its full name, for the health check)."""
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": service},
        "methodConfig": [
            {
                "name": [{"service": service}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.02s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
    return [*_OPTIONS, ("grpc.service_config", json.dumps(config))]


def open_channel(
    target: str, service: str, credentials: grpc.ChannelCredentials | None = None, server_name: str = ""
) -> grpc.Channel:
    """Open a channel for threads, in plain text without `credentials`; it connects on first use.

    `server_name` is a name in the server's certificate; empty: the name in the target.
    """
    options = _with_server_name(channel_options(service), server_name)
    if credentials is None:
        return grpc.insecure_channel(target, options=options)
    return grpc.secure_channel(target, credentials, options=options)


def open_aio_channel(
    target: str, service: str, credentials: grpc.ChannelCredentials | None = None, server_name: str = ""
) -> grpc.aio.Channel:
    """Open a channel for asyncio, as open_channel does for threads."""
    options = _with_server_name(channel_options(service), server_name)
    if credentials is None:
        return grpc.aio.insecure_channel(target, options=options)
    return grpc.aio.secure_channel(target, credentials, options=options)


def _with_server_name(options: list[tuple[str, str | int]], server_name: str) -> list[tuple[str, str | int]]:
    return [*options, ("grpc.ssl_target_name_override", server_name)] if server_name else options


def server_options() -> list[tuple[str, str | int]]:
    """Return the options of every server."""
    return [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.so_reuseport", 0),
        ("grpc.max_connection_age_ms", _CONNECTION_AGE_MS),
    ]
