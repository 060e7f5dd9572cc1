"""The rollout of the local mode: fills the space that the manifest asks for while another one is served, and switches.

A thread does it; whatever it is stopped or killed at, the next start goes on from what `rollout.json`, the checkpoints
and the commits of the consumer groups say. The file is written before what it says is done.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from embark.errors import EmbArkError
from embark.settings import EmbArkSettings
from embark.spec import Encoder
from embark.spec.rollout import Approval
from embark_local.candidates import CandidateFill
from embark_local.kept_spaces import Candidate, KeptSpaces, id_of
from embark_local.opened import Opened
from embark_local.progress import plan
from embark_local.rollout_files import write_kept
from embark_local.space_settings import serving_settings
from embark_local.viewers import Viewer
from kfc.outages import StoppedError

# How soon an approval, or that the previous space's time is over, is seen.
_RECHECK_SECONDS: Final = 0.1


class LocalRollout:
    """Does what `kept` asks for, from start() to stop(); `switch` makes EmbArk serve other spaces."""

    def __init__(
        self,
        opened: Opened,
        kept: KeptSpaces,
        *,
        switch: Callable[[EmbArkSettings], None],
        oov_vector: Sequence[float] | None,
        viewer: Viewer,
        stopping: threading.Event,
    ) -> None:
        """Take `stopping` as the event that `opened.outages` waits with."""
        self._opened: Final = opened
        self._kept = kept
        self._switch: Final = switch
        self._oov_vector: Final = oov_vector
        self._viewer: Final = viewer
        self._stopping: Final = stopping
        self._approved: Final = threading.Event()
        self._tried = False
        self._failure: Exception | None = None
        self._thread: Final = threading.Thread(target=self._run, name="rollout")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Leave the work where it is, and return once nothing is done any more."""
        self._stopping.set()
        self._thread.join()

    @property
    def space(self) -> str:
        """The space that look-ups read."""
        return id_of(self._kept.active)

    @property
    def failure(self) -> Exception | None:
        """The fault of the program that stopped the rollout, if one did."""
        return self._failure

    @property
    def awaits_approval(self) -> bool:
        """Whether there is a candidate that nothing is done for until approve() is called."""
        rollout, candidate = self._opened.cache.spec.rollout, self._kept.candidate
        asked = candidate is not None and not candidate.approved and rollout.approval is Approval.MANUAL
        return asked and not rollout.paused and not self._approved.is_set()

    def approve(self) -> None:
        """Let the candidate be filled, now and after every restart; from any thread."""
        self._approved.set()

    def _run(self) -> None:
        try:
            self._tell_plan()
            while not self._stopping.is_set():
                self._turn()
                self._stopping.wait(_RECHECK_SECONDS)
        except StoppedError:
            return
        except Exception as fault:  # noqa: BLE001 - whatever it is belongs to the thread that waits for the end
            self._failure = fault

    def _turn(self) -> None:
        left = self._kept.expire(self._now())
        if left != self._kept:
            self._save(left)
            self._serve()
            self._viewer.say("the time of the previous space is over; it is dropped")
        self._drop()
        if self._approved.is_set() and self._kept.candidate and not self._kept.candidate.approved:
            self._save(self._kept.approve())
        candidate = self._kept.candidate
        if candidate and not (self._tried or self._opened.cache.spec.rollout.paused or self.awaits_approval):
            self._tried = True
            self._carry_out(candidate)

    def _tell_plan(self) -> None:
        candidate, rollout = self._kept.candidate, self._opened.cache.spec.rollout
        if candidate is None:
            return
        told = f"look-ups read {_name(self._kept.active)}; the manifest asks for {_name(candidate.encoder)}"
        keys = self._opened.retry_until_up(lambda: self._opened.store.count(self.space))
        self._viewer.say(f"{told}\nplan: {plan(keys, self._kept.keys_per_second, rollout.max_keys_per_second)}")
        if rollout.paused:
            self._viewer.say("spec.rollout.paused: re-embedding waits; set it to false and start again")

    def _carry_out(self, candidate: Candidate) -> None:
        space = id_of(candidate.encoder)
        fill = CandidateFill(self._opened, self._kept.active, candidate, self._viewer)
        try:
            fault = fill.run()
        except EmbArkError as error:
            self._halt(space, str(error))
            return
        if fill.keys_per_second:
            self._save(self._kept.measure(fill.keys_per_second))
        if fault:
            self._save(self._kept.fail_gate())
            # So that a later start scans anew; what the candidate holds is skipped then.
            self._opened.retry_until_up(lambda: self._opened.store.checkpoints().drop(space))
            self._halt(space, fault)
        else:
            self._go_over()

    def _go_over(self) -> None:
        old = self._kept.active
        self._save(self._kept.switch(self._now(), self._opened.cache.spec.rollout.keep_previous))
        self._serve()
        self._opened.fillings.stop(id_of(old))
        kept = self._kept.previous
        until = f" until {kept.kept_until:%Y-%m-%d %H:%M} UTC" if kept else ""
        self._viewer.say(
            f"switched: look-ups read {_name(self._kept.active)}; {_name(old)} is kept{until}, "
            "and a manifest that asks for it again gets it at once"
        )

    def _halt(self, space: str, why: str) -> None:
        self._opened.fillings.stop(space)
        self._viewer.say(
            f"not switched to space {space}: {why}\nlook-ups go on with {_name(self._kept.active)}; mend the manifest "
            "and start again, what is encoded already is kept"
        )

    def _serve(self) -> None:
        previous = self._kept.previous
        self._switch(
            serving_settings(
                self._opened.cache,
                self._kept.active,
                previous.encoder if previous else None,
                oov_vector=self._oov_vector,
            ).embark
        )

    def _drop(self) -> None:
        for space in self._kept.dropped:
            self._opened.drop(space)
            self._save(self._kept.forget_dropped(space))
            self._viewer.say(f"space {space} is dropped")

    def _save(self, kept: KeptSpaces) -> None:
        write_kept(self._opened.path, kept)
        self._kept = kept

    def _now(self) -> datetime:
        return moment(self._opened.clock())


def moment(at: int) -> datetime:
    """Return a time of a Clock as a datetime in UTC."""
    return datetime.fromtimestamp(at / 1_000_000, UTC)


def _name(encoder: Encoder) -> str:
    return f"space {id_of(encoder)} ({encoder.model.name}, {encoder.output.dimension} elements)"
