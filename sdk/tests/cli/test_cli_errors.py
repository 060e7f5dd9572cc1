import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from embark.errors import ClosedError
from embark_testing.embark.dict_embark import DictEmbArk

Run = Callable[..., Result]


@pytest.mark.parametrize(
    "command",
    [
        *(["lookup", "k"], ["prefetch", "k"], ["invalidate", "k"], ["similar", "k"]),
        *(["describe"], ["export", "-o", "x.parquet"]),
    ],
)
def test_an_unreachable_server_is_reported_in_one_line_that_names_it(run: Run, command: list[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        unused = f"127.0.0.1:{free.getsockname()[1]}"
        result = run(*command, address=unused)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: {unused}: ")
    assert "is EmbArk running there? Set its address with --server" in line


def test_a_refused_request_is_reported_in_one_line(run: Run, target: str) -> None:
    result = run("lookup", "k0", "--space", "nowhere")
    assert (result.exit_code, result.stderr) == (1, f"Error: refused by {target}: no space nowhere\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["lookup"], "no keys: pass KEYs"),
        (["prefetch", "-"], "no keys"),
        (["lookup", "--keys-file", "missing.txt"], "missing.txt: No such file"),
        (["put", "--space", "a", "--npy", "missing.npy", "--keys-file", "keys.txt"], "missing.npy: No such file"),
        (["put", "--space", "a", "--npy", "keys.txt", "--keys-file", "keys.txt"], "not an array"),
        (["put", "--space", "a", "--npy", "empty", "--keys-file", "keys.txt"], "not an array"),
        (["put", "--space", "a", "--npy", "two.npz", "--keys-file", "keys.txt"], "several arrays"),
        (["put", "--space", "a", "--npy", "three.npy", "--keys-file", "keys.txt"], "shape (3, 4) and keys.txt has 2"),
        (["put", "--space", "a", "--npy", "narrow.npy", "--keys-file", "keys.txt"], "need shape (2, 4)"),
        (["lookup", "k0", "--npy", "no/such/folder.npy"], "no/such/folder.npy: No such file"),
        (["export", "-o", "no/such/folder.parquet"], "folder.parquet"),
    ],
)
def test_bad_input_is_reported_in_one_line_that_names_it(
    run: Run, command: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keys.txt").write_text("p0\np1\n")
    Path("empty").touch()
    np.save("three.npy", np.zeros((3, 4)))
    np.save("narrow.npy", np.zeros((2, 3)))
    np.savez("two.npz", a=np.zeros(1))
    result = run(*command)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("wrong", [["--timeout", "soon"], ["--timeout", "5"], ["--wait", "-1s"]])
def test_an_invalid_duration_is_answered_with_an_example(run: Run, wrong: list[str]) -> None:
    result = run("lookup", "k0", *wrong)
    assert result.exit_code == 2
    assert "such as 5ms, 30s or 1h30m" in result.stderr


def test_any_error_of_embark_is_reported_in_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise ClosedError("closed\nfor good")

    monkeypatch.setattr("embark.client.EmbArkClient.describe", closed)
    result = run("describe")
    assert (result.exit_code, result.stderr) == (1, "Error: closed for good\n")


def test_a_failed_command_leaves_no_file(run: Run, server: DictEmbArk, tmp_path: Path) -> None:
    def rename_space(method: str, request: object, context: object) -> None:
        del request, context
        if method == "Export":
            server.spaces["a"].id = "other"

    server.hook = rename_space
    (tmp_path / "kept.parquet").write_text("older")
    assert run("export", "-o", str(tmp_path / "kept.parquet")).exit_code == 1
    assert run("lookup", "k0", "--space", "nowhere", "--npy", str(tmp_path / "new.npy")).exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["kept.parquet"]
    assert (tmp_path / "kept.parquet").read_text() == "older"
