"""Who is at the other end of a call, by its certificate; and the metadata that names a tenant where none does."""

from collections.abc import Mapping
from typing import Any, Final

TENANT: Final = "embark-tenant"
"""Metadata of a call: its tenant, where clients have no certificates. Whoever can reach the server may say any."""


def read_identities(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of a peer: its SPIFFE URI, else its DNS names, else its common name; empty: no certificate.

    `context` is gRPC's auth_context, lists of bytes by kind. A common name beside other names says nothing.
    """
    for kind in ("peer_spiffe_id", "peer_dns", "x509_common_name"):
        found = tuple(name.decode(errors="replace") for name in context.get(kind, ()))
        if found:
            return found
    return ()
