"""KFC calls Retina with the certificates of the cache, and continues with those that replace them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import grpc
import pytest

from embark.errors import UnavailableError
from embark.rpc.certificates import CertificateError, server_credentials
from embark.settings import TlsSettings
from embark.v1 import retina_pb2_grpc
from embark_testing.embark.secured import SERVER_NAME, authority_in
from embark_testing.kfc.fake_retina import FakeRetina, serving
from embark_testing.kfc.parts import kfc_settings
from embark_testing.servers.authorities import Authority
from kfc.encoder import EncodedVector, RetinaEncoder

SPACE = kfc_settings().space


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


@pytest.fixture
def folder(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "secret", f"DNS:{SERVER_NAME}")


@contextmanager
def secured(folder: Path, *, client_certificates: bool) -> Iterator[str]:
    """Serve a FakeRetina with TLS; yield its target."""
    server = grpc.server(ThreadPoolExecutor(4))
    retina_pb2_grpc.add_RetinaServiceServicer_to_server(FakeRetina(SPACE.id), server)
    credentials = server_credentials(folder, client_certificates=client_certificates)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def open_encoder(target: str, folder: Path, *, client_certificates: bool = True) -> RetinaEncoder:
    tls = TlsSettings(folder=str(folder), client_certificates=client_certificates, server_name=SERVER_NAME)
    return RetinaEncoder(target, SPACE, timedelta(seconds=5), tls)


@pytest.mark.parametrize("client_certificates", [False, True])
def test_kfc_encodes_over_tls(folder: Path, *, client_certificates: bool) -> None:
    with (
        secured(folder, client_certificates=client_certificates) as target,
        closing(open_encoder(target, folder, client_certificates=client_certificates)) as encoder,
    ):
        [found] = encoder.encode(["a"], None)
        assert isinstance(found, EncodedVector)


def test_kfc_without_a_certificate_is_refused_and_never_uses_plain_text(folder: Path) -> None:
    with (
        secured(folder, client_certificates=True) as target,
        closing(open_encoder(target, folder, client_certificates=False)) as encoder,
        pytest.raises(UnavailableError),
    ):
        encoder.encode(["a"], None)
    retina = FakeRetina(SPACE.id)
    with (
        serving(retina) as plain,
        closing(open_encoder(plain.target, folder)) as encoder,
        pytest.raises(UnavailableError),
    ):
        encoder.encode(["a"], None)
    assert not retina.calls


def test_a_missing_certificate_file_is_named(folder: Path) -> None:
    (folder / "ca.crt").unlink()
    with pytest.raises(CertificateError, match=r"ca\.crt cannot be read"):
        open_encoder("127.0.0.1:1", folder)
