"""The Cassandra driver without EmbArk around it, in a process of its own: the baseline of cold lookups and fills."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import cycle
from typing import Any, Final

import grpc
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
from cassandra.query import tuple_factory

from benchmarks.loads import measure_rate
from benchmarks.ratios import Rate
from embark.names import embeddings_table
from embark.rpc.channels import server_options
from embark.settings import StoreSettings
from embark.v1 import embark_pb2

READ: Final = "/benchmark.Bare/Read"


@contextmanager
def bare_session(settings: StoreSettings) -> Iterator[Any]:
    """Open a session with every option that EmbArk's has and that makes it faster."""
    where = settings.cassandra
    policy = TokenAwarePolicy(DCAwareRoundRobinPolicy(local_dc=where.datacenter))
    # Frames of version 4 cost the driver less than those of 5; a compressed vector is not shorter.
    cluster = Cluster(
        list(where.contact_points),
        port=where.port,
        protocol_version=4,
        compression=False,
        sockopts=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(policy, row_factory=tuple_factory)},
    )
    try:
        yield cluster.connect(where.keyspace)
    finally:
        cluster.shutdown()


@contextmanager
def bare_reads(settings: StoreSettings, space: str) -> Iterator[Callable[..., Rate]]:
    """Yield a function that reads `keys` again and again, `size` at a time, from `callers` threads for `seconds`."""
    with bare_session(settings) as session:
        read = _reader(session, space)

        def run(keys: Sequence[str], size: int, callers: int, seconds: float) -> Rate:
            def reads(number: int) -> Iterator[None]:
                for start in cycle(range(0, len(keys), size)):
                    first = (start + number * size) % len(keys)
                    if len(read(keys[first : first + size])) != size:
                        raise RuntimeError("not every key has its row: the benchmark would measure something else")
                    yield

            return measure_rate(reads, seconds, callers=callers, cpu_seconds=time.process_time)

        yield run


@contextmanager
def bare_service(settings: StoreSettings, space: str, threads: int) -> Iterator[int]:
    """Serve the reads over gRPC: take the keys out of the request, join the rows."""
    with bare_session(settings) as session:
        read = _reader(session, space)

        def answer(request: bytes, _: grpc.ServicerContext) -> bytes:
            keys = [key.decode() for key in embark_pb2.LookupRequest.FromString(request).keys]
            rows = read(keys)
            return b"".join([rows[key] for key in keys])

        server = grpc.server(ThreadPoolExecutor(threads), options=server_options())
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            READ.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(answer)
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(READ.split("/")[1], handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()


def _reader(session: Any, space: str) -> Callable[[Sequence[str]], dict[str, bytes]]:
    table = embeddings_table(space)
    one = session.prepare(f"SELECT key, vector FROM {table} WHERE key = ?")  # noqa: S608 - a table of this run
    many = session.prepare(f"SELECT key, vector FROM {table} WHERE key IN ?")  # noqa: S608 - as above
    for statement in (one, many):
        statement.consistency_level = ConsistencyLevel.LOCAL_ONE

    def read(keys: Sequence[str]) -> dict[str, bytes]:
        bound = one.bind((keys[0],)) if len(keys) == 1 else many.bind((list(keys),))
        return dict(session.execute(bound).current_rows)

    return read
