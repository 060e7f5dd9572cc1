"""The schema of a cache in Cassandra: its keyspace, a table for each space, and the table of checkpoints.

Only schema commands change it. When several run at once, all send their statements to the same host, which executes
them one after the other: two hosts that create one table at the same time create two, with different ids.
"""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from cassandra import DriverException
from cassandra.query import SimpleStatement

from embark.errors import UnavailableError
from embark.names import embeddings_table
from embark.spec import Cassandra
from embark.store.cassandra.errors import unavailable_on_failure
from embark.store.cassandra.table import TableCql
from embark.store.progress import PROGRESS_TABLE

# A statement waits for those of the other commands, and then for every host to agree.
_TIMEOUT: Final = timedelta(seconds=60)
_RETRY_SECONDS: Final = 0.5

_PROGRESS: Final = """
    CREATE TABLE IF NOT EXISTS "{keyspace}".{table} (
        space text, range_start bigint, range_end bigint, cursor bigint, done bigint, failed bigint,
        PRIMARY KEY (space, range_start)
    )"""


def ensure_schema(session: Any, cassandra: Cassandra, space: str) -> None:
    """Create what is missing of keyspace, checkpoint table and the space's table; return once all hosts agree.

    Raises:
        UnavailableError: Cassandra does not answer, or its hosts do not agree.
        ValueError: `space` is not the id of a space.
    """
    table = TableCql.for_space(cassandra.keyspace, space).create
    keyspace = (
        f'CREATE KEYSPACE IF NOT EXISTS "{cassandra.keyspace}" WITH replication = '
        f"{{'class': 'NetworkTopologyStrategy', '{cassandra.datacenter}': {cassandra.replication_factor}}}"
    )
    progress = _PROGRESS.format(keyspace=cassandra.keyspace, table=PROGRESS_TABLE)
    execute_schema(session, cassandra, (keyspace, progress, table))


def drop_table(session: Any, cassandra: Cassandra, space: str) -> None:
    """Drop the space's table if it exists; raises as ensure_schema."""
    execute_schema(session, cassandra, (TableCql.for_space(cassandra.keyspace, space).drop,))


def drop_keyspace(session: Any, cassandra: Cassandra) -> None:
    """Drop the keyspace with everything in it if it exists; raises as ensure_schema."""
    execute_schema(session, cassandra, (f'DROP KEYSPACE IF EXISTS "{cassandra.keyspace}"',))


def has_checkpoints(session: Any, cassandra: Cassandra) -> bool:
    """Return whether the keyspace exists and has the table of checkpoints; raises UnavailableError."""
    return PROGRESS_TABLE in _list_tables(session, cassandra)


def list_spaces(session: Any, cassandra: Cassandra) -> Sequence[str]:
    """Return the spaces that have a table, none if there is no keyspace; raises UnavailableError."""
    prefix = embeddings_table("")
    return sorted(name.removeprefix(prefix) for name in _list_tables(session, cassandra) if name.startswith(prefix))


def _list_tables(session: Any, cassandra: Cassandra) -> Sequence[str]:
    query = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s"
    with unavailable_on_failure():
        return [name for (name,) in session.execute(query, (cassandra.keyspace,))]


def execute_schema(session: Any, cassandra: Cassandra, statements: Sequence[str]) -> None:
    """Execute changes of the schema, each once all hosts agree on the one before; raises UnavailableError."""
    seconds = _TIMEOUT.total_seconds()
    with unavailable_on_failure():
        for statement in statements:
            host = _first_host(session, cassandra.datacenter)
            future = session.execute_async(SimpleStatement(statement), timeout=seconds, host=host)
            future.result()
            if not future.is_schema_agreed:
                raise UnavailableError("store", f"the hosts of Cassandra do not agree on the schema: {statement}")
        # A statement whose change another command has made changes nothing; agreement on that change is awaited too.
        _await_agreement(session.cluster, seconds)


def _await_agreement(cluster: Any, seconds: float) -> None:
    """Return once all hosts have one schema and the driver has read it; raises the driver's errors."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            cluster.refresh_schema_metadata(max_schema_agreement_wait=seconds)
        except DriverException:
            # The driver gives its own queries two seconds, which many commands at once can make too few.
            if time.monotonic() >= deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _first_host(session: Any, datacenter: str) -> Any:
    hosts = [host for host in session.cluster.metadata.all_hosts() if host.is_up and host.datacenter == datacenter]
    if not hosts:
        raise UnavailableError("store", f"no Cassandra host of the datacenter {datacenter} is up")
    return min(hosts, key=lambda host: (host.address, host.endpoint.port))
