"""The contract of checkpoints and of dropping a space, which every store meets."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.errors import ClosedError, UnavailableError
from embark.store import Checkpoints, RangeProgress, RolloutStore, TokenRange, split_ring
from embark.store.progress import find_progress
from embark_testing.contracts.rows import OTHER_SPACE, PATIENT, SPACE, embedding

FIRST, SECOND, THIRD = split_ring(3)
DROPPED = "d0d0d0d0d0d0"


def begin(checkpoints: Checkpoints, space: str, token_range: TokenRange) -> RangeProgress:
    """Create the checkpoint of a range at its start, unless another process has; return its progress."""
    start = RangeProgress(token_range, token_range.start)
    checkpoints.save(space, start, first=True)
    progress = find_progress(checkpoints.load(space), space, token_range)
    assert progress is not None
    return progress


class CheckpointsContract:
    """Needs the fixture `store` (open, with both spaces ensured)."""

    @pytest.fixture
    def checkpoints(self, store: RolloutStore) -> Checkpoints:
        checkpoints = store.checkpoints()
        for space in (SPACE, OTHER_SPACE):
            checkpoints.drop(space)
        return checkpoints

    def test_a_range_begins_at_its_start_and_continues_from_its_checkpoint(self, checkpoints: Checkpoints) -> None:
        begun = begin(checkpoints, SPACE, FIRST)
        assert begun == RangeProgress(FIRST, FIRST.start)
        assert (begun.remaining, begun.finished) == (FIRST, False)
        further = begun.advanced(FIRST.start + 7, done=5, failed=1)
        assert checkpoints.save(SPACE, further)
        assert begin(checkpoints, SPACE, FIRST) == further
        assert further.remaining == TokenRange(FIRST.start + 7, FIRST.end)
        finished = further.advanced(FIRST.end, done=2**40, failed=2)
        assert checkpoints.save(SPACE, finished)
        assert begin(checkpoints, SPACE, FIRST) == RangeProgress(FIRST, FIRST.end, 5 + 2**40, 3)
        assert finished.finished

    def test_a_checkpoint_never_moves_back(self, checkpoints: Checkpoints) -> None:
        begun = begin(checkpoints, SPACE, SECOND)
        further = begun.advanced(9, done=9, failed=0)
        assert checkpoints.save(SPACE, further)
        assert not checkpoints.save(SPACE, begun.advanced(8, done=100, failed=100))
        assert checkpoints.load(SPACE) == [further]

    def test_a_save_whose_reply_was_lost_may_be_sent_again(self, checkpoints: Checkpoints) -> None:
        further = begin(checkpoints, SPACE, SECOND).advanced(9, done=9, failed=0)
        assert [checkpoints.save(SPACE, further), checkpoints.save(SPACE, further)] == [True, True]
        assert checkpoints.load(SPACE) == [further]

    def test_every_checkpoint_is_loaded_in_order(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.load(SPACE) == []
        for part in (THIRD, FIRST, SECOND):
            begin(checkpoints, SPACE, part)
        last = RangeProgress(THIRD, THIRD.end, 3, 4)
        assert checkpoints.save(SPACE, last)
        assert checkpoints.load(SPACE) == [RangeProgress(FIRST, FIRST.start), RangeProgress(SECOND, SECOND.start), last]
        assert checkpoints.load(OTHER_SPACE) == []

    def test_a_first_save_may_be_further_than_the_start_but_not_behind_another_process(
        self, checkpoints: Checkpoints
    ) -> None:
        reached = RangeProgress(SECOND, 9, 9, 0)
        assert [checkpoints.save(SPACE, reached, first=True) for _ in range(2)] == [True, True]
        assert not checkpoints.save(SPACE, RangeProgress(SECOND, 8, 100, 100), first=True)
        assert checkpoints.load(SPACE) == [reached]
        further = reached.advanced(SECOND.end, done=1, failed=1)
        assert checkpoints.save(SPACE, further, first=True)
        assert checkpoints.load(SPACE) == [further]

    def test_a_checkpoint_that_was_never_created_or_was_dropped_is_not_saved(self, checkpoints: Checkpoints) -> None:
        assert not checkpoints.save(SPACE, RangeProgress(FIRST, 0 + FIRST.end, 1, 0))
        begun = begin(checkpoints, SPACE, FIRST)
        begin(checkpoints, OTHER_SPACE, FIRST)
        checkpoints.drop(SPACE)
        assert not checkpoints.save(SPACE, begun.advanced(FIRST.end, done=1, failed=0))
        assert checkpoints.load(SPACE) == []
        assert checkpoints.load(OTHER_SPACE) == [begun]

    def test_a_dropped_space_starts_over_and_is_saved_again(self, checkpoints: Checkpoints) -> None:
        for done in range(3):
            begun = begin(checkpoints, SPACE, FIRST)
            assert begun == RangeProgress(FIRST, FIRST.start)
            further = begun.advanced(FIRST.end - done, done=done, failed=0)
            assert checkpoints.save(SPACE, further)
            assert checkpoints.load(SPACE) == [further]
            checkpoints.drop(SPACE)
            checkpoints.drop(SPACE)

    def test_a_space_has_the_ranges_of_only_one_split(self, checkpoints: Checkpoints) -> None:
        begun = begin(checkpoints, SPACE, FIRST)
        for other in split_ring(4)[:2]:
            assert not checkpoints.save(SPACE, RangeProgress(other, other.end))
            with pytest.raises(ValueError, match=f"{SPACE} has a checkpoint of .*; drop it"):
                find_progress(checkpoints.load(SPACE), SPACE, other)
        assert checkpoints.load(SPACE) == [begun]

    def test_of_saves_in_any_order_the_furthest_stays(self, checkpoints: Checkpoints) -> None:
        @given(st.lists(st.integers(0, 6), max_size=8))
        @settings(max_examples=30, deadline=None)
        def check(steps: list[int]) -> None:
            checkpoints.drop(SPACE)
            begun = furthest = begin(checkpoints, SPACE, SECOND)
            for done, step in enumerate(steps):
                saved = begun.advanced(SECOND.start + step, done=done, failed=0)
                stored = checkpoints.save(SPACE, saved)
                assert stored == (saved.cursor >= furthest.cursor)
                furthest = saved if stored else furthest
                assert checkpoints.load(SPACE) == [furthest]

        check()

    def test_of_concurrent_processes_the_furthest_save_stays(self, checkpoints: Checkpoints) -> None:
        begun: list[RangeProgress] = []
        backward: list[RangeProgress] = []
        start = threading.Barrier(4)

        def work(steps: Sequence[int]) -> None:
            start.wait()
            begun.append(replace(begin(checkpoints, SPACE, THIRD), cursor=THIRD.start, done=0))
            for step in steps:
                saved = RangeProgress(THIRD, THIRD.start + step, step)
                checkpoints.save(SPACE, saved)
                [stored] = checkpoints.load(SPACE)
                if stored.cursor < saved.cursor:
                    backward.append(saved)

        orders = [range(1, 16), range(15, 0, -1), range(1, 16, 3), range(2, 15, 4)]
        threads = [threading.Thread(target=work, args=(steps,)) for steps in orders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert begun == [RangeProgress(THIRD, THIRD.start)] * 4
        assert backward == []
        assert checkpoints.load(SPACE) == [RangeProgress(THIRD, THIRD.start + 15, 15)]

    def test_a_dropped_space_loses_its_rows_and_checkpoints(
        self, store: RolloutStore, checkpoints: Checkpoints
    ) -> None:
        store.ensure_space(DROPPED)
        store.write(DROPPED, [embedding(f"key {i}", 1) for i in range(30)])
        store.write(SPACE, [embedding("kept", 1)])
        begun = begin(checkpoints, SPACE, FIRST)
        begin(checkpoints, DROPPED, FIRST)
        store.drop_space(DROPPED)
        assert checkpoints.load(DROPPED) == []
        with pytest.raises(UnavailableError, match="store"):
            store.read(DROPPED, ["key 1"], PATIENT)
        with pytest.raises(UnavailableError, match="store"):
            store.write(DROPPED, [embedding("key 1", 1)])
        store.drop_space(DROPPED)
        assert store.read(SPACE, ["kept"], PATIENT).keys() == {"kept"}
        assert checkpoints.load(SPACE) == [begun]

    def test_a_dropped_space_may_be_created_again_and_is_empty(
        self, store: RolloutStore, checkpoints: Checkpoints
    ) -> None:
        for at in (1, 2):
            store.ensure_space(DROPPED)
            assert store.count(DROPPED) == 0
            store.write(DROPPED, [embedding("key", at)])
            assert store.read(DROPPED, ["key"], PATIENT) == {"key": embedding("key", at)}
            assert begin(checkpoints, DROPPED, FIRST) == RangeProgress(FIRST, FIRST.start)
            assert checkpoints.save(DROPPED, RangeProgress(FIRST, FIRST.end))
            store.drop_space(DROPPED)

    def test_dropping_a_space_that_never_existed_succeeds(self, store: RolloutStore) -> None:
        store.drop_space("feedfeedfeed")

    def test_checkpoints_close_with_their_store(self, store: RolloutStore, checkpoints: Checkpoints) -> None:
        begun = begin(checkpoints, SPACE, FIRST)
        store.close()
        with pytest.raises(ClosedError):
            begin(checkpoints, SPACE, FIRST)
        with pytest.raises(ClosedError):
            checkpoints.save(SPACE, begun)
        with pytest.raises(ClosedError):
            checkpoints.load(SPACE)
        with pytest.raises(ClosedError):
            checkpoints.drop(SPACE)
        with pytest.raises(ClosedError):
            store.drop_space(SPACE)
