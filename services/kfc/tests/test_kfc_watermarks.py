from hypothesis import given
from hypothesis import strategies as st

from kfc.fill.watermarks import Watermarks


def test_nothing_is_committable_before_a_record_is_finished() -> None:
    marks = Watermarks()
    marks.begin(0, 7)
    assert marks.committable() == {}


def test_a_gap_delays_finished_offsets_behind_it() -> None:
    marks = Watermarks()
    for offset in (0, 1, 2):
        marks.begin(0, offset)
    marks.finish(0, 2)
    marks.finish(0, 0)
    assert marks.committable() == {0: 1}
    marks.finish(0, 1)
    assert marks.committable() == {0: 3}


def test_committed_offsets_are_not_committed_again() -> None:
    marks = Watermarks()
    marks.begin(0, 0)
    marks.finish(0, 0)
    offsets = marks.committable()
    assert marks.committable() == offsets  # a commit that failed is made again
    marks.committed(offsets)
    assert marks.committable() == {}


def test_offsets_that_are_never_delivered_delay_no_commit() -> None:
    marks = Watermarks()
    marks.begin(0, 3)
    marks.begin(0, 9)
    marks.finish(0, 9)
    marks.finish(0, 3)
    assert marks.committable() == {0: 10}


def test_a_rewound_partition_starts_over() -> None:
    marks = Watermarks()
    for offset in (5, 6, 7):
        marks.begin(0, offset)
    marks.finish(0, 5)
    marks.begin(0, 6)
    assert marks.committable() == {}
    assert marks.outstanding == 1
    marks.finish(0, 7)  # the copy from before: 7 was not delivered again yet
    marks.finish(0, 6)
    assert marks.committable() == {0: 7}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Deliveries in order with gaps, and finishes (some repeated) of delivered offsets, in any interleaving."""
    steps: list[tuple[str, int, int]] = []
    following = {0: draw(st.integers(0, 5)), 1: 0, 7: 0}
    begun: list[tuple[int, int]] = []
    for _ in range(draw(st.integers(0, 60))):
        finishing = draw(st.booleans())
        if begun and finishing:
            partition, offset = draw(st.sampled_from(begun))
            steps.append(("finish", partition, offset))
        else:
            partition = draw(st.sampled_from(sorted(following)))
            offset = following[partition] + draw(st.integers(0, 3))
            following[partition] = offset + 1
            begun.append((partition, offset))
            steps.append(("begin", partition, offset))
    return steps


@given(histories())
def test_exactly_the_prefix_without_unfinished_records_is_committable(steps: list[tuple[str, int, int]]) -> None:
    marks = Watermarks()
    begun: dict[int, list[int]] = {}
    finished: set[tuple[int, int]] = set()
    before: dict[int, int] = {}
    for step, partition, offset in steps:
        if step == "begin":
            marks.begin(partition, offset)
            begun.setdefault(partition, []).append(offset)
        else:
            marks.finish(partition, offset)
            finished.add((partition, offset))
        found = marks.committable()
        for p, offsets in begun.items():
            done = next((i for i, o in enumerate(offsets) if (p, o) not in finished), len(offsets))
            assert found.get(p) == (offsets[done - 1] + 1 if done else None)
        assert all(found[p] >= position for p, position in before.items())
        assert marks.outstanding == sum(map(len, begun.values())) - len(finished)
        before = found
