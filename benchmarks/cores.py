"""Which cores a measurement runs on: the measured process gets its own core, and everything around it another.

On a cluster they are on machines of their own; where they share two cores, a subject with a broker and a store around
it would be compared with a baseline that has the machine for itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.real_servers import RealServers

_CORES: Final = sorted(os.sched_getaffinity(0))
OF_THE_MEASURED: Final = frozenset(_CORES[-1:])
OF_THE_OTHERS: Final = frozenset(_CORES[:1])
"""The same core on a machine with only one."""


@contextmanager
def others_together(servers: RealServers) -> Iterator[None]:
    """Let both servers, this process and whatever it starts share OF_THE_OTHERS until the block ends."""
    _move(servers, OF_THE_OTHERS)
    try:
        yield
    finally:
        _move(servers, frozenset(_CORES))


def _move(servers: RealServers, cores: frozenset[int]) -> None:
    for process in (servers.cassandra.pid, servers.kafka.pid, os.getpid()):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with suppress(ProcessLookupError):  # it has ended
                os.sched_setaffinity(int(thread.name), cores)
