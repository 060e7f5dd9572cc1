"""The circuit breaker rejects calls while the store fails and probes for its recovery."""

from embark_server.guarded_store import CircuitBreaker


def opened() -> CircuitBreaker:
    breaker = CircuitBreaker(failures=3, probe_every=250)
    assert [breaker.failed(0) for _ in range(3)] == [False, False, True]
    return breaker


def test_consecutive_failures_open_it() -> None:
    assert not opened().allow(0)


def test_a_success_in_between_resets_the_count() -> None:
    breaker = CircuitBreaker(failures=2, probe_every=250)
    breaker.failed(0)
    breaker.succeeded()
    assert not breaker.failed(0)
    assert breaker.allow(0)


def test_one_probe_at_a_time_is_admitted_per_interval() -> None:
    breaker = opened()
    assert not breaker.allow(249)
    assert breaker.allow(250)
    assert not breaker.allow(10_000)
    breaker.failed(10_000)
    assert not breaker.allow(10_249)
    assert breaker.allow(10_250)


def test_a_successful_probe_closes_it() -> None:
    breaker = opened()
    assert breaker.allow(250)
    assert breaker.succeeded()
    assert [breaker.allow(250) for _ in range(5)] == [True] * 5


def test_an_abandoned_probe_makes_room_for_the_next() -> None:
    breaker = opened()
    assert breaker.allow(250)
    breaker.abandoned()
    assert breaker.open
    assert breaker.allow(251)


def test_a_clock_set_back_does_not_delay_probes() -> None:
    breaker = CircuitBreaker(failures=1, probe_every=250)
    breaker.failed(1_000_000)
    assert breaker.allow(0)
