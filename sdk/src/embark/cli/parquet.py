"""Embeddings as a Parquet file, written in row groups."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from embark.client import SpaceDescription
from embark.spec import DType


def build_schema(space: SpaceDescription) -> pa.Schema:
    """Return the schema: key, and vector as a fixed-size list; the metadata describes the space."""
    element = pa.float32() if space.form.dtype is DType.FLOAT32 else pa.float16()
    metadata = {
        "space": space.space,
        "dimension": str(space.dimension),
        "dtype": space.form.dtype.value,
        "model_digest": space.model_digest,
        "embark_version": version("embark"),
    }
    vector = pa.list_(pa.field("element", element, nullable=False), space.dimension)
    fields = [pa.field("key", pa.string(), nullable=False), pa.field("vector", vector, nullable=False)]
    return pa.schema(fields, metadata=metadata)


class ParquetRows:
    """Appends rows to a new file; `count` is the number of rows so far."""

    def __init__(self, path: Path, space: SpaceDescription, row_group_bytes: int) -> None:
        self.count = 0
        self._form = space.form
        self._row_group_bytes = row_group_bytes
        self._schema = build_schema(space)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._keys: list[str] = []
        self._vectors: list[npt.NDArray[np.floating]] = []

    def append(self, keys: Sequence[str], vectors: npt.NDArray[np.floating]) -> None:
        """Append rows; `vectors` is [number of keys, dimension] in the space's dtype."""
        self._keys += keys
        self._vectors.append(vectors)
        self.count += len(keys)
        if len(self._keys) * self._form.nbytes >= self._row_group_bytes:
            self._flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._keys:
                self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        elements = pa.array(np.concatenate(self._vectors).reshape(-1))
        columns: list[Any] = [
            pa.array(self._keys, pa.string()),
            pa.FixedSizeListArray.from_arrays(elements, type=self._schema.field("vector").type),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._keys.clear()
        self._vectors.clear()
