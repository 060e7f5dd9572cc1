"""How a process proves itself to Cassandra, and whom it trusts; composition roots make it from mounted Secrets."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the cluster."""

    username: str
    password: str = field(repr=False)


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts what ca.crt in `folder` has signed and shows tls.crt where there is one.

    The driver dials addresses that the cluster tells it, which certificates seldom name; so whoever the authority has
    signed for is trusted, under whatever name. Give the cluster an authority of its own.

    Raises:
        OSError: a file is missing or is not what its name says.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cafile=folder / "ca.crt")
    if (folder / "tls.crt").exists():
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context
