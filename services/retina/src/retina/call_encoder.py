"""Encodes the items of one call: fetches what is a URL, hands the rest to the batcher; the servicer calls it."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from embark.causes import CauseError
from embark.keys import parse_key
from embark.spec import Modality
from retina.model_encoder import Item, ItemKind, Outcome


class ImageSource(Protocol):
    """Where the images of URLs come from; the fetcher."""

    def fetched(self, key: str) -> AbstractAsyncContextManager[bytes]:
        """Yield the bytes of the image for as long as they are needed, or raise CauseError."""
        ...


class ItemEncoder(Protocol):
    """What turns items into outcomes; the batcher."""

    async def encode(self, items: Sequence[Item]) -> list[Outcome]:
        """Return the outcome of every item, in order."""
        ...


class CallEncoder:
    """Encodes keys and items; made and used within one event loop."""

    def __init__(self, modality: Modality, source: ImageSource, encoder: ItemEncoder) -> None:
        self._modality = modality
        self._source = source
        self._encoder = encoder

    async def encode(self, keys: Sequence[bytes], items: Sequence[Item]) -> tuple[dict[bytes, Outcome], list[Outcome]]:
        """Return the outcomes of the distinct `keys` and, in order, of `items`.

        Cancelling stops the downloads and drops what no runner has taken.
        """
        parsed, outcomes = _parse(keys)
        if self._modality is Modality.TEXT:
            texts = [Item(ItemKind.CONTENT, raw) for raw in parsed]
            settled = await self._encoder.encode([*texts, *items])
            outcomes.update(zip(parsed, settled, strict=False))
            return outcomes, settled[len(texts) :]
        if not parsed:
            return outcomes, await self._encoder.encode(items)
        async with asyncio.TaskGroup() as group:
            images = {raw: group.create_task(self._fetched(url)) for raw, url in parsed.items()}
            direct = group.create_task(self._encoder.encode(items))
        outcomes.update({raw: task.result() for raw, task in images.items()})
        return outcomes, direct.result()

    async def _fetched(self, url: str) -> Outcome:
        try:
            # Each image is handed over when it is there: a slow origin holds up its own images alone.
            async with self._source.fetched(url) as content:
                outcomes = await self._encoder.encode([Item(ItemKind.CONTENT, content)])
        except CauseError as error:
            return error.cause
        return outcomes[0]


def _parse(keys: Sequence[bytes]) -> tuple[dict[bytes, str], dict[bytes, Outcome]]:
    """Return the distinct keys that may be encoded, and the causes of the others."""
    parsed: dict[bytes, str] = {}
    outcomes: dict[bytes, Outcome] = {}
    for raw in keys:
        try:
            parsed[raw] = parse_key(raw)
        except CauseError as error:
            outcomes[raw] = error.cause
    return parsed, outcomes
