"""`embark local` as a user runs it: titles, a kill in the middle of fills, models that are refused."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from embark.client import EmbArkClient, KeyStatus
from embark_testing.caches import SAMPLES, sample_text
from embark_testing.eventually import eventually
from embark_testing.origin import PHOTOS, Origin

pytestmark = pytest.mark.real_model
EMBARK = Path(sys.executable).parent / "embark"
WAIT = 60.0


def test_titles_are_embedded_and_cat_is_nearer_to_kitten_than_to_kubernetes(tmp_path: Path) -> None:
    with _local(SAMPLES / "titles.yaml", tmp_path) as (_, target), EmbArkClient(target) as client:
        found = client.lookup(["cat", "kitten", "kubernetes"], on_miss="wait", wait=WAIT, timeout=WAIT)
        shown = _embark("lookup", "--server", target, "--json", "cat", "unseen")
    assert set(found.statuses) == {KeyStatus.HIT}
    cat, kitten, kubernetes = found.vectors
    assert cat @ kitten > cat @ kubernetes
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    assert [json.loads(line)["status"] for line in shown.stdout.splitlines()] == ["HIT", "OOV_ENQUEUED"]


def test_local_reports_what_it_replaces_and_exits_with_0_on_sigterm(tmp_path: Path) -> None:
    with _local(SAMPLES / "titles.yaml", tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=WAIT)[0]
    assert process.returncode == 0
    assert "draining" in rest


def test_kill_9_during_fills_loses_nothing_and_nothing_written_is_encoded_again(tmp_path: Path, origin: Origin) -> None:
    names = [f"{path.name}?{copy}" for copy in range(4) for path in sorted(PHOTOS.glob("*.jpg"))]
    keys = [origin.url(name) for name in [*names, "missing.jpg", "page.html"]]
    database = tmp_path / "data" / "embark.sqlite"
    with _local(SAMPLES / "photos.yaml", tmp_path) as (process, target), EmbArkClient(target, timeout=WAIT) as client:
        assert set(client.lookup(keys).statuses) == {KeyStatus.OOV_ENQUEUED}
        eventually(lambda: len(_written(database)) >= 5, timeout=WAIT, what="the first rows")
        process.kill()
        process.wait()
    written = _written(database)
    requested_before = dict(origin.requested)
    assert 5 <= len(written) < len(keys)
    with _local(SAMPLES / "photos.yaml", tmp_path):
        eventually(lambda: _written(database) >= set(keys), timeout=WAIT, what="the row of every key")
    again = {path for path, count in origin.requested.items() if count > requested_before.get(path, 0)}
    assert {origin.url(path) for path in again} & written == set()


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ({"model": {"digest": f"sha256:{'0' * 64}"}}, ["0" * 64, "e707e3b3"]),
        ({"output": {"dimension": 1000}}, ["1000", "1280"]),
        ({"output": {"tensor": "logits", "dimension": 1280}}, ["1280", "1000"]),
    ],
    ids=["digest", "dimension", "tensor"],
)
def test_a_model_that_is_not_what_the_cache_declares_is_refused_with_both_values(
    tmp_path: Path, models: dict[str, Path], change: dict[str, dict[str, object]], values: list[str]
) -> None:
    change = {"model": {"uri": models["efficientnet-lite0"].as_uri()}, **change}
    if "digest" in change["model"]:
        change["model"] |= {"uri": models["efficientnet-lite0"].as_uri()}
    manifest = tmp_path / "refused.yaml"
    manifest.write_text(sample_text("photos", encoder=change))
    refused = _embark("local", "-f", str(manifest), "--port", "0", "--data", str(tmp_path / "data"))
    assert refused.returncode == 1
    assert all(value in refused.stderr for value in values), refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_locals_never_share_a_data_folder(tmp_path: Path) -> None:
    with _local(SAMPLES / "titles.yaml", tmp_path):
        second = _embark("local", "-f", str(SAMPLES / "titles.yaml"), "--port", "0", "--data", str(tmp_path / "data"))
    assert second.returncode == 1
    assert "in use" in second.stderr


@contextmanager
def _local(manifest: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [str(EMBARK), "local", "-f", str(manifest), "--port", "0", "--data", str(folder / "data")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        try:
            assert process.stdout is not None
            output = ""
            for line in process.stdout:
                output += line
                if line.startswith("ready"):
                    break
            target = re.search(r"--server (\S+)", output)
            assert target is not None, f"embark local did not become ready:\n{output}"
            assert "spec.store.cassandra" in output
            yield process, target[1]
        finally:
            if process.poll() is None:
                process.kill()


def _embark(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(EMBARK), *arguments], capture_output=True, text=True, check=False, timeout=WAIT, env=_environment()
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1"}


def _written(database: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        table = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'embeddings_%'").fetchone()[0]
        rows = connection.execute(f"SELECT key FROM {table} WHERE vector IS NOT NULL OR cause IS NOT NULL")
        return {key for (key,) in rows}
