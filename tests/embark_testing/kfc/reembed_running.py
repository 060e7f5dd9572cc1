"""A re-embedding on a thread, and the keys of its source."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from embark.store import TokenRange, split_ring
from embark.store.memory import MemoryStore
from embark_testing.fake_clock import FakeClock
from embark_testing.kfc.parts import kfc_settings
from embark_testing.kfc.reembed_harness import ReembedHarness
from kfc.reembed.options import ReembedLimits
from kfc.reembed.reembedding import Reembedding


def memory_harness(limits: ReembedLimits | None = None, **settings: int) -> ReembedHarness:
    """Return a harness in memory; `settings` are those of kfc_settings."""
    clock = FakeClock()
    harness = ReembedHarness(MemoryStore(clock), clock, kfc_settings(**settings))  # type: ignore[arg-type]
    harness.limits = limits or harness.limits
    return harness


@contextmanager
def running(reembedding: Reembedding, parts: int = 1) -> Iterator[list[BaseException]]:
    """Run it on a thread that is joined when the block ends; yield the errors that it raises."""
    errors: list[BaseException] = []

    def body() -> None:
        try:
            reembedding.run(split_ring(parts))
        except BaseException as error:  # noqa: BLE001 - the test checks it
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    yield errors
    thread.join(10)
    assert not thread.is_alive()


def keys_in(harness: ReembedHarness, within: TokenRange) -> list[str]:
    """Return the keys of a range of the source, in token order."""
    return [row.key for page in harness.store.scan_range(harness.settings.source, within) for row in page.rows]
