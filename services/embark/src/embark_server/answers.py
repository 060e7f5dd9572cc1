"""The answer to one request: a status and a row for every key, causes for some, and its form on the wire."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from embark.causes import Cause
from embark.rpc.wire import cause_to_wire, dtype_to_wire
from embark.space import VectorForm
from embark.statuses import KeyStatus
from embark.store import Value
from embark.v1 import embark_pb2, types_pb2
from embark_server.oov import OovEmbedding

_LENGTH_DELIMITED: Final = 2
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_HIT: Final = bytes([KeyStatus.HIT])


class Answer:
    """The outcome of each key of a request, in the order of the request; equal keys share one outcome.

    It starts with the values of the hot tier. The other keys are cold until they are settled.
    """

    def __init__(self, keys: Sequence[bytes], hot: Sequence[Value | None], oov: OovEmbedding) -> None:
        # One OOV row for the whole answer, even if the mean is renewed while it is built.
        self._oov = oov.row
        self._indexes: dict[bytes, list[int]] = {}
        self.rows = [self._oov] * len(keys)
        self.causes: dict[int, Cause] = {}
        self.waited = False
        """Whether the call waited for fills, successfully or not."""
        self._statuses = bytearray(len(keys))
        for index, (key, value) in enumerate(zip(keys, hot, strict=True)):
            if isinstance(value, bytes):
                self._statuses[index] = KeyStatus.HIT
                self.rows[index] = value
            elif value is not None:
                self._statuses[index] = KeyStatus.NEGATIVE
                self.causes[index] = value
            else:
                self._indexes.setdefault(key, []).append(index)

    @property
    def statuses(self) -> bytes:
        """The statuses, one byte per key."""
        return bytes(self._statuses)

    def cold_keys(self) -> list[bytes]:
        """Return the keys that were not in the hot tier, each once, in the order of the request."""
        return list(self._indexes)

    def keys_with(self, statuses: Collection[KeyStatus]) -> list[bytes]:
        """Return the cold keys that currently have one of `statuses`, each once."""
        return [key for key, indexes in self._indexes.items() if self._statuses[indexes[0]] in statuses]

    def settle(self, keys: Iterable[bytes], status: KeyStatus, cause: Cause | None = None) -> None:
        """Give cold keys a status without an embedding."""
        for key in keys:
            for index in self._indexes[key]:
                self._statuses[index] = status
                if cause is not None:
                    self.causes[index] = cause

    def settle_rows(self, rows: Mapping[bytes, Value]) -> None:
        """Give cold keys the value from the store: HIT with the row, or NEGATIVE with the cause."""
        for key, value in rows.items():
            if isinstance(value, bytes):
                for index in self._indexes[key]:
                    self._statuses[index] = KeyStatus.HIT
                    self.rows[index] = value
            else:
                self.settle([key], KeyStatus.NEGATIVE, value)


class ReplyEncoder:
    """Encodes the lookup replies of one space, with rows of `form.nbytes` bytes each, in one join of bytes.

    Protobuf messages concatenate: the bytes of one message followed by those of another of its type read as both merged
    (https://protobuf.dev/programming-guides/encoding/#last-one-wins). So a reply is a header of the space, encoded
    once, the statuses, the causes, and the rows straight from the hot tier; no message object is built.
    """

    def __init__(self, space: str, form: VectorForm) -> None:
        self._nbytes = form.nbytes
        self._header = embark_pb2.LookupResponse(
            space=space, dimension=form.dimension, dtype=dtype_to_wire(form.dtype)
        ).SerializeToString()
        self._statuses_tag = _tag("statuses")
        self._vectors_tag = _tag("vectors")

    def encode_hits(self, rows: Sequence[bytes]) -> bytes:
        """Return a LookupResponse in which every row is a HIT."""
        return b"".join(self._parts(_HIT * len(rows), {}, rows))

    def encode(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> bytes:
        """Return a LookupResponse with a status (one byte) and a row for every key, and causes by index."""
        return b"".join(self._parts(statuses, causes, rows))

    def encode_streamed(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> bytes:
        """Return a LookupStreamResponse around the same reply."""
        parts = self._parts(statuses, causes, rows)
        return b"".join([_STREAMED_TAG, _varint(sum(map(len, parts))), *parts])

    def _parts(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> list[bytes]:
        return [
            self._header,
            self._statuses_tag,
            _varint(len(statuses)),
            statuses,
            _encode_causes(causes) if causes else b"",
            self._vectors_tag,
            _varint(len(rows) * self._nbytes),
            *rows,
        ]


def statuses_to_wire(statuses: bytes) -> list[types_pb2.KeyStatus.ValueType]:
    """Return statuses, one byte per key, as values of the message's enum."""
    return [types_pb2.KeyStatus.ValueType(status) for status in statuses]


def causes_to_wire(causes: Mapping[int, Cause]) -> dict[int, types_pb2.Cause]:
    """Return causes as messages, by index."""
    return {index: cause_to_wire(cause) for index, cause in causes.items()}


def _encode_causes(causes: Mapping[int, Cause]) -> bytes:
    return embark_pb2.LookupResponse(causes=causes_to_wire(causes)).SerializeToString()


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > _SEVEN_BITS:
        encoded.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _tag(field: str) -> bytes:
    return _varint(embark_pb2.LookupResponse.DESCRIPTOR.fields_by_name[field].number << 3 | _LENGTH_DELIMITED)


_STREAMED_TAG: Final = _varint(
    embark_pb2.LookupStreamResponse.DESCRIPTOR.fields_by_name["lookup"].number << 3 | _LENGTH_DELIMITED
)
