"""The limits and timeouts of the Kafka topic."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class KafkaLimits:
    """How much the clients of a topic hold, and how long they wait for the brokers."""

    max_held: int = 1_000
    """Records that a consumer holds: a long partition cannot hide the others, and a short pause refetches nothing."""
    first_probe: timedelta = timedelta(seconds=5)
    """A consumer's wait for its first reply from a broker: a first connection takes longer."""
    probe: timedelta = timedelta(seconds=1)
    """A consumer's wait for brokers that stopped answering: a caller that has to stop should not wait long."""
    consumer_close: timedelta = timedelta(seconds=5)
    """Without a reply the brokers reassign the partitions by themselves."""
    producer_close: timedelta = timedelta(seconds=1)
    """Of a producer that is still open when the topic closes."""
    offsets: timedelta = timedelta(seconds=3)
    """Of a request for offsets."""
    dead_letters: timedelta = timedelta(seconds=5)
    """Of an append or a read."""
    dead_letter_report: timedelta = timedelta(seconds=2)
    """On top, until a timeout is reported: librdkafka looks for timeouts once a second."""


DEFAULT_LIMITS: Final = KafkaLimits()
