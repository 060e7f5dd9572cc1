"""From a look-up that misses to the first HIT, through all three services, against Retina encoding that URL alone."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from benchmarks.children import Child, child
from benchmarks.pipelines import PATIENCE, Pipeline, encode, pipeline
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.subjects import cassandra_store, embark_on, kafka_producer, retina_encoder
from embark.client import EmbArkClient, KeyStatus

# How long after an answer the client asks again.
_ASK_AGAIN_SECONDS: Final = 0.002


def measure(servers: RealServers, rounds: int, keys: int) -> Ratio:
    """Return the ratio of the times' medians, as rates; a round is `keys` photographs, one after the other."""
    with (
        pipeline(servers.build_settings("latencies")) as running,
        child(embark_on, running.settings.embark, cassandra_store, kafka_producer) as embark,
        EmbArkClient(f"127.0.0.1:{embark.serving}", timeout=PATIENCE) as client,
        retina_encoder(running.settings.kfc) as encoder,
    ):
        ratio = compare(
            "miss to HIT, all services / Encode of the URL alone",
            unit="a second, one by one",
            wanted=None,
            rounds=rounds,
            subject=lambda: _time_each(
                lambda url: _await_hit(client, url), running, keys, [running.kfc, running.retina]
            ),
            baseline=lambda: _time_each(lambda url: encode(encoder, [url]), running, keys, [running.retina]),
        )
    miss, alone = (1000 / rate.wall for rate in (ratio.subject, ratio.baseline))
    return dataclasses.replace(ratio, unit=f"{ratio.unit}: p50 {miss:.0f} ms and {alone:.0f} ms")


def _time_each(fill: Callable[[str], None], running: Pipeline, keys: int, counted: Sequence[Child]) -> Rate:
    """Return the inverse of the median time; by CPU, the fills for each second of the processes that make them."""
    cpu = sum(each.cpu_seconds() for each in counted)
    times = []
    for url in running.urls(keys):
        started = time.perf_counter()
        fill(url)
        times.append(time.perf_counter() - started)
    return Rate(1 / median(times), keys / (sum(each.cpu_seconds() for each in counted) - cpu))


def _await_hit(client: EmbArkClient, url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (status := client.lookup([url]).statuses[0]) is not KeyStatus.HIT:
        if status not in {KeyStatus.OOV_ENQUEUED, KeyStatus.OOV_PENDING} or time.monotonic() > deadline:
            raise RuntimeError(f"{url} is {status.name}, and not filled")
        time.sleep(_ASK_AGAIN_SECONDS)
