"""The OOV embedding: zeros, a given vector, or the mean of the space."""

import numpy as np
import pytest

from embark.causes import Cause, CauseKind
from embark.errors import InvalidSpecError, UnavailableError
from embark.settings import EmbArkSettings
from embark.store import Embedding, Negative, Row
from embark_server.oov import MeanRenewal, compute_mean
from embark_testing.embark.harness import DIMENSION, ZEROS, embark_settings, read_rows, running, vector
from embark_testing.eventually import eventually

GIVEN = [0.5, -1.0, 2.0, 0.0]
VECTOR = {"oov": "Vector", "oovVectorConfigMap": "oov"}


def test_keys_without_an_embedding_get_zeros_by_default() -> None:
    with running() as harness:
        assert harness.lookup("a").vectors == ZEROS


def test_keys_without_an_embedding_get_the_given_vector() -> None:
    with running(embark_settings(miss=VECTOR, oov_vector=GIVEN)) as harness:
        assert harness.lookup("a").vectors == np.array(GIVEN, "<f4").tobytes()


def test_keys_without_an_embedding_get_the_mean_once_it_is_known() -> None:
    with running(embark_settings(miss={"oov": "Mean"}), rows={"a": vector(1), "b": vector(4)}) as harness:
        assert eventually(lambda: harness.lookup("c").vectors == vector(2.5), what="the mean is served")


def test_the_renewal_survives_a_failure_of_the_store(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> bool:
        raise UnavailableError("store", "down")

    renewals = MeanRenewal([fail])
    renewals.start()
    eventually(lambda: "not renewed" in caplog.text)
    assert renewals._thread.is_alive()
    renewals.stop()
    renewals._thread.join(10)
    assert not renewals._thread.is_alive()


def test_the_mean_excludes_negatives_rows_of_another_form_and_rows_beyond_its_limit() -> None:
    space = embark_settings().active
    negative = Negative("n", Cause(CauseKind.NOT_FOUND, ""), 0, 1)
    pages: list[list[Row]] = [
        [negative, Embedding("x", b"short", 0)],
        [Embedding(str(n), vector(n), 0) for n in (1, 3, 100)],
    ]
    assert compute_mean(space, pages, limit=2) == vector(2)


def test_the_mean_of_a_space_of_unit_vectors_has_unit_length() -> None:
    space = embark_settings(output={"normalization": "l2"}).active
    rows = [Embedding("a", np.eye(DIMENSION, dtype="<f4")[0].tobytes(), 0), Embedding("b", vector(0.5), 0)]
    mean = compute_mean(space, [rows])
    assert mean is not None
    assert np.linalg.norm(np.frombuffer(mean, "<f4")) == pytest.approx(1, abs=1e-6)


def test_a_space_without_embeddings_has_no_mean() -> None:
    assert compute_mean(embark_settings().active, []) is None


@pytest.mark.parametrize(
    ("miss", "given", "message"),
    [
        (VECTOR, [1.0, 2.0], "2 elements.*has 4"),
        (VECTOR, None, "no OOV vector is given"),
        (VECTOR, [1.0, float("nan"), 0.0, 0.0], "not finite"),
        ({"oov": "Zeros"}, GIVEN, "oov is Zeros"),
    ],
)
def test_an_oov_vector_that_does_not_match_is_refused_by_field(
    miss: dict[str, str], given: list[float] | None, message: str
) -> None:
    with pytest.raises(InvalidSpecError, match=f"oovVectorConfigMap: .*{message}"):
        embark_settings(miss=miss, oov_vector=given)


def test_settings_with_a_vector_survive_a_round_trip_through_json() -> None:
    settings = embark_settings(miss=VECTOR, oov_vector=GIVEN)
    assert EmbArkSettings.model_validate_json(settings.model_dump_json(by_alias=True)) == settings


def test_mounted_settings_with_a_vector_of_another_length_are_refused() -> None:
    document = embark_settings(miss=VECTOR, oov_vector=GIVEN).model_dump(mode="json", by_alias=True)
    with pytest.raises(ValueError, match="3 elements"):
        EmbArkSettings.model_validate(document | {"oovVector": [1.0, 2.0, 3.0]})


def test_all_misses_of_a_lookup_get_the_same_oov_row() -> None:
    with running(embark_settings(miss=VECTOR, oov_vector=GIVEN)) as harness:
        assert len(set(read_rows(harness.lookup("a", "b", b"\xff")))) == 1
