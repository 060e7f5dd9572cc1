"""Stops and restarts: fills in progress are finished or left to the next consumer, and no record is lost."""

import threading
from datetime import timedelta

from embark.settings import Listen
from embark_testing.kfc.harness import KfcHarness, probe
from embark_testing.kfc.parts import kfc_settings
from kfc.fill.service import KfcService


def test_a_stop_loses_nothing_and_no_written_key_is_encoded_again() -> None:
    harness = KfcHarness(kfc_settings(max_inflight=1, encode_items=8), partitions=1)
    keys = [f"key {i}" for i in range(200)]
    harness.request(keys)
    try:
        for last in (40, 90, 140):
            entered, released = harness.encoder.hold(keys[last])
            kfc = harness.start()
            assert entered.wait(10)
            stopping = _stop_on_a_thread(kfc)
            harness.until(lambda k=kfc: probe(k, "/readyz")[1] == "stopping\n", "it stops")  # type: ignore[misc]
            released.set()
            stopping.join(10)
            written = sum(harness.row(key) is not None for key in keys)
            assert last < written <= last + 8
            assert harness.lag() == len(keys) - written
            harness.join_again()
        harness.start()
        harness.until_done()
        assert all(harness.embedding(key) for key in keys)
        assert harness.encoder.times == dict.fromkeys(keys, 1)
        assert harness.letters() == []
    finally:
        harness.close()


def test_a_stop_finishes_the_call_in_flight_and_commits_it(harness: KfcHarness) -> None:
    entered, released = harness.encoder.hold("a")
    kfc = harness.start()
    harness.request(["a"])
    assert entered.wait(10)
    stopping = _stop_on_a_thread(kfc)
    harness.until(lambda: probe(kfc, "/readyz") == (503, "stopping\n"), "it says that it stops")
    harness.until(lambda: not harness.consumer.polling, "the last poll is over")
    released.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert harness.embedding("a")
    assert harness.lag() == 0


def _stop_on_a_thread(kfc: KfcService) -> threading.Thread:
    thread = threading.Thread(target=kfc.stop)
    thread.start()
    return thread


def test_a_call_that_never_returns_is_abandoned_and_its_record_consumed_again() -> None:
    settings = kfc_settings()
    listen = Listen(host="127.0.0.1", probes_port=0, drain=timedelta(milliseconds=1))
    harness = KfcHarness(settings.model_copy(update={"listen": listen}))
    entered, released = harness.encoder.hold("hung")
    try:
        kfc = harness.start()
        harness.request(["hung"])
        assert entered.wait(10)
        kfc.stop()
        assert harness.consumer.commits == []
        assert harness.consumer.closes == 1
        released.set()
        harness.join_again()
        harness.start()
        harness.until_done()
        assert harness.embedding("hung")
    finally:
        released.set()
        harness.close()


def test_a_stop_during_an_outage_does_not_wait_for_its_end(harness: KfcHarness) -> None:
    harness.encoder.down.set()
    kfc = harness.start()
    harness.request(["a"])
    harness.until(lambda: harness.encoder.refused, "the outage is met")
    kfc.stop()
    assert harness.lag() == 1
    harness.encoder.down.clear()
    harness.join_again()
    harness.start()
    harness.until_done()
    assert harness.embedding("a")


def test_stopping_twice_or_before_the_start_closes_the_consumer_once(harness: KfcHarness) -> None:
    unstarted = harness.kfc()
    unstarted.stop()
    unstarted.stop()
    assert harness.consumer.closes == 1
    harness.join_again()
    started = harness.start()
    started.stop()
    started.stop()
    assert harness.consumer.closes == 1
