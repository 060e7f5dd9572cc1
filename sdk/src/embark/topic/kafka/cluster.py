"""Opens the clients of a Kafka cluster, with their logs and errors translated."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from embark.errors import InvalidSpecError, UnavailableError
from embark.spec import Kafka
from embark.topic.kafka.errors import ConnectionErrors, unwrap
from embark.topic.kafka.log import KafkaLog
from embark.topic.kafka.options import KafkaAccess, Options, access_options, describe_access
from embark.topic.records import Record

OnError = Callable[[KafkaError], None]
OnDelivery = Callable[[KafkaError | None, Message], None]
OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]


class KafkaCluster:
    """Opens clients, which connect in the background: a cluster that is down raises nothing here.

    Raises:
        InvalidSpecError: see access_options; or librdkafka refuses an option, such as a malformed PEM.
    """

    def __init__(self, kafka: Kafka, access: KafkaAccess | None, *, client_id: str) -> None:
        self._options = access_options(kafka, access or KafkaAccess()) | {"client.id": client_id}
        self._errors = ConnectionErrors(describe_access(self._options))
        self._log = KafkaLog()

    def open_producer(self, options: Options, on_error: OnError, on_delivery: OnDelivery) -> Producer:
        """Return a producer; its poll() and flush() call the callbacks."""
        config = {**self._with_callbacks(options, on_error), "on_delivery": on_delivery}
        with _translating_refusals():
            return Producer(config, logger=self._log)

    def open_consumer(self, options: Options, on_error: OnError, on_commit: OnCommit | None = None) -> Consumer:
        """Return a consumer; its poll() and consume() call the callbacks."""
        config = self._with_callbacks(options, on_error)
        if on_commit is not None:
            config["on_commit"] = on_commit
        with _translating_refusals():
            return Consumer(config, logger=self._log)

    def open_admin(self) -> AdminClient:
        """Return a client that reads and changes topics and groups."""
        with _translating_refusals():
            config: dict[str, object] = {**self._options, "error_cb": self._errors.record}
            return AdminClient(config, logger=self._log)  # type: ignore[arg-type]  # its types allow no callback

    def explain(self, error: KafkaError) -> str:
        """Return an error for people; if no broker was reached, with the report of the connections."""
        return self._errors.explain(error)

    def unavailable(self, what: str, error: KafkaException, admin: AdminClient | None = None) -> UnavailableError:
        """Return the UnavailableError for an error; `admin` is the admin client that raised it, if one did."""
        if admin is not None:
            admin.poll(0)  # delivers the reports of its connections
        return UnavailableError("topic", f"{what}: {self.explain(unwrap(error))}")

    def _with_callbacks(self, options: Options, on_error: OnError) -> dict[str, object]:
        def record(error: KafkaError) -> None:
            self._errors.record(error)
            on_error(error)

        return {**self._options, **options, "error_cb": record}


def list_partitions(client: Consumer | AdminClient, topic: str, seconds: float) -> list[int]:
    """Return the partitions of a topic.

    Raises:
        KafkaException: no broker answers within `seconds`, or the topic does not exist.
    """
    metadata = client.list_topics(topic, seconds).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return list(metadata.partitions)


def to_record(message: Message, topic: str) -> Record:
    """Return a message without an error as a record."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise ValueError(f"a message of {topic} has no partition or no offset")
    named = message.headers() or []
    headers = {name: value or b"" for name, value in (named.items() if isinstance(named, dict) else named)}
    # Headers produced as bytes are bytes; the library's types allow more.
    as_bytes = {name: value.encode() if isinstance(value, str) else value for name, value in headers.items()}
    return Record(topic, partition, offset, message.key() or b"", message.value() or b"", as_bytes)


@contextmanager
def _translating_refusals() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise InvalidSpecError("spec.topic.kafka", f"librdkafka refuses it: {unwrap(error).str()}") from error
