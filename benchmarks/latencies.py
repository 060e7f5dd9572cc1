"""The time from a miss to the first HIT, through all three services, against one Encode call of Retina."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from benchmarks.children import Child, child
from benchmarks.pipelines import PATIENCE, Pipeline, encode, pipeline
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.subjects import cassandra_store, kafka_producer, retina_encoder, run_embark
from embark.client import EmbArkClient, KeyStatus

# Between two lookups of the client.
_POLL_SECONDS: Final = 0.002


def measure(servers: RealServers, rounds: int, keys: int) -> Ratio:
    """Return the ratio of the median times, as rates; a round is `keys` photographs, one after another."""
    with (
        pipeline(servers.build_settings("latencies")) as running,
        child(run_embark, running.settings.embark, cassandra_store, kafka_producer) as embark,
        EmbArkClient(f"127.0.0.1:{embark.serving}", timeout=PATIENCE) as client,
        retina_encoder(running.settings.kfc) as encoder,
    ):
        ratio = compare(
            "miss to HIT, all services / Encode of only the URL",
            unit="a second, one by one",
            wanted=None,
            rounds=rounds,
            subject=lambda: _time_each(
                lambda url: _await_hit(client, url), running, keys, [running.kfc, running.retina]
            ),
            baseline=lambda: _time_each(lambda url: encode(encoder, [url]), running, keys, [running.retina]),
        )
    miss, encode_only = (1000 / rate.wall for rate in (ratio.subject, ratio.baseline))
    return dataclasses.replace(ratio, unit=f"{ratio.unit}: p50 {miss:.0f} ms and {encode_only:.0f} ms")


def _time_each(fill: Callable[[str], None], running: Pipeline, keys: int, counted: Sequence[Child]) -> Rate:
    """Return the inverse of the median time; per CPU second, the fills of the `counted` processes."""
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
            raise RuntimeError(f"{url} is {status.name}, so it is not filled")
        time.sleep(_POLL_SECONDS)
