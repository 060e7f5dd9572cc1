"""Opens the clients of a Kafka cluster, with its logs and errors translated; every part of the Kafka topic uses it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from embark.errors import InvalidSpecError, UnavailableError
from embark.spec import Kafka
from embark.topic.kafka.faults import KafkaFaults
from embark.topic.kafka.log import KafkaLog
from embark.topic.kafka.options import KafkaAccess, Options, access_options, how_asked
from embark.topic.records import Record

OnError = Callable[[KafkaError], None]
OnDelivery = Callable[[KafkaError | None, Message], None]
OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
OnStats = Callable[[str], None]
"""Is given librdkafka's statistics, a JSON text, in the thread that serves the client; must not raise."""

_STATS_MILLISECONDS: Final = 10_000


class KafkaCluster:
    """Opens clients; they connect by themselves, so that a cluster that is down raises nothing here.

    Raises:
        InvalidSpecError: see access_options; or librdkafka refuses an option, such as a PEM that is none.
    """

    def __init__(
        self, kafka: Kafka, access: KafkaAccess | None, *, client_id: str, on_stats: OnStats | None = None
    ) -> None:
        self._options: Final = access_options(kafka, access or KafkaAccess()) | {"client.id": client_id}
        self._faults: Final = KafkaFaults(how_asked(self._options))
        self._on_stats: Final = on_stats
        self._log: Final = KafkaLog()

    def open_producer(self, options: Options, on_error: OnError, on_delivery: OnDelivery) -> Producer:
        """Return a producer; the callbacks run within its poll() and flush()."""
        config = {**self._common(options, on_error), "on_delivery": on_delivery}
        with _translating_refusals():
            return Producer(config, logger=self._log)

    def open_consumer(self, options: Options, on_error: OnError, on_commit: OnCommit | None = None) -> Consumer:
        """Return a consumer; the callbacks run within its poll() and consume()."""
        config = self._common(options, on_error)
        if on_commit is not None:
            config["on_commit"] = on_commit
        with _translating_refusals():
            return Consumer(config, logger=self._log)

    def open_admin(self) -> AdminClient:
        """Return a client that asks for and changes topics and groups."""
        with _translating_refusals():
            config: dict[str, object] = {**self._options, "error_cb": self._faults.note}
            return AdminClient(config, logger=self._log)  # type: ignore[arg-type]  # says no callback is an option

    def explain(self, error: KafkaError) -> str:
        """Return an error for people; where no broker was reached, with what its connections reported."""
        return self._faults.explain(error)

    def unavailable(self, what: str, error: KafkaException, admin: AdminClient | None = None) -> UnavailableError:
        """Return the error that callers of a topic know; `admin` is the client that met it, if it is one."""
        if admin is not None:
            admin.poll(0)  # calls back with what its connections reported
        return UnavailableError("topic", f"{what}: {self.explain(error_of(error))}")

    def _common(self, options: Options, on_error: OnError) -> dict[str, object]:
        def noted(error: KafkaError) -> None:
            self._faults.note(error)
            on_error(error)

        common: dict[str, object] = {**self._options, **options, "error_cb": noted}
        if self._on_stats is not None:
            common |= {"stats_cb": self._on_stats, "statistics.interval.ms": _STATS_MILLISECONDS}
        return common


def error_of(exception: KafkaException) -> KafkaError:
    """Return the error that librdkafka's exception carries."""
    error = exception.args[0]
    return error if isinstance(error, KafkaError) else KafkaError(KafkaError.UNKNOWN, str(exception))


def is_fatal(error: KafkaError) -> bool:
    """Return whether the client that met this error does nothing any more."""
    return error.fatal() or error.code() == KafkaError._FATAL  # noqa: SLF001 - librdkafka's own codes are named so


def partitions_of(client: Consumer | AdminClient, topic: str, seconds: float) -> list[int]:
    """Ask the brokers for the partitions of a topic.

    Raises:
        KafkaException: no broker answers within `seconds`, or there is no such topic.
    """
    metadata = client.list_topics(topic, seconds).topics[topic]
    if metadata.error is not None:
        raise KafkaException(metadata.error)
    return list(metadata.partitions)


def record_of(message: Message, topic: str) -> Record:
    """Return a message without an error as a record."""
    partition, offset = message.partition(), message.offset()
    if partition is None or offset is None:
        raise ValueError(f"a message of {topic} has no partition or no offset")
    named = message.headers() or []
    headers = {name: value or b"" for name, value in (named.items() if isinstance(named, dict) else named)}
    # Every producer of bytes gets bytes back; the types of the library say more than it does.
    as_bytes = {name: value.encode() if isinstance(value, str) else value for name, value in headers.items()}
    return Record(topic, partition, offset, message.key() or b"", message.value() or b"", as_bytes)


@contextmanager
def _translating_refusals() -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise InvalidSpecError("spec.topic.kafka", f"librdkafka refuses it: {error_of(error).str()}") from error
