"""What the Cassandra driver raises, as the errors of EmbArk; the only place that translates it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cassandra import DriverException, InvalidRequest, OperationTimedOut, ReadFailure
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage

from embark.errors import UnavailableError


class NoAddressError(OSError):
    """No contact point has an address."""


# The driver has no root of its own errors; the last one stands for sockets and TLS.
DRIVER_ERRORS: Final = (DriverException, NoHostAvailable, ConnectionException, ErrorMessage, OSError)


@contextmanager
def unavailable_on_failure() -> Iterator[None]:
    """Turn every error of the driver into an UnavailableError that says what happened."""
    try:
        yield
    except DRIVER_ERRORS as error:
        raise UnavailableError("store", describe(error)) from error


def describe(error: BaseException) -> str:
    """Return one line for people about an error of the driver."""
    if isinstance(error, OperationTimedOut):
        return f"Cassandra gave no answer in time ({error.last_host or 'no host was asked yet'})"
    if isinstance(error, NoHostAvailable):
        hosts = ", ".join(f"{host}: {reason}" for host, reason in dict(error.errors or {}).items())
        return f"no Cassandra host answers ({hosts or 'none is up'})"
    if isinstance(error, InvalidRequest):
        why = getattr(error, "message", "") or error
        return f"Cassandra refuses: {why}; the schema command makes keyspace, tables and index"
    if isinstance(error, ReadFailure) and "INDEX_NOT_AVAILABLE" in str(error):
        return "Cassandra is still building the index of the space's vectors"
    if isinstance(error, NoAddressError):
        return f"Cassandra: {error}"
    return f"Cassandra: {type(error).__name__}: {error}"
