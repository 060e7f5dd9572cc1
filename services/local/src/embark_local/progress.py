"""Progress and plan of a re-embedding, in words."""

import math
from dataclasses import dataclass
from typing import Final

_BAR: Final = 20
_MINUTE: Final = 60
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Progress:
    """Keys done and failed out of `total`, the size of the active space at the start."""

    done: int
    failed: int
    total: int
    keys_per_second: float = 0
    """Since this process started; 0: not known yet."""

    @property
    def share(self) -> float:
        """The completed share, from 0 to 1."""
        completed = self.done + self.failed
        return min(1.0, completed / self.total) if self.total else 1.0

    @property
    def seconds_left(self) -> float | None:
        """The seconds that the rest takes at this rate; None: not known."""
        left = max(0, self.total - self.done - self.failed)
        return left / self.keys_per_second if self.keys_per_second > 0 else None


def draw(progress: Progress) -> str:
    """Return one line: a bar, keys, rate and the time left."""
    full = math.floor(_BAR * progress.share)
    parts = [f"{progress.done + progress.failed:,}/{max(progress.total, progress.done + progress.failed):,} keys"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.keys_per_second > 0:
        parts.append(f"{progress.keys_per_second:,.0f} keys/s")
    if progress.seconds_left:
        parts.append(f"{in_words(progress.seconds_left)} left")
    return f"re-embedding [{'#' * full:-<{_BAR}}] {progress.share:4.0%}  {', '.join(parts)}"


def plan(total: int, keys_per_second: float, limit: int) -> str:
    """Return what a re-embedding of `total` keys takes at the rate of the last one, and at most `limit` (0: none)."""
    known = [rate for rate in (keys_per_second, limit) if rate > 0]
    if not keys_per_second:
        time = "not known: no re-embedding has been measured here"
        if limit:
            time += f"; at least {in_words(total / limit)} by spec.rollout.maxKeysPerSecond"
    else:
        time = f"about {in_words(total / min(known))}, at the rate of the last one"
    return f"{total:,} keys to encode; time: {time}"


def in_words(seconds: float) -> str:
    """Return a duration as `42 s`, `3 min` or `1.5 h`, rounded up."""
    if seconds < 2 * _MINUTE:
        return f"{math.ceil(seconds)} s"
    if seconds < 2 * _HOUR:
        return f"{math.ceil(seconds / _MINUTE)} min"
    return f"{math.ceil(10 * seconds / _HOUR) / 10:g} h"
