"""The bytes of lookup replies equal those of the message that protobuf builds."""

from hypothesis import given
from hypothesis import strategies as st

from embark.causes import Cause, CauseKind
from embark.rpc.wire import cause_to_wire, dtype_to_wire
from embark.space import VectorForm
from embark.spec import DType
from embark.statuses import KeyStatus
from embark.v1 import embark_pb2 as pb
from embark_server.answers import ReplyEncoder, statuses_to_wire

CAUSES = st.builds(Cause, st.sampled_from(CauseKind), st.text(max_size=400))
FORMS = st.builds(VectorForm, st.integers(1, 40), st.sampled_from(DType))


@st.composite
def answers(draw: st.DrawFn) -> tuple[VectorForm, bytes, dict[int, Cause], list[bytes]]:
    form = draw(FORMS)
    count = draw(st.integers(1, 200))
    rows = [draw(st.binary(min_size=form.nbytes, max_size=form.nbytes)) for _ in range(min(count, 5))]
    statuses = bytes(draw(st.lists(st.sampled_from(KeyStatus.known()), min_size=count, max_size=count)))
    causes = draw(st.dictionaries(st.integers(0, count - 1), CAUSES, max_size=5))
    return form, statuses, causes, [rows[index % len(rows)] for index in range(count)]


def build_message(form: VectorForm, statuses: bytes, causes: dict[int, Cause], rows: list[bytes]) -> pb.LookupResponse:
    return pb.LookupResponse(
        space="0123456789ab",
        dimension=form.dimension,
        dtype=dtype_to_wire(form.dtype),
        vectors=b"".join(rows),
        statuses=statuses_to_wire(statuses),
        causes={index: cause_to_wire(cause) for index, cause in causes.items()},
    )


@given(answers())
def test_reply_bytes_parse_as_the_message_built_by_protobuf(
    answer: tuple[VectorForm, bytes, dict[int, Cause], list[bytes]],
) -> None:
    form, statuses, causes, rows = answer
    encoded = ReplyEncoder("0123456789ab", form).encode(statuses, causes, rows)
    assert pb.LookupResponse.FromString(encoded) == build_message(form, statuses, causes, rows)
    assert len(encoded) == build_message(form, statuses, causes, rows).ByteSize()


@given(answers())
def test_streamed_reply_bytes_wrap_the_same_message(
    answer: tuple[VectorForm, bytes, dict[int, Cause], list[bytes]],
) -> None:
    form, statuses, causes, rows = answer
    encoded = ReplyEncoder("0123456789ab", form).encode_streamed(statuses, causes, rows)
    assert pb.LookupStreamResponse.FromString(encoded).lookup == build_message(form, statuses, causes, rows)


def test_a_reply_of_only_hits_equals_the_reply_with_their_statuses() -> None:
    form = VectorForm(3, DType.FLOAT16)
    rows = [bytes([n]) * form.nbytes for n in range(200)]
    reply = ReplyEncoder("0123456789ab", form)
    assert reply.encode_hits(rows) == reply.encode(bytes([KeyStatus.HIT]) * 200, {}, rows)


def test_every_status_fits_one_byte_of_the_packed_form() -> None:
    assert all(0 < status < 128 for status in KeyStatus.known())
