"""The release of confluent-kafka whose internals the topic was checked with."""

from importlib.metadata import version

from confluent_kafka import KafkaError

from embark.topic.kafka.client_internals import CHECKED_VERSION, UNSUPPORTED_FEATURE, mentions_any


def test_the_installed_client_is_the_one_whose_internals_were_checked() -> None:
    installed = version("confluent-kafka")
    assert installed == CHECKED_VERSION, (
        f"confluent-kafka {installed} is installed, but embark/topic/kafka/client_internals.py was checked with "
        f"{CHECKED_VERSION}. Run `pytest -m 'integration or not integration' sdk/tests/topic`, mend what fails, "
        f"then set CHECKED_VERSION to {installed}."
    )


def test_the_cause_of_a_fatal_error_is_found_in_its_text() -> None:
    fatal = KafkaError(KafkaError.UNKNOWN, f"Fatal error: {KafkaError(UNSUPPORTED_FEATURE).str()}: no KIP-848")
    assert mentions_any(fatal, {UNSUPPORTED_FEATURE})
    assert not mentions_any(fatal, {KafkaError.UNSUPPORTED_VERSION})
