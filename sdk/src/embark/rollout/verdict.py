"""The verdict on a candidate space, and the gate it has to pass before lookups switch to it."""

from typing import Final

from pydantic import Field

from embark.spec.model import Model
from embark.spec.rollout import Rollout

# A verdict fits into a pod's termination message (4096 bytes).
MAX_FAULTS: Final = 5
MAX_LOST: Final = 5
# Lost keys named in a status message and an Event.
_MAX_LOST_NAMED: Final = 2


class Verdict(Model):
    """Counts over the inspected keys of the active space: all of them, or a sample of a large space."""

    keys: int = Field(ge=0)
    """Keys of the active space."""
    held: int = Field(ge=0)
    """Of those, keys for which the candidate has a row, an embedding or a negative."""
    failed: int = Field(ge=0)
    """Of those, keys with an embedding in the active space and a negative in the candidate."""
    sampled: int = Field(ge=0)
    """Vectors of the candidate that were inspected."""
    faults: tuple[str, ...] = ()
    """What is wrong with sampled vectors, each naming a key; at most MAX_FAULTS."""
    lost: tuple[str, ...] = ()
    """Some of the failed keys, each with its cause; at most MAX_LOST."""

    @property
    def coverage(self) -> float:
        """The share of keys that the candidate holds; 1 if there are no keys."""
        return self.held / self.keys if self.keys else 1.0

    @property
    def failure_ratio(self) -> float:
        """The share of keys that became a negative."""
        return self.failed / self.keys if self.keys else 0.0


def find_gate_failure(verdict: Verdict, rollout: Rollout) -> str:
    """Return why lookups must not switch to the candidate, naming the field of the spec; empty: the gate passes."""
    if verdict.faults:
        return f"the candidate's vectors are not fit to be served: {'; '.join(verdict.faults)}"
    if verdict.failure_ratio > rollout.max_failure_ratio:
        failed = f"{verdict.failed} of {verdict.keys} keys could not be encoded ({verdict.failure_ratio:.2%})"
        examples = f"; for example {'; '.join(verdict.lost[:_MAX_LOST_NAMED])}" if verdict.lost else ""
        return f"{failed}; spec.rollout.maxFailureRatio is {rollout.max_failure_ratio:g}{examples}"
    if verdict.coverage < rollout.min_coverage:
        held = f"the candidate holds {verdict.held} of {verdict.keys} keys ({verdict.coverage:.2%})"
        return f"{held}; spec.rollout.minCoverage is {rollout.min_coverage:g}"
    return ""
