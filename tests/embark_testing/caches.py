"""Caches for tests: sample manifests with changes, and their settings on loopback."""

from pathlib import Path
from typing import Any

import yaml

from embark.manifest import parse_manifest
from embark.settings import CacheSettings, settings_for
from embark.spec import EmbeddingCache
from embark_local.compose import on_loopback

SAMPLES = Path(__file__).parents[2] / "samples"


def sample(name: str, **changes: Any) -> EmbeddingCache:
    """Return samples/<name>.yaml; `changes` are merged into the sections of its spec."""
    return parse_manifest(sample_text(name, **changes))


def cache_in(namespace: str, name: str = "photos", **changes: Any) -> EmbeddingCache:
    """Return a sample in a namespace; `changes` are merged into the sections of its spec."""
    text = sample_text(name, **changes)
    return parse_manifest(text.replace(f"name: {name}\n", f"name: {name}\n  namespace: {namespace}\n", 1))


def sample_text(name: str, **changes: Any) -> str:
    """Return the manifest's text, with `changes` merged into the sections of its spec."""
    document = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    _merge(document["spec"], changes)
    return yaml.safe_dump(document)


def sample_settings(name: str, **changes: Any) -> CacheSettings:
    """Return the settings of a sample's services, all on 127.0.0.1 and free ports."""
    return on_loopback(settings_for(sample(name, **changes)))


def _merge(target: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value
