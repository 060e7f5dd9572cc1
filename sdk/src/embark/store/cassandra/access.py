"""Authentication and trust for connections to Cassandra, from mounted Secrets.

Credentials and certificates are read again for every new connection, so replacing a Secret needs no restart.
Established connections continue: Cassandra checks the password only once for each.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from cassandra.auth import AuthProvider, PlainTextAuthenticator

from embark.files import FileWatcher

C = TypeVar("C", bound=ssl.SSLContext)
_FILES: Final = ("ca.crt", "tls.crt", "tls.key")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of the cluster."""

    username: str
    password: str = field(repr=False)


CredentialsSource = Callable[[], Credentials]
"""Returns the credentials of a new connection; if it raises OSError, the connection fails."""


class ReloadingLogin(AuthProvider):  # type: ignore[misc] # the driver has no types
    """Logs every new connection in with the credentials that its source returns at that time."""

    def __init__(self, source: CredentialsSource) -> None:
        self._source = source

    def new_authenticator(self, host: str) -> "ReloadingAuthenticator":  # noqa: ARG002 - the driver's signature
        """Return the authenticator of a connection."""
        return ReloadingAuthenticator(self._source)


class ReloadingAuthenticator(PlainTextAuthenticator):  # type: ignore[misc] # the driver has no types
    """Reads the credentials only when it responds: the driver keeps one for all its attempts to reach a host again."""

    def __init__(self, source: CredentialsSource) -> None:
        self._source = source

    def initial_response(self) -> Any:
        """Return the first and only response."""
        credentials = self._source()
        super().__init__(credentials.username, credentials.password)
        return super().initial_response()


class ReloadingContext(ssl.SSLContext):
    """A context that loads its files again before a new connection when they have changed; see tls_context."""

    watcher: FileWatcher[None]

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """Wrap a socket with the present files; an authority removed from ca.crt stays trusted until a restart."""
        self.watcher.renew()
        return super().wrap_socket(*arguments, **options)

    def load(self, folder: Path) -> None:
        """Load the files of `folder`.

        Raises:
            OSError: a file is missing or malformed; the files loaded before stay in use.
        """
        _load(_new_context(ssl.SSLContext), folder)  # a failure would leave this context half loaded
        _load(self, folder)


def tls_context(folder: Path) -> ssl.SSLContext:
    """Return a context that trusts the authorities in ca.crt of `folder`, and presents tls.crt if there is one.

    The driver connects to addresses that the cluster reports, which certificates seldom name. So any certificate of
    the authority is trusted with any name: give the cluster its own authority.

    Raises:
        OSError: a file is missing or malformed.
    """
    context = _new_context(ReloadingContext)
    paths = (folder / name for name in _FILES)
    context.watcher = FileWatcher("certificates", paths, lambda: context.load(folder), OSError)
    return context


def _new_context(kind: type[C]) -> C:
    context = kind(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context


def _load(context: ssl.SSLContext, folder: Path) -> None:
    context.load_verify_locations(cafile=folder / "ca.crt")
    if (folder / "tls.crt").exists():
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
