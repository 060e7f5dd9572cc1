"""Decoding of valid and of hostile files."""

import numpy as np
import pytest
from PIL import Image

from embark.causes import CauseError, CauseKind
from embark_testing.retina.images import (
    HTML,
    SVG,
    animation,
    encoded,
    grey16_png,
    huge_png,
    jpeg,
    lying_png,
    photograph,
    rotated_png,
)
from retina.decode import decode

MAX_PIXELS = 25_000_000


def decoded(content: bytes) -> Image.Image:
    return decode(content, MAX_PIXELS, 512)


def pixel(content: bytes) -> tuple[int, ...]:
    colour = decoded(content).getpixel((1, 1))
    assert isinstance(colour, tuple)
    return colour


def decode_cause(content: bytes) -> str:
    with pytest.raises(CauseError) as caught:
        decoded(content)
    assert caught.value.cause.kind is CauseKind.UNDECODABLE
    return caught.value.cause.detail


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_every_supported_format_is_decoded_to_rgb_in_its_size(form: str) -> None:
    image = decoded(encoded(photograph(), form))
    assert (image.mode, image.size) == ("RGB", (320, 240))


@pytest.mark.parametrize("form", ["TIFF", "ICO", "PPM", "JPEG2000", "TGA", "PDF"])
def test_an_unsupported_format_is_undecodable(form: str) -> None:
    assert "not a JPEG, PNG, WebP, GIF or BMP" in decode_cause(encoded(photograph(), form))


@pytest.mark.parametrize("content", [HTML, SVG, b"\x00" * 64, b"x"])
def test_a_file_that_is_not_an_image_is_undecodable_and_quoted(content: bytes) -> None:
    assert repr(content[:16]) in decode_cause(content)


def test_an_empty_file_is_undecodable() -> None:
    assert "0 bytes" in decode_cause(b"")


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_undecodable(form: str, part: float) -> None:
    content = encoded(photograph(), form)
    assert "damaged" in decode_cause(content[: int(len(content) * part)])


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_a_file_of_noise_after_its_first_bytes_is_undecodable(form: str) -> None:
    noise = np.random.default_rng(1).bytes(4000)
    assert "damaged" in decode_cause(encoded(photograph(), form)[:12] + noise)


def test_an_image_with_too_many_pixels_is_refused_from_its_header() -> None:
    # The file is only a header: decoding it would raise another error.
    assert decode_cause(lying_png(9000, 9000)) == (
        "the image has 9000 x 9000 = 81000000 pixels; at most 25000000 are allowed"
    )
    assert "81000000 pixels" in decode_cause(huge_png())
    assert "4000000000 pixels" in decode_cause(lying_png(2_000_000, 2_000))


def test_an_image_with_exactly_the_allowed_pixels_is_decoded() -> None:
    content = encoded(photograph(200, 100), "PNG")
    assert decode(content, 20_000, 512).size == (200, 100)
    with pytest.raises(CauseError, match="at most 19999"):
        decode(content, 19_999, 512)


def test_an_image_of_one_pixel_is_decoded() -> None:
    assert decoded(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")).getpixel((0, 0)) == (9, 8, 7)


def test_a_rotated_image_is_turned_upright() -> None:
    upright, rotated = rotated_png()
    assert decoded(rotated).tobytes() == decoded(upright).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that creates the stored picture
    image = photograph(64, 48)
    stored = image if orientation == 1 else image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decoded(encoded(stored, "PNG", exif=exif)).tobytes() == image.tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_tag_does_not_change_the_image() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"
    assert decoded(encoded(photograph(), "JPEG", exif=exif)).size == (320, 240)


def test_cmyk_is_converted_to_rgb() -> None:
    red, green, blue = pixel(encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize(("sample", "byte"), [(0, 0), (255, 0), (0x8000, 0x80), (0xFFFF, 0xFF)])
def test_16_bit_samples_are_reduced_to_their_upper_byte(sample: int, byte: int) -> None:
    assert pixel(grey16_png(sample)) == (byte, byte, byte)


def test_a_palette_is_converted_to_its_colours() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 10, 200, 30])
    assert pixel(encoded(image, "PNG")) == (10, 200, 30)


@pytest.mark.parametrize(
    ("image", "options", "colour"),
    [
        (Image.new("RGBA", (8, 8), (10, 20, 30, 0)), {}, (255, 255, 255)),
        (Image.new("RGBA", (8, 8), (0, 0, 0, 51)), {}, (204, 204, 204)),
        (Image.new("LA", (8, 8), (0, 0)), {}, (255, 255, 255)),
        (Image.new("RGB", (8, 8), (1, 2, 3)), {"transparency": (1, 2, 3)}, (255, 255, 255)),
        (Image.new("L", (8, 8), 7), {"transparency": 7}, (255, 255, 255)),
        (Image.new("P", (8, 8), 0), {"transparency": 0}, (255, 255, 255)),
    ],
)
def test_transparent_pixels_are_white(
    image: Image.Image, options: dict[str, object], colour: tuple[int, int, int]
) -> None:
    assert pixel(encoded(image, "PNG", **options)) == colour


@pytest.mark.parametrize(("mode", "white"), [("L", 200), ("1", 255)])
def test_grey_and_bilevel_images_are_converted_to_rgb(mode: str, white: int) -> None:
    assert pixel(encoded(Image.new(mode, (8, 8), white), "PNG")) == (white, white, white)


def test_an_animated_gif_is_its_first_frame() -> None:
    assert pixel(animation()) == (255, 0, 0)


def test_an_animated_webp_and_png_are_their_first_frame() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    for form in ("WEBP", "PNG"):
        content = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
        assert pixel(content) == (255, 0, 0)


def test_a_large_jpeg_is_decoded_smaller_but_never_below_min_side() -> None:
    content = encoded(photograph(2100, 1300), "JPEG")
    assert decode(content, MAX_PIXELS, 512).size == (1050, 650)
    assert decode(content, MAX_PIXELS, 2000).size == (2100, 1300)


def test_decoding_is_deterministic() -> None:
    assert decoded(jpeg()).tobytes() == decoded(jpeg()).tobytes()
