from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("topic_contract", "topic_records")

from topic_records import CAPACITY, PARTITIONS  # noqa: E402 - after the rewriting is asked for

from embark.topic import Topic  # noqa: E402
from embark.topic.sqlite import SqliteTopic  # noqa: E402


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "embark.db"


@pytest.fixture
def topic(path: Path) -> Iterator[Topic]:
    topic = SqliteTopic(path, PARTITIONS, capacity=CAPACITY)
    yield topic
    topic.close()
