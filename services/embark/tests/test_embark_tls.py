"""TLS and mTLS of the lookup server: admission, and renewal of certificates while it serves."""

import asyncio
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from embark.client import AsyncEmbArkClient, CertificateError, ClientTls, EmbArkClient
from embark.errors import EmbArkError, UnavailableError
from embark.rpc.certificates import CertificateFiles, watch_certificates
from embark_testing.embark.harness import running
from embark_testing.embark.secured import RANKER, SERVER_NAME, authority_in, client_tls, nameless_tls, secured
from embark_testing.eventually import eventually
from embark_testing.servers.authorities import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return authority_in(tmp_path / "authority")


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "server", f"DNS:{SERVER_NAME}")


@pytest.fixture
def ranker(authority: Authority, tmp_path: Path) -> Path:
    return authority.identify(tmp_path / "ranker", f"URI:{RANKER}")


def test_a_client_with_a_certificate_is_answered(server: Path, ranker: Path) -> None:
    with secured(server) as harness, EmbArkClient(harness.target, timeout=30, tls=client_tls(ranker)) as client:
        assert client.lookup(["k"]).hits.all()

        async def look_up() -> bool:
            async with AsyncEmbArkClient(harness.target, timeout=30, tls=client_tls(ranker)) as other:
                return bool((await other.lookup(["k"])).hits.all())

        assert asyncio.run(look_up())


def _without(authority: Authority, folder: Path) -> ClientTls:
    return nameless_tls(authority.identify(folder / "unused", ""))


def _expired(authority: Authority, folder: Path) -> ClientTls:
    return client_tls(authority.identify(folder / "expired", f"URI:{RANKER}", days=-1))


def _wrong(authority: Authority, folder: Path) -> ClientTls:
    foreign = Authority(folder / "foreign")
    client = foreign.identify(folder / "wrong", f"URI:{RANKER}")
    # It trusts the right authority, so it is the server that refuses.
    (client / "ca.crt").write_bytes((authority.trusted() / "ca.crt").read_bytes())
    return client_tls(client)


@pytest.mark.parametrize("make", [_without, _expired, _wrong])
def test_a_client_without_or_with_an_expired_or_wrong_certificate_is_refused(
    authority: Authority, server: Path, ranker: Path, tmp_path: Path, make: Callable[[Authority, Path], ClientTls]
) -> None:
    with secured(server) as harness:
        with (
            EmbArkClient(harness.target, timeout=5, tls=make(authority, tmp_path)) as refused,
            pytest.raises(UnavailableError),
        ):
            refused.lookup(["k"])
        assert harness.counted("embark_keys_total", method="Lookup", space="active", status="HIT") == 0
        with EmbArkClient(harness.target, timeout=30, tls=client_tls(ranker)) as client:
            assert client.lookup(["k"]).hits.all()


def test_plain_text_is_refused_with_tls_and_probes_stay_http(server: Path) -> None:
    with secured(server, client_certificates=False) as harness:
        with EmbArkClient(harness.target, timeout=5) as plain, pytest.raises(UnavailableError):
            plain.lookup(["k"])
        with urllib.request.urlopen(f"http://127.0.0.1:{harness.server.probes_port}/readyz", timeout=30) as ready:
            assert ready.status == 200


def test_a_client_never_falls_back_to_plain_text(server: Path) -> None:
    with (
        running() as harness,
        EmbArkClient(harness.target, timeout=5, tls=nameless_tls(server)) as client,
        pytest.raises(UnavailableError),
    ):
        client.lookup(["k"])


def test_a_client_rejects_a_server_of_another_name_or_authority(server: Path, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign").identify(tmp_path / "other", "")
    files = CertificateFiles.in_folder(server)
    for tls in (nameless_tls(foreign), ClientTls(files, "other.default")):
        with (
            secured(server, client_certificates=False) as harness,
            EmbArkClient(harness.target, timeout=5, tls=tls) as client,
            pytest.raises(UnavailableError),
        ):
            client.lookup(["k"])


def test_certificates_are_renewed_under_load_without_a_failed_lookup(
    authority: Authority, server: Path, ranker: Path
) -> None:
    stopping, failures, answered = threading.Event(), list[EmbArkError](), [0] * 3
    with secured(server) as harness:

        def load(index: int) -> None:
            with EmbArkClient(harness.target, timeout=30, tls=client_tls(ranker)) as client:
                while not stopping.is_set():
                    try:
                        assert client.lookup(["k"]).hits.all()
                    except EmbArkError as error:
                        failures.append(error)
                    answered[index] += 1

        threads = [threading.Thread(target=load, args=(index,)) for index in range(len(answered))]
        for thread in threads:
            thread.start()
        try:
            for _ in range(4):
                seen = _read_certificate(harness.server.port, ranker)
                authority.identify(server, f"DNS:{SERVER_NAME}")
                authority.identify(ranker, f"URI:{RANKER}")
                assert _read_certificate(harness.server.port, ranker) != seen
                eventually(partial(_all_progressed, answered, [*answered]))
        finally:
            stopping.set()
            for thread in threads:
                thread.join()
    assert not failures


def test_an_open_client_presents_its_renewed_certificate(authority: Authority, server: Path, ranker: Path) -> None:
    with (
        secured(server, authorized_identities=(RANKER,)) as harness,
        EmbArkClient(harness.target, timeout=30, tls=client_tls(ranker)) as client,
    ):
        assert client.lookup(["k"]).hits.all()
        authority.identify(ranker, "DNS:other")

        def denied() -> bool:
            try:
                client.lookup(["k"])
            except EmbArkError as error:
                return "not authorized" in str(error)
            return False

        eventually(denied)


def test_a_new_certificate_is_ignored_until_its_key_is_there(
    authority: Authority, ranker: Path, tmp_path: Path
) -> None:
    watcher = watch_certificates(CertificateFiles.in_folder(ranker))
    first = watcher.current
    new = authority.identify(tmp_path / "new", f"URI:{RANKER}")
    (ranker / "tls.crt").write_bytes((new / "tls.crt").read_bytes())
    assert not watcher.renew()
    assert watcher.current == first
    (ranker / "tls.key").write_bytes((new / "tls.key").read_bytes())
    assert watcher.renew()
    assert watcher.current.certificate == (new / "tls.crt").read_bytes()
    assert not watcher.renew()


@pytest.mark.parametrize("name", ["ca.crt", "tls.crt", "tls.key"])
def test_a_file_that_cannot_be_used_is_named(server: Path, name: str) -> None:
    (server / name).write_text("not a certificate")
    with pytest.raises(CertificateError, match=name), secured(server):
        pass
    (server / name).unlink()
    with pytest.raises(CertificateError, match=rf"{name} cannot be read"), secured(server):
        pass


def _all_progressed(answered: list[int], before: list[int]) -> bool:
    return all(now > then + 20 for now, then in zip(answered, before, strict=True))


def _read_certificate(port: int, client: Path) -> str:
    """Return the certificate that the server presents in a new handshake."""
    context = ssl.create_default_context(cafile=client / "ca.crt")
    context.load_cert_chain(client / "tls.crt", client / "tls.key")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=30) as raw,
        context.wrap_socket(raw, server_hostname=SERVER_NAME) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
        assert shown
        return ssl.DER_cert_to_PEM_cert(shown)
