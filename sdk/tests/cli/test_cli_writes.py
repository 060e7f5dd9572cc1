from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result

from embark.cli.limits import CliLimits
from embark.space import VectorForm
from embark.spec import DType
from embark_testing.embark.dict_embark import DictEmbArk, Rows

Run = Callable[..., Result]


def test_prefetch_counts_statuses_and_names_the_keys_that_were_not_accepted(run: Run) -> None:
    result = run("prefetch", "k0", "n1", "n2", "dead", "x" * 9000)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[:4] == ["HIT: 1", "OOV_ENQUEUED: 2", "NEGATIVE: 1", "INVALID: 1"]
    assert "INVALID  invalid_key (the key has 9000 bytes" in result.stdout
    assert run("prefetch", "k0", "n1", "dead").exit_code == 0


def test_a_cause_stays_with_its_key_over_many_calls(run: Run) -> None:
    result = run("prefetch", "k0", "k1", "k2", "holds a \udcff", "k4", limits=CliLimits(keys_per_call=2))
    assert "INVALID  invalid_key (the key is not UTF-8 from byte 8 on)" in result.stdout
    assert result.exit_code == 3


def test_invalidate_reaches_every_key_over_many_calls(run: Run, server: DictEmbArk) -> None:
    stdin = "\n".join(f"k{i}" for i in range(10)).encode()
    result = run("invalidate", "-", stdin=stdin, limits=CliLimits(keys_per_call=3))
    assert (result.exit_code, result.stdout) == (0, "OOV_ENQUEUED: 10\n")
    assert server.spaces["a"].vectors == {}


def test_put_writes_the_rows_of_an_array(run: Run, server: DictEmbArk, tmp_path: Path) -> None:
    array = np.arange(40, dtype=np.float64).reshape(10, 4)
    np.save(tmp_path / "rows.npy", array)
    (tmp_path / "keys.txt").write_text("\n".join(f"p{i}" for i in range(10)))
    options = ["--npy", str(tmp_path / "rows.npy"), "--keys-file", str(tmp_path / "keys.txt"), "--space", "a"]
    result = run("put", *options, limits=CliLimits(keys_per_call=3))
    assert (result.exit_code, result.stdout) == (0, "HIT: 10\n")
    written = [server.spaces["a"].vectors[f"p{i}".encode()] for i in range(10)]
    assert written == [row.astype("<f4").tobytes() for row in array]


@pytest.mark.parametrize(
    "case", [(dtype, *groups) for dtype in DType for groups in ((1, 4), (CliLimits().row_group_bytes, 1))], ids=str
)
def test_an_export_has_every_embedding_and_names_its_space(
    run: Run, server: DictEmbArk, tmp_path: Path, case: tuple[DType, int, int]
) -> None:
    dtype, group_bytes, groups = case
    rows = Rows("b", VectorForm(5, dtype)).fill(*(f"key {i} é" for i in range(10)))
    rows.negatives = server.spaces["a"].negatives
    server.spaces["b"] = rows
    path = tmp_path / "out.parquet"
    result = run("export", "-o", str(path), "--space", "b", limits=CliLimits(row_group_bytes=group_bytes))
    assert result.stdout == f"{path}: 10 embeddings of space b\n"
    table = pq.read_table(path)
    element = pa.float32() if dtype is DType.FLOAT32 else pa.float16()
    assert pa.types.is_fixed_size_list(table.schema.field("vector").type)
    assert (table.schema.field("vector").type.list_size, table.schema.field("vector").type.value_type) == (5, element)
    vectors = table["vector"].combine_chunks().flatten().to_numpy().reshape(-1, 5)
    assert {
        key.encode(): row.tobytes() for key, row in zip(table["key"].to_pylist(), vectors, strict=True)
    } == rows.vectors
    assert pq.ParquetFile(path).num_row_groups == groups
    assert table.schema.metadata == {
        b"space": b"b",
        b"dimension": b"5",
        b"dtype": dtype.value.encode(),
        b"model_digest": b"sha256:" + b"0" * 64,
        b"embark_version": version("embark").encode(),
    }


def test_an_export_of_an_empty_space_is_a_file_without_rows(run: Run, server: DictEmbArk, tmp_path: Path) -> None:
    server.spaces["a"].vectors.clear()
    run("export", "-o", str(tmp_path / "out.parquet"))
    table = pq.read_table(tmp_path / "out.parquet")
    assert (table.num_rows, table.column_names) == (0, ["key", "vector"])


def test_describe_shows_the_space(run: Run) -> None:
    lines = dict(line.split("  ", 1) for line in run("describe").stdout.splitlines())
    values = {name: value.strip() for name, value in lines.items()}
    assert values["space"] == "a"
    assert (values["dimension"], values["dtype"]) == ("4", "float32")
    assert values["entries"] == "10"
    assert '"keys_per_request": 4' in run("describe", "--json").stdout
