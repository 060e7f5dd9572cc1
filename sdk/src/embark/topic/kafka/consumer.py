"""A member of a consumer group on Kafka: hands out records by turns, and commits what KFC has finished."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from embark.errors import ClosedError, UnavailableError
from embark.topic.kafka.cluster import KafkaCluster, error_of, is_fatal, partitions_of, record_of
from embark.topic.kafka.faults import is_unreached
from embark.topic.kafka.lag import KafkaOffsets
from embark.topic.kafka.options import consumer_options
from embark.topic.kafka.partitions import OwnedPartitions
from embark.topic.records import Record

# Records on their way out, so that a long partition cannot hide the others, and a short pause asks for nothing twice.
_MAX_HELD: Final = 1_000
# librdkafka's wait for a record cannot be cut short by an outage.
_SLICE_SECONDS: Final = 0.5
# A first connection takes a while; later a caller that has to stop should not wait for brokers that are gone.
_FIRST_PROBE_SECONDS: Final = 5.0
_PROBE_SECONDS: Final = 1.0
_NO_ANSWER_YET: Final = "no broker has answered yet"
_NO_ANSWER: Final = "no broker answers"
# Leaving a group whose brokers are gone would wait for them; they give the partitions away by themselves then.
_CLOSE_SECONDS: Final = 5.0
_UNSUPPORTED: Final = frozenset({KafkaError.UNSUPPORTED_VERSION, KafkaError._UNSUPPORTED_FEATURE})  # noqa: SLF001 - librdkafka's own codes are named so
_DENIED: Final = frozenset({KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED})


class KafkaConsumer:
    """A FillConsumer. Offsets are committed within half a second, when a partition is taken away, and at the end.

    Speaks KIP-848's protocol (`group.protocol=consumer`), and the classic one where the brokers know only that.
    """

    def __init__(self, cluster: KafkaCluster, topic: str, group: str, offsets: KafkaOffsets) -> None:
        self._cluster: Final = cluster
        self._topic: Final = topic
        self._group: Final = group
        self._offsets: Final = offsets
        self._log: Final = logging.getLogger(__name__)
        self._partitions = OwnedPartitions()
        self._paused = False
        self._closed = False
        self._joined = False
        self._classic = False
        self._fatal: KafkaError | None = None
        # Why no broker may be there; known to be over when one answers.
        self._doubt = _NO_ANSWER_YET
        self._denied = ""  # what the brokers do not let this client do, until poll() has said so
        self._client = self._open()

    @property
    def owned(self) -> frozenset[int]:
        """The partitions that this member has."""
        return self._partitions.owned

    @property
    def held(self) -> int:
        """Records that are fetched, and not handed out."""
        return self._partitions.held

    @property
    def refused(self) -> int:
        """Offsets that were not committed, as their partition had been given to another member."""
        return self._partitions.refused

    @property
    def classic(self) -> bool:
        """Whether the brokers know the classic group protocol alone."""
        return self._classic

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return the next records, of each partition in their order; keeps the membership, also while paused."""
        self._check_open()
        deadline = time.monotonic() + timeout.total_seconds()
        while True:
            ready = self._partitions.held > 0 and not self._paused
            left = deadline - time.monotonic()
            self._receive(0.0 if ready else min(_SLICE_SECONDS, max(0.0, left)))
            records = [] if self._paused else self._partitions.take(limit)
            if records:
                self._doubt = ""
                return records
            if self._doubt:
                self._probe()
            if self._denied:
                denied, self._denied = self._denied, ""
                raise UnavailableError("topic", denied)
            if left <= 0:
                return records

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store the offsets for the next commit; those of partitions that another member has by now are refused."""
        self._check_open()
        if not (accepted := self._partitions.accept(offsets)):
            return
        try:
            self._client.store_offsets(offsets=[TopicPartition(self._topic, *item) for item in accepted.items()])
        except KafkaException as error:
            raise self._cluster.unavailable("offsets are not kept", error) from error

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - as the protocol
        """Stop or resume handing out records."""
        self._paused = paused

    def lag(self) -> int:
        """Return how many records of the topic the group has not committed."""
        self._check_open()
        return self._offsets.lag(self._group, self._partitions.kept)

    def close(self) -> None:
        """Commit what is stored and leave the group.

        Raises:
            UnavailableError: no broker took note in time; the group finds out by itself.
        """
        if self._closed:
            return
        self._closed = True
        # Rebalance callbacks run in this thread while the caller waits.
        thread = threading.Thread(target=self._client.close, name=f"{self._group}-close", daemon=True)
        thread.start()
        thread.join(_CLOSE_SECONDS)
        if thread.is_alive():
            raise UnavailableError("topic", f"leaving the group {self._group} took too long")

    def _receive(self, seconds: float) -> None:
        """Move what has come from librdkafka's queue here, waiting for a first record; calls the callbacks."""
        if not self._joined:
            # Not before: a member that is not polled would keep its partitions from the others. Lost ones are revoked.
            self._joined = True
            self._client.subscribe([self._topic], on_assign=self._assigned, on_revoke=self._revoked)
        room = _MAX_HELD - self._partitions.held
        if room > _MAX_HELD // 2:
            self._switch(self._client.resume, self._partitions.go_on())
        elif room <= 0:
            self._switch(self._client.pause, self._partitions.halt(self._partitions.begun()))
        try:
            if self._hold(self._client.consume(1, seconds)) and room > 1:
                self._hold(self._client.consume(room - 1, 0))
        except KafkaException as error:
            self._take_note(error_of(error))
        if self._fatal is not None:
            self._begin_anew(self._fatal)

    def _hold(self, messages: Sequence[Message]) -> int:
        for message in messages:
            error = message.error()
            if error is None:
                self._partitions.add(record_of(message, self._topic))
            else:
                self._take_note(error)
        return len(messages)

    def _switch(self, call: Callable[[list[TopicPartition]], None], numbers: Sequence[int]) -> None:
        if numbers:
            call([TopicPartition(self._topic, number) for number in numbers])

    def _probe(self) -> None:
        """Ask the brokers for the topic; that they answer ends the doubt."""
        seconds = _FIRST_PROBE_SECONDS if self._doubt == _NO_ANSWER_YET else _PROBE_SECONDS
        try:
            partitions_of(self._client, self._topic, seconds)
        except KafkaException as error:
            if error_of(error).code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise UnavailableError("topic", f"there is no {self._topic}; the schema command makes it") from error
            raise self._cluster.unavailable(self._doubt, error) from error
        self._doubt = ""

    def _take_note(self, error: KafkaError) -> None:
        """Called with every error that librdkafka reports within consume(), or that consume() returns."""
        if is_fatal(error):
            self._fatal = error
        if error.code() in _DENIED:
            self._denied = error.str()
        self._doubt = _NO_ANSWER if is_unreached(error) else error.str()
        # librdkafka logs what is wrong with brokers, poll() raises what is wrong with the topic or the group.
        self._log.debug("%s", error, extra={"topic": self._topic, "group": self._group})

    def _begin_anew(self, error: KafkaError) -> None:
        """Open a new client, as one that has met a fatal error does nothing any more."""
        # What was fatal is in the text alone.
        fallback = not self._classic and any(KafkaError(code).str() in error.str() for code in _UNSUPPORTED)
        self._classic = self._classic or fallback
        self._client.close()
        self._partitions, refused = OwnedPartitions(), self._partitions.refused
        self._partitions.refused = refused
        self._fatal, self._joined = None, False
        self._client = self._open()
        if not fallback:
            raise UnavailableError("topic", f"the group begins anew after a fatal error: {error.str()}")
        self._log.info("the brokers know the classic group protocol alone", extra={"group": self._group})

    def _open(self) -> Consumer:
        options = consumer_options(self._group, classic=self._classic)
        return self._cluster.open_consumer(options, self._take_note, self._committed)

    def _assigned(self, _client: Consumer, partitions: list[TopicPartition]) -> None:
        self._partitions.assign(partition.partition for partition in partitions)

    def _revoked(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        halted = self._partitions.revoke(partition.partition for partition in partitions)
        try:
            # librdkafka would keep the pause for the next time that this member is given the partition.
            self._switch(client.resume, halted)
        except KafkaException as error:  # leaving a callback, it would make consume() drop what it has in hand
            self._take_note(error_of(error))

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is not None:
            extra = {"group": self._group, "partitions": [partition.partition for partition in partitions]}
            self._log.warning("a commit failed (%s); later ones repeat it", error, extra=extra)

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(f"the consumer of {self._topic} for {self._group} was closed before")
