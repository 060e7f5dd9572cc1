"""The protocols of a topic; one contract suite tests every adapter."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from embark.topic.records import Losses, Record


class FillProducer(Protocol):
    """Requests fills without ever waiting for the topic."""

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Accept the record for sending and return True, or return False at once if there is no room.

        Thread-safe; never blocks and never raises because the topic is slow, full or down.
        """
        ...

    def pending(self) -> int:
        """Return how many records were accepted and not yet acknowledged."""
        ...

    def losses(self) -> Losses:
        """Return how many records were lost so far, without those that a closed producer does not accept."""
        ...

    def close(self, timeout: timedelta) -> int:
        """Send the accepted records within `timeout`, stop, and return how many were lost."""
        ...


class FillConsumer(Protocol):
    """One member of a consumer group, for one thread only; raises UnavailableError while the topic is down."""

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return up to `limit` next records, waiting up to `timeout` for the first; empty while paused."""
        ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Store, by partition, the offset from which the group continues after a restart: the last finished one + 1."""
        ...

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - mirrors the state it sets
        """Stop or resume returning records, without leaving the group."""
        ...

    def lag(self) -> int:
        """Return how many records of the topic the group has not committed."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class DeadLetters(Protocol):
    """The records that could not be filled."""

    def append(self, key: bytes, value: bytes) -> None:
        """Store a DeadLetter; return once it is acknowledged, raise UnavailableError if that is unknown."""
        ...

    def read(self, limit: int = 100) -> Sequence[Record]:
        """Return the newest `limit` of them, oldest first."""
        ...


class FillTopic(Protocol):
    """The fills of one cache and their dead letters."""

    def producer(self) -> FillProducer:
        """Return a new producer of fills."""
        ...

    def consumer(self, group: str) -> FillConsumer:
        """Return a new member of `group`; a group without commits starts at the oldest record."""
        ...

    def dead_letters(self) -> DeadLetters:
        """Return the dead letters."""
        ...

    def close(self) -> None:
        """Close files and connections."""
        ...
