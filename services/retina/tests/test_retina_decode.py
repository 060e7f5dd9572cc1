"""What decoding promises for good and for hostile files."""

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


def cause_of(content: bytes) -> str:
    with pytest.raises(CauseError) as caught:
        decoded(content)
    assert caught.value.cause.kind is CauseKind.UNDECODABLE
    return caught.value.cause.detail


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_every_allowed_format_comes_back_as_rgb_of_its_size(form: str) -> None:
    image = decoded(encoded(photograph(), form))
    assert (image.mode, image.size) == ("RGB", (320, 240))


@pytest.mark.parametrize("form", ["TIFF", "ICO", "PPM", "JPEG2000", "TGA", "PDF"])
def test_a_format_that_is_not_allowed_is_undecodable(form: str) -> None:
    assert "not a JPEG, PNG, WebP, GIF or BMP" in cause_of(encoded(photograph(), form))


@pytest.mark.parametrize("content", [HTML, SVG, b"\x00" * 64, b"x"])
def test_what_is_no_image_is_undecodable_and_shown(content: bytes) -> None:
    assert repr(content[:16]) in cause_of(content)


def test_no_bytes_are_undecodable() -> None:
    assert "0 bytes" in cause_of(b"")


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.9])
def test_a_truncated_file_is_undecodable(form: str, part: float) -> None:
    content = encoded(photograph(), form)
    assert "damaged" in cause_of(content[: int(len(content) * part)])


@pytest.mark.parametrize("form", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_a_file_of_noise_after_its_first_bytes_is_undecodable(form: str) -> None:
    noise = np.random.default_rng(1).bytes(4000)
    assert "damaged" in cause_of(encoded(photograph(), form)[:12] + noise)


def test_an_image_of_too_many_pixels_is_refused_by_its_header_alone() -> None:
    # The header is all there is: decoding anything would end in another complaint.
    assert cause_of(lying_png(9000, 9000)) == (
        "the image has 9000 x 9000 = 81000000 pixels; at most 25000000 are allowed"
    )
    assert "81000000 pixels" in cause_of(huge_png())
    assert "4000000000 pixels" in cause_of(lying_png(2_000_000, 2_000))


def test_an_image_of_exactly_the_allowed_pixels_is_decoded() -> None:
    content = encoded(photograph(200, 100), "PNG")
    assert decode(content, 20_000, 512).size == (200, 100)
    with pytest.raises(CauseError, match="at most 19999"):
        decode(content, 19_999, 512)


def test_one_pixel_is_an_image() -> None:
    assert decoded(encoded(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG")).getpixel((0, 0)) == (9, 8, 7)


def test_an_image_on_its_side_is_turned_upright() -> None:
    upright, on_its_side = rotated_png()
    assert decoded(on_its_side).tobytes() == decoded(upright).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # the transposition that makes the stored picture
    image = photograph(64, 48)
    stored = image if orientation == 1 else image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decoded(encoded(stored, "PNG", exif=exif)).tobytes() == image.tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_tag_leaves_a_photograph_as_it_is() -> None:
    exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12"
    assert decoded(encoded(photograph(), "JPEG", exif=exif)).size == (320, 240)


def test_cmyk_becomes_its_colour() -> None:
    red, green, blue = pixel(encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG", quality=95))
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize(("sample", "byte"), [(0, 0), (255, 0), (0x8000, 0x80), (0xFFFF, 0xFF)])
def test_of_16_bit_samples_the_upper_byte_counts(sample: int, byte: int) -> None:
    assert pixel(grey16_png(sample)) == (byte, byte, byte)


def test_a_palette_becomes_its_colours() -> None:
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
def test_what_is_transparent_is_white(
    image: Image.Image, options: dict[str, object], colour: tuple[int, int, int]
) -> None:
    assert pixel(encoded(image, "PNG", **options)) == colour


@pytest.mark.parametrize(("mode", "white"), [("L", 200), ("1", 255)])
def test_grey_and_bilevel_become_rgb(mode: str, white: int) -> None:
    assert pixel(encoded(Image.new(mode, (8, 8), white), "PNG")) == (white, white, white)


def test_an_animation_is_its_first_frame() -> None:
    assert pixel(animation()) == (255, 0, 0)


def test_an_animated_webp_and_png_are_their_first_frame() -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    for form in ("WEBP", "PNG"):
        content = encoded(frames[0], form, save_all=True, append_images=frames[1:], lossless=True)
        assert pixel(content) == (255, 0, 0)


def test_a_large_jpeg_is_decoded_smaller_but_never_below_what_is_wanted() -> None:
    content = encoded(photograph(2100, 1300), "JPEG")
    assert decode(content, MAX_PIXELS, 512).size == (1050, 650)
    assert decode(content, MAX_PIXELS, 2000).size == (2100, 1300)


def test_decoding_is_the_same_every_time() -> None:
    assert decoded(jpeg()).tobytes() == decoded(jpeg()).tobytes()
