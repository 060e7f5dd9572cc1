"""A service that is stopped while it starts exits as cleanly as any other."""

import signal
from pathlib import Path

import pytest

from embark.settings import CacheSettings
from embark_testing.caches import sample_settings
from embark_testing.deployments.processes import Service, Settings, service
from embark_testing.eventually import eventually

# The last of its libraries that each process maps; empty: the first moment of all.
MOMENTS = {"embark_server": ["", "rdkafka"], "kfc": ["", "rdkafka"], "retina": ["", "onnxruntime"]}


@pytest.fixture
def settings() -> CacheSettings:
    """Settings of a cache whose servers do not exist."""
    nowhere = {"contactPoints": ["127.0.0.1"], "port": 1, "keyspace": "k"}
    return sample_settings(
        "photos", store={"cassandra": nowhere}, topic={"kafka": {"bootstrapServers": ["127.0.0.1:1"]}}
    )


@pytest.mark.parametrize(
    ("module", "mapped"), [(module, mapped) for module, moments in MOMENTS.items() for mapped in moments]
)
def test_sigterm_during_the_imports_ends_a_service_with_0(
    settings: CacheSettings, tmp_path: Path, module: str, mapped: str
) -> None:
    of_module: dict[str, Settings] = {"embark_server": settings.embark, "kfc": settings.kfc, "retina": settings.retina}
    with service(module, of_module[module], tmp_path) as running:
        if mapped:
            eventually(lambda: mapped in _proc(running, "maps"), 30, f"{mapped} is imported")
        else:
            eventually(lambda: _catches_sigterm(running), 30, "SIGTERM is caught")
        assert running.terminate() == 0, running.log.read_text()


def _catches_sigterm(running: Service) -> bool:
    """Whether the process has a handler of its own: before that, the kernel ends it, as it ends an interpreter."""
    (caught,) = [line.split()[1] for line in _proc(running, "status").splitlines() if line.startswith("SigCgt:")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def _proc(running: Service, name: str) -> str:
    return Path(f"/proc/{running.pid}/{name}").read_text()
