"""The real encoder over real gRPC, against a Retina that a test commands."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import grpc
import pytest
from kfc_bench import Bench
from kfc_parts import NOT_FOUND, kfc_settings, vector_of

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.rpc.wire import cause_to_wire
from embark.v1 import retina_pb2, retina_pb2_grpc
from kfc.encoder import Encoded, RetinaEncoder

SPACE = kfc_settings().space
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class FakeRetina(retina_pb2_grpc.RetinaServiceServicer):
    """Serves `space`; answers with vectors, a cause for `gone`, a short vector for `short`, nothing for `empty`."""

    def __init__(self, space: str) -> None:
        self.space = space
        self.reply_space = space
        self.drop = 0
        self.metadata: list[dict[str, str]] = []

    def Encode(  # noqa: N802 - gRPC's name
        self, request: retina_pb2.EncodeRequest, context: grpc.ServicerContext
    ) -> retina_pb2.EncodeResponse:
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
        if request.space != self.space:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"this is the Retina of {self.space}")
        results = [self._result(item.key.decode()) for item in request.items]
        return retina_pb2.EncodeResponse(space=self.reply_space, results=results[self.drop :])

    def _result(self, key: str) -> retina_pb2.EncodeResult:
        if key == "gone":
            return retina_pb2.EncodeResult(cause=cause_to_wire(NOT_FOUND))
        if key == "empty":
            return retina_pb2.EncodeResult()
        vector = vector_of(key)
        return retina_pb2.EncodeResult(vector=vector[:-1] if key == "short" else vector, content_hash=b"hash")


class Server:
    """A FakeRetina on a free port, or on the port of one that is gone."""

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


@pytest.fixture
def retina() -> FakeRetina:
    return FakeRetina(SPACE.id)


@pytest.fixture
def server(retina: FakeRetina) -> Iterator[Server]:
    server = Server(retina)
    yield server
    server.stop()


@pytest.fixture
def encoder(server: Server) -> Iterator[RetinaEncoder]:
    encoder = RetinaEncoder(server.target, SPACE, timedelta(seconds=10))
    yield encoder
    encoder.close()


def test_every_key_gets_its_vector_or_its_cause_in_order(encoder: RetinaEncoder) -> None:
    found = encoder.encode(["ä", "gone", "b"], None)
    assert found == [Encoded(vector_of("ä"), b"hash"), NOT_FOUND, Encoded(vector_of("b"), b"hash")]


@pytest.mark.parametrize("key", ["short", "empty"])
def test_a_vector_of_the_wrong_length_is_a_failure_of_its_item_alone(encoder: RetinaEncoder, key: str) -> None:
    bad, good = encoder.encode([key, "good"], None)
    assert isinstance(bad, Cause)
    assert bad.kind is CauseKind.ENCODER_FAILED
    assert "not 8" in bad.detail
    assert isinstance(good, Encoded)


def test_a_reply_that_leaves_items_out_is_used_for_none(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.drop = 1
    found = encoder.encode(["a", "b"], None)
    assert found == [Cause(CauseKind.ENCODER_FAILED, "1 results for 2 items")] * 2


def test_the_trace_goes_along_as_metadata(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    encoder.encode(["a"], TRACE)
    encoder.encode(["a"], None)
    assert [metadata.get("traceparent") for metadata in retina.metadata] == [TRACE, None]


def test_a_retina_of_another_space_is_an_outage_that_says_so(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.space = "another"
    with pytest.raises(UnavailableError, match=f"refuses space {SPACE.id}.*this is the Retina of another"):
        encoder.encode(["a"], None)


def test_vectors_of_another_space_are_never_taken(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.reply_space = "another"
    with pytest.raises(UnavailableError, match="serves space 'another'"):
        encoder.encode(["a"], None)


def test_a_retina_that_is_gone_is_an_outage(encoder: RetinaEncoder, server: Server) -> None:
    server.stop()
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        encoder.encode(["a"], None)


def test_keys_asked_while_retina_is_down_are_filled_once_it_is_back(
    bench: Bench, server: Server, encoder: RetinaEncoder, retina: FakeRetina
) -> None:
    server.stop()
    kfc = bench.start(encoder)
    keys = [f"key {i}" for i in range(40)]
    bench.ask([*keys, "gone"], traceparent=TRACE)
    bench.until(lambda: bench.metric("retries_total", reason="retina") > 5, "many failures")
    revived = Server(retina, server.port)
    try:
        bench.until_done()
    finally:
        kfc.stop()
        revived.stop()
    assert [bench.embedding(key) is not None for key in keys] == [True] * 40
    assert bench.negative("gone")
    assert bench.letters() == []
    assert {metadata["traceparent"] for metadata in retina.metadata} == {TRACE}
