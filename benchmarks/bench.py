"""`make bench`: every figure is a ratio to a bare baseline of the same run; prints a table, writes out/bench.json."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import cold_lookups, encodes, enqueues, fills, latencies, lookups, reembedding
from benchmarks.ratios import Ratio
from benchmarks.real_servers import real_servers
from embark_testing.servers.maven_jars import MissingToolsError

OUT = Path(__file__).parents[1] / "out" / "bench.json"


def main() -> int:
    """Measure, print and write; returns 0 whatever the figures are, since they are for reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short rounds: shows that it runs, little more")
    quick = parser.parse_args().quick
    _say("measuring EmbArk, hot")
    ratios = lookups.measure(rounds=2 if quick else 7, seconds=0.5 if quick else 1.5)
    _say("measuring Retina")
    ratios += encodes.measure(rounds=2 if quick else 5, calls=4 if quick else 16)
    try:
        ratios += _measure_on_servers(quick=quick)
    except MissingToolsError as error:
        if os.environ.get("CI"):
            _say(f"{error} (in CI no benchmark is skipped)")
            return 1
        _say(f"skipped: cold lookups, fills, miss to HIT, re-embedding and enqueues: {error}")
    print("\n".join(_table(ratios)))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([dataclasses.asdict(ratio) for ratio in ratios], indent=2) + "\n")
    return 0


def _measure_on_servers(*, quick: bool) -> list[Ratio]:
    # Many short rounds in close succession resolve a few hundredths on a machine whose speed varies by a fifth.
    rounds, many, seconds = (2, 2, 0.5) if quick else (5, 21, 1.2)
    _say("starting a Cassandra and a Kafka (the first time, their jars come from Maven Central)")
    with real_servers() as servers:
        _say("measuring EmbArk, cold")
        ratios = cold_lookups.measure(servers, many, seconds)
        _say("measuring KFC")
        ratios += fills.measure(servers, rounds, messages=300 if quick else 4_000, photographs=32 if quick else 512)
        _say("measuring miss to HIT")
        ratios.append(latencies.measure(servers, rounds, keys=3 if quick else 12))
        _say("measuring the re-embedding")
        ratios += reembedding.measure(servers, rounds, rows=10_000 if quick else 100_000, seconds=3 if quick else 20)
        _say("measuring enqueues")
        return ratios + enqueues.measure(servers, many, seconds)


def _table(ratios: list[Ratio]) -> Iterator[str]:
    width = max(len(ratio.name) for ratio in ratios)
    head = f"{'subject / baseline':<{width}} {'ratio':>6} {'lowest':>7} {'highest':>8} {'by CPU':>7} {'wanted':>7}"
    yield head + f"  {'subject':>10} {'baseline':>10}"
    for ratio in ratios:
        wanted = f"{ratio.wanted:.2f}" if ratio.wanted else "-"
        by_cpu = "-" if ratio.cpu is None else f"{ratio.cpu:.2f}"
        short = f"  short by {ratio.wanted - ratio.wall:.2f}" if ratio.wanted and ratio.wall < ratio.wanted else ""
        yield (
            f"{ratio.name:<{width}} {ratio.wall:>6.2f} {ratio.lowest:>7.2f} {ratio.highest:>8.2f} {by_cpu:>7}"
            f" {wanted:>7}  {ratio.subject.wall:>10.0f} {ratio.baseline.wall:>10.0f} {ratio.unit}{short}"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
