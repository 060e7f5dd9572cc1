"""What a call brings besides its message: the time it has left, its trace, and its end; made by the servicer."""

import threading
from collections.abc import Mapping
from typing import Final, Protocol

import grpc

from embark.rpc.peers import TENANT, identities_of

# W3C Trace Context, section 3.2: version 00 has 55 characters; a longer one is of a later version, or hostile.
_TRACEPARENT: Final = "traceparent"
_MAX_TRACEPARENT: Final = 256


class Call(Protocol):
    """One call as the look-up core sees it."""

    def remaining(self) -> float:
        """Return the seconds that are left until the caller's deadline; very large without one."""
        ...

    def headers(self) -> Mapping[str, bytes]:
        """Return the headers that records of this call carry."""
        ...

    def tenant(self) -> str:
        """Return the tenant that the call says it is of; empty: it says none."""
        ...

    def identities(self) -> tuple[str, ...]:
        """Return the names of the caller's certificate; empty: it has none."""
        ...

    def wake(self) -> threading.Event:
        """Return an event that is set when the call ends before its answer; the same one each time."""
        ...


class GrpcCall:
    """A Call over the context of a gRPC handler; nothing is asked of the context before it is needed."""

    __slots__ = ("_context", "_wake")

    def __init__(self, context: grpc.ServicerContext) -> None:
        self._context = context
        self._wake: threading.Event | None = None

    def remaining(self) -> float:
        """See Call."""
        return float(self._context.time_remaining())

    def headers(self) -> Mapping[str, bytes]:
        """See Call: the caller's traceparent, where it sent one."""
        for name, value in self._context.invocation_metadata() or ():
            if name == _TRACEPARENT and len(value) <= _MAX_TRACEPARENT:
                return {_TRACEPARENT: value.encode() if isinstance(value, str) else bytes(value)}
        return {}

    def tenant(self) -> str:
        """See Call."""
        for name, value in self._context.invocation_metadata() or ():
            if name == TENANT:
                return value if isinstance(value, str) else value.decode(errors="replace")
        return ""

    def identities(self) -> tuple[str, ...]:
        """See Call."""
        return identities_of(self._context.auth_context())

    def wake(self) -> threading.Event:
        """See Call."""
        if self._wake is None:
            self._wake = threading.Event()
            if not self._context.add_callback(self._wake.set):
                self._wake.set()
        return self._wake
