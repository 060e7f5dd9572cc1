import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from embark.cli.limits import CliLimits
from embark_testing.embark.dict_embark import DictEmbArk, Rows

Run = Callable[..., Result]


def test_a_table_shows_numbers_only_of_embeddings(run: Run, server: DictEmbArk) -> None:
    vector = np.frombuffer(server.spaces["a"].vectors[b"k0"], "<f4")
    result = run("lookup", "k0", "dead", "new")
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["KEY", "STATUS", "CAUSE", "NORM", "NUMBERS"]
    assert lines[1].split() == ["k0", "HIT", f"{np.linalg.norm(vector):.4f}", *(f"{n:.4f}" for n in vector[:3]), "…"]
    assert lines[2].split() == ["dead", "NEGATIVE", "not_found", "(404", "Not", "Found)"]
    assert lines[3].split() == ["new", "OOV_ENQUEUED"]
    assert lines[4] == "space a: 1 of 3 keys have an embedding"


@pytest.mark.parametrize(("keys", "code"), [(["k0", "k1"], 0), (["k0", "new"], 3), (["dead"], 3)])
def test_the_exit_status_tells_whether_every_key_has_an_embedding(run: Run, keys: list[str], code: int) -> None:
    assert run("lookup", *keys).exit_code == code


def test_json_is_one_object_per_key(run: Run, server: DictEmbArk) -> None:
    lines = [json.loads(line) for line in run("lookup", "k0", "dead", "--json", "--vectors").stdout.splitlines()]
    vector = np.frombuffer(server.spaces["a"].vectors[b"k0"], "<f4")
    assert lines[0] == {"key": "k0", "status": "HIT", "space": "a", "vector": vector.tolist()}
    assert np.array(lines[0]["vector"], "<f4").tobytes() == vector.tobytes()
    assert lines[1]["cause"] == {"kind": "not_found", "detail": "404 Not Found"}
    assert "vector" not in json.loads(run("lookup", "k0", "--json").stdout)


def test_keys_come_from_arguments_stdin_and_a_file_in_this_order(run: Run, server: DictEmbArk, tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"
    file.write_bytes(b"k3\n\nnot utf-8 \xff\r\n")
    result = run("lookup", "k0", "-", "k2", "--keys-file", str(file), "--json", stdin=b"k1\n\nwith space ")
    keys = [key for request in server.received("Lookup") for key in request.keys]
    assert sorted(keys) == sorted([b"k0", b"k1", b"with space ", b"k2", b"k3", b"not utf-8 \xff"])
    shown = [json.loads(line)["key"] for line in result.stdout.splitlines()]
    assert shown == ["k0", "k1", "with space ", "k2", "k3", "not utf-8 \\xff"]


def test_an_array_of_many_keys_is_written_whole_and_in_order(run: Run, server: DictEmbArk, tmp_path: Path) -> None:
    keys = [f"k{i % 10}" for i in range(23)]
    stdin = "\n".join(keys).encode()
    result = run("lookup", "-", "--npy", str(tmp_path / "out.npy"), stdin=stdin, limits=CliLimits(keys_per_call=5))
    assert result.exit_code == 0
    array = np.load(tmp_path / "out.npy")
    assert [row.tobytes() for row in array] == [server.spaces["a"].vectors[key.encode()] for key in keys]
    assert [path.name for path in tmp_path.iterdir()] == ["out.npy"]


def test_calls_of_one_command_stay_in_one_space(run: Run, server: DictEmbArk) -> None:
    server.spaces["b"] = Rows("b").fill(*(f"k{i}" for i in range(10)))

    def switch(method: str, request: object, context: object) -> None:
        del request, context
        if method == "Lookup" and len(server.received("Lookup")) > 1:
            server.active = "b"

    server.hook = switch
    server.max_keys = 3
    keys = [f"k{i}" for i in range(10)]
    lines = run("lookup", *keys, "--json", limits=CliLimits(keys_per_call=3)).stdout.splitlines()
    assert len(lines) == 10
    assert {json.loads(line)["space"] for line in lines} == {"a"}


def test_wait_gives_the_server_time_for_fills(run: Run, server: DictEmbArk) -> None:
    result = run("lookup", "new", "--wait", "30s")
    assert 25 < server.received("Lookup")[0].wait_budget.ToSeconds() <= 30
    assert "waiting up to 30 s" in result.stderr


def test_a_key_cannot_control_the_terminal(run: Run) -> None:
    output = run("lookup", "\x1b[2Jred", "x" * 500).stdout
    assert "\x1b" not in output
    assert "\\x1b[2Jred" in output
    assert max(len(line) for line in output.splitlines()) < 120


def test_space_selects_the_space_that_is_read(run: Run, server: DictEmbArk) -> None:
    server.spaces["b"] = Rows("b").fill("k0")
    assert "space b: 1 of 1" in run("lookup", "k0", "--space", "b").stdout
