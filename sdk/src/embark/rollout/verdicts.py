"""What a check of a candidate space found, and whether look-ups may switch to it; written by KFC, read by rollouts."""

from typing import Final

from pydantic import Field

from embark.spec.model import Model
from embark.spec.rollout import Rollout

# Of the messages of a verdict, so that it fits where Kubernetes keeps a pod's last words (4096 bytes).
MOST_FAULTS: Final = 5
MOST_LOST: Final = 5
# Of these, in the message of a gate, which is read in a status and an Event.
_LOST_NAMED: Final = 2


class Verdict(Model):
    """Counts over the keys of the active space that were looked at, which are all of them unless there are many."""

    keys: int = Field(ge=0)
    """Keys of the active space."""
    held: int = Field(ge=0)
    """Of those, keys that the candidate has a row for, an embedding or a negative."""
    failed: int = Field(ge=0)
    """Of those, keys with an embedding in the active space and a negative in the candidate."""
    sampled: int = Field(ge=0)
    """Vectors of the candidate that were looked at themselves."""
    faults: tuple[str, ...] = ()
    """What is wrong with vectors of the sample, each naming a key; MOST_FAULTS at most."""
    lost: tuple[str, ...] = ()
    """Some of the keys that failed, each with its cause; MOST_LOST at most."""

    @property
    def coverage(self) -> float:
        """The share of keys that the candidate holds; 1 where there is no key."""
        return self.held / self.keys if self.keys else 1.0

    @property
    def failure_ratio(self) -> float:
        """The share of keys that were lost to a negative."""
        return self.failed / self.keys if self.keys else 0.0


def find_gate_fault(verdict: Verdict, rollout: Rollout) -> str:
    """Return why look-ups must not switch to the candidate, naming the field of the spec; empty: they may."""
    least, most = rollout.min_coverage, rollout.max_failure_ratio
    if verdict.faults:
        return f"the candidate's vectors are not fit to be served: {'; '.join(verdict.faults)}"
    if verdict.failure_ratio > most:
        lost = f"{verdict.failed} of {verdict.keys} keys could not be encoded ({verdict.failure_ratio:.2%})"
        among = f"; among them {'; '.join(verdict.lost[:_LOST_NAMED])}" if verdict.lost else ""
        return f"{lost}; spec.rollout.maxFailureRatio is {most:g}{among}"
    if verdict.coverage < least:
        held = f"the candidate holds {verdict.held} of {verdict.keys} keys ({verdict.coverage:.2%})"
        return f"{held}; spec.rollout.minCoverage is {least:g}"
    return ""
