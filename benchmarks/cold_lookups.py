"""Cold lookups of EmbArk on Cassandra against the bare driver reading the same keys from the same server.

There are two baselines. The bare driver in its own process is called by a loop in that process, so the network between
a client and EmbArk counts against EmbArk. Behind a bare gRPC server the same reads answer the same client; the rest is
the overhead of EmbArk.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import cycle
from typing import Final

from benchmarks.bare_drivers import READ, bare_reads, bare_service
from benchmarks.children import child
from benchmarks.loads import LOOKUP, load, look_up
from benchmarks.ratios import Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.subjects import cassandra_store, idle_producer, run_embark
from embark.clock import now
from embark.settings import EmbArkSettings
from embark.store import Embedding
from embark.store.cassandra.adapter import CassandraStore
from embark.v1 import embark_pb2

SIZES: Final = (1, 32)
WANTED: Final = 0.80
CALLERS: Final = 8
# 5 MiB of rows: none in the hot tier, whose size is 0, and all in the memory of Cassandra.
KEYS: Final = [f"https://photographs.example/{number:06}.jpg" for number in range(1024)]
_WRITE_BATCH: Final = 128


def measure(servers: RealServers, rounds: int, seconds: float) -> list[Ratio]:
    """Return the ratios at 1 and 32 keys to both baselines."""
    settings = servers.build_settings("cold", hotTier={"maxBytes": "0"}).embark
    space = settings.active.id
    _write_rows(settings)
    with (
        child(run_embark, settings, cassandra_store, idle_producer) as embark,
        child(bare_reads, settings.store, space) as driver,
        child(bare_service, settings.store, space, CALLERS) as service,
    ):
        ratios = []
        for size in SIZES:
            name = f"EmbArk cold, {size} {'key' if size == 1 else 'keys'}"
            requests = partial(_requests, size)
            head = _head(embark.serving, size, settings.active.form.nbytes)
            subject = partial(load, embark, embark.serving, LOOKUP, requests, seconds, callers=CALLERS, head=head)
            baselines = {
                "bare driver": partial(driver.run, KEYS, size, CALLERS, seconds),
                "bare driver behind bare gRPC": partial(
                    load, service, service.serving, READ, requests, seconds, callers=CALLERS, head=0
                ),
            }
            ratios += [
                compare(
                    f"{name} / {described}",
                    unit="lookups/s",
                    wanted=WANTED,
                    rounds=rounds,
                    subject=subject,
                    baseline=baseline,
                )
                for described, baseline in baselines.items()
            ]
        return ratios


def _write_rows(settings: EmbArkSettings) -> None:
    space = settings.active
    with closing(CassandraStore(settings.store, now)) as store:
        for start in range(0, len(KEYS), _WRITE_BATCH):
            keys = KEYS[start : start + _WRITE_BATCH]
            store.write(space.id, [Embedding(key, _vector(key, space.form.nbytes), now()) for key in keys])


def _vector(key: str, nbytes: int) -> bytes:
    return (key.encode() * (nbytes // len(key) + 1))[:nbytes]


def _requests(size: int, caller: int) -> Iterator[bytes]:
    """Yield lookups of all keys, `size` at a time; each caller starts at a different key."""
    starts = range(0, len(KEYS), size)
    requests = [_request(KEYS[start : start + size]) for start in starts]
    return cycle(requests[caller:] + requests[:caller])


def _request(keys: Sequence[str]) -> bytes:
    return embark_pb2.LookupRequest(keys=[key.encode() for key in keys]).SerializeToString()


def _head(port: int, size: int, nbytes: int) -> int:
    """Check the rows of a reply and return how many bytes precede them."""
    keys = KEYS[:size]
    reply, message = look_up(port, _request(keys))
    if message.vectors != b"".join(_vector(key, nbytes) for key in keys) or list(message.statuses) != [1] * size:
        raise RuntimeError("not every key is a HIT; the benchmark would measure something else")
    return len(reply) - size * nbytes
