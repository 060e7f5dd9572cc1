import time
from datetime import timedelta

import pytest

from embark.causes import Cause, CauseKind
from embark.clock import micros, now
from embark.rpc.wire import cause_from_wire, cause_to_wire, dtype_to_wire, form_from_wire
from embark.space import VectorForm
from embark.spec import DType
from embark.statuses import KeyStatus, statuses_from_wire
from embark.v1 import types_pb2


@pytest.mark.parametrize("kind", list(CauseKind))
def test_a_cause_is_sent_unchanged(kind: CauseKind) -> None:
    cause = Cause(kind, "why")
    assert cause_from_wire(types_pb2.Cause.FromString(cause_to_wire(cause).SerializeToString())) == cause


def test_every_kind_and_dtype_of_the_wire_has_a_value() -> None:
    kinds = {number for name, number in types_pb2.CauseKind.items() if number}
    assert {cause_to_wire(Cause(kind, "")).kind for kind in CauseKind} == kinds
    assert {dtype_to_wire(dtype) for dtype in DType} == {number for _, number in types_pb2.DType.items() if number}


def test_a_cause_of_a_later_version_is_retriable() -> None:
    message = types_pb2.Cause(kind=99, detail="new")  # type: ignore[arg-type]
    assert cause_from_wire(message) == Cause(CauseKind.ENCODER_FAILED, "new")
    assert not cause_from_wire(message).permanent


def test_a_detail_from_the_wire_is_made_printable() -> None:
    assert cause_from_wire(types_pb2.Cause(kind=types_pb2.CAUSE_KIND_BLOCKED, detail="a\nb")).detail == "a b"


@pytest.mark.parametrize("dtype", list(DType))
def test_a_form_is_sent_unchanged(dtype: DType) -> None:
    assert form_from_wire(7, dtype_to_wire(dtype)) == VectorForm(7, dtype)


@pytest.mark.parametrize("number", [0, 99])
def test_an_unknown_dtype_is_a_value_error(number: int) -> None:
    with pytest.raises(ValueError, match=f"dtype {number} .* not known"):
        form_from_wire(7, number)  # type: ignore[arg-type]


def test_the_statuses_are_those_of_the_wire() -> None:
    wire = {name.removeprefix("KEY_STATUS_"): number for name, number in types_pb2.KeyStatus.items() if number}
    assert {status.name: int(status) for status in KeyStatus.known()} == wire
    assert all(0 < status < 128 for status in KeyStatus.known())


def test_a_status_of_a_later_version_is_unknown() -> None:
    assert statuses_from_wire([1, 99, 0, 7]) == [KeyStatus.HIT, KeyStatus.UNKNOWN, KeyStatus.UNKNOWN, KeyStatus.INVALID]


def test_the_clock_counts_microseconds_since_the_epoch() -> None:
    before = time.time()
    assert before - 1 <= now() / 1e6 <= time.time() + 1
    assert micros(timedelta(seconds=1, microseconds=2)) == 1_000_002
