"""The cost of a fill request to a lookup that misses, in every state of the broker.

Each lookup is of one new key, on an empty store in memory: next to a store behind a network the cost would be lost in
the noise. Subject and baseline differ only in their producer; that of the baseline only counts its records.

EmbArk runs on its own core with either producer, and the broker and the load share another: the benchmark measures the
time that an enqueue takes in EmbArk, not what the broker slows down on the same machine.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Final

from benchmarks.children import Child, child
from benchmarks.cores import OF_THE_MEASURED, others_together
from benchmarks.loads import LOOKUP, load, look_up
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.subjects import empty_store, idle_producer, kafka_producer, run_embark
from embark.v1 import embark_pb2, types_pb2

WANTED: Final = 0.95
CALLERS: Final = 4
# Records that wait while the broker is down: more than the lookups of a run.
CAPACITY: Final = 1_000_000
_NUMBERS: Final = count()


def measure(servers: RealServers, rounds: int, seconds: float) -> list[Ratio]:
    """Return the ratios with the broker up, killed, and killed with the queue full; then start the broker again."""
    settings = servers.build_settings("enqueues").embark
    embark_with = partial(child, run_embark, settings, empty_store, cores=OF_THE_MEASURED)
    with others_together(servers), embark_with(idle_producer) as idle:

        def compare_in(state: str, embark: Child, status: int = types_pb2.KEY_STATUS_OOV_ENQUEUED) -> Ratio:
            return compare(
                f"EmbArk, misses, {state} / idle producer",
                unit="lookups/s",
                wanted=WANTED,
                rounds=rounds,
                subject=partial(_load, embark, status, seconds),
                baseline=partial(_load, idle, types_pb2.KEY_STATUS_OOV_ENQUEUED, seconds),
            )

        with embark_with(partial(kafka_producer, capacity=CAPACITY)) as embark:
            up = compare_in("broker up", embark)
            servers.kafka.kill()
            down = compare_in("broker down", embark)
        with embark_with(partial(kafka_producer, capacity=1)) as embark:
            look_up(embark.serving, _miss())  # takes the only place in the queue
            full = compare_in("queue full", embark, types_pb2.KEY_STATUS_SHED)
        servers.kafka.start()
    return [up, down, full]


def _load(embark: Child, status: int, seconds: float) -> Rate:
    rate = load(embark, embark.serving, LOOKUP, _misses, seconds, callers=CALLERS)
    # All replies were equal, so one more shows the status of each.
    found = look_up(embark.serving, _miss())[1].statuses[0]
    if found != status:
        raise RuntimeError(f"misses have status {found}, not {status}; the benchmark would measure something else")
    return rate


def _misses(_: int) -> Iterator[bytes]:
    while True:
        yield _miss()


def _miss() -> bytes:
    key = f"https://photographs.example/{next(_NUMBERS):012}.jpg"
    return embark_pb2.LookupRequest(keys=[key.encode()]).SerializeToString()
