"""The errors of brokers that cannot be reached."""

from confluent_kafka import KafkaError

from embark.topic.kafka import client_internals
from embark.topic.kafka.errors import ConnectionErrors

TIMED_OUT = KafkaError(client_internals.TIMED_OUT, "timed out")
REFUSED = KafkaError(client_internals.TRANSPORT, "a:9092: connection refused (after 7ms in state CONNECT)")
DISCONNECTED = KafkaError(client_internals.TRANSPORT, "a:9092: disconnected")
WRONG_PASSWORD = KafkaError(
    client_internals.AUTHENTICATION, "a:9092: invalid credentials (after 311ms in state AUTH_REQ)"
)
NO_CERTIFICATE = KafkaError(client_internals.TRANSPORT, "a:9092: SSL alert number 42")
ALL_DOWN = KafkaError(client_internals.ALL_BROKERS_DOWN, "1/1 brokers are down")


class Timer:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def build_errors(*reports: KafkaError, timer: Timer | None = None) -> ConnectionErrors:
    errors = ConnectionErrors("contacted over ssl", timer or Timer())
    for report in reports:
        errors.record(report)
    return errors


def test_an_error_of_a_reached_broker_stays_unchanged() -> None:
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, "not allowed")
    assert build_errors(WRONG_PASSWORD).explain(error) == "not allowed"


def test_a_timeout_is_explained_by_the_report_of_a_connection() -> None:
    assert build_errors().explain(TIMED_OUT) == "timed out (contacted over ssl)"
    assert build_errors(REFUSED).explain(TIMED_OUT) == "timed out (a:9092: connection refused; contacted over ssl)"


def test_a_repeated_report_gives_the_same_message() -> None:
    again = KafkaError(
        client_internals.TRANSPORT, "a:9092: connection refused (after 9ms in state CONNECT, 3 suppressed)"
    )
    assert build_errors(REFUSED).explain(TIMED_OUT) == build_errors(again).explain(TIMED_OUT)


def test_a_refused_password_or_certificate_takes_precedence_over_its_consequences() -> None:
    for telling in (WRONG_PASSWORD, NO_CERTIFICATE):
        for reports in ([REFUSED, telling, ALL_DOWN], [telling, DISCONNECTED, ALL_DOWN]):
            report = telling.str().partition(" (")[0]
            assert build_errors(*reports).explain(TIMED_OUT) == f"timed out ({report}; contacted over ssl)"


def test_an_old_report_is_dropped() -> None:
    timer = Timer()
    errors = build_errors(WRONG_PASSWORD, timer=timer)
    timer.seconds = 61.0
    assert errors.explain(TIMED_OUT) == "timed out (contacted over ssl)"
    errors.record(DISCONNECTED)
    assert errors.explain(TIMED_OUT) == "timed out (a:9092: disconnected; contacted over ssl)"
