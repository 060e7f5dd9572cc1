"""Certificates and passwords for Cassandra that are replaced while a store is open."""

import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from embark.store.cassandra.access import Credentials, RenewedContext, RenewedLogin, tls_context
from embark_testing.servers.authorities import Authority
from embark_testing.servers.maven_jars import MissingToolsError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    try:
        return Authority(tmp_path / "authority")
    except MissingToolsError as error:
        pytest.skip(str(error))


def shown(context: ssl.SSLContext, server: Path) -> str:
    """Return the common name of the certificate that a connection with the context shows a server."""
    ours, theirs = socket.socketpair()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asking.load_cert_chain(server / "tls.crt", server / "tls.key")
    asking.load_verify_locations(server / "ca.crt")
    asking.verify_mode = ssl.CERT_REQUIRED
    names: list[str] = []

    def answer() -> None:
        with asking.wrap_socket(theirs, server_side=True) as connection:
            found = connection.getpeercert()
            assert found
            names.extend(str(value) for part in found["subject"] for _, value in part)  # type: ignore[str-unpack]
            connection.sendall(b"seen")

    thread = threading.Thread(target=answer)
    thread.start()
    with context.wrap_socket(ours) as connection:
        assert connection.recv(4) == b"seen"
    thread.join(30)
    (name,) = names
    return name


def test_a_new_connection_shows_the_certificate_that_is_there_by_then(authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", "DNS:cassandra")
    folder = authority.identify(tmp_path / "client", "", common_name="first")
    context = tls_context(folder)
    assert shown(context, server) == "first"
    authority.identify(folder, "", common_name="second")
    assert shown(context, server) == "second"


def test_a_new_authority_is_trusted_once_it_is_there(authority: Authority, tmp_path: Path) -> None:
    strange = Authority(tmp_path / "strange")
    folder = tmp_path / "client"
    context = tls_context(authority.identify(folder, ""))
    assert isinstance(context, RenewedContext)
    strange.identify(folder, "", common_name="of the other")
    # The server's own is of the new authority, and so is whom it trusts.
    assert shown(context, strange.identify(tmp_path / "server", "DNS:cassandra")) == "of the other"


def test_half_of_a_pair_changes_nothing_and_is_said(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = authority.identify(tmp_path / "server", "DNS:cassandra")
    folder = authority.identify(tmp_path / "client", "", common_name="first")
    context = tls_context(folder)
    new = authority.identify(tmp_path / "new", "", common_name="second")
    (folder / "tls.crt").write_bytes((new / "tls.crt").read_bytes())
    with caplog.at_level(logging.WARNING):
        assert shown(context, server) == "first"
    assert "not renewed yet" in caplog.text
    (folder / "tls.key").write_bytes((new / "tls.key").read_bytes())
    assert shown(context, server) == "second"


def test_every_attempt_to_log_in_is_made_with_the_password_of_its_time() -> None:
    passwords = iter(["first", "second"])
    login = RenewedLogin(lambda: Credentials("embark", next(passwords)))
    kept = login.new_authenticator("host")
    said = [kept.initial_response() for _ in range(2)]
    assert said == [b"\0embark\0first", b"\0embark\0second"]
