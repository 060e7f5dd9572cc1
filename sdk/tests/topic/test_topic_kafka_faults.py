"""What is said of brokers that cannot be reached."""

from confluent_kafka import KafkaError

from embark.topic.kafka.faults import KafkaFaults

TIMED_OUT = KafkaError(KafkaError._TIMED_OUT, "timed out")
REFUSED = KafkaError(KafkaError._TRANSPORT, "a:9092: connection refused (after 7ms in state CONNECT)")
DISCONNECTED = KafkaError(KafkaError._TRANSPORT, "a:9092: disconnected")
WRONG_PASSWORD = KafkaError(KafkaError._AUTHENTICATION, "a:9092: invalid credentials (after 311ms in state AUTH_REQ)")
NO_CERTIFICATE = KafkaError(KafkaError._TRANSPORT, "a:9092: SSL alert number 42")
ALL_DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")


class Timer:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def faults(*noted: KafkaError, timer: Timer | None = None) -> KafkaFaults:
    made = KafkaFaults("asked over ssl", timer or Timer())
    for error in noted:
        made.note(error)
    return made


def test_an_error_of_a_broker_that_was_reached_is_left_as_it_is() -> None:
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed")
    assert faults(WRONG_PASSWORD).explain(error) == "not allowed"


def test_a_call_that_timed_out_says_what_the_connections_reported() -> None:
    assert faults().explain(TIMED_OUT) == "timed out (asked over ssl)"
    assert faults(REFUSED).explain(TIMED_OUT) == "timed out (a:9092: connection refused; asked over ssl)"


def test_what_repeats_changes_no_word() -> None:
    again = KafkaError(KafkaError._TRANSPORT, "a:9092: connection refused (after 9ms in state CONNECT, 3 suppressed)")
    assert faults(REFUSED).explain(TIMED_OUT) == faults(again).explain(TIMED_OUT)


def test_a_refused_password_or_certificate_is_said_rather_than_what_follows_from_it() -> None:
    for telling in (WRONG_PASSWORD, NO_CERTIFICATE):
        for noted in ([REFUSED, telling, ALL_DOWN], [telling, DISCONNECTED, ALL_DOWN]):
            said = telling.str().partition(" (")[0]
            assert faults(*noted).explain(TIMED_OUT) == f"timed out ({said}; asked over ssl)"


def test_what_was_reported_long_ago_is_said_no_more() -> None:
    timer = Timer()
    made = faults(WRONG_PASSWORD, timer=timer)
    timer.seconds = 61.0
    assert made.explain(TIMED_OUT) == "timed out (asked over ssl)"
    made.note(DISCONNECTED)
    assert made.explain(TIMED_OUT) == "timed out (a:9092: disconnected; asked over ssl)"
