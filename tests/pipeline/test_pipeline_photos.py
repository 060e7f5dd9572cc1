"""The main job over real gRPC with the real image model: OOV at once, then the photograph's own embedding."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from embark.client import EmbArkClient, KeyStatus
from embark.rpc.channels import open_channel
from embark.service_names import RETINA_SERVICE
from embark.v1 import retina_pb2, retina_pb2_grpc
from embark_local.compose import LocalOptions, run_local
from embark_testing.caches import sample
from embark_testing.deployments.running_cache import Cache
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin

pytestmark = pytest.mark.real_model
WAIT = 30.0


def test_a_photograph_goes_from_oov_to_its_own_embedding(photos: Cache, origin: Origin) -> None:
    key = origin.url("chelsea.jpg")
    first = photos.client.lookup([key])
    assert first.statuses == (KeyStatus.OOV_ENQUEUED,)
    assert not first.vectors.any()
    last = photos.client.lookup([key], on_miss="wait", wait=WAIT, timeout=WAIT)
    assert last.statuses == (KeyStatus.HIT,)
    assert last.vectors.shape == (1, 1280)
    assert np.linalg.norm(last.vectors) > 1


def test_what_cannot_be_encoded_ends_as_a_negative_with_its_cause(photos: Cache, origin: Origin) -> None:
    keys = [origin.url("missing.jpg"), origin.url("page.html"), "http://127.0.0.2/private.jpg", "file:///etc/hostname"]
    found = photos.client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
    assert set(found.statuses) == {KeyStatus.NEGATIVE}
    assert [found.causes[index].kind for index in range(4)] == ["not_found", "undecodable", "blocked", "blocked"]
    assert not found.vectors.any()


def test_a_crop_is_nearest_to_the_photograph_it_was_cut_from(photos: Cache, origin: Origin) -> None:
    names = sorted(path.name for path in PHOTOS.glob("*.jpg"))
    found = photos.client.lookup([origin.url(name) for name in names], on_miss="wait", wait=WAIT, timeout=WAIT)
    assert set(found.statuses) == {KeyStatus.HIT}
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -1)
    nearest = {name: names[int(row.argmax())] for name, row in zip(names, similarity, strict=True)}
    assert nearest["chelsea-face.jpg"] == "chelsea.jpg"
    assert nearest["coffee-cup.jpg"] == "coffee.jpg"


def test_an_embedding_is_bit_identical_by_itself_in_a_batch_of_16_and_after_a_restart(
    tmp_path: Path, models_folder: Path
) -> None:
    contents = [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))]
    batch = (contents * 2)[:16]
    with run_local(sample("photos"), LocalOptions(tmp_path, models_folder)) as local:
        single = [_encode(local.retina, local.space, [content])[0] for content in contents]
        together = _encode(local.retina, local.space, batch)
    with run_local(sample("photos"), LocalOptions(tmp_path, models_folder)) as local:
        restarted = _encode(local.retina, local.space, batch)
    assert together == (single * 2)[:16]
    assert restarted == together
    assert len(set(single)) == len(contents)


def test_an_embedding_agrees_with_onnx_runtime_called_directly(
    photos: Cache, origin: Origin, models: dict[str, Path]
) -> None:
    session = onnxruntime.InferenceSession(models["efficientnet-lite0"], providers=["CPUExecutionProvider"])
    image = Image.open(PHOTOS / "coffee.jpg")
    # 512 x 341 scaled to 384 x 256: the middle 224 x 224 begins at (80, 16).
    across, down = 512 / 384, 341 / 256
    box = (80 * across, 16 * down, 304 * across, 240 * down)
    square = image.resize((224, 224), Image.Resampling.BICUBIC, box=box)
    mean, deviation = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    tensor = ((np.asarray(square) / 255 - mean) / deviation).transpose(2, 0, 1)[None].astype(np.float32)
    (expected,) = session.run(["embedding"], {"image": tensor})
    found = photos.client.lookup([origin.url("coffee.jpg")], on_miss="wait", wait=WAIT, timeout=WAIT)
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-5, atol=1e-5)


def test_a_second_run_starts_with_what_the_first_one_filled(
    tmp_path: Path, models_folder: Path, origin: Origin
) -> None:
    keys = [origin.url("chelsea.jpg"), origin.url("missing.jpg")]
    with (
        run_local(sample("photos"), LocalOptions(tmp_path, models_folder)) as local,
        EmbArkClient(local.target) as client,
    ):
        filled = client.lookup(keys, on_miss="wait", wait=WAIT, timeout=WAIT)
    with (
        run_local(sample("photos"), LocalOptions(tmp_path, models_folder)) as local,
        EmbArkClient(local.target, timeout=10) as client,
    ):
        again = client.lookup(keys)
    assert again.statuses == (KeyStatus.HIT, KeyStatus.NEGATIVE)
    assert again.vectors.tobytes() == filled.vectors.tobytes()
    assert origin.requested.total() == 2


def test_an_invalidated_photograph_is_fetched_again(photos: Cache, origin: Origin) -> None:
    key = origin.url("rocket.jpg")
    photos.client.lookup([key], on_miss="wait", wait=WAIT, timeout=WAIT)
    photos.client.invalidate([key])
    eventually(lambda: origin.requested["rocket.jpg"] == 2, what="a second fetch")
    found = photos.client.lookup([key], on_miss="wait", wait=WAIT, timeout=WAIT)
    assert found.statuses == (KeyStatus.HIT,)


def _encode(target: str, space: str, contents: list[bytes]) -> list[bytes]:
    with open_channel(target, RETINA_SERVICE) as channel:
        items = [retina_pb2.EncodeItem(content=content) for content in contents]
        reply = retina_pb2_grpc.RetinaServiceStub(channel).Encode(
            retina_pb2.EncodeRequest(space=space, items=items), timeout=WAIT, wait_for_ready=True
        )
    return [result.vector for result in reply.results]
