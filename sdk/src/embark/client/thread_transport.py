"""The calls of EmbArkClient: runs plans and reads streams on a channel for threads."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional, TypeVar, cast

import grpc

from embark.client.plans import SERVICE, Call, Plan
from embark.client.refusals import error_of_status
from embark.client.terms import Terms
from embark.errors import ClosedError, EmbArkError
from embark.rpc.channels import open_channel
from embark.rpc.links import ClientTls, Link
from embark.rpc.peers import TENANT
from embark.v1 import embark_pb2
from embark.v1.embark_pb2_grpc import EmbArkServiceStub

T = TypeVar("T")
_Sent = Optional["grpc.Future[Any]"]
"""None: there was no time left to send it."""


class ThreadTransport:
    """One channel to `target`, on which one plan has at most `max_inflight` calls under way."""

    def __init__(
        self, target: str, max_inflight: int, tenant: str, tls: ClientTls | None, seconds: Callable[[], float]
    ) -> None:
        self._target = target
        self._max_inflight = max_inflight
        self._metadata = ((TENANT, tenant),) if tenant else None
        name = tls.server_name if tls else ""
        self._link: Link[grpc.Channel, EmbArkServiceStub] = Link(
            tls,
            lambda credentials: open_channel(target, SERVICE, credentials, name),
            EmbArkServiceStub,
            lambda channel: channel.close(),
            seconds,
        )
        self._closed = False

    def run(self, plan: Plan[T], terms: Terms) -> T:
        """Make the calls that the plan yields, and return its value."""
        try:
            calls = next(plan)
            while True:
                calls = plan.send(self._exchange(calls, terms))
        except StopIteration as done:
            return cast("T", done.value)

    def lookup_stream(self, requests: Iterator[embark_pb2.LookupStreamRequest]) -> Any:
        """Open a LookupStream."""
        self._check_open()
        return self._link.stub.LookupStream(requests, metadata=self._metadata)

    def export(self, space: str) -> Any:
        """Open an Export."""
        self._check_open()
        return self._link.stub.Export(embark_pb2.ExportRequest(space=space), metadata=self._metadata)

    def read(self, stream: Any, timeout: float) -> Any:
        """Return the next message of a stream, or None at its end.

        Raises:
            EmbArkError: the stream failed, or no message came within `timeout` seconds.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            stream.cancel()

        timer = threading.Timer(timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            return next(stream, None)
        except grpc.RpcError as error:
            raise (self._late(timeout) if late.is_set() else self._error(error, timeout)) from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the channel; calls under way fail, calling twice is harmless."""
        self._closed = True
        for channel in self._link.close():
            channel.close()

    def _exchange(self, calls: Sequence[Call], terms: Terms) -> list[Any]:
        self._check_open()
        if len(calls) == 1:
            return [self._ask(calls[0], terms)]
        replies: list[Any] = []
        flying: deque[_Sent] = deque()
        try:
            for call in calls:
                if len(flying) == self._max_inflight:
                    replies.append(self._receive(flying[0], terms))
                    flying.popleft()
                flying.append(self._send(call, terms))
            while flying:
                replies.append(self._receive(flying[0], terms))
                flying.popleft()
        finally:
            for sent in flying:
                if sent is not None:
                    sent.cancel()
        return replies

    def _ask(self, call: Call, terms: Terms) -> Any:
        """Do as _receive of _send; a call that blocks costs less than a future."""
        timeout = call.timeout(terms)
        if not timeout:
            return self._late(terms.timeout)
        try:
            method = getattr(self._link.stub, call.method)
            return method(call.request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            return self._error(error, terms.timeout)
        except ValueError:  # gRPC's word for a channel that another thread closed
            self._check_open()
            raise

    def _send(self, call: Call, terms: Terms) -> _Sent:
        timeout = call.timeout(terms)
        if not timeout:
            return None
        try:
            method = getattr(self._link.stub, call.method)
            future: grpc.Future[Any] = method.future(call.request, timeout=timeout, metadata=self._metadata)
        except ValueError:  # as above
            self._check_open()
            raise
        return future

    def _receive(self, sent: _Sent, terms: Terms) -> Any:
        if sent is None:
            return self._late(terms.timeout)
        try:
            return sent.result()
        except grpc.RpcError as error:
            return self._error(error, terms.timeout)

    def _error(self, error: grpc.RpcError, timeout: float) -> EmbArkError:
        if self._closed:
            return self._closed_error()
        status = cast("grpc.Call", error)
        return error_of_status(self._target, status.code(), status.details() or "", timeout)

    def _late(self, timeout: float) -> EmbArkError:
        return error_of_status(self._target, grpc.StatusCode.DEADLINE_EXCEEDED, "", timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> ClosedError:
        return ClosedError(f"the client of {self._target} is closed")
