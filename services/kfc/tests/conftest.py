"""Fixtures of KFC's tests."""

from collections.abc import Iterator

import pytest

from embark_testing.kfc.harness import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()
