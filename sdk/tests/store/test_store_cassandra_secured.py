"""The Cassandra store on a server that speaks TLS alone and asks for a password."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra_keyspaces import store_settings
from cassandra_server import CassandraServer, cassandra_server
from fake_clock import FakeClock
from maven_jars import server_jars
from servers_fixtures import skipping_without_tools
from store_rows import PATIENT, SPACE, embedding, read_one

from embark.errors import UnavailableError
from embark.store.cassandra import CassandraStore
from embark.store.cassandra_access import Credentials, tls_context

pytestmark = pytest.mark.integration
# The user that every new Cassandra has.
USER = Credentials("cassandra", "cassandra")
STORE_PASSWORD = "not a secret"  # noqa: S105 - of a key that lives as long as the test


def make_authority(folder: Path) -> Path:
    """Write a key and its certificate to server.p12, and the certificate to ca.crt, which trusts itself."""
    folder.mkdir()
    store = ["-alias", "server", "-keystore", str(folder / "server.p12"), "-storepass", STORE_PASSWORD]
    key = ["-genkeypair", "-keyalg", "EC", "-dname", "CN=server", "-ext", "bc=ca:true", "-storetype", "PKCS12"]
    for command in (key, ["-exportcert", "-rfc", "-file", str(folder / "ca.crt")]):
        subprocess.run(["keytool", *command, *store], check=True, capture_output=True)  # noqa: S607 - Java's own
    return folder


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with skipping_without_tools():
        server_jars("cassandra", os.environ)
    return make_authority(tmp_path_factory.mktemp("secrets") / "authority")


@pytest.fixture(scope="module")
def secured(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    encryption = {
        "enabled": True,
        "optional": False,
        "keystore": str(authority / "server.p12"),
        "keystore_password": STORE_PASSWORD,
        "store_type": "PKCS12",
    }
    options = {"authenticator": "PasswordAuthenticator", "client_encryption_options": encryption}
    login = {
        "auth_provider": PlainTextAuthProvider(USER.username, USER.password),
        "ssl_context": tls_context(authority),
    }
    with cassandra_server(tmp_path_factory.mktemp("secured"), options=options, login=login) as server:
        yield server


def test_who_has_the_password_and_trusts_the_authority_is_served(
    secured: CassandraServer, authority: Path, clock: FakeClock
) -> None:
    store = CassandraStore(store_settings(secured, "secured"), clock, USER, tls_context(authority))
    store.ensure_space(SPACE)
    store.write(SPACE, [embedding("key", 1)])
    found = read_one(store, "key")
    store.close()
    assert found == embedding("key", 1)


@pytest.mark.parametrize("fault", ["password", "no password", "no TLS", "another authority"])
def test_everyone_else_is_told_why_not(
    secured: CassandraServer, authority: Path, clock: FakeClock, tmp_path: Path, fault: str
) -> None:
    tls = tls_context(make_authority(tmp_path / "another") if fault == "another authority" else authority)
    credentials = {"password": Credentials("cassandra", "wrong"), "no password": None}.get(fault, USER)
    settings = store_settings(secured, "secured")
    store = CassandraStore(settings, clock, credentials, None if fault == "no TLS" else tls)
    said = {
        "password": "credentials|password",
        "no password": "authentication",
        "no TLS": "no Cassandra host answers",
        "another authority": "certificate verify failed",
    }[fault]
    with pytest.raises(UnavailableError, match=f"(?i){said}"):
        store.read(SPACE, ["key"], PATIENT)
    store.close()
