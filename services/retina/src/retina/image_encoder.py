"""ImageEncoder: the encoder of modality image; decodes, preprocesses and runs the model."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from embark.causes import CauseError, CauseKind
from embark.settings import RetinaSettings
from retina.batch_sizes import usable_sizes
from retina.decode import decode
from retina.errors import StartupError
from retina.model_encoder import EncoderItem, Floats, ItemKind
from retina.model_session import ModelSession, check_output, wrong_dimension
from retina.profiles import PROFILES, ImageProfile, fill_row

_LITTLE_ENDIAN: Final = np.dtype("<f4")


class ImageEncoder:
    """Encodes the bytes of image files, and tensors of the profile's shape."""

    def __init__(self, session: ModelSession, settings: RetinaSettings, clock: Callable[[], float]) -> None:
        """Check the model against the cache and find its batch sizes by running it.

        Raises:
            StartupError: the model's input does not have the profile's shape, or its output is not the space's.
        """
        space = settings.space
        self._session = session
        self._fetch = settings.fetch
        self._profile = PROFILES[space.preprocessing]
        self._table = self._profile.table()
        self._output = space.output_tensor
        check_output(session, self._output, space.dimension)
        self._input = _find_input(session, self._profile, space.preprocessing.value)
        shape = self._run(np.zeros((1, *self._profile.shape), dtype=np.float32)).shape
        if shape != (1, space.dimension):
            raise wrong_dimension(self._output, space.dimension, shape)
        fixed = session.inputs[0].shape[0] is not None
        self._sizes = usable_sizes(
            self._run,
            self._profile.shape,
            1 if fixed else settings.batch.max_size,
            clock,
            logging.getLogger(__name__),
        )

    @property
    def sizes(self) -> Sequence[int]:
        """The allowed batch sizes."""
        return self._sizes

    def prepare(self, item: EncoderItem) -> tuple[Floats, bytes]:
        """Return the model's input, float32 of the profile's shape, and the SHA-256 of an image's bytes.

        Raises:
            CauseError: UNDECODABLE; not an image that can be decoded, over a limit, or a tensor of another size.
        """
        if item.kind is ItemKind.TENSOR:
            return self._parse_tensor(item.payload), b""
        limit = self._fetch.max_bytes
        if len(item.payload) > limit:
            detail = f"the file has {len(item.payload)} bytes; at most {limit} are allowed"
            raise CauseError(CauseKind.UNDECODABLE, detail)
        image = decode(item.payload, self._fetch.max_pixels, self._profile.min_decoded_side)
        row = np.empty(self._profile.shape, dtype=np.float32)
        fill_row(self._profile.crop(image), self._table, row)
        return row, hashlib.sha256(item.payload).digest()

    def run(self, inputs: Sequence[Floats]) -> Floats:
        """Return the model's rows [len(inputs), dimension]."""
        # A single row needs no copy.
        return self._run(inputs[0][np.newaxis] if len(inputs) == 1 else np.stack(inputs))

    def _run(self, batch: Floats) -> Floats:
        return self._session.run(self._output, {self._input: batch})

    def _parse_tensor(self, payload: bytes) -> Floats:
        shape = self._profile.shape
        expected = int(np.prod(shape)) * _LITTLE_ENDIAN.itemsize
        if len(payload) != expected:
            detail = f"the tensor has {len(payload)} bytes; float32 of shape {list(shape)} has {expected}"
            raise CauseError(CauseKind.UNDECODABLE, detail)
        return np.frombuffer(payload, _LITTLE_ENDIAN).reshape(shape).astype(np.float32, copy=False)


def _find_input(session: ModelSession, profile: ImageProfile, name: str) -> str:
    """Return the name of the model's only input, which must have the profile's shape."""
    shape = profile.shape
    forms = session.inputs
    fits = len(forms) == 1 and all(
        has in {None, wants} for has, wants in zip(forms[0].shape, (1, *shape), strict=False)
    )
    if not fits or len(forms[0].shape) != len(shape) + 1:
        has = ", ".join(f"{form.name!r} of shape {list(form.shape)}" for form in forms)
        raise StartupError(f"the profile {name} needs one input of shape {['batch', *shape]}; the model has {has}")
    return forms[0].name
