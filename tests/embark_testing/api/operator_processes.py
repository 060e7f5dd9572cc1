"""The operator as a process, on a real API server."""

import os
import re
import subprocess
import sys
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from embark_testing.eventually import eventually
from embark_testing.servers.free_ports import free_ports

HOST = "127.0.0.1"
IMAGES = ("--embark-image=embark:1", "--kfc-image=kfc:1", "--retina-image=retina:1")
PATIENCE = 60.0
_READINGS = 20
_PASSES = "embark_operator_passes_total"


class Operator:
    """A started operator; its log is in `log`."""

    def __init__(self, process: "subprocess.Popen[bytes]", probes_port: int, log: Path) -> None:
        self.process = process
        self._probes_port = probes_port
        self.log = log

    def metric(self, sample: str) -> float:
        """Return the sum of the samples whose line begins so, 0 while there are none."""
        with urllib.request.urlopen(f"http://{HOST}:{self._probes_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(f"{re.escape(sample)}[ {{]", line))

    def writes(self) -> float:
        """Return how many writes it has sent, but those to its lease."""
        return self.metric("embark_operator_writes_total")

    def leads(self) -> bool:
        """Return whether it holds the lease."""
        try:
            return self.metric("embark_operator_leading") == 1
        except OSError:
            return False

    def await_leading(self) -> None:
        """Return once it holds the lease."""
        eventually(self.leads, PATIENCE, f"the operator leads; its log: {self.log}")

    def await_rest(self, passes: int = 4) -> float:
        """Return how many writes there were, once `passes` passes in a row have written nothing."""
        while True:
            written, made = self.writes(), self.metric(_PASSES)
            eventually(lambda made=made: self.metric(_PASSES) >= made + passes, 4 * PATIENCE, "further passes")  # type: ignore[misc]
            if self.writes() == written:
                return written

    def await_idle(self) -> None:
        """Return once readings in a row, with no pass between them, have found no cache due."""
        readings: deque[tuple[float, float]] = deque(maxlen=_READINGS)

        def idle() -> bool:
            readings.append((self.metric(_PASSES), self.metric("embark_operator_queued_caches")))
            return len(readings) == _READINGS and len(set(readings)) == 1 and readings[0][1] == 0

        eventually(idle, PATIENCE, "no cache is due")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """End it with SIGTERM, and return its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE)


@contextmanager
def operator(kubeconfig: Path, folder: Path, *options: str) -> Iterator[Operator]:
    """Run an operator until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = free_ports(HOST, 1)
    log = folder / f"operator-{port}.log"
    command = [sys.executable, "-m", "embark_operator", *IMAGES, f"--host={HOST}", f"--probes-port={port}", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | {"KUBECONFIG": str(kubeconfig)})
    try:
        yield Operator(process, port, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
