"""What a cache has in Cassandra and Kafka: `kubectl exec -i client -- python -c "$(cat …)" KEYSPACE PREFIX`.

Prints one JSON object: the tables of the keyspace, and the consumer groups whose names begin so.
"""

import json
import sys

from cassandra.cluster import Cluster
from confluent_kafka.admin import AdminClient


def main() -> None:
    """Print the tables and the groups."""
    keyspace, prefix = sys.argv[1:]
    cluster = Cluster(["cassandra"])
    rows = cluster.connect().execute("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", [keyspace])
    tables = sorted(row.table_name for row in rows)
    cluster.shutdown()
    admin = AdminClient({"bootstrap.servers": "kafka:9092"})  # one that nothing refers to finds nothing
    listed = admin.list_consumer_groups(request_timeout=20).result()
    groups = sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
    print(json.dumps({"tables": tables, "groups": groups}))


if __name__ == "__main__":
    main()
