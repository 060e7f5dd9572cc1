"""The Cassandra store on a server that requires TLS and a password."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, NoHostAvailable

from embark.backends import Secrets, open_store
from embark.errors import UnavailableError
from embark.store.cassandra.access import Credentials, tls_context
from embark.store.cassandra.adapter import CassandraStore
from embark_testing.contracts.rows import PATIENT, SPACE, embedding, read_one
from embark_testing.eventually import eventually
from embark_testing.fake_clock import FakeClock
from embark_testing.servers.authorities import STORE_PASSWORD, Authority, pkcs12_store
from embark_testing.servers.cassandra_keyspaces import store_settings
from embark_testing.servers.cassandra_server import CassandraServer, cassandra_server
from embark_testing.servers.fixtures import skipping_without_tools
from embark_testing.servers.maven_jars import server_jars

pytestmark = pytest.mark.integration
# The default user of every new Cassandra.
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


def test_a_client_with_the_password_and_the_authority_is_served(
    secured: CassandraServer, authority: Authority, clock: FakeClock
) -> None:
    store = CassandraStore(store_settings(secured, "secured"), clock, lambda: USER, tls_context(authority.trusted()))
    store.ensure_space(SPACE)
    store.write(SPACE, [embedding("key", 1)])
    found = read_one(store, "key")
    store.close()
    assert found == embedding("key", 1)


def test_an_open_store_takes_up_a_password_that_is_changed_in_cassandra_and_in_the_secret(
    secured: CassandraServer,
    authority: Authority,
    clock: FakeClock,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    creator = CassandraStore(store_settings(secured, "rotated"), clock, lambda: USER, tls_context(authority.trusted()))
    creator.ensure_space(SPACE)
    creator.close()
    (tmp_path / "username").write_text("rotated")
    (tmp_path / "password").write_text("first")
    with secured_session(secured, authority) as session:
        session.execute("CREATE ROLE rotated WITH PASSWORD = 'first' AND LOGIN = true AND SUPERUSER = true")
        secrets = Secrets(store_credentials=tmp_path, store_tls=authority.trusted())
        store = open_store(store_settings(secured, "rotated"), secrets)
        store.write(SPACE, [embedding("key", 1)])
        eventually(lambda: change_password(session, "rotated", "second"), 30, "Cassandra accepts another password")
        assert read_one(store, "key") == embedding("key", 1)
    secured.stop()
    secured.start()
    with caplog.at_level(logging.WARNING, "cassandra"):
        eventually(lambda: refuses(store, caplog), 60, "the old password is refused until the new one is mounted")
    (tmp_path / "password").write_text("second")
    eventually(lambda: reads(store, "key"), 60, "the store is connected again")
    store.close()


@contextmanager
def secured_session(server: CassandraServer, authority: Authority) -> Iterator[Any]:
    """Open a session of the default user."""
    login = {"auth_provider": PlainTextAuthProvider(USER.username, USER.password)}
    cluster = Cluster(
        [server.host], server.port, protocol_version=4, ssl_context=tls_context(authority.trusted()), **login
    )
    try:
        yield cluster.connect()
    finally:
        cluster.shutdown()


def change_password(session: Any, role: str, password: str) -> bool:
    try:
        session.execute(f"ALTER ROLE {role} WITH PASSWORD = '{password}'")
    except NoHostAvailable:  # a password may be changed only every five seconds
        return False
    return True


def refuses(store: CassandraStore, caplog: pytest.LogCaptureFixture) -> bool:
    return not reads(store, "key") and "Bad credentials" in caplog.text


def reads(store: CassandraStore, key: str) -> bool:
    try:
        return read_one(store, key) == embedding(key, 1)
    except UnavailableError:
        return False


@pytest.mark.parametrize("problem", ["password", "no password", "no TLS", "another authority"])
def test_a_client_that_is_refused_learns_why(
    secured: CassandraServer, authority: Authority, clock: FakeClock, tmp_path: Path, problem: str
) -> None:
    trusted = Authority(tmp_path / "another") if problem == "another authority" else authority
    tls = tls_context(trusted.trusted())
    user = Credentials("cassandra", "wrong") if problem == "password" else USER
    credentials = None if problem == "no password" else lambda: user
    settings = store_settings(secured, "secured")
    store = CassandraStore(settings, clock, credentials, None if problem == "no TLS" else tls)
    message = {
        "password": "credentials|password",
        "no password": "authentication",
        "no TLS": "no Cassandra host answers",
        "another authority": "certificate verify failed",
    }[problem]
    with pytest.raises(UnavailableError, match=f"(?i){message}"):
        store.read(SPACE, ["key"], PATIENT)
    store.close()
