"""A lookup server with certificates and its clients, for tests of TLS; without openssl the tests are skipped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from embark.client import CertificateFiles, ClientTls
from embark.settings import TlsSettings
from embark_testing.embark.harness import Harness, embark_settings, running, vector
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
def secured(folder: Path, tenants: list[dict[str, Any]] | None = None, **tls: Any) -> Iterator[Harness]:
    """Run a server with the certificate in `folder` and an embedding of the key `k`."""
    settings = embark_settings(**({"tenants": tenants} if tenants else {}))  # type: ignore[arg-type] # a list
    tls_settings = TlsSettings(folder=str(folder), **({"client_certificates": True} | tls))
    with running(settings.model_copy(update={"tls": tls_settings}), rows=ROWS) as harness:
        yield harness


def client_tls(folder: Path) -> ClientTls:
    """Return the TLS options of a client with the certificate in `folder`."""
    return ClientTls(CertificateFiles.in_folder(folder), SERVER_NAME)


def nameless_tls(folder: Path) -> ClientTls:
    """Return the TLS options of a client that trusts the authority of `folder` and has no certificate."""
    return ClientTls(CertificateFiles(folder / "ca.crt"), SERVER_NAME)
