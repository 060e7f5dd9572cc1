"""The preprocessing profiles of images: how an RGB image becomes the model's input.

A profile never changes, since its name is part of the space; a change needs a new name.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from embark.spec import Preprocessing

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageProfile:
    """Scale the shorter side to `scaled` (bicubic), crop the centre `side` x `side`, then (x / 255 - mean) / deviation.

    The longer side is rounded to whole pixels and the crop begins at a whole pixel, rounded down, exactly as if the
    whole image were scaled and then cropped.
    """

    side: int
    scaled: int
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of the model's input, without the batch axis."""
        return 3, self.side, self.side

    @property
    def min_decoded_side(self) -> int:
        """The shorter side in pixels below which a JPEG must not be decoded.

        Twice `scaled` (Pillow's `reducing_gap` of 2.0 for thumbnails): below that, decoding a JPEG at a smaller scale
        would visibly change the embedding.
        """
        return 2 * self.scaled

    def table(self) -> Floats:
        """Return the normalized value of every byte in every channel: float32 of shape [3, 256]."""
        values = np.arange(256, dtype=np.float64) / 255
        rows = [(values - mean) / deviation for mean, deviation in zip(self.mean, self.deviation, strict=True)]
        return np.array(rows, dtype=np.float32)

    def crop(self, image: Image.Image) -> Image.Image:
        """Return the centre of `image`, scaled: `side` x `side` pixels.

        Only the part that is kept is scaled, so that a strip one pixel high costs no more than a square.
        """
        width, height = image.size
        factor = self.scaled / min(width, height)
        scaled_width, scaled_height = round(width * factor), round(height * factor)
        left, top = (scaled_width - self.side) // 2, (scaled_height - self.side) // 2
        across, down = width / scaled_width, height / scaled_height
        # min(): the product may exceed the image's edge by its last bit, which resize rejects.
        right, bottom = min((left + self.side) * across, width), min((top + self.side) * down, height)
        box = (left * across, top * down, right, bottom)
        return image.resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)


def fill_row(image: Image.Image, table: Floats, row: Floats) -> None:
    """Write an RGB image into `row` [3, height, width], mapping each byte by `table` [3, 256]."""
    pixels = np.asarray(image)
    for channel in range(3):
        np.take(table[channel], pixels[:, :, channel], out=row[channel], mode="clip")


# torchvision's reference for ImageNet: resize to 256, centre crop of 224, mean and deviation of ImageNet's pixels; with
# the bicubic filter that EfficientNet was trained with.
_IMAGENET_224: Final = ImageProfile(side=224, scaled=256, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225))
# OpenAI's CLIP, clip/clip.py `_transform`: resize to 224, centre crop, mean and deviation of its own training images.
_CLIP_224: Final = ImageProfile(
    side=224,
    scaled=224,
    mean=(0.48145466, 0.4578275, 0.40821073),
    deviation=(0.26862954, 0.26130258, 0.27577711),
)
# Inception v3 as TensorFlow published it: the central 0.875 (299 / 0.875 = 341) at 299, scaled to -1 … 1.
_INCEPTION_299: Final = ImageProfile(side=299, scaled=341, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5))

PROFILES: Final = {
    Preprocessing.IMAGENET_224: _IMAGENET_224,
    Preprocessing.CLIP_224: _CLIP_224,
    Preprocessing.INCEPTION_299: _INCEPTION_299,
}
