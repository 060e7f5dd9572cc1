"""The transport of AsyncEmbArkClient: runs call plans and reads streams on an asyncio channel."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar, cast

import grpc
import grpc.aio

from embark.client.call_plans import CallPlan, ServerCall
from embark.client.deadlines import CallDeadline
from embark.client.errors import error_from_status
from embark.errors import ClosedError, EmbArkError
from embark.rpc.channels import open_aio_channel
from embark.rpc.links import ClientTls, Link
from embark.rpc.peers import TENANT
from embark.service_names import EMBARK_SERVICE
from embark.v1 import embark_pb2
from embark.v1.embark_pb2_grpc import EmbArkServiceStub

T = TypeVar("T")


class AioTransport:
    """One channel to `target`; a plan has at most `max_inflight` calls in flight."""

    def __init__(
        self, target: str, max_inflight: int, tenant: str, tls: ClientTls | None, seconds: Callable[[], float]
    ) -> None:
        self._target = target
        self._max_inflight = max_inflight
        self._metadata = ((TENANT, tenant),) if tenant else None
        self._closing: set[asyncio.Task[None]] = set()
        name = tls.server_name if tls else ""
        self._link: Link[grpc.aio.Channel, Any] = Link(
            tls,
            lambda credentials: open_aio_channel(target, EMBARK_SERVICE, credentials, name),
            EmbArkServiceStub,
            self._close_later,
            seconds,
        )
        self._closed = False

    async def run(self, plan: CallPlan[T], deadline: CallDeadline) -> T:
        """Make the calls that the plan yields, and return its result."""
        try:
            calls = next(plan)
            while True:
                calls = plan.send(await self._exchange(calls, deadline))
        except StopIteration as done:
            return cast("T", done.value)

    def lookup_stream(self, requests: AsyncIterator[embark_pb2.LookupStreamRequest]) -> Any:
        """Open a LookupStream."""
        self._check_open()
        return self._link.stub.LookupStream(requests, metadata=self._metadata)

    def export(self, space: str) -> Any:
        """Open an Export."""
        self._check_open()
        return self._link.stub.Export(embark_pb2.ExportRequest(space=space), metadata=self._metadata)

    async def read(self, stream: Any, timeout: float) -> Any:  # noqa: ASYNC109 - the same signature as ThreadTransport.read
        """Return the next message of a stream, or None at its end.

        Raises:
            EmbArkError: the stream failed, or no message arrived within `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                reply = await stream.read()
        except TimeoutError:
            raise self._timed_out(timeout) from None
        except grpc.aio.AioRpcError as error:
            raise self._error(error, timeout) from None
        except asyncio.CancelledError:
            self._check_open()
            raise
        return None if reply is grpc.aio.EOF else reply

    async def close(self) -> None:
        """Close the channel; calls in flight fail; calling it twice is harmless."""
        self._closed = True
        for channel in self._link.close():
            await channel.close()

    def _close_later(self, channel: grpc.aio.Channel) -> None:
        closing = asyncio.ensure_future(channel.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _exchange(self, calls: Sequence[ServerCall], deadline: CallDeadline) -> list[Any]:
        self._check_open()
        gate = asyncio.Semaphore(self._max_inflight)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._call(call, deadline, gate)) for call in calls]
        return [task.result() for task in tasks]

    async def _call(self, call: ServerCall, deadline: CallDeadline, gate: asyncio.Semaphore) -> Any:
        async with gate:
            timeout = call.timeout(deadline)
            if not timeout:
                return self._timed_out(deadline.timeout)
            try:
                method = getattr(self._link.stub, call.method)
                return await method(call.request, timeout=timeout, metadata=self._metadata)
            except grpc.aio.AioRpcError as error:
                return self._error(error, deadline.timeout)
            except (asyncio.CancelledError, grpc.aio.UsageError):
                # When another task closes the channel, gRPC cancels the awaiting task and not only its call.
                if self._closed:
                    return self._closed_error()
                raise

    def _error(self, error: grpc.aio.AioRpcError, timeout: float) -> EmbArkError:
        if self._closed:
            return self._closed_error()
        return error_from_status(self._target, error.code(), error.details() or "", timeout)

    def _timed_out(self, timeout: float) -> EmbArkError:
        return error_from_status(self._target, grpc.StatusCode.DEADLINE_EXCEEDED, "", timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> ClosedError:
        return ClosedError(f"the client of {self._target} is closed")
