"""The bytes of look-up replies, made with one join: the servicer sends them as they are.

Protobuf messages concatenate: the bytes of one message followed by those of another of its type read as both merged
(https://protobuf.dev/programming-guides/encoding/#last-one-wins). So a reply is a header of the space, made once, the
statuses, the causes and, last, the rows straight from the hot tier; no message object is built.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from embark.causes import Cause
from embark.rpc.wire import cause_to_wire, dtype_to_wire
from embark.space import VectorForm
from embark.statuses import KeyStatus
from embark.v1 import embark_pb2

_LENGTH_DELIMITED: Final = 2
_SEVEN_BITS: Final = 0x7F
_MORE: Final = 0x80
_HIT: Final = bytes([KeyStatus.HIT])


class ReplyForm:
    """Makes the LookupResponse bytes of one space, each row of `form.nbytes` bytes."""

    def __init__(self, space: str, form: VectorForm) -> None:
        self._nbytes = form.nbytes
        self._header = embark_pb2.LookupResponse(
            space=space, dimension=form.dimension, dtype=dtype_to_wire(form.dtype)
        ).SerializeToString()
        self._statuses_tag = _tag("statuses")
        self._vectors_tag = _tag("vectors")

    def encode_hits(self, rows: Sequence[bytes]) -> bytes:
        """Return the reply whose every row is a HIT."""
        return b"".join(self._parts(_HIT * len(rows), {}, rows))

    def encode(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> bytes:
        """Return the reply with a status (one byte) and a row for every key, and causes by index."""
        return b"".join(self._parts(statuses, causes, rows))

    def encode_streamed(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> bytes:
        """Return the LookupStreamResponse around the reply that encode gives."""
        parts = self._parts(statuses, causes, rows)
        return b"".join([_STREAMED_TAG, _varint(sum(map(len, parts))), *parts])

    def _parts(self, statuses: bytes, causes: Mapping[int, Cause], rows: Sequence[bytes]) -> list[bytes]:
        return [
            self._header,
            self._statuses_tag,
            _varint(len(statuses)),
            statuses,
            encode_causes(causes) if causes else b"",
            self._vectors_tag,
            _varint(len(rows) * self._nbytes),
            *rows,
        ]


def encode_causes(causes: Mapping[int, Cause]) -> bytes:
    """Return the bytes of a LookupResponse that holds the causes alone."""
    wire = {index: cause_to_wire(cause) for index, cause in causes.items()}
    return embark_pb2.LookupResponse(causes=wire).SerializeToString()


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
