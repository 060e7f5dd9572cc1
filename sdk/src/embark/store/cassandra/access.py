"""How a process proves itself to Cassandra, and whom it trusts; composition roots make it from mounted Secrets.

Both are read for every new connection: who replaces a Secret, and changes the password in Cassandra, restarts nothing.
Connections that are there go on, as Cassandra asks each for its password once.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from cassandra import AuthenticationFailed
from cassandra.auth import AuthProvider, PlainTextAuthenticator
from cassandra.cluster import Cluster
from cassandra.connection import ConnectionException

from embark.files import FileWatcher

C = TypeVar("C", bound=ssl.SSLContext)
_FILES: Final = ("ca.crt", "tls.crt", "tls.key")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the cluster."""

    username: str
    password: str = field(repr=False)


CredentialsSource = Callable[[], Credentials]
"""Returns what a new connection is to prove itself with; may raise OSError, and the connection fails."""


class RenewedLogin(AuthProvider):  # type: ignore[misc] # the driver has no types
    """Logs every new connection in as its source says then."""

    def __init__(self, source: CredentialsSource) -> None:
        self._source = source

    def new_authenticator(self, host: str) -> "RenewedAuthenticator":  # noqa: ARG002 - as the driver has it
        """Return what answers the server's question."""
        return RenewedAuthenticator(self._source)


class RenewedAuthenticator(PlainTextAuthenticator):  # type: ignore[misc] # the driver has no types
    """Reads the credentials when it is asked: the driver keeps one for all its attempts to come back to a host."""

    def __init__(self, source: CredentialsSource) -> None:
        self._source = source

    def initial_response(self) -> Any:
        """Return the first answer, which is the only one."""
        credentials = self._source()
        super().__init__(credentials.username, credentials.password)
        return super().initial_response()


class RetriedConnection(Cluster.connection_class):  # type: ignore[misc] # the driver has no types
    """The driver's connection; one whose password was refused is like one that was not made, and tried again.

    The driver never tries a host again that has refused a password. But where a password is changed, a Secret reaches
    its pods up to a minute after Cassandra knows the new one.
    """

    def defunct(self, exc: Exception) -> Any:
        """Give the connection up."""
        refused = isinstance(exc, AuthenticationFailed)
        return super().defunct(ConnectionException(str(exc), self.endpoint) if refused else exc)


class RenewedContext(ssl.SSLContext):
    """A context that reads its files again for a new connection if they have changed; created by tls_context."""

    watcher: FileWatcher[None]

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap as SSLContext does; an authority that is no longer in ca.crt is trusted until the process ends."""
        self.watcher.renew()
        return super().wrap_socket(*arguments, **options)

    def load(self, folder: Path) -> None:
        """Load the files of `folder`.

        Raises:
            OSError: a file is missing or is not what its name says; what was loaded before stays.
        """
        _load(_context(ssl.SSLContext), folder)  # files that cannot be used would leave this context half loaded
        _load(self, folder)


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts what ca.crt in `folder` has signed and shows tls.crt where there is one.

    The driver dials addresses that the cluster tells it, which certificates seldom name; so whoever the authority has
    signed for is trusted, under whatever name. Give the cluster an authority of its own.

    Raises:
        OSError: a file is missing or is not what its name says.
    """
    context = _context(RenewedContext)
    paths = (folder / name for name in _FILES)
    context.watcher = FileWatcher("certificates", paths, lambda: context.load(folder), OSError)
    return context


def _context(kind: type[C]) -> C:
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context


def _load(context: ssl.SSLContext, folder: Path) -> None:
    context.load_verify_locations(cafile=folder / "ca.crt")
    if (folder / "tls.crt").exists():
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
