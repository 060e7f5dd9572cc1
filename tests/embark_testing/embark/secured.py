"""An EmbArk server with certificates and the TLS options of its clients; tests are skipped without openssl."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from embark.client import CertificateFiles, ClientTls
from embark.rpc.certificates import files_of
from embark.settings import TlsSettings
from embark_testing.embark.parts import Bench, embark_settings, running, vector
from embark_testing.servers.authorities import Authority
from embark_testing.servers.maven_jars import MissingToolsError

SERVER_NAME: Final = "thumbnails.default"
RANKER: Final = "spiffe://cluster.local/ns/ads/sa/ranker"
ROWS: Final = {"k": vector(1)}


def authority_in(folder: Path) -> Authority:
    """Create a certificate authority in `folder`."""
    try:
        return Authority(folder)
    except MissingToolsError as error:
        pytest.skip(str(error))


@contextmanager
def secured(folder: Path, tenants: list[dict[str, Any]] | None = None, **tls: Any) -> Iterator[Bench]:
    """Run a server with the certificate in `folder` that has the embedding of `k`."""
    settings = embark_settings(**({"tenants": tenants} if tenants else {}))  # type: ignore[arg-type] # a list
    changed = TlsSettings(folder=str(folder), **({"client_certificates": True} | tls))
    with running(settings.model_copy(update={"tls": changed}), rows=ROWS) as bench:
        yield bench


def server_target(bench: Bench) -> str:
    """Return the address of the server."""
    return f"127.0.0.1:{bench.server.port}"


def client_tls(folder: Path) -> ClientTls:
    """Return the TLS options of a client with the certificate in `folder`."""
    return ClientTls(files_of(folder), SERVER_NAME)


def nameless_tls(folder: Path) -> ClientTls:
    """Return the TLS options of a client without a certificate that trusts the authority in `folder`."""
    return ClientTls(CertificateFiles(folder / "ca.crt"), SERVER_NAME)
