"""A server that tests start, suspend, kill and restart."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_SUPERVISED = Path(__file__).with_name("supervised.py")
_START_SECONDS = 300.0
_STOP_SECONDS = 20.0
_STEP = 0.05
_SHOWN_LINES = 60
_SHOWN_FAULTS = 20
_FAULTS = ("ERROR", "FATAL", "Caused by", "Exception:")


class ServerFailedError(Exception):
    """A server did not start; the message has the end of its log."""


class Server:
    """One server process in its folder; `answers` returns whether it serves a real request.

    Its output is kept in `<folder>/<name>.log`. The caller must call stop() after start(), whatever happens.
    """

    def __init__(self, name: str, command: Sequence[str], folder: Path, answers: Callable[[], bool]) -> None:
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._name = name
        self._command = command
        self._answers = answers
        self._supervisor: subprocess.Popen[str] | None = None
        self._pid = 0

    @property
    def pid(self) -> int:
        """The server's process id while it runs."""
        assert self._running(), f"{self._name} does not run"
        return self._pid

    def start(self) -> None:
        """Start the server, or restart it in its folder and on its ports, and wait until it answers.

        Raises:
            ServerFailedError: it ended, or did not answer in time.
        """
        assert not self._running(), f"{self._name} runs already"
        with self.log.open("a") as log:
            # A session of its own: Ctrl-C in a terminal only reaches the tests, which then stop the server gracefully.
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", str(_SUPERVISED), *self._command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self.folder,
                start_new_session=True,
            )
        try:
            assert self._supervisor.stdout is not None
            self._pid = int(self._supervisor.stdout.readline() or 0)
            self._await_answer()
        except BaseException:
            self.kill()
            raise

    def suspend(self) -> None:
        """Stop the process where it is (SIGSTOP): its sockets stay open and nothing answers once this returns."""
        self._signal(signal.SIGSTOP)
        # The threads receive the signal one after the other: on a busy machine some continue for a while.
        deadline = time.monotonic() + _STOP_SECONDS
        while self._running() and not all(_suspended(thread) for thread in Path(f"/proc/{self._pid}/task").iterdir()):
            assert time.monotonic() < deadline, f"{self._name} is not suspended in {_STOP_SECONDS} s"
            time.sleep(_STEP)

    def resume(self) -> None:
        """Resume a suspended process."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process (SIGKILL); its folder and ports stay for the next start."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process with SIGTERM, and with SIGKILL if that takes too long; do nothing if it does not run."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._supervisor is None:
            return
        if self._running() and self._pid:
            self._signal(signal.SIGCONT)
            self._signal(how)
        try:
            self._supervisor.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
        self._supervisor.communicate()  # ends its input, which kills a server that is still there
        self._supervisor = None

    def _running(self) -> bool:
        return self._supervisor is not None and self._supervisor.poll() is None

    def _signal(self, which: signal.Signals) -> None:
        # While the supervisor waits for the server, the pid cannot be reused by another process.
        if self._running():
            os.kill(self._pid, which)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if not self._running():
                raise ServerFailedError(f"{self._name} ended while it started.\n{self._last_lines()}")
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{self._name} did not answer in {_START_SECONDS} s.\n{self._last_lines()}")
            time.sleep(_STEP)

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        # Kafka logs a hundred lines about its shutdown after the reason for it.
        faults = [line for line in lines[:-_SHOWN_LINES] if any(word in line for word in _FAULTS)]
        return "\n".join([f"The faults and the end of {self.log}:", *faults[-_SHOWN_FAULTS:], *lines[-_SHOWN_LINES:]])


def _suspended(thread: Path) -> bool:
    """Return whether a thread, by its folder in /proc, is suspended; one that has ended is as well."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True


def listens(host: str, port: int) -> bool:
    """Return whether something listens on the port."""
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex((host, port)) == 0
