"""Fixtures of KFC's tests."""

from collections.abc import Iterator

import pytest
from kfc_bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()
