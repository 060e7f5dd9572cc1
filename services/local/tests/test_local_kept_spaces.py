"""What the local mode makes of a manifest that asks for another space; pure."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from embark.errors import InvalidSpecError
from embark.spec import Encoder
from embark_local.kept_spaces import KeptSpaces, id_of
from embark_local.rollout_files import UnreadableRolloutError, read_kept, write_kept
from embark_testing.caches import sample

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEEP = timedelta(hours=72)


def encoder_of(role: str) -> Encoder:
    """Another role is another space."""
    return sample("titles", encoder={"role": role}).spec.encoder


A, B, C = (encoder_of(role) for role in ("a", "b", "c"))


def switched() -> KeptSpaces:
    return KeptSpaces(active=A).settle(B, NOW).switch(NOW, KEEP)


def test_an_edit_that_keeps_the_space_takes_effect_and_re_embeds_nothing() -> None:
    edited = A.model_copy(update={"batch": A.batch.model_copy(update={"max_size": 3})})
    assert KeptSpaces(active=A).settle(edited, NOW) == KeptSpaces(active=edited)


def test_another_space_becomes_the_candidate_while_the_old_one_stays_active() -> None:
    kept = KeptSpaces(active=A).settle(B, NOW)
    assert (kept.active, kept.candidate and kept.candidate.encoder, kept.dropped) == (A, B, ())
    assert kept.settle(B, NOW) == kept


def test_a_superseded_candidate_is_dropped() -> None:
    kept = KeptSpaces(active=A).settle(B, NOW).approve().settle(C, NOW)
    assert kept.candidate is not None
    assert (kept.candidate.encoder, kept.candidate.approved, kept.dropped) == (C, False, (id_of(B),))


def test_setting_the_spec_back_during_a_rollout_drops_the_candidate_alone() -> None:
    assert KeptSpaces(active=A).settle(B, NOW).settle(A, NOW) == KeptSpaces(active=A, dropped=(id_of(B),))


def test_a_switch_keeps_the_old_space_for_its_time() -> None:
    kept = switched()
    assert kept.previous is not None
    assert (kept.active, kept.candidate, kept.previous.encoder) == (B, None, A)
    assert kept.expire(NOW + KEEP - timedelta(seconds=1)) == kept
    assert kept.expire(NOW + KEEP) == KeptSpaces(active=B, dropped=(id_of(A),))


def test_a_rollback_while_the_old_space_is_kept_builds_nothing() -> None:
    assert switched().settle(A, NOW) == KeptSpaces(active=A, dropped=(id_of(B),))


def test_a_rollback_drops_the_active_space_and_the_candidate() -> None:
    assert switched().settle(C, NOW).settle(A, NOW) == KeptSpaces(active=A, dropped=(id_of(C), id_of(B)))


def test_a_rollback_after_the_time_is_a_rollout() -> None:
    kept = switched().settle(A, NOW + KEEP)
    assert (kept.active, kept.candidate and kept.candidate.encoder, kept.dropped) == (B, A, (id_of(A),))


def test_a_second_switch_drops_the_space_before_the_last_one() -> None:
    kept = switched().settle(C, NOW).switch(NOW, KEEP)
    assert kept.previous is not None
    assert (kept.active, kept.previous.encoder, kept.dropped) == (C, B, (id_of(A),))


def test_another_modality_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match="modality"):
        KeptSpaces(active=A).settle(sample("photos").spec.encoder, NOW)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    assert read_kept(tmp_path) is None
    kept = switched().settle(C, NOW).approve().fail_gate().measure(120.5)
    write_kept(tmp_path, kept)
    assert read_kept(tmp_path) == kept
    assert [path.name for path in tmp_path.iterdir()] == ["rollout.json"]


def test_a_damaged_file_is_named_and_nothing_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "rollout.json").write_text('{"active": ')
    with pytest.raises(UnreadableRolloutError, match=r"rollout\.json"):
        read_kept(tmp_path)
