"""What EmbArk and KFC ask of a topic; adapters stand beside this file, one contract suite tests them all."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from embark.topic.records import Losses, Record


class FillProducer(Protocol):
    """Asks for fills without ever waiting for the topic."""

    def produce(self, key: bytes, value: bytes, headers: Mapping[str, bytes]) -> bool:
        """Take the record for sending and return True, or return False at once when no more can be taken.

        Thread-safe; never blocks and never raises for a topic that is slow, full or gone.
        """
        ...

    def pending(self) -> int:
        """Return how many records are taken and not yet acknowledged."""
        ...

    def losses(self) -> Losses:
        """Return how many records were lost until now; what a closed producer does not take is none of them."""
        ...

    def close(self, timeout: timedelta) -> int:
        """Send what is taken within `timeout`, stop, and return how many records are lost."""
        ...


class FillConsumer(Protocol):
    """One member of a consumer group; used from one thread alone. Raises UnavailableError when the topic is gone."""

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        """Return up to `limit` next records, waiting up to `timeout` for the first; empty while paused."""
        ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Keep, by partition, the offset that the group goes on from after a restart (the last finished one + 1)."""
        ...

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - mirrors the state it sets
        """Stop or resume handing out records, without leaving the group."""
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
        """Keep a DeadLetter; returns when it is acknowledged, raises UnavailableError when it may not be."""
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
        """Return a new member of `group`; a group without commits begins at the oldest record."""
        ...

    def dead_letters(self) -> DeadLetters:
        """Return the dead letters."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
