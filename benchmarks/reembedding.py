"""The re-embedding with a free encoder against a bare loop, its memory, and the lookups beside it.

It runs in as many processes as a rollout has pods by default, and in one, as the loop does. Cassandra, the
re-embedding, EmbArk and its client share the machine. EmbArk has no hot tier here: every lookup reads the table that is
re-embedded. Beside lookups the re-embedding has the lowest priority, as `python -m kfc.reembed` gives itself, and the
pace that they bear, and a second time no limit, to show the difference. A Cassandra that has just started compiles its
own code, and on two cores every lookup waits for that: the first measurement warms it up.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Final

from benchmarks.bare_reembedding import bare_reembedding
from benchmarks.children import Child, child
from benchmarks.free_reembedding import Done, await_quiet, create_candidate, fill, reembedding_on, some_vector
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.real_servers import RealServers
from benchmarks.steady_lookups import measure_steadily, p99
from benchmarks.subjects import cassandra_store, idle_producer, run_embark
from embark.settings import CacheSettings, KfcSettings, StoreSettings
from embark.spec.rollout import Rollout
from embark_testing.servers.free_ports import free_ports
from kfc.reembed.__main__ import LOWEST_PRIORITY

WANTED_RATE: Final = 0.8
# Inverse growth: memory may become 1.2 times, and p99 twice what it was.
WANTED_MEMORY: Final = 1 / 1.2
WANTED_LOOKUPS: Final = 1 / 2
LOOKUPS_A_SECOND: Final = 100


def measure(servers: RealServers, rounds: int, rows: int, seconds: float) -> list[Ratio]:
    """Return the ratios over `rows` keys; lookups without it take `seconds`, each time before those beside it."""
    settings = servers.build_settings("reembedding", hotTier={"maxBytes": "0"})
    keys = [f"https://photographs.example/{number:06}.jpg" for number in range(rows)]
    fill(settings.kfc, keys)
    rates = [_rates(settings.kfc, processes, rounds, rows) for processes in (Rollout().parallelism, 1)]
    return [*rates, *_beside_lookups(settings, keys, seconds)]


def _rates(source: KfcSettings, processes: int, rounds: int, rows: int) -> Ratio:
    """Compare on parts of the ring, every one of them once; the first warms up."""
    ours, baseline = (create_candidate(source, f"{name}{processes}") for name in ("rates", "bare"))
    ours_next, baseline_next, parts = count(), count(), rounds + 1
    with (
        ExitStack() as stack,
        child(bare_reembedding, baseline, some_vector(baseline.space.form)) as loop,
        ThreadPoolExecutor(processes) as pool,
    ):
        pods = [stack.enter_context(child(reembedding_on, ours, rows)) for _ in range(processes)]

        def reembed() -> int:
            first = next(ours_next) * processes
            shares = [pool.submit(pod.run, first + at, parts * processes, 0) for at, pod in enumerate(pods)]
            return sum(share.result().rows for share in shares)

        return compare(
            f"re-embedding by {'a process' if processes == 1 else f'{processes} processes'}, free encoder / bare loop",
            unit="rows/s",
            wanted=WANTED_RATE if processes == Rollout().parallelism else None,
            rounds=rounds,
            subject=lambda: _rate(source.store, pods, reembed),
            baseline=lambda: _rate(source.store, [loop], lambda: loop.run(next(baseline_next), parts)),
        )


def _rate(store: StoreSettings, processes: Sequence[Child], run: Callable[[], int]) -> Rate:
    await_quiet(store)
    cpu, started = _cpu_seconds(processes), time.perf_counter()
    rows = run()
    elapsed = time.perf_counter() - started
    return Rate(rows / elapsed, rows / (_cpu_seconds(processes) - cpu))


def _cpu_seconds(processes: Sequence[Child]) -> float:
    return sum(process.cpu_seconds() for process in processes)


def _beside_lookups(settings: CacheSettings, keys: Sequence[str], seconds: float) -> Iterator[Ratio]:
    """Yield the memory of a re-embedding of everything, and the lookups beside it and beside one without a limit."""
    (port,) = free_ports("127.0.0.1", 1)
    listening = settings.embark.listen.model_copy(update={"probes_port": port})
    with child(
        run_embark, settings.embark.model_copy(update={"listen": listening}), cassandra_store, idle_producer
    ) as embark:
        ask = partial(_look_up, embark, keys)
        ask(_after(seconds / 4))  # to warm up
        for name, wanted, probes in (("of any pace", None, 0), ("at their pace", WANTED_LOOKUPS, port)):
            candidate = create_candidate(settings.kfc, name.replace(" ", "_"))
            with child(reembedding_on, candidate, len(keys), LOWEST_PRIORITY) as reembedding:
                await_quiet(settings.kfc.store)
                before = ask(_after(seconds))
                begun = time.perf_counter()
                beside, done = _ask_beside(ask, partial(reembedding.run, 0, 1, probes))
                rate = done.rows / (time.perf_counter() - begun)
            yield _memory(done)
            title = f"lookups' p99, beside a re-embedding {name} / before it"
            yield _in_milliseconds(_once(title, wanted, beside, before, ""), rate)


def _ask_beside(ask: Callable[[Callable[[], bool]], Rate], run: Callable[[], Done]) -> tuple[Rate, Done]:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        return ask(running.done), running.result()


def _in_milliseconds(ratio: Ratio, keys_per_second: float) -> Ratio:
    beside, without = (1000 / rate.wall for rate in (ratio.subject, ratio.baseline))
    beside_what = f"{keys_per_second:.0f} keys/s re-embedded"
    return replace(ratio, unit=f"a second, one by one: p99 {beside:.0f} ms and {without:.0f} ms; {beside_what}")


def _look_up(embark: Child, keys: Sequence[str], over: Callable[[], bool]) -> Rate:
    """Return the inverse of the lookups' p99; by CPU, lookups for each second of EmbArk."""
    cpu = embark.cpu_seconds()
    times = measure_steadily(embark.serving, keys, LOOKUPS_A_SECOND, over)
    return Rate(1 / p99(times), len(times) / (embark.cpu_seconds() - cpu))


def _after(seconds: float) -> Callable[[], bool]:
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end


def _memory(done: Done) -> Ratio:
    late, early = (Rate(2**30 / peak, 0) for peak in (done.peak, done.early_peak))
    unit = f"in a GiB: at most {done.peak / 2**20:.0f} MiB and {done.early_peak / 2**20:.0f} MiB"
    return _once("re-embedding's memory, all rows / a tenth of them", WANTED_MEMORY, late, early, unit)


def _once(name: str, wanted: float | None, subject: Rate, baseline: Rate, unit: str) -> Ratio:
    wall = subject.wall / baseline.wall
    cpu = subject.cpu / baseline.cpu if baseline.cpu else None
    return Ratio(name, wanted, wall, cpu, wall, wall, subject, baseline, unit)
