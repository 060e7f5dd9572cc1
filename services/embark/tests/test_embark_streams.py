"""LookupStream, Export and DescribeSpace."""

from collections.abc import Iterator
from queue import SimpleQueue

import grpc
import pytest

from embark.causes import Cause, CauseKind
from embark.statuses import KeyStatus
from embark.store import Negative
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark_server.exports import CHUNK_BYTES
from embark_server.limits import DEFAULT_LIMITS
from embark_testing.embark.harness import (
    DIMENSION,
    NBYTES,
    ZEROS,
    embark_settings,
    read_rows,
    read_statuses,
    running,
    vector,
)
from embark_testing.eventually import eventually


def streamed(*batches: list[bytes]) -> Iterator[pb.LookupStreamRequest]:
    return iter([pb.LookupStreamRequest(lookup=pb.LookupRequest(keys=keys)) for keys in batches])


def test_a_stream_answers_every_request_in_order() -> None:
    with running() as harness:
        harness.write({str(n): vector(n) for n in range(100)})
        batches = [[b"%d" % n, b"x", b"\xff"] for n in range(100)]
        answers = [response.lookup for response in harness.stub.LookupStream(streamed(*batches), timeout=30)]
        assert [read_rows(answer) for answer in answers] == [[vector(n), ZEROS, ZEROS] for n in range(100)]
        assert read_statuses(answers[0]) == [KeyStatus.HIT, KeyStatus.OOV_ENQUEUED, KeyStatus.INVALID]
        assert answers[0].causes[2].kind == types_pb2.CAUSE_KIND_INVALID_KEY
        assert harness.counted("embark_keys_total", method="LookupStream", space="active", status="HIT") == 100


def test_an_oversized_request_ends_the_stream_after_the_answers_before_it() -> None:
    with running() as harness:
        answers = harness.stub.LookupStream(streamed([b"a"], [b"k"] * 1025, [b"b"]), timeout=30)
        assert read_statuses(next(answers).lookup) == [KeyStatus.OOV_ENQUEUED]
        with pytest.raises(grpc.RpcError) as ended:
            next(answers)
        assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_open_streams_take_no_lookup_threads_and_streams_beyond_the_limit_are_refused_immediately() -> None:
    with running() as harness:
        ends = [SimpleQueue[pb.LookupStreamRequest | None]() for _ in range(DEFAULT_LIMITS.streams)]
        streams = [harness.stub.LookupStream(iter(end.get, None), timeout=60) for end in ends]
        for end, stream in zip(ends, streams, strict=True):
            end.put(next(streamed([b"a"])))
            assert next(stream).lookup.space == harness.space
        assert harness.lookup("a").space == harness.space
        with pytest.raises(grpc.RpcError) as refused:
            list(harness.stub.LookupStream(streamed([b"a"]), timeout=60))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for end, stream in zip(ends, streams, strict=True):
            end.put(None)
            assert list(stream) == []
        assert list(harness.stub.LookupStream(streamed([b"a"]), timeout=60))


def test_an_export_contains_every_embedding_and_nothing_else() -> None:
    with running() as harness:
        rows = {f"key é {n}": vector(n) for n in range(3000)}
        harness.write(rows)
        harness.write({"bad": b"short"})
        harness.store.write(
            harness.space, [Negative("missing", Cause(CauseKind.NOT_FOUND, ""), 1, harness.clock() + 10**9)]
        )
        exported: dict[str, bytes] = {}
        for response in harness.stub.Export(pb.ExportRequest(), timeout=30):
            assert (response.space, response.dimension, response.dtype) == (harness.space, DIMENSION, 1)
            starts = range(0, len(response.vectors), NBYTES)
            parts = [response.vectors[start : start + NBYTES] for start in starts]
            exported.update(zip((key.decode() for key in response.keys), parts, strict=True))
        assert exported == rows


def test_an_export_is_split_into_messages_below_the_limit() -> None:
    with running(embark_settings(output={"dimension": 65536})) as harness:
        harness.write({str(n): bytes(4 * 65536) for n in range(10)})
        responses = list(harness.stub.Export(pb.ExportRequest(), timeout=30))
        assert sum(len(response.keys) for response in responses) == 10
        assert all(response.ByteSize() < CHUNK_BYTES for response in responses)


def test_an_export_ends_when_its_caller_cancels() -> None:
    with running(embark_settings(output={"dimension": 65536})) as harness:
        harness.write({str(n): bytes(4 * 65536) for n in range(40)})
        pages = 0
        scan = harness.store.scan

        def counting(space: str, page: int = 1000) -> Iterator[object]:
            nonlocal pages
            for rows in scan(space, page):
                pages += 1
                yield rows

        harness.store.scan = counting  # type: ignore[method-assign,assignment]
        export = harness.stub.Export(pb.ExportRequest(), timeout=30)
        next(export)
        export.cancel()
        # The handler has ended and released its stream.
        assert eventually(lambda: list(harness.stub.LookupStream(streamed([b"a"]), timeout=30)))
        assert pages < 40


def test_a_space_is_described() -> None:
    with running(embark_settings(previous=True)) as harness:
        assert harness.settings.previous is not None
        harness.write({"a": vector(1)})
        described = harness.stub.DescribeSpace(pb.DescribeSpaceRequest(), timeout=30)
        active = harness.settings.active
        assert described == pb.DescribeSpaceResponse(
            space=harness.space,
            dimension=DIMENSION,
            dtype=types_pb2.D_TYPE_FLOAT32,
            modality="image",
            preprocessing="imagenet-224",
            normalization="none",
            model_digest=active.model_digest,
            output_tensor="embedding",
            oov_vector=ZEROS,
            entries=1,
            max_keys_per_request=1024,
        )
        pinned = pb.DescribeSpaceRequest(space=harness.settings.previous.id)
        assert harness.stub.DescribeSpace(pinned, timeout=30).entries == 0


def test_an_unknown_space_is_neither_described_nor_exported() -> None:
    with running() as harness:
        with pytest.raises(grpc.RpcError) as described:
            harness.stub.DescribeSpace(pb.DescribeSpaceRequest(space="feedfeedfeed"), timeout=30)
        with pytest.raises(grpc.RpcError) as exported:
            list(harness.stub.Export(pb.ExportRequest(space="feedfeedfeed"), timeout=30))
        assert {described.value.code(), exported.value.code()} == {grpc.StatusCode.NOT_FOUND}
