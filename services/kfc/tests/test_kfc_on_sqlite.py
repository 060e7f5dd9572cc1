"""KFC on one SQLite file of store and topic, as the local mode composes it."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from embark.clock import now
from embark.store import Negative
from embark.store.sqlite.adapter import SqliteStore
from embark.topic import Fill
from embark.topic.sqlite.adapter import SqliteTopic
from embark_testing.eventually import eventually
from embark_testing.kfc.harness import PATIENT
from embark_testing.kfc.parts import NOT_FOUND, UNREACHABLE, FakeEncoder, kfc_settings
from kfc.fill.service import FillBackends, KfcService


def test_keys_requested_in_a_file_are_filled_across_a_restart(tmp_path: Path) -> None:
    settings = kfc_settings()
    encoder = FakeEncoder()
    encoder.causes.update({"missing": NOT_FOUND, "far": UNREACHABLE})
    keys = [f"key {i}" for i in range(60)]
    for wanted in (keys[:40], [*keys, "missing", "far"]):
        store, topic = SqliteStore(tmp_path / "c.db", now), SqliteTopic(tmp_path / "c.db", 4)
        store.ensure_space(settings.space.id)
        consumer, producer = topic.consumer(settings.consumer_group), topic.producer()
        backends = FillBackends(store, consumer, topic.dead_letters(), encoder)
        kfc = KfcService(settings, backends, clock=now, registry=CollectorRegistry())
        kfc.start()
        try:
            for key in wanted:
                assert producer.produce(key.encode(), Fill(key.encode(), now()).to_bytes(), {})
            eventually(lambda: len(store.read(settings.space.id, wanted, PATIENT)) == len(wanted), what="all have rows")  # noqa: B023
            assert kfc.failure is None
        finally:
            kfc.stop()
            rows = store.read(settings.space.id, wanted, PATIENT)
            letters = topic.dead_letters().read()
            topic.close()
            store.close()
    assert encoder.times == {**dict.fromkeys([*keys, "missing"], 1), "far": 5}
    assert {key for key, row in rows.items() if isinstance(row, Negative)} == {"missing", "far"}
    assert [letter.key for letter in letters] == [b"far"]
