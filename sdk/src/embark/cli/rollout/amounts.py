"""Times and bytes as text for people."""

from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
# From two days on, minutes no longer matter.
_DAYS_FROM: Final = 2 * _DAY
_STEP: Final = 1024


def format_seconds(seconds: float) -> str:
    """Return a time in its two largest units, as 42s, 12m30s, 5h12m or 3d4h; a negative time is 0s."""
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE}s"
    if whole < _DAYS_FROM:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR}h"


def format_bytes(count: int) -> str:
    """Return a number of bytes as 512 B, 9.8 MiB or 1.2 TiB."""
    if count < _STEP:
        return f"{count} B"
    amount = float(count)
    for unit in ("KiB", "MiB", "GiB"):
        amount /= _STEP
        if amount < _STEP:
            return f"{amount:.1f} {unit}"
    return f"{amount / _STEP:.1f} TiB"
