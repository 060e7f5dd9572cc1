"""Stops and restarts: fills in progress are finished or left to the next consumer, and no record is lost."""

import threading
from datetime import timedelta

from embark.settings import Listen
from embark_testing.kfc.harness import KfcHarness, probe
from embark_testing.kfc.parts import kfc_settings
from kfc.fill.service import KfcService


def test_a_stop_loses_nothing_and_no_written_key_is_encoded_again() -> None:
    bench = KfcHarness(kfc_settings(max_inflight=1, encode_items=8), partitions=1)
    keys = [f"key {i}" for i in range(200)]
    bench.request(keys)
    try:
        for last in (40, 90, 140):
            entered, released = bench.encoder.hold(keys[last])
            kfc = bench.start()
            assert entered.wait(10)
            stopping = _stop_on_a_thread(kfc)
            bench.until(lambda k=kfc: probe(k, "/readyz")[1] == "stopping\n", "it stops")  # type: ignore[misc]
            released.set()
            stopping.join(10)
            written = sum(bench.row(key) is not None for key in keys)
            assert last < written <= last + 8
            assert bench.lag() == len(keys) - written
            bench.join_again()
        bench.start()
        bench.until_done()
        assert all(bench.embedding(key) for key in keys)
        assert bench.encoder.times == dict.fromkeys(keys, 1)
        assert bench.letters() == []
    finally:
        bench.close()


def test_a_stop_finishes_the_call_in_flight_and_commits_it(bench: KfcHarness) -> None:
    entered, released = bench.encoder.hold("a")
    kfc = bench.start()
    bench.request(["a"])
    assert entered.wait(10)
    stopping = _stop_on_a_thread(kfc)
    bench.until(lambda: probe(kfc, "/readyz") == (503, "stopping\n"), "it says that it stops")
    bench.until(lambda: not bench.consumer.polling, "the last poll is over")
    released.set()
    stopping.join(10)
    assert not stopping.is_alive()
    assert bench.embedding("a")
    assert bench.lag() == 0


def _stop_on_a_thread(kfc: KfcService) -> threading.Thread:
    thread = threading.Thread(target=kfc.stop)
    thread.start()
    return thread


def test_a_call_that_never_returns_is_abandoned_and_its_record_consumed_again() -> None:
    settings = kfc_settings()
    listen = Listen(host="127.0.0.1", probes_port=0, drain=timedelta(milliseconds=1))
    bench = KfcHarness(settings.model_copy(update={"listen": listen}))
    entered, released = bench.encoder.hold("hung")
    try:
        kfc = bench.start()
        bench.request(["hung"])
        assert entered.wait(10)
        kfc.stop()
        assert bench.consumer.commits == []
        assert bench.consumer.closes == 1
        released.set()
        bench.join_again()
        bench.start()
        bench.until_done()
        assert bench.embedding("hung")
    finally:
        released.set()
        bench.close()


def test_a_stop_during_an_outage_does_not_wait_for_its_end(bench: KfcHarness) -> None:
    bench.encoder.down.set()
    kfc = bench.start()
    bench.request(["a"])
    bench.until(lambda: bench.encoder.refused, "the outage is met")
    kfc.stop()
    assert bench.lag() == 1
    bench.encoder.down.clear()
    bench.join_again()
    bench.start()
    bench.until_done()
    assert bench.embedding("a")


def test_stopping_twice_or_before_the_start_closes_the_consumer_once(bench: KfcHarness) -> None:
    unstarted = bench.kfc()
    unstarted.stop()
    unstarted.stop()
    assert bench.consumer.closes == 1
    bench.join_again()
    started = bench.start()
    started.stop()
    started.stop()
    assert bench.consumer.closes == 1
