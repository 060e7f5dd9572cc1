"""A re-embedding on a thread of its own, and what tests ask of its source."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from embark.store import TokenRange, split_ring
from embark.store.memory import MemoryStore
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.parts import kfc_settings
from embark_testing.kfc.reembed_harness import ReembedHarness
from kfc.reembed.reembedding import Reembedding


def bench_of(**settings: int) -> ReembedHarness:
    """Return a bench in memory; `settings` are those of kfc_settings."""
    clock = FakeClock()
    return ReembedHarness(MemoryStore(clock), clock, kfc_settings(**settings))  # type: ignore[arg-type]


@contextmanager
def running(reembedding: Reembedding, parts: int = 1) -> Iterator[list[BaseException]]:
    """Run it on a thread that has ended when the block has; yields what it ended with."""
    ends: list[BaseException] = []

    def body() -> None:
        try:
            reembedding.run(split_ring(parts))
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            ends.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    yield ends
    thread.join(10)
    assert not thread.is_alive()


def keys_in(bench: ReembedHarness, within: TokenRange) -> list[str]:
    """Return the keys of a range of the source, in its order."""
    return [row.key for page in bench.store.scan_range(bench.settings.source, within) for row in page.rows]
