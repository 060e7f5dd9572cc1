"""An encoder that tests can hold up, and a batcher of it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from embark.causes import CauseError, CauseKind
from embark_testing.retina.models import settings
from retina.batcher import Batcher
from retina.metrics import RetinaMetrics
from retina.model_encoder import EncoderItem, ItemKind

SPACE = settings("sha256:" + "0" * 64, dimension=1).space
DELAY = timedelta(seconds=5)


class HeldEncoder:
    """Encodes the number that an item spells; `run_gate` and `prepare_gate` hold its runners up."""

    sizes = (1, 2, 4, 8, 16)

    def __init__(self) -> None:
        self.run_gate = threading.Event()
        self.prepare_gate = threading.Event()
        self.run_gate.set()
        self.prepare_gate.set()
        self.running = threading.Semaphore(0)
        self.preparing = threading.Semaphore(0)
        self.prepared: list[float] = []
        self.batches: list[list[float]] = []

    def prepare(self, item: EncoderItem) -> tuple[float, bytes]:
        self.preparing.release()
        assert self.prepare_gate.wait(10)
        if item.payload == b"undecodable":
            raise CauseError(CauseKind.UNDECODABLE, "as requested")
        value = float(item.payload)
        self.prepared.append(value)
        return value, item.payload

    def run(self, inputs: Sequence[float]) -> NDArray[np.float32]:
        self.batches.append(list(inputs))
        self.running.release()
        assert self.run_gate.wait(10)
        if 13.0 in inputs:
            raise RuntimeError("thirteen")
        return np.array(inputs, dtype=np.float32)[:, np.newaxis]


@asynccontextmanager
async def open_batcher(
    encoder: HeldEncoder, runners: int = 1, now: list[float] | None = None
) -> AsyncIterator[Batcher[float]]:
    time = now or [0.0]
    batcher = Batcher(
        encoder,
        SPACE,
        runners=runners,
        max_delay=DELAY,
        metrics=RetinaMetrics(CollectorRegistry()),
        clock=lambda: time[0],
    )
    try:
        yield batcher
    finally:
        encoder.run_gate.set()
        encoder.prepare_gate.set()
        batcher.close()


def items(*texts: object) -> list[EncoderItem]:
    return [EncoderItem(ItemKind.CONTENT, str(text).encode()) for text in texts]


def vector(number: float) -> bytes:
    return np.array([number], dtype="<f4").tobytes()


async def started(encoder: HeldEncoder) -> None:
    """Wait until a runner is inside a run."""
    assert await asyncio.to_thread(encoder.running.acquire, timeout=10)
