"""The services as processes of their own, as a pod runs them: settings file in, probes to ask, signals to end them."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from eventually import eventually

from embark.settings import EmbArkSettings, KfcSettings, RetinaSettings

Settings = EmbArkSettings | KfcSettings | RetinaSettings
PATIENCE = 60.0


class Service:
    """A started process; its log is in `log`."""

    def __init__(self, process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> None:
        self._process = process
        self._settings = settings
        self.log = log

    def readiness(self) -> str:
        """Return what /readyz says, or nothing while the process does not answer."""
        listen = self._settings.listen
        try:
            with urllib.request.urlopen(f"http://{listen.host}:{listen.probes_port}/readyz", timeout=5) as answer:
                return str(answer.read().decode()).strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode().strip()
        except OSError:
            assert self._process.poll() is None, f"the process has ended:\n{self.log.read_text()}"
            return ""

    def await_ready(self) -> None:
        """Wait until /readyz says ok."""
        eventually(lambda: self.readiness() == "ok", PATIENCE, f"ready; the log is\n{self.log.read_text()}")

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self._process.terminate()
        return self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        self._process.wait(PATIENCE)


@contextmanager
def service(module: str, settings: Settings, folder: Path, *arguments: str) -> Iterator[Service]:
    """Start `python -m module` with its settings; killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{module}-{len(list(folder.iterdir()))}.log"
    command = [sys.executable, "-m", module, "--settings", str(write_settings(settings, folder)), *arguments]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            yield Service(process, settings, log)
        finally:
            if process.poll() is None:
                process.kill()


def run_schema(settings: KfcSettings, folder: Path, times: int = 1) -> Sequence[int]:
    """Run the schema command `times` at once and return the exit statuses."""
    command = [sys.executable, "-m", "kfc.schema", "--settings", str(write_settings(settings, folder))]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(times)]
    return [process.wait(PATIENCE) for process in processes]


def write_settings(settings: Settings, folder: Path) -> Path:
    """Write the JSON file that a pod would mount."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{type(settings).__name__}-{settings.listen.probes_port}.json"
    path.write_text(settings.model_dump_json(by_alias=True))
    return path
