import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from embark.causes import CauseError, CauseKind
from embark.keys import MAX_KEY_BYTES
from embark.topic import Fill, Record
from embark.v1 import fills_pb2
from kfc.requests import parse_fill_request

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def record(value: bytes, **headers: bytes) -> Record:
    return Record("fills", 1, 2, b"k", value, headers)


def test_a_record_requests_the_key_of_its_value() -> None:
    request = parse_fill_request(record(Fill(b"https://example.org/a.jpg", 5, 7).to_bytes(), traceparent=TRACE))
    assert (request.key, request.not_before, request.traceparent) == ("https://example.org/a.jpg", 7, TRACE.decode())


def from_the_year_146_billion() -> bytes:
    return fills_pb2.FillRequest(key=b"a", not_before=Timestamp(seconds=2**62)).SerializeToString()


@pytest.mark.parametrize("value", [b"", b"\xff\xff", b"{}", Fill(b"", 1).to_bytes(), from_the_year_146_billion()])
def test_bytes_that_are_not_a_fill_request_are_unreadable(value: bytes) -> None:
    with pytest.raises(CauseError) as caught:
        parse_fill_request(record(value))
    assert caught.value.cause.kind is CauseKind.UNREADABLE


@pytest.mark.parametrize("key", [b"\xff", b"a\0b", b"x" * (MAX_KEY_BYTES + 1)])
def test_a_forbidden_key_is_invalid(key: bytes) -> None:
    with pytest.raises(CauseError) as caught:
        parse_fill_request(record(Fill(key, 1).to_bytes()))
    assert caught.value.cause.kind is CauseKind.INVALID_KEY


@pytest.mark.parametrize("trace", [b"", b"\xff", b"00-xyz", TRACE + b"\n", TRACE.upper()])
def test_a_malformed_trace_never_reaches_a_call(trace: bytes) -> None:
    assert parse_fill_request(record(Fill(b"a", 1).to_bytes(), traceparent=trace)).traceparent is None
