"""The client of an encoder: its Protocol, and the Retina of a space over gRPC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol, cast

import grpc

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.rpc.certificates import CertificateFiles
from embark.rpc.channels import open_channel
from embark.rpc.links import ClientTls, Link
from embark.rpc.tracing import TRACEPARENT
from embark.rpc.wire import cause_from_wire
from embark.service_names import RETINA_SERVICE
from embark.settings import TlsSettings
from embark.space import Space
from embark.v1 import retina_pb2, retina_pb2_grpc


@dataclass(frozen=True, slots=True)
class EncodedVector:
    """A vector in the form of the space, and the SHA-256 of the bytes that it was encoded from."""

    vector: bytes
    content_hash: bytes = b""


class EncoderClient(Protocol):
    """Encodes keys; called from several threads at once."""

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        """Return a vector or a cause for each key, in the order of `keys`.

        Raises:
            UnavailableError: there is no result for any key; the same call may succeed later.
        """
        ...


# The codes of a request, or of its reply, that gRPC or Retina cannot handle: the same call would fail again. A bug in
# Retina gives INTERNAL or UNKNOWN, a message that is too large RESOURCE_EXHAUSTED.
_REJECTED: Final = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DATA_LOSS,
    }
)


class RetinaEncoder:
    """Calls Encode of the Retina of `space` at a gRPC target, each call within `timeout`.

    A rejected call is split in halves until each key that fails has a call of its own. Every other gRPC error is an
    outage, since it tells nothing about a key: a Retina of another space (FAILED_PRECONDITION) is being replaced or has
    the wrong address, and the right one answers later.

    Raises:
        CertificateError: a file of `tls.folder` cannot be used.
    """

    def __init__(self, target: str, space: Space, timeout: timedelta, tls: TlsSettings | None = None) -> None:
        self._target = target
        self._space = space.id
        self._nbytes = space.form.nbytes
        self._timeout = timeout.total_seconds()
        name = tls.server_name if tls else ""
        self._link: Link[grpc.Channel, retina_pb2_grpc.RetinaServiceStub] = Link(
            _client_tls(tls) if tls else None,
            lambda credentials: open_channel(target, RETINA_SERVICE, credentials, name),
            retina_pb2_grpc.RetinaServiceStub,
            lambda channel: channel.close(),
        )

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        """Encode keys; see EncoderClient.

        The cause is ENCODER_FAILED for a vector of the wrong length, missing results and a rejected call.
        """
        try:
            return self._call(keys, traceparent)
        except grpc.RpcError as error:
            if _code(error) not in _REJECTED:
                raise UnavailableError("retina", self._message(error)) from error
            if len(keys) == 1:
                return [Cause(CauseKind.ENCODER_FAILED, f"the call was rejected: {self._message(error)}")]
        half = len(keys) // 2
        return [*self.encode(keys[:half], traceparent), *self.encode(keys[half:], traceparent)]

    def close(self) -> None:
        """Close the channel; calls in flight raise UnavailableError."""
        for channel in self._link.close():
            channel.close()

    def _call(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        items = [retina_pb2.EncodeItem(key=key.encode()) for key in keys]
        request = retina_pb2.EncodeRequest(space=self._space, items=items)
        metadata = ((TRACEPARENT, traceparent),) if traceparent else ()
        reply = self._link.stub.Encode(request, timeout=self._timeout, metadata=metadata)
        if reply.space != self._space:
            raise UnavailableError("retina", f"{self._target} serves space {reply.space!r}, not {self._space}")
        if len(reply.results) != len(keys):
            detail = f"{len(reply.results)} results for {len(keys)} items"
            return [Cause(CauseKind.ENCODER_FAILED, detail)] * len(keys)
        return [self._outcome(result) for result in reply.results]

    def _outcome(self, result: retina_pb2.EncodeResult) -> EncodedVector | Cause:
        if result.WhichOneof("outcome") == "cause":
            return cause_from_wire(result.cause)
        if len(result.vector) != self._nbytes:
            detail = f"a vector of {len(result.vector)} bytes, not {self._nbytes}"
            return Cause(CauseKind.ENCODER_FAILED, detail)
        return EncodedVector(result.vector, result.content_hash)

    def _message(self, error: grpc.RpcError) -> str:
        reported = f"{_code(error).name}: {cast('grpc.Call', error).details()}"
        if _code(error) is grpc.StatusCode.FAILED_PRECONDITION:
            return f"{self._target} refuses space {self._space} ({reported})"
        return f"{self._target}: {reported}"


def _client_tls(tls: TlsSettings) -> ClientTls:
    files = CertificateFiles.in_folder(Path(tls.folder))
    # Retina may require a client certificate; otherwise a Secret without one is enough.
    return ClientTls(files if tls.client_certificates else CertificateFiles(files.authority))


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    # The error that a stub raises is also the failed call, which its type does not say.
    return cast("grpc.Call", error).code()
