"""The Retina process: its output and its exit status."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from embark.settings import RetinaSettings
from embark_testing.retina.models import install, mean_model, settings
from retina.batcher import available_cores

pytestmark = pytest.mark.asyncio


async def start(loaded: RetinaSettings, folder: Path) -> asyncio.subprocess.Process:
    file = folder / "settings.json"
    file.write_text(loaded.model_dump_json(by_alias=True), encoding="utf-8")
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "retina", "--settings", str(file), "--models", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_with_0(number: signal.Signals, tmp_path: Path) -> None:
    process = await start(settings(install(tmp_path, mean_model())), tmp_path)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(60):
            lines: list[bytes] = []
            while not lines or b"serving on port" not in lines[-1]:
                lines.append(await process.stderr.readline())
                assert lines[-1], b"".join(lines).decode()
            process.send_signal(number)
            _, rest = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, rest.decode()
    assert b"draining" in rest


async def test_a_model_that_does_not_match_exits_with_1_and_names_both_values(tmp_path: Path) -> None:
    process = await start(settings(install(tmp_path, mean_model()), dimension=1280), tmp_path)
    async with asyncio.timeout(60):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.decode().splitlines()[-1] == (
        "error: the cache declares dimension 1280 for 'embedding'; the model's has shape [any, 3]"
    )


@pytest.mark.parametrize(
    ("limit", "cores"), [("max 100000", 0), ("150000 100000", 2), ("10000 100000", 1), ("garbage", 0)]
)
async def test_a_container_uses_at_most_its_cpu_limit(limit: str, cores: int, tmp_path: Path) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(limit, encoding="ascii")
    affinity = len(os.sched_getaffinity(0))
    assert available_cores(file) == min(affinity, cores or affinity)
