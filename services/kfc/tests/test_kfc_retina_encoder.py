"""RetinaEncoder over real gRPC, against a scripted Retina."""

from collections.abc import Iterator
from datetime import timedelta

import grpc
import pytest

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.rpc.wire import cause_from_wire
from embark_testing.kfc.fake_retina import FakeRetina, RetinaServer, serving
from embark_testing.kfc.harness import KfcHarness
from embark_testing.kfc.parts import NOT_FOUND, fake_vector, kfc_settings
from kfc.encoder import EncodedVector, RetinaEncoder

SPACE = kfc_settings().space
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def retina() -> FakeRetina:
    return FakeRetina(SPACE.id)


@pytest.fixture
def server(retina: FakeRetina) -> Iterator[RetinaServer]:
    with serving(retina) as server:
        yield server


@pytest.fixture
def encoder(server: RetinaServer) -> Iterator[RetinaEncoder]:
    encoder = RetinaEncoder(server.target, SPACE, timedelta(seconds=10))
    yield encoder
    encoder.close()


def test_every_key_gets_its_vector_or_its_cause_in_order(encoder: RetinaEncoder) -> None:
    found = encoder.encode(["ä", "missing", "b"], None)
    assert found == [EncodedVector(fake_vector("ä"), b"hash"), NOT_FOUND, EncodedVector(fake_vector("b"), b"hash")]


@pytest.mark.parametrize("key", ["short", "empty"])
def test_a_vector_of_the_wrong_length_fails_only_its_item(encoder: RetinaEncoder, key: str) -> None:
    bad, good = encoder.encode([key, "good"], None)
    assert isinstance(bad, Cause)
    assert bad.kind is CauseKind.ENCODER_FAILED
    assert "not 8" in bad.detail
    assert isinstance(good, EncodedVector)


def test_a_reply_with_missing_results_is_used_for_no_item(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.drop = 1
    found = encoder.encode(["a", "b"], None)
    assert found == [Cause(CauseKind.ENCODER_FAILED, "1 results for 2 items")] * 2


def test_the_trace_is_sent_as_metadata(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    encoder.encode(["a"], TRACE)
    encoder.encode(["a"], None)
    assert [metadata.get("traceparent") for metadata in retina.metadata] == [TRACE, None]


def test_a_retina_of_another_space_is_an_outage_that_names_it(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.space = "another"
    with pytest.raises(UnavailableError, match=f"refuses space {SPACE.id}.*this is the Retina of another"):
        encoder.encode(["a"], None)


def test_vectors_of_another_space_are_never_used(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    retina.reply_space = "another"
    with pytest.raises(UnavailableError, match="serves space 'another'"):
        encoder.encode(["a"], None)


def test_a_retina_that_is_down_is_an_outage(encoder: RetinaEncoder, server: RetinaServer) -> None:
    server.stop()
    with pytest.raises(UnavailableError, match="UNAVAILABLE"):
        encoder.encode(["a"], None)


def test_keys_requested_while_retina_is_down_are_filled_once_it_is_back(
    harness: KfcHarness, server: RetinaServer, encoder: RetinaEncoder, retina: FakeRetina
) -> None:
    server.stop()
    kfc = harness.start(encoder)
    keys = [f"key {i}" for i in range(40)]
    harness.request([*keys, "missing"], traceparent=TRACE)
    harness.until(lambda: harness.metric("retries_total", reason="retina") > 5, "many failures")
    revived = RetinaServer(retina, server.port)
    try:
        harness.until_done()
    finally:
        kfc.stop()
        revived.stop()
    assert [harness.embedding(key) is not None for key in keys] == [True] * 40
    assert harness.negative("missing")
    assert harness.letters() == []
    assert {metadata["traceparent"] for metadata in retina.metadata} == {TRACE}


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.RESOURCE_EXHAUSTED])
def test_a_rejected_call_fails_only_the_keys_that_it_is_rejected_for(
    encoder: RetinaEncoder, retina: FakeRetina, code: grpc.StatusCode
) -> None:
    keys = [f"key {i}" for i in range(16)]
    retina.poison = {keys[3]: code, keys[11]: code}
    found = encoder.encode(keys, TRACE)
    causes = {key: outcome for key, outcome in zip(keys, found, strict=True) if isinstance(outcome, Cause)}
    assert {key: cause.kind for key, cause in causes.items()} == dict.fromkeys(retina.poison, CauseKind.ENCODER_FAILED)
    assert all(f"{code.name}: poisoned by the test" in cause.detail for cause in causes.values())
    good = [key for key in keys if key not in retina.poison]
    assert [outcome for outcome in found if isinstance(outcome, EncodedVector)] == [
        EncodedVector(fake_vector(key), b"hash") for key in good
    ]
    assert retina.times == dict.fromkeys(good, 1)
    assert {metadata["traceparent"] for metadata in retina.metadata} == {TRACE}


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.PERMISSION_DENIED],
)
def test_a_call_that_fails_because_of_the_server_is_an_outage(
    encoder: RetinaEncoder, retina: FakeRetina, code: grpc.StatusCode
) -> None:
    retina.poison = {"a": code}
    with pytest.raises(UnavailableError, match=code.name):
        encoder.encode(["a", "b"], None)


def test_keys_whose_calls_are_rejected_become_dead_letters_and_delay_no_other_key(
    harness: KfcHarness, encoder: RetinaEncoder, retina: FakeRetina
) -> None:
    poison = [f"poison {i}" for i in range(harness.settings.max_inflight * 2)]
    retina.poison = dict.fromkeys(poison, grpc.StatusCode.INTERNAL)
    keys = [f"key {i}" for i in range(40)]
    harness.request([key for pair in zip(keys, [*poison] * 5, strict=True) for key in pair])
    harness.start(encoder)
    harness.until_done()
    assert [harness.embedding(key) is not None for key in keys] == [True] * 40
    letters = harness.letters()
    assert {letter.record_key.decode() for letter in letters} == set(poison)
    assert {letter.attempts for letter in letters} == {5}
    assert {cause_from_wire(letter.cause).kind for letter in letters} == {CauseKind.ENCODER_FAILED}


def test_a_rejected_call_is_halved_only_as_far_as_needed(encoder: RetinaEncoder, retina: FakeRetina) -> None:
    keys = [f"key {i}" for i in range(16)]
    retina.poison = {keys[0]: grpc.StatusCode.INTERNAL}
    encoder.encode(keys, None)
    assert [len(call) for call in retina.calls] == [16, 8, 4, 2, 1, 1, 2, 4, 8]
