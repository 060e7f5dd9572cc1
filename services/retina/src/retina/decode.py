"""Decodes the bytes of an image file into RGB."""

from collections.abc import Callable
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from embark.causes import CauseError, CauseKind

# The readers are called directly: Image.open would also accept every other registered format, and its pixel limit is
# global to the process.
_READERS: Final[tuple[tuple[bytes, Callable[[BytesIO], ImageFile]], ...]] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"BM", BmpImageFile),
)
_ORIENTATION: Final = 0x0112  # EXIF 2.3, section 4.6.4
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(content: bytes, max_pixels: int, min_side: int) -> Image.Image:
    """Return the image in `content`, upright, in mode RGB.

    Supports JPEG, PNG, WebP, GIF and BMP. Takes the first frame of an animation, composes transparent pixels over
    white, and keeps the upper 8 bits of 16-bit samples. A JPEG may be decoded smaller by a power of two, since libjpeg
    then skips most of the work, but neither side drops below `min_side` pixels.

    Raises:
        CauseError: UNDECODABLE; another format, damaged, truncated, or more than `max_pixels`. The pixels are counted
            from the header, before any is decoded.
    """
    opened = _open(content)
    width, height = opened.size
    if width * height > max_pixels:
        detail = f"the image has {width} x {height} = {width * height} pixels; at most {max_pixels} are allowed"
        raise CauseError(CauseKind.UNDECODABLE, detail)
    try:
        opened.draft(None, (min_side, min_side))  # None keeps the mode
        opened.load()
        return _turn_upright(_to_rgb(opened), _get_orientation(opened))
    except Exception as error:
        raise _damaged(error) from error


def _open(content: bytes) -> ImageFile:
    if not content:
        raise CauseError(CauseKind.UNDECODABLE, "the file is empty (0 bytes)")
    reader = _find_reader(content)
    if reader is None:
        detail = f"not a JPEG, PNG, WebP, GIF or BMP image; it begins with {content[:16]!r}"
        raise CauseError(CauseKind.UNDECODABLE, detail)
    try:
        return reader(BytesIO(content))
    except Exception as error:
        # On hostile bytes the readers raise anything: SyntaxError, struct.error, IndexError and more.
        raise _damaged(error) from error


def _find_reader(content: bytes) -> Callable[[BytesIO], ImageFile] | None:
    for prefix, reader in _READERS:
        if content.startswith(prefix):
            return reader
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WebPImageFile
    return None


def _damaged(error: Exception) -> CauseError:
    return CauseError(CauseKind.UNDECODABLE, f"the image is damaged: {error or type(error).__name__}")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        # Pillow would clip 16-bit samples at 255 instead of scaling them.
        samples = np.clip(np.asarray(image), 0, 0xFFFF)
        return Image.fromarray((samples >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _get_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - an image with a damaged tag is still an image; assume that it is upright
        return 1


def _turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)
