"""KFC on Kafka and Cassandra: with a free Retina against a bare loop, and with the real one against only Retina.

The second shows whether KFC keeps Retina busy. So Retina has a core of its own, in the baseline as well,
and KFC, Kafka, Cassandra, the origin of the photographs and the load share another: on a cluster they are elsewhere.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Final

from benchmarks.bare_fills import bare_fills
from benchmarks.children import Child, child
from benchmarks.cores import OF_THE_MEASURED, others_together
from benchmarks.pipelines import PATIENCE, Asker, Pipeline, asking, encode, pipeline
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.subjects import free_encoder, retina_encoder, run_kfc
from kfc.encoder import EncoderClient

WANTED: Final = 0.90
_NUMBERS: Final = count()


def measure(servers: RealServers, rounds: int, messages: int, photographs: int) -> list[Ratio]:
    """Return both ratios; a round is `messages` fills by a free encoder, or of `photographs` by the real one."""
    return [_with_a_free_retina(servers, rounds, messages), _with_the_real_one(servers, rounds, photographs)]


def _with_a_free_retina(servers: RealServers, rounds: int, messages: int) -> Ratio:
    fills, bare = servers.build_settings("fills").kfc, servers.build_settings("barefills").kfc
    with (
        child(run_kfc, fills, free_encoder) as kfc,
        child(bare_fills, bare) as loop,
        asking(fills.topic) as of_kfc,
        asking(bare.topic) as of_loop,
    ):
        return compare(
            "KFC, free Retina / bare consume, write, store offsets",
            unit="messages/s",
            wanted=None,
            rounds=rounds,
            subject=lambda: _fill(of_kfc, kfc, _keys(messages), [kfc]),
            baseline=lambda: _fill(of_loop, loop, _keys(messages), [loop]),
        )


def _with_the_real_one(servers: RealServers, rounds: int, photographs: int) -> Ratio:
    with (
        others_together(servers),
        pipeline(servers.build_settings("photographs"), retina_cores=OF_THE_MEASURED) as running,
        asking(running.settings.kfc.topic) as asker,
        retina_encoder(running.settings.kfc) as encoder,
    ):
        # By CPU, what KFC uses counts beside what Retina does.
        both = [running.kfc, running.retina]
        return compare(
            "KFC, real Retina / Encode calls of the same URLs",
            unit="images/s",
            wanted=WANTED,
            rounds=rounds,
            subject=lambda: _fill(asker, running.kfc, running.urls(photographs), both),
            baseline=lambda: _encode(running, encoder, running.urls(photographs)),
        )


def _keys(amount: int) -> Sequence[str]:
    return [f"https://photographs.example/{next(_NUMBERS):09}.jpg" for _ in range(amount)]


def _fill(asker: Asker, filler: Child, keys: Sequence[str], counted: Sequence[Child]) -> Rate:
    """Request keys and wait until their rows are written."""
    cpu, started = _cpu_seconds(counted), time.perf_counter()
    filler.run(asker.request(keys), PATIENCE)
    elapsed = time.perf_counter() - started
    return Rate(len(keys) / elapsed, len(keys) / (_cpu_seconds(counted) - cpu))


def _encode(running: Pipeline, encoder: EncoderClient, urls: Sequence[str]) -> Rate:
    """Encode the URLs with as many calls in flight, each of as many keys, as KFC has."""
    size = running.settings.kfc.encode_items
    calls = [urls[start : start + size] for start in range(0, len(urls), size)]
    cpu, started = running.retina.cpu_seconds(), time.perf_counter()
    with ThreadPoolExecutor(running.settings.kfc.max_inflight) as pool:
        list(pool.map(partial(encode, encoder), calls))
    elapsed = time.perf_counter() - started
    return Rate(len(urls) / elapsed, len(urls) / (running.retina.cpu_seconds() - cpu))


def _cpu_seconds(children: Sequence[Child]) -> float:
    return sum(each.cpu_seconds() for each in children)
