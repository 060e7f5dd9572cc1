"""Translates the errors of the Cassandra driver to those of EmbArk."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cassandra import DriverException, InvalidRequest, OperationTimedOut, ReadFailure
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

from embark.errors import UnavailableError


class NoAddressError(OSError):
    """No contact point resolves to an address."""


# The driver's errors have no common base class; OSError covers sockets and TLS.
DRIVER_ERRORS: Final = (DriverException, NoHostAvailable, ConnectionException, ErrorMessage, OSError)


@contextmanager
def unavailable_on_failure() -> Iterator[None]:
    """Raise every error of the driver as an UnavailableError that says what happened."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise to_unavailable(error) from error


def to_unavailable(error: BaseException) -> UnavailableError:
    """Return the UnavailableError for an error of the driver."""
    return UnavailableError("store", describe(error))


def describe(error: BaseException) -> str:
    """Return an error of the driver as one line for people."""
    if isinstance(error, OperationTimedOut):
        return f"Cassandra gave no answer in time ({error.last_host or 'the request reached no host'})"
    if isinstance(error, NoHostAvailable):
        hosts = ", ".join(f"{host}: {reason}" for host, reason in dict(error.errors or {}).items())
        return f"no Cassandra host answers ({hosts or 'none is up'})"
    if isinstance(error, InvalidRequest):
        why = getattr(error, "message", "") or error
        return f"Cassandra refuses: {why}; the schema command creates keyspace, tables and index"
    if isinstance(error, ReadFailure) and "INDEX_NOT_AVAILABLE" in str(error):
        return "Cassandra is still building the index of the space's vectors; retry later"
    if isinstance(error, NoAddressError):
        return f"Cassandra: {error}"
    return f"Cassandra: {type(error).__name__}: {error}"
