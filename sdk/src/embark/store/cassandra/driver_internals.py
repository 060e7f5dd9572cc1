"""The parts of cassandra-driver that its documentation does not promise; nothing else in EmbArk uses such parts.

They were checked with the release CHECKED_VERSION. After an upgrade a test asks for the checks to be repeated.
"""

from typing import Any, Final

from cassandra import AuthenticationFailed
from cassandra.cluster import Cluster
from cassandra.connection import ConnectionException
from cassandra.cqltypes import BytesType
from cassandra.query import BoundStatement

CHECKED_VERSION: Final = "3.30.1"


class ReconnectingConnection(Cluster.connection_class):  # type: ignore[misc] # the driver has no types
    """The driver's connection; a host that refused the password is tried again like one that could not be reached.

    The driver never returns to a host after AuthenticationFailed. But when a password changes, the Secret reaches its
    pods up to a minute after Cassandra knows the new one.
    """

    def defunct(self, exc: Exception) -> Any:
        """Close the connection because of an error."""
        refused = isinstance(exc, AuthenticationFailed)
        return super().defunct(ConnectionException(str(exc), self.endpoint) if refused else exc)


def bind_encoded(prepared: Any, values: list[bytes | None]) -> BoundStatement:
    """Return a prepared statement bound to encoded values; bind() takes seven times as long for a row."""
    statement = BoundStatement(prepared)
    statement.values = values
    return statement


def allow_routing_key(prepared: Any) -> None:
    """Let bound statements carry a routing key although the server reports none, as for a list of keys."""
    prepared.routing_key_indexes = [0]


def bind_as_bytes(prepared: Any, index: int) -> None:
    """Bind the vector parameter at `index` as encoded bytes; the driver would pack its elements one by one."""
    columns = prepared.column_metadata
    columns[index] = columns[index]._replace(type=BytesType)


def vector_dimension(prepared: Any, index: int) -> int:
    """Return the dimension of the vector parameter at `index`."""
    return int(prepared.column_metadata[index].type.vector_size)


def ring_tokens(metadata: Any) -> list[int]:
    """Return the tokens of the cluster's ring; none while the driver does not know the ring."""
    return [token.value for token in metadata.token_map.ring] if metadata.token_map else []
