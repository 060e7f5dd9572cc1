"""Runs a server's command as a process of its own, which ends with the process that started it.

`python supervised.py COMMAND…` prints the server's pid, sends its output to the standard error and exits as it does.
When the standard input ends, as it does when its writer dies from any signal, the server is killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def _die_with_the_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _kill_at_the_end_of_input(server: "subprocess.Popen[bytes]") -> None:
    while os.read(0, 1):
        pass
    server.kill()


def main(command: Sequence[str]) -> int:
    """Run the command and return its exit status."""
    # The hook runs before this process has a second thread. The death signal is bound to the thread that forks: here
    # it is the main one, which waits below; among a test's threads it might end early.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=sys.stderr,
        preexec_fn=_die_with_the_parent,  # noqa: PLW1509 - see above
    )
    print(server.pid, flush=True)
    threading.Thread(target=_kill_at_the_end_of_input, args=(server,), daemon=True).start()
    return abs(server.wait())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
