"""The settings of a sample cache, on loopback, as the benchmarks run it."""

from pathlib import Path

from embark.crd import parse_manifest
from embark.settings import CacheSettings, settings_for
from embark_local.compose import on_loopback

SAMPLES = Path(__file__).parents[1] / "samples"


def settings_of(sample: str) -> CacheSettings:
    """Return the settings of samples/<sample>.yaml."""
    return on_loopback(settings_for(parse_manifest((SAMPLES / f"{sample}.yaml").read_text())))
