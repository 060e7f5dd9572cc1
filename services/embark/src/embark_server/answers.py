"""The answer to one request while it is made: a status and a row for every key, causes for some."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from embark.causes import Cause
from embark.statuses import KeyStatus
from embark.store import Value
from embark_server.oov import OovEmbedding


class Answer:
    """Starts from what the hot tier has; keys that were asked twice share one outcome. `rows` is in the order asked."""

    def __init__(self, keys: Sequence[bytes], hot: Sequence[Value | None], oov: OovEmbedding) -> None:
        # One OOV row for the whole answer, although the mean may be renewed meanwhile.
        self._oov = oov.row
        self._places: dict[bytes, list[int]] = {}
        self.rows = [self._oov] * len(keys)
        self.causes: dict[int, Cause] = {}
        self.waited = False
        """Whether fills were waited for, whether they came or not."""
        self._statuses = bytearray(len(keys))
        for index, (key, value) in enumerate(zip(keys, hot, strict=True)):
            if isinstance(value, bytes):
                self._statuses[index] = KeyStatus.HIT
                self.rows[index] = value
            elif value is not None:
                self._statuses[index] = KeyStatus.NEGATIVE
                self.causes[index] = value
            else:
                self._places.setdefault(key, []).append(index)

    @property
    def statuses(self) -> bytes:
        """The statuses, one byte a key."""
        return bytes(self._statuses)

    def cold(self) -> list[bytes]:
        """Return the keys that the hot tier did not have, each once, in the order they were first asked."""
        return list(self._places)

    def keys_with(self, statuses: Collection[KeyStatus]) -> list[bytes]:
        """Return the cold keys that have one of the statuses now, each once."""
        return [key for key, places in self._places.items() if self._statuses[places[0]] in statuses]

    def settle(self, keys: Iterable[bytes], status: KeyStatus, cause: Cause | None = None) -> None:
        """Give cold keys a status without an embedding."""
        for key in keys:
            for index in self._places[key]:
                self._statuses[index] = status
                if cause is not None:
                    self.causes[index] = cause

    def settle_rows(self, rows: Mapping[bytes, Value]) -> None:
        """Give cold keys what the store has: HIT with the row, or NEGATIVE with the cause."""
        for key, value in rows.items():
            if isinstance(value, bytes):
                for index in self._places[key]:
                    self._statuses[index] = KeyStatus.HIT
                    self.rows[index] = value
            else:
                self.settle([key], KeyStatus.NEGATIVE, value)
