"""Outages of single parts: lookups continue, no request is lost, nothing is dead-lettered because of an outage."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from embark.client import EmbArkClient, KeyStatus
from embark.clock import now
from embark.settings import Listen
from embark.store.memory import MemoryStore
from embark.topic.memory import MemoryTopic
from embark_local.compose import run_embark_and_kfc
from embark_local.retinas import running_retina
from embark_testing.caches import sample_settings
from embark_testing.deployments.running_cache import Cache
from embark_testing.eventually import eventually
from embark_testing.origin import Origin

pytestmark = pytest.mark.real_model
NAMES = ("astronaut.jpg", "camera.jpg", "chelsea.jpg")


def test_a_full_topic_sheds_and_a_later_request_is_filled(photos: Cache, origin: Origin) -> None:
    key = origin.url("hubble.jpg")
    photos.topic.full.set()
    assert photos.client.lookup([key]).statuses == (KeyStatus.SHED,)
    assert photos.client.lookup([key], timeout=1.0).statuses == (KeyStatus.SHED,)
    photos.topic.full.clear()
    assert photos.client.lookup([key]).statuses == (KeyStatus.OOV_ENQUEUED,)
    eventually(lambda: photos.client.lookup([key]).statuses == (KeyStatus.HIT,), what="the fill")


@pytest.mark.parametrize("fault", ["failing", "hanging"])
def test_a_store_that_fails_or_hangs_is_unavailable_inside_the_deadline_and_enqueues_nothing(
    photos: Cache, origin: Origin, fault: str
) -> None:
    key = origin.url("hubble.jpg")
    switch = getattr(photos.store, fault)
    switch.set()
    for _ in range(20):
        found = photos.client.lookup([key], timeout=1.0)  # raises when the deadline is missed
        assert found.statuses == (KeyStatus.UNAVAILABLE,)
        assert not found.vectors.any()
    assert photos.topic.accepted == []
    switch.clear()
    eventually(lambda: photos.client.lookup([key]).statuses == (KeyStatus.HIT,), what="the fill")


def test_fills_wait_for_a_store_that_cannot_be_written(photos: Cache, origin: Origin) -> None:
    keys = [origin.url(name) for name in NAMES]
    origin.answering.clear()
    photos.client.lookup(keys)
    eventually(lambda: origin.requested.total() == len(keys), what="the fetches")
    photos.store.failing.set()
    origin.answering.set()
    assert set(photos.client.lookup(keys, timeout=1.0).statuses) == {KeyStatus.UNAVAILABLE}
    photos.store.failing.clear()
    eventually(lambda: set(photos.client.lookup(keys).statuses) == {KeyStatus.HIT}, timeout=30, what="the fills")
    assert origin.requested.total() == len(keys)
    assert list(photos.topic.dead_letters().read()) == []


def test_keys_requested_while_retina_is_down_are_filled_when_it_is_back(models_folder: Path, origin: Origin) -> None:
    keys = [origin.url(name) for name in NAMES]
    topic, store = MemoryTopic(partitions=2), MemoryStore(now)
    settings = sample_settings("photos")
    with running_retina(settings.retina, models_folder, CollectorRegistry()) as retina:
        port = retina.port
    store.ensure_space(settings.embark.active.id)
    with (
        run_embark_and_kfc(settings, store, topic, f"127.0.0.1:{port}") as (embark, _),
        EmbArkClient(f"127.0.0.1:{embark.port}", timeout=10.0) as client,
    ):
        assert set(client.lookup(keys).statuses) == {KeyStatus.OOV_ENQUEUED}
        assert set(client.lookup(keys, timeout=1.0).statuses) == {KeyStatus.OOV_PENDING}
        back = settings.retina.model_copy(update={"listen": Listen(host="127.0.0.1", grpc_port=port, probes_port=0)})
        with running_retina(back, models_folder, CollectorRegistry()):
            eventually(lambda: set(client.lookup(keys).statuses) == {KeyStatus.HIT}, timeout=30, what="the fills")
    assert list(topic.dead_letters().read()) == []
    topic.close()
    store.close()
