"""Fixtures of KFC's tests."""

from collections.abc import Iterator

import pytest

from embark_testing.kfc.harness import KfcHarness


@pytest.fixture
def harness() -> Iterator[KfcHarness]:
    harness = KfcHarness()
    yield harness
    harness.close()
