"""A clock that only a test advances."""

from datetime import timedelta

from embark.clock import Micros, micros


class FakeClock:
    """An embark.clock.Clock; starts at 2026-01-01T00:00:00Z."""

    def __init__(self, at: Micros = 1_767_225_600_000_000) -> None:
        self.at = at

    def __call__(self) -> Micros:
        return self.at

    def advance(self, by: timedelta) -> None:
        self.at += micros(by)
