"""A lookup enters few source files on the server, so that a reader can follow it; see scripts/lookup-path."""

from contextlib import closing

import pytest

from embark.clock import now
from embark.store.memory import MemoryStore
from embark.topic.memory import MemoryTopic
from embark_testing.embark.harness import embark_settings
from embark_testing.embark.lookup_paths import trace_lookups


@pytest.fixture(scope="module")
def paths() -> dict[str, int]:
    settings = embark_settings()
    with closing(MemoryStore(now)) as store, closing(MemoryTopic(1)) as topic:
        store.ensure_space(settings.active.id)
        return {name: len(files) for name, files in trace_lookups(settings, store, topic.producer()).items()}


@pytest.mark.parametrize(("lookup", "limit"), [("hot hit", 8), ("cold hit", 14), ("miss", 16)])
def test_a_lookup_enters_few_source_files(paths: dict[str, int], lookup: str, limit: int) -> None:
    assert 0 < paths[lookup] <= limit
