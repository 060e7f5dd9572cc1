"""The services as processes, as a pod runs them: with a settings file, probes, and signals that stop them."""

import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from prometheus_client.parser import text_string_to_metric_families

from embark.settings import (
    EmbArkSettings,
    KfcSettings,
    Listen,
    ReembedSettings,
    RetinaSettings,
    VerifySettings,
)
from embark_testing.eventually import eventually

Settings = EmbArkSettings | KfcSettings | RetinaSettings | ReembedSettings | VerifySettings
PATIENCE = 60.0


class Service:
    """A started process; its log is in `log`."""

    def __init__(self, process: "subprocess.Popen[bytes]", settings: Settings, log: Path) -> None:
        self._process = process
        self._listen = listen_settings(settings)
        self.log = log

    @property
    def target(self) -> str:
        """Its gRPC target."""
        return f"{self._listen.host}:{self._listen.grpc_port}"

    def readiness(self) -> str:
        """Return the body of /readyz; empty while the process does not answer."""
        listen = self._listen
        try:
            with urllib.request.urlopen(f"http://{listen.host}:{listen.probes_port}/readyz", timeout=5) as answer:
                return str(answer.read().decode()).strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode().strip()
        except OSError:
            assert self._process.poll() is None, f"the process has ended:\n{self.log.read_text()}"
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a sample of /metrics; 0 if there is none."""
        listen = self._listen
        with urllib.request.urlopen(f"http://{listen.host}:{listen.probes_port}/metrics", timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        samples = [sample for family in families for sample in family.samples]
        return next((sample.value for sample in samples if (sample.name, sample.labels) == (name, labels)), 0.0)

    def await_ready(self) -> None:
        """Wait until /readyz returns ok."""
        eventually(lambda: self.readiness() == "ok", PATIENCE, f"ready; the log is\n{self.log.read_text()}")

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._process.poll() is None, f"the process has ended:\n{self.log.read_text()}"
        return self._process.pid

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self._process.terminate()
        return self.wait()

    def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until the process ends by itself; return its exit status."""
        return self._process.wait(PATIENCE)


@contextmanager
def service(
    program: str | Path, settings: Settings, folder: Path, *arguments: str, **environment: str
) -> Iterator[Service]:
    """Start a module (`python -m`) or a script with its settings; killed at the end if it still runs."""
    folder.mkdir(parents=True, exist_ok=True)
    started = [str(program)] if isinstance(program, Path) else ["-m", program]
    command = [sys.executable, *started, "--settings", str(write_settings(settings, folder)), *arguments]
    with (
        NamedTemporaryFile("wb", prefix=f"{Path(program).stem}-", suffix=".log", dir=folder, delete=False) as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment) as process,
    ):
        try:
            yield Service(process, settings, Path(log.name))
        finally:
            if process.poll() is None:
                process.kill()


def run_schema(settings: KfcSettings, folder: Path, times: int = 1) -> Sequence[int]:
    """Run the schema command `times` at once and return the exit statuses."""
    command = [sys.executable, "-m", "kfc.schema", "--settings", str(write_settings(settings, folder))]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(times)]
    return [process.wait(PATIENCE) for process in processes]


def listen_settings(settings: Settings) -> Listen:
    """Return where a process with these settings listens."""
    return (settings.kfc if isinstance(settings, ReembedSettings | VerifySettings) else settings).listen


def write_settings(settings: Settings, folder: Path) -> Path:
    """Write the JSON file that a pod would mount."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{type(settings).__name__}-{listen_settings(settings).probes_port}.json"
    path.write_text(settings.model_dump_json(by_alias=True))
    return path
