"""Lookups with one certificate or another: `kubectl exec certified -- python -c "$(cat …)" COMMAND TARGET NAME …`.

`ask TARGET NAME WHO KEYS WAIT` looks KEYS up as who has the certificate in /certs/WHO; without tls.crt in there, with
none. `shown TARGET NAME WHO` shakes hands with every address of TARGET. NAME is a name of the servers' certificate.
Each prints one JSON object.
"""

import hashlib
import json
import socket
import ssl
import sys
from collections import Counter
from pathlib import Path

from embark.client import CertificateFiles, ClientTls, EmbArkClient
from embark.errors import EmbArkError

CERTIFICATES = Path("/certs")


def ask(target: str, name: str, who: str, keys: str, wait: str) -> dict[str, object]:
    """Return how many keys have each status, or why the call was refused."""
    ca, certificate, key = (CERTIFICATES / who / file for file in ("ca.crt", "tls.crt", "tls.key"))
    files = CertificateFiles(ca, certificate, key) if certificate.exists() else CertificateFiles(ca)
    seconds = float(wait)
    with EmbArkClient(target, timeout=seconds + 10.0, tls=ClientTls(files, name)) as client:
        try:
            found = client.lookup(json.loads(keys), on_miss="wait" if seconds else "oov", wait=seconds)
        except EmbArkError as error:
            return {"error": type(error).__name__, "message": str(error)}
    return dict(Counter(status.name for status in found.statuses))


def shown(target: str, name: str, who: str) -> dict[str, str]:
    """Return the SHA-256 of the certificate that each address presents."""
    folder, (host, _, port) = CERTIFICATES / who, target.rpartition(":")
    context = ssl.create_default_context(cafile=folder / "ca.crt")
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    context.set_alpn_protocols(["h2"])
    found = {}
    for *_, address in socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM):
        with (
            socket.create_connection((str(address[0]), int(port)), timeout=10) as raw,
            context.wrap_socket(raw, server_hostname=name) as connection,
        ):
            certificate = connection.getpeercert(binary_form=True)
        assert certificate
        found[str(address[0])] = hashlib.sha256(certificate).hexdigest()
    return found


def main() -> None:
    """Run the command."""
    command, *arguments = sys.argv[1:]
    report: object = ask(*arguments) if command == "ask" else shown(*arguments)
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
