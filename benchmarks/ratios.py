"""Paired measurement: a subject and its baseline in alternation, so that other load on the machine affects both."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Rate:
    """Work done: per second of wall time, and per second of the server's CPU time."""

    wall: float
    cpu: float
    """0: its CPU time was not measured."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure: subject over baseline, the median of the rounds' ratios, with the lowest and the highest."""

    name: str
    wanted: float | None
    """None: the figure is only for reading."""
    wall: float
    cpu: float | None
    lowest: float
    highest: float
    subject: Rate
    baseline: Rate
    unit: str


def compare(
    name: str,
    *,
    unit: str,
    wanted: float | None,
    rounds: int,
    subject: Callable[[], Rate],
    baseline: Callable[[], Rate],
) -> Ratio:
    """Measure both in turns, `rounds` times after a round to warm up."""
    baseline()
    subject()
    pairs = []
    for number in range(rounds):
        # The order alternates, so that neither always finds the machine as the other left it.
        if number % 2:
            base, sub = baseline(), subject()
        else:
            sub, base = subject(), baseline()
        pairs.append((sub, base))
    walls = [sub.wall / base.wall for sub, base in pairs]
    return Ratio(
        name=name,
        wanted=wanted,
        wall=median(walls),
        cpu=median(sub.cpu / base.cpu for sub, base in pairs),
        lowest=min(walls),
        highest=max(walls),
        subject=_median_rate([sub for sub, _ in pairs]),
        baseline=_median_rate([base for _, base in pairs]),
        unit=unit,
    )


def _median_rate(rates: list[Rate]) -> Rate:
    return Rate(median(rate.wall for rate in rates), median(rate.cpu for rate in rates))
