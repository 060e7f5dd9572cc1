"""The preprocessing profiles, against a reference that scales whole images and crops afterwards."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embark.spec import Modality, Preprocessing
from embark_testing.retina.images import encoded, photograph
from retina.decode import decode
from retina.profiles import PROFILES, ImageProfile, fill_row


def prepared(profile: ImageProfile, image: Image.Image) -> NDArray[np.float32]:
    row = np.empty(profile.shape, dtype=np.float32)
    fill_row(profile.crop(image), profile.table(), row)
    return row


def reference(
    image: Image.Image, side: int, scaled: int, mean: list[float], deviation: list[float]
) -> NDArray[np.float64]:
    factor = scaled / min(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    pixels = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float64) / 255
    return ((pixels - mean) / deviation).transpose(2, 0, 1)


REFERENCES = {
    Preprocessing.IMAGENET_224: (224, 256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    Preprocessing.CLIP_224: (224, 224, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
    Preprocessing.INCEPTION_299: (299, 341, [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]),
}


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("size", [(512, 342), (451, 300), (300, 290), (100, 333), (224, 224), (7, 5), (1, 1)])
def test_a_profile_equals_scaling_and_then_cropping(name: Preprocessing, size: tuple[int, int]) -> None:
    image = photograph(*size)
    row = prepared(PROFILES[name], image)
    assert row.dtype == np.float32
    assert row.shape == PROFILES[name].shape
    # Two steps of a byte: scaling a part may round a sum the other way, once across and once down.
    step = 1 / 255 / min(REFERENCES[name][3])
    np.testing.assert_allclose(row, reference(image, *REFERENCES[name]), atol=step * 2.01)


@pytest.mark.parametrize("name", PROFILES)
def test_a_strip_one_pixel_high_costs_no_more_than_a_square(name: Preprocessing) -> None:
    # Scaled as a whole, it would have more than a billion pixels.
    row = prepared(PROFILES[name], Image.new("RGB", (5_000_000, 1), "white"))
    assert np.unique(row).size <= 3


def test_every_image_profile_of_the_spec_is_implemented() -> None:
    assert set(PROFILES) == {name for name in Preprocessing if name.modality is Modality.IMAGE}


@pytest.mark.parametrize("name", PROFILES)
def test_black_and_white_map_to_the_published_range(name: Preprocessing) -> None:
    _, _, mean, deviation = REFERENCES[name]
    table = PROFILES[name].table()
    expected = [[-m / d, (1 - m) / d] for m, d in zip(mean, deviation, strict=True)]
    np.testing.assert_allclose(table[:, [0, 255]], expected, rtol=1e-6)


@pytest.mark.parametrize("name", PROFILES)
def test_decoding_a_jpeg_smaller_hardly_changes_the_model_input(name: Preprocessing) -> None:
    profile = PROFILES[name]
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    content = encoded(Image.fromarray(noise).resize((1100, 1100), Image.Resampling.BICUBIC), "JPEG", quality=95)
    whole = prepared(profile, decode(content, max_pixels=10**7, min_side=10**4))
    smaller = prepared(profile, decode(content, max_pixels=10**7, min_side=profile.min_decoded_side))
    # Of noise, the worst there is; with half of `min_decoded_side` it would be a third.
    assert np.abs(smaller - whole).mean() < 0.12 * whole.std()
