"""The re-embedding with an encoder that is free, against a bare loop; its memory, and the look-ups beside it.

Cassandra, what fills the new space, EmbArk and its client share the machine. EmbArk has no hot tier here: every look-up
reads the table that the re-embedding reads. Beside look-ups the process of the re-embedding has the lowest priority, as
`python -m kfc.reembed` gives itself. With a limit they are measured in rounds, after one and a whole re-embedding: a
Cassandra that has just started compiles its own code meanwhile, and on two cores every look-up waits for that.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

from bare_reembedding import bare_reembedding
from children import Child, child
from free_reembedding import Done, await_quiet, candidate_of, fill, reembedding_on, some_vector
from lookups_meanwhile import p99, steady_seconds
from ratios import Rate, Ratio, compare
from real_servers import RealServers
from subjects import cassandra_store, embark_on, idle_producer

from embark.settings import CacheSettings, KfcSettings, StoreSettings
from kfc.reembed import LOWEST_PRIORITY

WANTED_RATE: Final = 0.8
# Of what should not grow, as rates: memory at most 1.2 times, p99 at most twice what it was.
WANTED_MEMORY: Final = 1 / 1.2
WANTED_LOOKUPS: Final = 1 / 2
LOOKUPS_A_SECOND: Final = 100
LIMIT: Final = 250
"""Keys a second, as spec.rollout.maxKeysPerSecond says it."""


def measure(servers: RealServers, rounds: int, rows: int, seconds: float) -> list[Ratio]:
    """Return the ratios over `rows` keys; look-ups alone, and beside a part with a limit, take about `seconds` each."""
    settings = servers.settings_of("reembedding", hotTier={"maxBytes": "0"})
    keys = [f"https://photographs.example/{number:06}.jpg" for number in range(rows)]
    fill(settings.kfc, keys)
    return [_rates(settings.kfc, rounds, rows), *_beside_lookups(settings, rounds, keys, seconds)]


def _rates(source: KfcSettings, rounds: int, rows: int) -> Ratio:
    """Compare on parts of the ring, every one of them once; the first warms up."""
    ours, baseline = candidate_of(source, "rates"), candidate_of(source, "bare")
    ours_next, baseline_next, parts = count(), count(), rounds + 1
    rate = partial(_rate, source.store)
    with (
        child(reembedding_on, ours, rows) as reembedding,
        child(bare_reembedding, baseline, some_vector(baseline.space.form)) as loop,
    ):
        return compare(
            "re-embedding, free encoder / bare loop: read keys, write rows",
            unit="rows/s",
            wanted=WANTED_RATE,
            rounds=rounds,
            subject=lambda: rate(reembedding, lambda: reembedding.run(next(ours_next), parts, 0.0).rows),
            baseline=lambda: rate(loop, lambda: loop.run(next(baseline_next), parts)),
        )


def _rate(store: StoreSettings, process: Child, run: Callable[[], int]) -> Rate:
    await_quiet(store)
    cpu, started = process.cpu_seconds(), time.perf_counter()
    rows = run()
    elapsed = time.perf_counter() - started
    return Rate(rows / elapsed, rows / (process.cpu_seconds() - cpu))


def _beside_lookups(settings: CacheSettings, rounds: int, keys: Sequence[str], seconds: float) -> Iterator[Ratio]:
    """Yield the memory of a re-embedding of everything, and the look-ups beside it and beside parts with a limit."""
    free, limited = candidate_of(settings.kfc, "free"), candidate_of(settings.kfc, "limited")
    with (
        child(embark_on, settings.embark, cassandra_store, idle_producer) as embark,
        child(reembedding_on, free, len(keys), LOWEST_PRIORITY) as whole,
        child(reembedding_on, limited, len(keys), LOWEST_PRIORITY) as slow,
    ):
        ask = partial(_look_up, embark, keys)
        ask(_after(seconds / 4))  # to warm up
        await_quiet(settings.kfc.store)
        before = ask(_after(seconds))
        beside, done = _ask_beside(ask, lambda: whole.run(0, 1, 0.0))
        yield _memory(done)
        yield _told_in_ms(_once("look-ups' p99, beside a re-embedding / without", WANTED_LOOKUPS, beside, before, ""))

        parts, number = max(rounds + 1, round(len(keys) / (LIMIT * seconds))), count()

        def alone() -> Rate:
            await_quiet(settings.kfc.store)
            return ask(_after(seconds))

        yield _told_in_ms(
            compare(
                f"look-ups' p99, beside one of at most {LIMIT} keys/s / without",
                unit="",
                wanted=WANTED_LOOKUPS,
                rounds=rounds,
                subject=lambda: _ask_beside(ask, lambda: slow.run(next(number), parts, float(LIMIT)))[0],
                baseline=alone,
            )
        )


def _ask_beside(ask: Callable[[Callable[[], bool]], Rate], run: Callable[[], Done]) -> tuple[Rate, Done]:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        return ask(running.done), running.result()


def _told_in_ms(ratio: Ratio) -> Ratio:
    beside, without = (1000 / rate.wall for rate in (ratio.subject, ratio.baseline))
    return replace(ratio, unit=f"a second, one by one: p99 {beside:.0f} ms and {without:.0f} ms")


def _look_up(embark: Child, keys: Sequence[str], over: Callable[[], bool]) -> Rate:
    """Return the inverse of the look-ups' p99; by CPU, look-ups for each second of EmbArk."""
    cpu = embark.cpu_seconds()
    times = steady_seconds(embark.serving, keys, LOOKUPS_A_SECOND, over)
    return Rate(1 / p99(times), len(times) / (embark.cpu_seconds() - cpu))


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def _memory(done: Done) -> Ratio:
    late, early = (Rate(2**30 / peak, 0) for peak in (done.peak, done.early_peak))
    unit = f"in a GiB: at most {done.peak / 2**20:.0f} MiB and {done.early_peak / 2**20:.0f} MiB"
    return _once("re-embedding's memory, all rows / a tenth of them", WANTED_MEMORY, late, early, unit)


def _once(name: str, wanted: float, subject: Rate, baseline: Rate, unit: str) -> Ratio:
    wall = subject.wall / baseline.wall
    cpu = subject.cpu / baseline.cpu if baseline.cpu else None
    return Ratio(name, wanted, wall, cpu, wall, wall, subject, baseline, unit)
