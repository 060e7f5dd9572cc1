"""`make bench`: every figure is a ratio to a bare baseline of the same run; prints a table, writes out/bench.json."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import encodes
import lookups
from ratios import Ratio

OUT = Path(__file__).parents[1] / "out" / "bench.json"


def main() -> int:
    """Measure, print and write; returns 0 whatever the figures are, since they are for reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few short rounds: shows that it runs, little more")
    quick = parser.parse_args().quick
    print("measuring EmbArk", file=sys.stderr)
    ratios = lookups.measure(rounds=2 if quick else 9, seconds=0.5 if quick else 2.0)
    print("measuring Retina", file=sys.stderr)
    ratios += encodes.measure(rounds=2 if quick else 7, calls=4 if quick else 16)
    print("\n".join(_table(ratios)))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([dataclasses.asdict(ratio) for ratio in ratios], indent=2) + "\n")
    return 0


def _table(ratios: list[Ratio]) -> list[str]:
    head = f"{'subject / baseline':<52} {'ratio':>6} {'lowest':>7} {'highest':>8} {'by CPU':>7} {'wanted':>7}"
    rows = [head + f"  {'subject':>10} {'baseline':>10}"]
    for ratio in ratios:
        verdict = "" if ratio.wall >= ratio.wanted else f"  short by {ratio.wanted - ratio.wall:.2f}"
        rows.append(
            f"{ratio.name:<52} {ratio.wall:>6.2f} {ratio.lowest:>7.2f} {ratio.highest:>8.2f} {ratio.cpu:>7.2f}"
            f" {ratio.wanted:>7.2f}  {ratio.subject.wall:>10.0f} {ratio.baseline.wall:>10.0f} {ratio.unit}{verdict}"
        )
    return rows


if __name__ == "__main__":
    sys.exit(main())
