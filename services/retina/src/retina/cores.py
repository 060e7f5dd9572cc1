"""How many cores this process may use; `server` starts a runner for each."""

import math
import os
from pathlib import Path
from typing import Final

CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")
"""Of cgroup v2: `<quota> <period>` in microseconds, or `max <period>`; a pod's CPU limit is written here."""


def available_cores(limit: Path = CGROUP_LIMIT) -> int:
    """Return the cores of this process's affinity, at most its cgroup's limit rounded up."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = limit.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, math.ceil(int(quota) / int(period)))
