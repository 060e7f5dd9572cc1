"""Notation of hosts."""


def url_host(host: str) -> str:
    """Return a host as it is written before a port, in URLs and targets of gRPC: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
