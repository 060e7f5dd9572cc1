"""How hosts are written."""


def url_host(host: str) -> str:
    """Return a host as it stands before a port, in URLs and in gRPC's addresses: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host
