"""Image files, valid and hostile, generated in memory."""

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

HTML = b"<!DOCTYPE html><html><title>Not here</title></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def photograph(width: int = 320, height: int = 240, seed: int = 0) -> Image.Image:
    """Return a smooth colour picture without any symmetry."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """Return the bytes of `image` as a file."""
    file = BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(seed: int = 0) -> bytes:
    """Return the JPEG of a photograph; different for every seed."""
    return encoded(photograph(seed=seed), quality=90)


def rotated_png() -> tuple[bytes, bytes]:
    """Return the same picture upright, and stored rotated with the matching EXIF orientation."""
    upright = photograph()
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored picture must be turned clockwise to be upright
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    return encoded(upright, "PNG"), encoded(stored, "PNG", exif=exif)


def huge_png(width: int = 9000, height: int = 9000) -> bytes:
    """Return a valid PNG of 81 million white pixels in about 10 kB."""
    rows = (b"\0" + b"\xff" * ((width + 7) // 8)) * height
    return _png(width, height, depth=1, colour=0, data=zlib.compress(rows, 9))


def lying_png(width: int, height: int) -> bytes:
    """Return a PNG whose header declares more pixels than its data holds."""
    return _png(width, height, depth=8, colour=2, data=zlib.compress(b"\0" * 10))


def grey16_png(value: int) -> bytes:
    """Return a 16-bit grey PNG, every sample `value`."""
    return encoded(Image.fromarray(np.full((32, 32), value, dtype=np.uint16)), "PNG")


def animation() -> bytes:
    """Return a GIF whose first frame is red and second blue."""
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def _png(width: int, height: int, depth: int, colour: int, data: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
