"""A scripted Retina over real gRPC."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc

from embark.rpc.wire import cause_to_wire
from embark.v1 import retina_pb2, retina_pb2_grpc
from embark_testing.kfc.parts import NOT_FOUND, fake_vector


class FakeRetina(retina_pb2_grpc.RetinaServiceServicer):
    """The Retina of `space`: vectors, the cause of a key in `causes`, a short vector for `short`, none for `empty`.

    A key in `poison` fails its whole call. `delay` is called within each call, `times` counts the keys of successful
    calls.
    """

    def __init__(self, space: str, vector: Callable[[str], bytes] = fake_vector) -> None:
        self.space = space
        self.reply_space = space
        self.drop = 0
        self.metadata: list[dict[str, str]] = []
        self.causes = {"missing": NOT_FOUND}
        self.poison: dict[str, grpc.StatusCode] = {}
        self.delay: Callable[[], object] = lambda: None
        self.calls: list[tuple[str, ...]] = []
        self.times: Counter[str] = Counter()
        self._vector = vector
        self._lock = threading.Lock()

    def Encode(  # noqa: N802 - gRPC's name
        self, request: retina_pb2.EncodeRequest, context: grpc.ServicerContext
    ) -> retina_pb2.EncodeResponse:
        keys = tuple(item.key.decode() for item in request.items)
        with self._lock:
            self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
            self.calls.append(keys)
        if request.space != self.space:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"this is the Retina of {self.space}")
        for key in keys:
            if key in self.poison:
                context.abort(self.poison[key], "poisoned by the test")
        self.delay()
        with self._lock:
            self.times.update(keys)
        results = [self._result(key) for key in keys]
        return retina_pb2.EncodeResponse(space=self.reply_space, results=results[self.drop :])

    def _result(self, key: str) -> retina_pb2.EncodeResult:
        if key in self.causes:
            return retina_pb2.EncodeResult(cause=cause_to_wire(self.causes[key]))
        if key == "empty":
            return retina_pb2.EncodeResult()
        vector = self._vector(key)
        return retina_pb2.EncodeResult(vector=vector[:-1] if key == "short" else vector, content_hash=b"hash")


class RetinaServer:
    """A FakeRetina on a free port, or on the port of a stopped one."""

    def __init__(self, retina: FakeRetina, port: int = 0) -> None:
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0)])
        retina_pb2_grpc.add_RetinaServiceServicer_to_server(retina, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(0).wait()


@contextmanager
def serving(retina: FakeRetina) -> Iterator[RetinaServer]:
    """Serve until the block ends."""
    server = RetinaServer(retina)
    try:
        yield server
    finally:
        server.stop()
