"""Free ports for servers that tests start."""

import secrets
import socket

# Below the range of ephemeral ports, so that a server that is killed and restarted finds its port free.
_PORTS = range(20_000, 32_000)


def free_ports(host: str, count: int, *others: str) -> list[int]:
    """Return `count` different ports on which no process listens, neither on `host` nor on any of the others."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(_PORTS)
        if port not in ports and all(_is_free(at, port) for at in (host, *others)):
            ports.append(port)
    return ports


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError:
            return False
    return True
