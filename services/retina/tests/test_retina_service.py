"""Encode over gRPC, with a small model."""

import asyncio
import hashlib
import logging
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from embark.settings import RetinaSettings
from embark.spec import Modality
from embark.v1 import retina_pb2, types_pb2
from embark_testing.eventually import eventually_async
from embark_testing.retina.images import jpeg
from embark_testing.retina.models import (
    install,
    log_model,
    loopback_fetch,
    mean_model,
    settings,
    token_model,
    words_tokenizer,
)
from embark_testing.retina.origin import open_origin
from embark_testing.retina.service import SECONDS, by_content, by_key, by_tensor, open_retina

pytestmark = pytest.mark.asyncio


def image_settings(folder: Path, model: bytes | None = None, **fields: Any) -> RetinaSettings:
    return settings(install(folder, model or mean_model()), **fields)


def tensor(seed: int = 0) -> bytes:
    return np.random.default_rng(seed).standard_normal((3, 224, 224)).astype("<f4").tobytes()


async def test_results_are_in_the_order_of_the_items_of_every_kind(tmp_path: Path) -> None:
    async with open_origin() as origin, open_retina(image_settings(tmp_path), tmp_path) as client:
        origin.files["/a"] = jpeg(1)
        items = [by_tensor(tensor()), by_key(origin.url("/a")), by_content(jpeg(2)), by_key(origin.url("/none"))]
        together = await client.encode(*items)
        singly = [(await client.encode(item))[0] for item in items]
    assert together == singly
    mean = np.frombuffer(tensor(), "<f4").reshape(3, -1).mean(axis=1)
    np.testing.assert_allclose(np.frombuffer(together[0].vector, "<f4"), mean, atol=1e-6)
    assert [result.content_hash for result in together] == [
        b"",
        hashlib.sha256(jpeg(1)).digest(),
        hashlib.sha256(jpeg(2)).digest(),
        b"",
    ]
    assert together[3].cause.kind == types_pb2.CAUSE_KIND_NOT_FOUND


async def test_the_reply_has_the_dimension_and_dtype_of_its_vectors(tmp_path: Path) -> None:
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        reply = await client.stub.Encode(client.request([by_tensor(tensor())]), timeout=SECONDS)
    assert (reply.dimension, reply.dtype) == (3, types_pb2.D_TYPE_FLOAT32)
    assert len(reply.results[0].vector) == 12


async def test_a_vector_has_the_same_bits_singly_in_a_batch_and_after_a_restart(tmp_path: Path) -> None:
    loaded = image_settings(tmp_path)
    contents = [by_content(jpeg(seed)) for seed in range(16)]
    async with open_retina(loaded, tmp_path) as client:
        singly = [(await client.encode(item))[0] for item in contents]
        together = await client.encode(*contents)
    async with open_retina(loaded, tmp_path, cores=1) as client:
        restarted = await client.encode(*contents)
    assert together == singly
    assert restarted == singly
    assert len({result.vector for result in singly}) == 16


async def test_a_request_for_another_space_is_refused_with_both_ids(tmp_path: Path) -> None:
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        request = retina_pb2.EncodeRequest(space="0123456789ab", items=[by_tensor(tensor())])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Encode(request, timeout=SECONDS)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "0123456789ab" in (caught.value.details() or "")
    assert client.settings.space.id in (caught.value.details() or "")


async def test_too_many_items_are_refused_with_the_limit(tmp_path: Path) -> None:
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        with pytest.raises(grpc.aio.AioRpcError, match="1025 items; at most 1024") as caught:
            await client.encode(*[by_key("")] * 1025)
        assert len(await client.encode(*[by_key("")] * 1024)) == 1024
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_request_that_exceeds_max_request_bytes_is_refused(tmp_path: Path) -> None:
    loaded = image_settings(tmp_path).model_copy(update={"max_request_bytes": 100_000})
    async with open_retina(loaded, tmp_path) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.encode(by_tensor(tensor()))
        assert (await client.encode(by_content(jpeg())))[0].vector
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_request_without_items_has_no_results(tmp_path: Path) -> None:
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        assert await client.encode() == []


async def test_a_repeated_key_is_fetched_once(tmp_path: Path) -> None:
    async with open_origin() as origin, open_retina(image_settings(tmp_path), tmp_path) as client:
        origin.files["/a"] = jpeg()
        results = await client.encode(*[by_key(origin.url("/a"))] * 3)
    assert origin.requested["/a"] == 1
    assert results[0].vector
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (by_key(b""), types_pb2.CAUSE_KIND_INVALID_KEY),
        (by_key(b"\xff\xfe"), types_pb2.CAUSE_KIND_INVALID_KEY),
        (by_key(b"http://example.com/" + b"a" * 1_000_000), types_pb2.CAUSE_KIND_INVALID_KEY),
        (by_key("photograph.jpg"), types_pb2.CAUSE_KIND_BLOCKED),
        (by_tensor(b"1234"), types_pb2.CAUSE_KIND_UNDECODABLE),
        (retina_pb2.EncodeItem(), types_pb2.CAUSE_KIND_UNDECODABLE),
    ],
)
async def test_an_invalid_item_has_its_cause(
    item: retina_pb2.EncodeItem, kind: types_pb2.CauseKind.ValueType, tmp_path: Path
) -> None:
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        bad, good = await client.encode(item, by_content(jpeg()))
    assert bad.cause.kind == kind
    assert good.vector


async def test_an_image_that_fails_in_the_model_has_the_cause_encoder_failed(tmp_path: Path) -> None:
    async with open_retina(image_settings(tmp_path, log_model()), tmp_path) as client:
        bright, dark = np.ones((3, 224, 224), "<f4"), -np.ones((3, 224, 224), "<f4")
        results = await client.encode(*(by_tensor(image.tobytes()) for image in (bright, dark, bright)))
        assert client.count("embedded") == 2
        assert client.count("encoder_failed") == 1
    assert [result.WhichOneof("outcome") for result in results] == ["vector", "cause", "vector"]
    assert results[1].cause.kind == types_pb2.CAUSE_KIND_ENCODER_FAILED


async def test_texts_are_encoded_by_key_and_by_content(tmp_path: Path) -> None:
    digest = install(tmp_path, token_model(words_tokenizer(["cat"])))
    async with open_retina(settings(digest, dimension=2, modality=Modality.TEXT), tmp_path) as client:
        results = await client.encode(
            by_content(b"cat"), by_key("cat cat"), by_key(b"\xff"), by_key("cat cat"), by_tensor(b"")
        )
    assert np.frombuffer(results[0].vector, "<f4").tolist() == [2.0, 2.0]
    assert np.frombuffer(results[1].vector, "<f4")[0] == 3.0
    assert results[1].content_hash == hashlib.sha256(b"cat cat").digest()
    assert results[2].cause.kind == types_pb2.CAUSE_KIND_INVALID_KEY
    assert results[3] == results[1]
    assert results[4].cause.kind == types_pb2.CAUSE_KIND_UNDECODABLE


async def test_a_cancelled_call_stops_its_download(tmp_path: Path) -> None:
    loaded = image_settings(tmp_path, fetch=loopback_fetch(timeout="1h"))
    async with open_origin() as origin, open_retina(loaded, tmp_path) as client:
        call = client.stub.Encode(client.request([by_key(origin.url("/endless"))]), timeout=SECONDS)

        async def requests() -> int:
            return origin.requested["/endless"]

        await eventually_async(requests, what="the download has begun")
        call.cancel()
        await asyncio.wait_for(origin.disconnected.wait(), 10)
    assert origin.requested["/endless"] == 1


async def test_a_deadline_stops_a_download(tmp_path: Path) -> None:
    loaded = image_settings(tmp_path, fetch=loopback_fetch(timeout="1h"))
    async with open_origin() as origin, open_retina(loaded, tmp_path) as client:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.stub.Encode(client.request([by_key(origin.url("/endless"))]), timeout=0.3)
        await asyncio.wait_for(origin.disconnected.wait(), 10)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_the_trace_of_a_call_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with open_retina(image_settings(tmp_path), tmp_path) as client:
        with caplog.at_level(logging.DEBUG, logger="retina"):
            metadata = (("traceparent", trace),)
            await client.stub.Encode(client.request([by_tensor(tensor())]), timeout=SECONDS, metadata=metadata)
    assert trace in {getattr(record, "traceparent", "") for record in caplog.records}
