"""How many keys a table holds by Cassandra's own estimate; the Cassandra store's count uses it for large tables."""

from datetime import timedelta
from typing import Any, Final

from embark.names import embeddings_table
from embark.spec import Cassandra

# Each host keeps the estimate of the ranges that it is the first replica of, made anew every five minutes.
_ESTIMATE: Final = (
    "SELECT partitions_count FROM system.table_estimates"
    " WHERE keyspace_name = %s AND table_name = %s AND range_type = 'local_primary'"
)


def estimate_partitions(session: Any, cassandra: Cassandra, space: str, timeout: timedelta) -> int:
    """Return the sum over the hosts of the local datacenter that are up; raises the driver's errors."""
    metadata = session.cluster.metadata
    hosts = [host for host in metadata.all_hosts() if host.is_up and host.datacenter == cassandra.datacenter]
    asked = (cassandra.keyspace, embeddings_table(space))
    sent = [session.execute_async(_ESTIMATE, asked, timeout=timeout.total_seconds(), host=host) for host in hosts]
    return sum(partitions for future in sent for (partitions,) in future.result())
