"""CallEncoder: encodes the items of one Encode call; fetches the keys that are image URLs."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from embark.causes import CauseError
from embark.keys import parse_key
from embark.spec import Modality
from retina.model_encoder import EncoderItem, ItemKind, Outcome


class ImageSource(Protocol):
    """Provides the image at a URL."""

    def fetched(self, key: str) -> AbstractAsyncContextManager[bytes]:
        """Yield the bytes of the image for as long as they are needed.

        Raises:
            CauseError: the image cannot be fetched.
        """
        ...


class ItemEncoder(Protocol):
    """Encodes items."""

    async def encode(self, items: Sequence[EncoderItem]) -> list[Outcome]:
        """Return the outcome of every item, in order."""
        ...


class CallEncoder:
    """Encodes keys and items; create and use it within one event loop."""

    def __init__(self, modality: Modality, source: ImageSource, encoder: ItemEncoder) -> None:
        self._modality = modality
        self._source = source
        self._encoder = encoder

    async def encode(
        self, keys: Sequence[bytes], items: Sequence[EncoderItem]
    ) -> tuple[dict[bytes, Outcome], list[Outcome]]:
        """Return the outcomes of the distinct `keys` and, in order, those of `items`.

        Cancelling stops the downloads and drops what no runner has taken yet.
        """
        parsed, outcomes = _parse(keys)
        if self._modality is Modality.TEXT:
            texts = [EncoderItem(ItemKind.CONTENT, raw) for raw in parsed]
            settled = await self._encoder.encode([*texts, *items])
            outcomes.update(zip(parsed, settled, strict=False))
            return outcomes, settled[len(texts) :]
        if not parsed:
            return outcomes, await self._encoder.encode(items)
        async with asyncio.TaskGroup() as group:
            images = {raw: group.create_task(self._fetch_and_encode(url)) for raw, url in parsed.items()}
            direct = group.create_task(self._encoder.encode(items))
        outcomes.update({raw: task.result() for raw, task in images.items()})
        return outcomes, direct.result()

    async def _fetch_and_encode(self, url: str) -> Outcome:
        try:
            # Encode each image as soon as it arrives: a slow origin delays only its own images.
            async with self._source.fetched(url) as content:
                outcomes = await self._encoder.encode([EncoderItem(ItemKind.CONTENT, content)])
        except CauseError as error:
            return error.cause
        return outcomes[0]


def _parse(keys: Sequence[bytes]) -> tuple[dict[bytes, str], dict[bytes, Outcome]]:
    """Return the distinct keys that are valid, parsed, and the causes of the others."""
    parsed: dict[bytes, str] = {}
    outcomes: dict[bytes, Outcome] = {}
    for raw in keys:
        try:
            parsed[raw] = parse_key(raw)
        except CauseError as error:
            outcomes[raw] = error.cause
    return parsed, outcomes
