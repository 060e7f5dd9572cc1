"""A whole cache of photographs on embedded backends, with switches for its faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embark.client import EmbArkClient
from embark.clock import now
from embark.store.sqlite.adapter import SqliteStore
from embark.topic.sqlite.adapter import SqliteTopic
from embark_local.compose import run_services
from embark_testing.caches import sample_settings
from embark_testing.deployments.running_cache import Cache
from embark_testing.faults import FaultyStore, FaultyTopic


@pytest.fixture
def photos(tmp_path: Path, models_folder: Path) -> Iterator[Cache]:
    """The cache of samples/photos.yaml, with the real model, on a SQLite file of its own."""
    settings = sample_settings("photos")
    database = tmp_path / "embark.sqlite"
    store, topic = FaultyStore(SqliteStore(database, now)), FaultyTopic(SqliteTopic(database, 4))
    try:
        store.ensure_space(settings.embark.active.id)
        with (
            run_services(settings, store, topic, models=models_folder) as local,
            EmbArkClient(local.target, timeout=10.0) as client,
        ):
            yield Cache(local, client, store, topic, settings)
            store.failing.clear()
    finally:
        topic.close()
        store.close()
