"""The image and text encoders, on small models."""

import hashlib
import itertools
import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embark.causes import CauseError, CauseKind
from embark.spec import Modality
from embark_testing.retina.images import jpeg
from embark_testing.retina.models import batch_scaled_model, install, mean_model, settings, token_model, words_tokenizer
from retina.batch_sizes import usable_sizes
from retina.image_encoder import ImageEncoder
from retina.model_encoder import EncoderItem, ItemKind
from retina.model_session import OnnxSession
from retina.models import model_path
from retina.text_encoder import TextEncoder

LOG = logging.getLogger(__name__)
Floats = NDArray[np.float32]


def image_encoder(folder: Path, model: bytes) -> ImageEncoder:
    loaded = settings(install(folder, model))
    ticks = itertools.count()
    session = OnnxSession(model_path(folder, loaded.model.digest), loaded.provider)
    # Every run takes equally long, so larger batches always pay off.
    return ImageEncoder(session, loaded, lambda: float(next(ticks)))


def text_encoder(folder: Path, role: str = "") -> TextEncoder:
    model = token_model(words_tokenizer(["cat", "query", ":"]))
    loaded = settings(install(folder, model), dimension=2, modality=Modality.TEXT, role=role)
    return TextEncoder(OnnxSession(model_path(folder, loaded.model.digest), loaded.provider), loaded)


def content(payload: bytes) -> EncoderItem:
    return EncoderItem(ItemKind.CONTENT, payload)


def test_an_image_is_hashed_as_it_is_decoded(tmp_path: Path) -> None:
    row, content_hash = image_encoder(tmp_path, mean_model()).prepare(content(jpeg()))
    assert row.shape == (3, 224, 224)
    assert content_hash == hashlib.sha256(jpeg()).digest()


def test_a_tensor_is_used_unchanged(tmp_path: Path) -> None:
    tensor = np.random.default_rng(0).standard_normal((3, 224, 224)).astype("<f4")
    row, content_hash = image_encoder(tmp_path, mean_model()).prepare(EncoderItem(ItemKind.TENSOR, tensor.tobytes()))
    np.testing.assert_array_equal(row, tensor)
    assert content_hash == b""


def test_a_tensor_of_another_size_is_undecodable_and_the_cause_names_both_sizes(tmp_path: Path) -> None:
    with pytest.raises(CauseError, match="has 12 bytes; float32 of shape \\[3, 224, 224\\] has 602112") as caught:
        image_encoder(tmp_path, mean_model()).prepare(EncoderItem(ItemKind.TENSOR, bytes(12)))
    assert caught.value.cause.kind is CauseKind.UNDECODABLE


def test_content_that_exceeds_the_limit_is_not_decoded(tmp_path: Path) -> None:
    with pytest.raises(CauseError, match="has 50000000 bytes; at most 10485760"):
        image_encoder(tmp_path, mean_model()).prepare(content(bytes(50_000_000)))


def test_a_model_with_independent_rows_runs_in_batches(tmp_path: Path) -> None:
    assert image_encoder(tmp_path, mean_model()).sizes == (1, 2, 4, 8, 16)


def test_a_model_whose_rows_depend_on_the_batch_runs_them_one_by_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert image_encoder(tmp_path, batch_scaled_model()).sizes == (1,)
    assert "other bits in a batch" in caplog.text


def test_only_sizes_that_keep_the_bits_of_a_row_are_used() -> None:
    def run(batch: Floats) -> Floats:
        return batch * np.float32(1.0000001 if len(batch) == 4 else 1)

    ticks = itertools.count()
    assert usable_sizes(run, (5,), 16, lambda: float(next(ticks)), LOG) == (1, 2, 8, 16)


def test_no_run_exceeds_the_size_that_is_fastest_per_row() -> None:
    seconds = {1: 1.0, 2: 1.5, 4: 2.0, 8: 8.0, 16: 16.0}
    now = [0.0]

    def run(batch: Floats) -> Floats:
        now[0] += seconds[len(batch)]
        return batch

    assert usable_sizes(run, (5,), 16, lambda: now[0], LOG) == (1, 2, 4)


def test_no_run_exceeds_the_max_size_of_the_cache() -> None:
    ticks = itertools.count()
    assert usable_sizes(lambda batch: batch, (5,), 6, lambda: float(next(ticks)), LOG) == (1, 2, 4)


def test_a_text_runs_without_padding_and_with_its_role_as_prefix(tmp_path: Path) -> None:
    encoder = text_encoder(tmp_path, role="query")
    tokens, content_hash = encoder.prepare(content(b"cat cat"))
    # [CLS] query : cat cat; the tokenizer's own padding to 8 is disabled
    assert tokens["input_ids"].tolist() == [[1, 4, 5, 3, 3]]
    assert content_hash == hashlib.sha256(b"cat cat").digest()
    np.testing.assert_allclose(encoder.run([tokens]), [[5, 16 / 5]])


def test_the_bits_of_a_text_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    encoder = text_encoder(tmp_path)
    short, long = (encoder.prepare(content(text))[0] for text in (b"cat", b"cat query cat"))
    together = encoder.run([short, long])
    assert together[0].tobytes() == encoder.run([short])[0].tobytes()
    assert together[1].tobytes() == encoder.run([long])[0].tobytes()


def test_a_long_text_is_truncated_to_256_tokens(tmp_path: Path) -> None:
    tokens, _ = text_encoder(tmp_path).prepare(content(b"cat " * 1000))
    assert tokens["input_ids"].shape == (1, 256)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (content(b"\xff"), "not valid UTF-8 at byte 0"),
        (content(b"a" * (1024 * 1024 + 1)), "at most 1048576"),
        (EncoderItem(ItemKind.TENSOR, bytes(8)), "takes no tensor"),
    ],
)
def test_a_payload_that_is_not_a_text_is_undecodable(item: EncoderItem, message: str, tmp_path: Path) -> None:
    with pytest.raises(CauseError, match=message) as caught:
        text_encoder(tmp_path).prepare(item)
    assert caught.value.cause.kind is CauseKind.UNDECODABLE
