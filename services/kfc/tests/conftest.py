"""Fixtures of KFC's tests."""

from collections.abc import Iterator

import pytest

from embark_testing.kfc.harness import KfcHarness


@pytest.fixture
def bench() -> Iterator[KfcHarness]:
    bench = KfcHarness()
    yield bench
    bench.close()
