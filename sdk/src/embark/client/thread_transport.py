"""The transport of EmbArkClient: runs call plans and reads streams on a blocking channel."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional, TypeVar, cast

import grpc

from embark.client.call_plans import CallPlan, ServerCall
from embark.client.deadlines import CallDeadline
from embark.client.errors import error_from_status
from embark.errors import ClosedError, EmbArkError
from embark.rpc.channels import open_channel
from embark.rpc.links import ClientTls, Link
from embark.rpc.peers import TENANT
from embark.service_names import EMBARK_SERVICE
from embark.v1 import embark_pb2
from embark.v1.embark_pb2_grpc import EmbArkServiceStub

T = TypeVar("T")
_Sent = Optional["grpc.Future[Any]"]
"""A call in flight; None: there was no time left to send it."""


class ThreadTransport:
    """One channel to `target`; a plan has at most `max_inflight` calls in flight."""

    def __init__(
        self, target: str, max_inflight: int, tenant: str, tls: ClientTls | None, seconds: Callable[[], float]
    ) -> None:
        self._target = target
        self._max_inflight = max_inflight
        self._metadata = ((TENANT, tenant),) if tenant else None
        name = tls.server_name if tls else ""
        self._link: Link[grpc.Channel, EmbArkServiceStub] = Link(
            tls,
            lambda credentials: open_channel(target, EMBARK_SERVICE, credentials, name),
            EmbArkServiceStub,
            lambda channel: channel.close(),
            seconds,
        )
        self._closed = False

    def run(self, plan: CallPlan[T], deadline: CallDeadline) -> T:
        """Make the calls that the plan yields, and return its result."""
        try:
            calls = next(plan)
            while True:
                calls = plan.send(self._exchange(calls, deadline))
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
            EmbArkError: the stream failed, or no message arrived within `timeout` seconds.
        """
        timed_out = threading.Event()

        def give_up() -> None:
            timed_out.set()
            stream.cancel()

        timer = threading.Timer(timeout, give_up)
        timer.daemon = True
        timer.start()
        try:
            return next(stream, None)
        except grpc.RpcError as error:
            raise (self._timed_out(timeout) if timed_out.is_set() else self._error(error, timeout)) from None
        finally:
            timer.cancel()

    def close(self) -> None:
        """Close the channel; calls in flight fail; calling it twice is harmless."""
        self._closed = True
        for channel in self._link.close():
            channel.close()

    def _exchange(self, calls: Sequence[ServerCall], deadline: CallDeadline) -> list[Any]:
        self._check_open()
        if len(calls) == 1:
            return [self._call(calls[0], deadline)]
        replies: list[Any] = []
        in_flight: deque[_Sent] = deque()
        try:
            for call in calls:
                if len(in_flight) == self._max_inflight:
                    replies.append(self._receive(in_flight[0], deadline))
                    in_flight.popleft()
                in_flight.append(self._send(call, deadline))
            while in_flight:
                replies.append(self._receive(in_flight[0], deadline))
                in_flight.popleft()
        finally:
            for sent in in_flight:
                if sent is not None:
                    sent.cancel()
        return replies

    def _call(self, call: ServerCall, deadline: CallDeadline) -> Any:
        """Send one call and return its reply; this costs less than _send and _receive with a future."""
        timeout = call.timeout(deadline)
        if not timeout:
            return self._timed_out(deadline.timeout)
        try:
            method = getattr(self._link.stub, call.method)
            return method(call.request, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            return self._error(error, deadline.timeout)
        except ValueError:  # raised by gRPC if another thread has closed the channel
            self._check_open()
            raise

    def _send(self, call: ServerCall, deadline: CallDeadline) -> _Sent:
        timeout = call.timeout(deadline)
        if not timeout:
            return None
        try:
            method = getattr(self._link.stub, call.method)
            future: grpc.Future[Any] = method.future(call.request, timeout=timeout, metadata=self._metadata)
        except ValueError:  # see _call
            self._check_open()
            raise
        return future

    def _receive(self, sent: _Sent, deadline: CallDeadline) -> Any:
        if sent is None:
            return self._timed_out(deadline.timeout)
        try:
            return sent.result()
        except grpc.RpcError as error:
            return self._error(error, deadline.timeout)

    def _error(self, error: grpc.RpcError, timeout: float) -> EmbArkError:
        if self._closed:
            return self._closed_error()
        status = cast("grpc.Call", error)
        return error_from_status(self._target, status.code(), status.details() or "", timeout)

    def _timed_out(self, timeout: float) -> EmbArkError:
        return error_from_status(self._target, grpc.StatusCode.DEADLINE_EXCEEDED, "", timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> ClosedError:
        return ClosedError(f"the client of {self._target} is closed")
