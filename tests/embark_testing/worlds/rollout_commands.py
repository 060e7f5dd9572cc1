"""A cache in memory whose rollout the commands steer, and the commands run on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import yaml
from click.testing import CliRunner, Result

from embark.manifest import parse_body
from embark.space import space_of
from embark.spec import EmbeddingCache, Encoder
from embark_operator.cli.main import build_plugin
from embark_operator.cli.sessions import Access, Session, Target
from embark_operator.cluster.kinds import CACHE, Kind
from embark_operator.cluster.protocol import ConflictError, MissingError
from embark_operator.names import Manifest
from embark_testing.caches import sample, sample_text
from embark_testing.worlds.memory_cluster import MemoryCluster

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OTHER_MODEL = {"model": {"uri": "https://models.example/other.onnx", "digest": f"sha256:{'b' * 64}"}}
THIRD_MODEL = {"model": {"uri": "https://models.example/third.onnx", "digest": f"sha256:{'c' * 64}"}}


def encoder_with(**changes: Any) -> Encoder:
    return sample("photos", encoder=changes).spec.encoder


OLD = encoder_with()
NEW = encoder_with(**OTHER_MODEL, output={"dimension": 512})


def record(encoder: Encoder, **fields: Any) -> Manifest:
    """Return a space of the status."""
    dumped = encoder.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"id": space_of(encoder).id, "encoder": dumped, "source": "", **fields}


class MemoryCaches(MemoryCluster):
    """Caches; `merge` as the API server does it, for objects without defaults."""

    def merge(self, kind: Kind, namespace: str, name: str, change: Manifest) -> None:
        live = self.objects.get((kind, namespace, name))
        if live is None:
            raise MissingError(name, "NotFound", "there is none")
        version = change.get("metadata", {}).get("resourceVersion")
        if version not in (None, live["metadata"]["resourceVersion"]):
            raise ConflictError(name, "Conflict", "it has changed since it was read")
        self._store((kind, namespace, name), _merged(live, change))


def _merged(live: Any, change: Any) -> Any:
    if not isinstance(change, dict):
        return change
    kept = live if isinstance(live, dict) else {}
    merged = kept | {name: _merged(kept.get(name), value) for name, value in change.items()}
    return {name: value for name, value in merged.items() if change.get(name, ...) is not None}


class Commands:
    """One cache, default/photos, and the commands of `kubectl embark` run on it."""

    def __init__(self) -> None:
        self.caches = MemoryCaches()
        self.now = NOW
        self.waits: list[float] = []
        self.while_waiting: Callable[[], None] = self._nothing_happens
        self.targets: list[Target] = []
        document = yaml.safe_load(sample_text("photos"))
        document["metadata"]["namespace"] = "default"
        self.caches.create(document)
        self.report({"observedGeneration": 1, "spaces": {"active": record(OLD, since="2026-01-01T09:00:00Z")}})

    def _nothing_happens(self) -> None:
        raise AssertionError("the command waits for what will never be")

    @property
    def body(self) -> Manifest:
        return self.caches.objects[CACHE, "default", "photos"]

    @property
    def cache(self) -> EmbeddingCache:
        return parse_body(self.body)

    def report(self, status: Manifest) -> None:
        """Be the operator that writes a status."""
        self.caches.write_status(self.body, status)

    def edit(self, change: Manifest) -> None:
        """Be somebody who changes the cache."""
        self.caches.merge(CACHE, "default", "photos", change)

    def set_encoder(self, encoder: Encoder) -> None:
        """Be somebody who replaces the encoder."""
        wanted = record(encoder)["encoder"]
        if self.body["spec"]["encoder"] != wanted:
            self.edit({"spec": {"encoder": None}})
            self.edit({"spec": {"encoder": wanted}})

    def roll_out(self, phase: str, **rollout: Any) -> None:
        """Be a rollout from OLD to NEW that is in `phase`, before the switch."""
        self.set_encoder(NEW)
        spaces = {"active": record(OLD), "candidate": record(NEW, coverage="0.25", source=space_of(OLD).id)}
        self._tell(spaces, {"phase": phase, **rollout})

    def switched(self, phase: str, **rollout: Any) -> None:
        """Be a rollout from OLD to NEW that is in `phase`, after the switch."""
        self.set_encoder(NEW)
        spaces = {"active": record(NEW), "previous": record(OLD, keptUntil="2026-01-04T12:00:00Z")}
        self._tell(spaces, {"phase": phase, **rollout})

    def _tell(self, spaces: Manifest, rollout: Manifest) -> None:
        generation = self.body["metadata"]["generation"]
        self.report({"observedGeneration": generation, "spaces": spaces, "rollout": rollout})

    def run(self, *arguments: str) -> Result:
        """Run a command of the plugin."""
        return CliRunner().invoke(build_plugin(), arguments, obj=Access(self._open))

    @contextmanager
    def _open(self, target: Target) -> Iterator[Session]:
        self.targets.append(target)
        chosen = target.namespace or "default"
        yield Session(self.caches, chosen, bool(target.namespace), lambda: self.now, self._wait)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.while_waiting()
