"""The identity of a caller, by its certificate, and the metadata that names its tenant without one."""

from collections.abc import Mapping
from typing import Any, Final

TENANT: Final = "embark-tenant"
"""The metadata that names a call's tenant if clients have no certificates; it is not verified."""


def read_identities(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the identities of a peer: its SPIFFE URI, else its DNS names, else its common name; empty: no certificate.

    `context` is gRPC's auth_context, lists of bytes by kind. A common name is ignored if there are other names.
    """
    for kind in ("peer_spiffe_id", "peer_dns", "x509_common_name"):
        found = tuple(name.decode(errors="replace") for name in context.get(kind, ()))
        if found:
            return found
    return ()
