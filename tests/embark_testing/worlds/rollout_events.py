"""What may happen to a rollout, for tests that let it happen in any order; each is a method of a RolloutWorld."""

from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st

from embark.spec.rollout import Approval

Event = tuple[str, *tuple[Any, ...]]
"""The name of a method of RolloutWorld, and its arguments."""

KEPT: Final = timedelta(hours=1)
"""How long a world keeps its previous space, at most."""
WORK: Final = ("start", "end", "roll", "scan", "verify", "catch up", "drop")
"""The parts of a cluster that do something by themselves."""

_LETTER = st.sampled_from("abc")
_RARE = st.one_of(
    st.tuples(st.just("tune"), st.integers(0, 9)),
    st.tuples(st.just("gate"), st.just("paused"), st.booleans()),
    st.tuples(st.just("gate"), st.just("approval"), st.sampled_from(Approval)),
    st.tuples(st.just("gate"), st.just("max_failure_ratio"), st.sampled_from([0.01, 1.0])),
    st.tuples(st.just("gate"), st.just("keep_previous"), st.sampled_from([timedelta(0), KEPT])),
    st.tuples(st.just("approve"), _LETTER),
    st.tuples(st.just("resume")),
    st.tuples(st.just("wait"), st.sampled_from([1, 60])),
    st.tuples(st.just("hush"), st.booleans()),
    st.tuples(st.just("breaks"), _LETTER),
    st.tuples(st.just("spoil"), _LETTER),
    st.tuples(st.just("fail_scan")),
    st.tuples(st.just("lose_verdict")),
    st.tuples(st.just("fill"), st.integers(0, 5)),
)
_DISASTERS = st.one_of(st.tuples(st.just("lose_status")), st.tuples(st.just("crash"), st.integers(0, 25)))
_EDITS = st.tuples(st.just("edit"), _LETTER)
_WORK = st.one_of(
    st.tuples(st.just("work"), st.sampled_from(WORK)),
    st.tuples(st.just("proceed"), st.integers(1, 9)),
    st.tuples(st.just("proceed"), st.integers(1, 9), st.frozensets(st.sampled_from(("end", "roll", "catch up")))),
    st.tuples(st.just("spoil"), st.just("b")),
)


def events(*, disasters: bool) -> st.SearchStrategy[list[Event]]:
    """Return what may happen, in the order it happens; `disasters`: a status is lost, an operator dies in a pass."""
    kinds = [_EDITS, _RARE, _WORK, _WORK, _WORK] + ([_DISASTERS] if disasters else [])
    return st.lists(st.one_of(kinds), min_size=3, max_size=25)
