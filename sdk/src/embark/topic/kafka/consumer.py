"""A member of a consumer group on Kafka: returns records of its partitions in turn, and commits their offsets."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from embark.errors import ClosedError, UnavailableError
from embark.topic.kafka import client_internals
from embark.topic.kafka.client_internals import mentions_any
from embark.topic.kafka.cluster import KafkaCluster, list_partitions, to_record
from embark.topic.kafka.errors import is_fatal, is_unreached, unwrap
from embark.topic.kafka.limits import DEFAULT_LIMITS, KafkaLimits
from embark.topic.kafka.offsets import KafkaOffsets
from embark.topic.kafka.options import consumer_options
from embark.topic.kafka.partitions import OwnedPartitions
from embark.topic.records import Record

# An outage does not interrupt librdkafka's wait for a record.
_MAX_WAIT_SECONDS: Final = 0.5
_NO_ANSWER_YET: Final = "no broker has answered yet"
_NO_ANSWER: Final = "no broker answers"
_UNSUPPORTED: Final = frozenset({KafkaError.UNSUPPORTED_VERSION, client_internals.UNSUPPORTED_FEATURE})
_DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})


class KafkaConsumer:
    """A FillConsumer. Offsets are committed within half a second, when a partition is revoked, and by close().

    Uses the protocol of KIP-848 (`group.protocol=consumer`), or the classic one if the brokers support only that.
    """

    def __init__(
        self, cluster: KafkaCluster, topic: str, group: str, offsets: KafkaOffsets, limits: KafkaLimits = DEFAULT_LIMITS
    ) -> None:
        self._cluster = cluster
        self._topic = topic
        self._group = group
        self._offsets = offsets
        self._limits = limits
        self._log = logging.getLogger(__name__)
        self._partitions = OwnedPartitions()
        self._paused = False
        self._closed = False
        self._joined = False
        self._classic = False
        self._fatal: KafkaError | None = None
        # Why the brokers may be away; empty once one answers.
        self._suspicion = _NO_ANSWER_YET
        self._denied = ""  # what the brokers do not permit, until poll() has raised it
        self._client = self._open()

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that this member owns."""
        return self._partitions.owned

    @property
    def held(self) -> int:
        """Records that were fetched and not yet returned."""
        return self._partitions.held

    @property
    def refused(self) -> int:
        """Offsets that were not committed because their partition had moved to another member."""
        return self._partitions.refused

    @property
    def classic(self) -> bool:
        """Whether the brokers support only the classic group protocol."""
        return self._classic

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return the next records, those of a partition in order; keeps the membership, also while paused."""
        self._check_open()
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            ready = self._partitions.held > 0 and not self._paused
            left = deadline - time.monotonic()
            self._receive(0.0 if ready else min(_MAX_WAIT_SECONDS, max(0.0, left)))
            records = [] if self._paused else self._partitions.take(limit)
            if records:
                self._suspicion = ""
                return records
            if self._suspicion:
                self._probe()
            if self._denied:
                denied, self._denied = self._denied, ""
                raise UnavailableError("topic", denied)
            if left <= 0:
                return records

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store the offsets for the next commit, except those of partitions that have moved to another member."""
        self._check_open()
        if not (accepted := self._partitions.accept(offsets)):
            return
        try:
            self._client.store_offsets(offsets=[TopicPartition(self._topic, *item) for item in accepted.items()])
        except KafkaException as error:
            raise self._cluster.unavailable("cannot store offsets", error) from error

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - as the protocol
        """Stop or resume returning records."""
        self._paused = paused

    def lag(self) -> int:
        """Return how many records of the topic the group has not committed."""
        self._check_open()
        return self._offsets.lag(self._group, self._partitions.accepted)

    def close(self) -> None:
        """Commit the stored offsets and leave the group.

        Raises:
            UnavailableError: no broker answered in time; the group will notice by itself.
        """
        if self._closed:
            return
        self._closed = True
        # The callbacks of the rebalance run in this thread while the caller waits.
        thread = threading.Thread(target=self._client.close, name=f"{self._group}-close", daemon=True)
        thread.start()
        thread.join(self._limits.consumer_close.total_seconds())
        if thread.is_alive():
            raise UnavailableError("topic", f"leaving the group {self._group} took too long")

    def _receive(self, seconds: float) -> None:
        """Fetch from librdkafka's queue, waiting for a first record; runs the callbacks."""
        if not self._joined:
            # Not earlier: a member that is not polled would withhold its partitions from the others.
            # Partitions that are lost are revoked too.
            self._joined = True
            self._client.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)
        room = self._limits.max_held - self._partitions.held
        if room > self._limits.max_held // 2:
            self._switch(self._client.resume, self._partitions.resume())
        elif room <= 0:
            self._switch(self._client.pause, self._partitions.pause(self._partitions.started()))
        try:
            if self._hold(self._client.consume(1, seconds)) and room > 1:
                self._hold(self._client.consume(room - 1, 0))
        except KafkaException as error:
            self._record(unwrap(error))
        if self._fatal is not None:
            self._reopen(self._fatal)

    def _hold(self, messages: Sequence[Message]) -> int:
        for message in messages:
            error = message.error()
            if error is None:
                self._partitions.add(to_record(message, self._topic))
            else:
                self._record(error)
        return len(messages)

    def _switch(self, call: Callable[[list[TopicPartition]], None], numbers: Sequence[int]) -> None:
        if numbers:
            call([TopicPartition(self._topic, number) for number in numbers])

    def _probe(self) -> None:
        """Request the topic from the brokers; a reply clears the suspicion."""
        timeout = self._limits.first_probe if self._suspicion == _NO_ANSWER_YET else self._limits.probe
        try:
            list_partitions(self._client, self._topic, timeout.total_seconds())
        except KafkaException as error:
            if unwrap(error).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise UnavailableError("topic", f"there is no {self._topic}; the schema command creates it") from error
            raise self._cluster.unavailable(self._suspicion, error) from error
        self._suspicion = ""

    def _record(self, error: KafkaError) -> None:
        """Record an error that librdkafka reported within consume(), or that consume() returned."""
        if is_fatal(error):
            self._fatal = error
        if error.code() in _DENIED:
            self._denied = error.str()
        self._suspicion = _NO_ANSWER if is_unreached(error) else error.str()
        # librdkafka logs the problems of brokers, poll() raises those of the topic or the group.
        self._log.debug("%s", error, extra={"topic": self._topic, "group": self._group})

    def _reopen(self, error: KafkaError) -> None:
        """Open a new client after a fatal error, which stops a client."""
        fallback = not self._classic and mentions_any(error, _UNSUPPORTED)
        self._classic = self._classic or fallback
        self._client.close()
        self._partitions, refused = OwnedPartitions(), self._partitions.refused
        self._partitions.refused = refused
        self._fatal, self._joined = None, False
        self._client = self._open()
        if not fallback:
            raise UnavailableError("topic", f"the consumer was reopened after a fatal error: {error.str()}")
        self._log.info("the brokers support only the classic group protocol", extra={"group": self._group})

    def _open(self) -> Consumer:
        options = consumer_options(self._group, classic=self._classic)
        return self._cluster.open_consumer(options, self._record, self._committed)

    def _assigned(self, _client: Consumer, partitions: list[TopicPartition]) -> None:
        self._partitions.assign(partition.partition for partition in partitions)

    def _revoked(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        paused = self._partitions.revoke(partition.partition for partition in partitions)
        try:
            # librdkafka would keep the pause until the partition is assigned to this member again.
            self._switch(client.resume, paused)
        except KafkaException as error:  # raised from a callback, it would make consume() drop its records
            self._record(unwrap(error))

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is not None:
            extra = {"group": self._group, "partitions": [partition.partition for partition in partitions]}
            self._log.warning("a commit failed (%s); the next one includes its offsets", error, extra=extra)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the consumer of {self._topic} for {self._group} is closed")
