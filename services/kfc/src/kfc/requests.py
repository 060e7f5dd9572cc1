"""A record of the fills topic, parsed."""

import re
from dataclasses import dataclass
from typing import Final

from embark.causes import CauseError, CauseKind
from embark.clock import Micros
from embark.keys import parse_key
from embark.rpc.tracing import TRACEPARENT
from embark.topic import Fill, Record

# W3C Trace Context, section 3.2; anything else in the header is dropped, since gRPC may refuse it as metadata.
_TRACEPARENT_FORM: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class FillRequest:
    """A valid record: the key to fill, and the oldest write time of a row that answers it."""

    record: Record
    key: str
    not_before: Micros
    traceparent: str | None


def parse_fill_request(record: Record) -> FillRequest:
    """Parse a record of the fills topic.

    Raises:
        CauseError: UNREADABLE, the value is not a FillRequest; INVALID_KEY, its key is not acceptable.
    """
    try:
        fill = Fill.from_bytes(record.value)
    except ValueError as error:
        raise CauseError(CauseKind.UNREADABLE, str(error)) from None
    return FillRequest(record, parse_key(fill.key), fill.not_before, _traceparent(record))


def _traceparent(record: Record) -> str | None:
    text = record.headers.get(TRACEPARENT, b"").decode("ascii", errors="replace")
    return text if _TRACEPARENT_FORM.fullmatch(text) else None
