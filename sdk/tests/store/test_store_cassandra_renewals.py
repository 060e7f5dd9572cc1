"""Replacing certificates and passwords for Cassandra while a store is open."""

import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from embark.store.cassandra.access import Credentials, ReloadingContext, ReloadingLogin, tls_context
from embark_testing.servers.authorities import Authority
from embark_testing.servers.maven_jars import MissingToolsError


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    try:
        return Authority(tmp_path / "authority")
    except MissingToolsError as error:
        pytest.skip(str(error))


def presented(context: ssl.SSLContext, server: Path) -> str:
    """Return the common name of the certificate that a connection with the context presents to a server."""
    ours, theirs = socket.socketpair()
    verifying = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    verifying.load_cert_chain(server / "tls.crt", server / "tls.key")
    verifying.load_verify_locations(server / "ca.crt")
    verifying.verify_mode = ssl.CERT_REQUIRED
    names: list[str] = []

    def answer() -> None:
        with verifying.wrap_socket(theirs, server_side=True) as connection:
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


def test_a_new_connection_presents_the_certificate_of_that_time(authority: Authority, tmp_path: Path) -> None:
    server = authority.identify(tmp_path / "server", "DNS:cassandra")
    folder = authority.identify(tmp_path / "client", "", common_name="first")
    context = tls_context(folder)
    assert presented(context, server) == "first"
    authority.identify(folder, "", common_name="second")
    assert presented(context, server) == "second"


def test_a_new_authority_is_trusted_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    strange = Authority(tmp_path / "strange")
    folder = tmp_path / "client"
    context = tls_context(authority.identify(folder, ""))
    assert isinstance(context, ReloadingContext)
    strange.identify(folder, "", common_name="other")
    # The new authority has issued the server's certificate, and the server trusts only that authority.
    assert presented(context, strange.identify(tmp_path / "server", "DNS:cassandra")) == "other"


def test_half_of_a_new_pair_changes_nothing_and_is_logged(
    authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = authority.identify(tmp_path / "server", "DNS:cassandra")
    folder = authority.identify(tmp_path / "client", "", common_name="first")
    context = tls_context(folder)
    new = authority.identify(tmp_path / "new", "", common_name="second")
    (folder / "tls.crt").write_bytes((new / "tls.crt").read_bytes())
    with caplog.at_level(logging.WARNING):
        assert presented(context, server) == "first"
    assert "not renewed yet" in caplog.text
    (folder / "tls.key").write_bytes((new / "tls.key").read_bytes())
    assert presented(context, server) == "second"


def test_every_login_uses_the_password_of_that_time() -> None:
    passwords = iter(["first", "second"])
    login = ReloadingLogin(lambda: Credentials("embark", next(passwords)))
    authenticator = login.new_authenticator("host")
    responses = [authenticator.initial_response() for _ in range(2)]
    assert responses == [b"\0embark\0first", b"\0embark\0second"]
