"""The schema of a cache in Cassandra: its keyspace and the table of a space; the schema command and tests call it.

Services never change the schema. Of several schema commands at once every one sends its statements to the same host,
which carries them out one after the other: two hosts that make one table at the same time make two, of different ids.
"""

from datetime import timedelta
from typing import Any, Final

from cassandra.query import SimpleStatement

from embark.errors import UnavailableError
from embark.spec import Cassandra
from embark.store.cassandra_errors import unavailable_on_failure
from embark.store.cassandra_rows import Statements

# A statement waits for those of the other commands, and then for every host to agree.
_PATIENCE: Final = timedelta(seconds=60)


def ensure_schema(session: Any, cassandra: Cassandra, space: str) -> None:
    """Make the keyspace and the space's table where they are not there yet; return once all hosts agree on them.

    Raises:
        UnavailableError: Cassandra does not answer, or its hosts do not agree.
        ValueError: `space` cannot be part of a table's name.
    """
    table = Statements.of(cassandra.keyspace, space).create
    keyspace = (
        f'CREATE KEYSPACE IF NOT EXISTS "{cassandra.keyspace}" WITH replication = '
        f"{{'class': 'NetworkTopologyStrategy', '{cassandra.datacenter}': {cassandra.replication_factor}}}"
    )
    seconds = _PATIENCE.total_seconds()
    with unavailable_on_failure():
        for statement in (keyspace, table):
            host = _first_host(session, cassandra.datacenter)
            future = session.execute_async(SimpleStatement(statement), timeout=seconds, host=host)
            future.result()
            if not future.is_schema_agreed:
                raise UnavailableError("store", f"the hosts of Cassandra do not agree on the schema: {statement}")
        # What another command has made already changes nothing here: agreement on that is awaited as well.
        session.cluster.refresh_schema_metadata(max_schema_agreement_wait=seconds)


def _first_host(session: Any, datacenter: str) -> Any:
    hosts = [host for host in session.cluster.metadata.all_hosts() if host.is_up and host.datacenter == datacenter]
    if not hosts:
        raise UnavailableError("store", f"no Cassandra host of the datacenter {datacenter} is up")
    return min(hosts, key=lambda host: (host.address, host.endpoint.port))
