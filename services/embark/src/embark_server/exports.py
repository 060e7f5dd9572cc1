"""DescribeSpace and Export: the properties of a space, and all its embeddings."""

from collections.abc import Iterator
from typing import Final

from embark.rpc.wire import dtype_to_wire
from embark.store import Embedding
from embark.v1 import embark_pb2
from embark_server.guarded_store import GuardedStore
from embark_server.metrics import EmbArkMetrics
from embark_server.spaces import ServedSpace

# Well below 4 MiB, the default limit of a gRPC client.
CHUNK_BYTES: Final = 1024 * 1024
_PAGE_ROWS: Final = 1000


def describe(served: ServedSpace, entries: int, max_keys: int) -> embark_pb2.DescribeSpaceResponse:
    """Return the properties of a space and its vectors."""
    space = served.space
    return embark_pb2.DescribeSpaceResponse(
        space=served.id,
        dimension=space.dimension,
        dtype=dtype_to_wire(space.dtype),
        modality=space.modality,
        preprocessing=space.preprocessing,
        role=space.role,
        normalization=space.normalization,
        model_digest=space.model_digest,
        output_tensor=space.output_tensor,
        oov_vector=served.oov.row,
        entries=entries,
        max_keys_per_request=max_keys,
    )


def export(served: ServedSpace, store: GuardedStore, metrics: EmbArkMetrics) -> Iterator[embark_pb2.ExportResponse]:
    """Yield every embedding of a space in messages below CHUNK_BYTES (a single larger row gets its own message).

    Negatives, and rows whose vector does not have the space's form, are left out.

    Raises:
        UnavailableError: the store failed; what was yielded before remains valid.
    """
    rows: list[Embedding] = []
    size = 0
    # A page of wide vectors would hold hundreds of megabytes at once.
    page = max(1, min(_PAGE_ROWS, CHUNK_BYTES // served.nbytes))
    for found in store.scan(served.id, page):
        for row in found:
            if not isinstance(row, Embedding):
                continue
            if len(row.vector) != served.nbytes:
                metrics.unservable_rows.inc()
                continue
            # UTF-8 has at most four bytes per character; eight more hold tags and lengths.
            cost = len(row.vector) + 4 * len(row.key) + 8
            if rows and size + cost > CHUNK_BYTES:
                yield _chunk(served, rows)
                rows, size = [], 0
            rows.append(row)
            size += cost
    if rows:
        yield _chunk(served, rows)


def _chunk(served: ServedSpace, rows: list[Embedding]) -> embark_pb2.ExportResponse:
    return embark_pb2.ExportResponse(
        space=served.id,
        dimension=served.form.dimension,
        dtype=dtype_to_wire(served.form.dtype),
        keys=[row.key.encode() for row in rows],
        vectors=b"".join(row.vector for row in rows),
    )
