"""The Cassandra store on a server that speaks TLS alone and asks for a password."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from authorities import STORE_PASSWORD, Authority, pkcs12_store
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


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    with skipping_without_tools():
        server_jars("cassandra", os.environ)
        return Authority(tmp_path_factory.mktemp("secrets") / "authority")


@pytest.fixture(scope="module")
def secured(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    encryption = {
        "enabled": True,
        "optional": False,
        "keystore": str(pkcs12_store(authority.issue("node"))),
        "keystore_password": STORE_PASSWORD,
        "store_type": "PKCS12",
    }
    options = {"authenticator": "PasswordAuthenticator", "client_encryption_options": encryption}
    login = {
        "auth_provider": PlainTextAuthProvider(USER.username, USER.password),
        "ssl_context": tls_context(authority.trusted()),
    }
    with cassandra_server(tmp_path_factory.mktemp("secured"), options=options, login=login) as server:
        yield server


def test_who_has_the_password_and_trusts_the_authority_is_served(
    secured: CassandraServer, authority: Authority, clock: FakeClock
) -> None:
    store = CassandraStore(store_settings(secured, "secured"), clock, USER, tls_context(authority.trusted()))
    store.ensure_space(SPACE)
    store.write(SPACE, [embedding("key", 1)])
    found = read_one(store, "key")
    store.close()
    assert found == embedding("key", 1)


@pytest.mark.parametrize("fault", ["password", "no password", "no TLS", "another authority"])
def test_everyone_else_is_told_why_not(
    secured: CassandraServer, authority: Authority, clock: FakeClock, tmp_path: Path, fault: str
) -> None:
    trusted = Authority(tmp_path / "another") if fault == "another authority" else authority
    tls = tls_context(trusted.trusted())
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
