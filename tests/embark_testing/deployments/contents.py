"""The contents of a deployment's store and topic, read and written without its services."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta

from embark.backends import Secrets, open_store, open_topic
from embark.cli.replays import DeadLetter
from embark.clock import now
from embark.store import Embedding
from embark.store.cassandra.adapter import CassandraStore
from embark.topic import Fill
from embark.topic.kafka.cluster import KafkaCluster
from embark.topic.kafka.offsets import KafkaOffsets
from embark_testing.deployments.deployment import Deployment

_PATIENCE = timedelta(seconds=10)
_ALL = 100_000


def read_vectors(deployment: Deployment, keys: Sequence[str]) -> dict[str, bytes]:
    """Return the vectors of the keys that have an embedding."""
    with _open_store(deployment) as store:
        rows = store.read(deployment.settings.kfc.space.id, keys, _PATIENCE)
    return {key: row.vector for key, row in rows.items() if isinstance(row, Embedding)}


def write_embedding(deployment: Deployment, key: str, vector: bytes) -> None:
    """Write the row of a key without a fill request."""
    with _open_store(deployment) as store:
        store.write(deployment.settings.kfc.space.id, [Embedding(key, vector, now())])


def read_dead_letters(deployment: Deployment) -> list[DeadLetter]:
    """Return every dead letter."""
    with closing(open_topic(deployment.settings.kfc.topic, Secrets())) as topic:
        return [DeadLetter.from_record(record) for record in topic.dead_letters().read(_ALL)]


def read_fills(deployment: Deployment) -> list[Fill]:
    """Return every fill request ever produced."""
    topic = deployment.settings.kfc.topic
    # The reader of dead letters reads any topic to its end.
    with closing(open_topic(topic.model_copy(update={"dead_letters": topic.fills}), Secrets())) as fills:
        return [Fill.from_bytes(record.value) for record in fills.dead_letters().read(_ALL)]


def produce_fills(deployment: Deployment, keys: Sequence[str]) -> None:
    """Produce a fill request for each key."""
    with closing(open_topic(deployment.settings.kfc.topic, Secrets())) as topic:
        producer = topic.producer()
        for key in keys:
            assert producer.produce(key.encode(), Fill(key.encode(), now()).to_bytes(), {})
        assert producer.close(_PATIENCE) == 0


def read_lag(deployment: Deployment) -> int:
    """Return how many records KFC's group has not committed."""
    settings = deployment.settings.kfc
    cluster = KafkaCluster(settings.topic.kafka, None, client_id="tests")
    with closing(KafkaOffsets(cluster, settings.topic.fills)) as offsets:
        return offsets.lag(settings.consumer_group, {})


@contextmanager
def _open_store(deployment: Deployment) -> Iterator[CassandraStore]:
    with closing(open_store(deployment.settings.kfc.store, Secrets())) as store:
        yield store
