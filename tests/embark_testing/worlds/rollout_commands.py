"""A cache in memory whose rollout the tests play, and the rollout commands run on it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import click
import yaml
from click.testing import CliRunner, Result

from embark.cli.rollout.commands import ROLLOUT_COMMANDS
from embark.cli.rollout.session import ClusterTarget, RolloutSession, SessionOpener, Target
from embark.manifest import parse_body
from embark.resources import CacheRef, ResourceBody
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder
from embark_testing.caches import sample, sample_text
from embark_testing.worlds.memory_caches import MemoryCaches

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PHOTOS = CacheRef("default", "photos")
OTHER_MODEL = {"model": {"uri": "https://models.example/other.onnx", "digest": f"sha256:{'b' * 64}"}}
THIRD_MODEL = {"model": {"uri": "https://models.example/third.onnx", "digest": f"sha256:{'c' * 64}"}}


def encoder_with(**changes: Any) -> Encoder:
    return sample("photos", encoder=changes).spec.encoder


OLD = encoder_with()
NEW = encoder_with(**OTHER_MODEL, output={"dimension": 512})


def record(encoder: Encoder, **fields: Any) -> ResourceBody:
    """Return a space of the status."""
    dumped = encoder.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"id": Space.from_encoder(encoder).id, "encoder": dumped, "source": "", **fields}


def photos_body(namespace: str = "default") -> ResourceBody:
    """Return the sample photos as a resource."""
    document: ResourceBody = yaml.safe_load(sample_text("photos"))
    document["metadata"]["namespace"] = namespace
    return document


class Commands:
    """One cache, default/photos, and the rollout commands run on it."""

    def __init__(self) -> None:
        self.caches = MemoryCaches()
        self.now = NOW
        self.waits: list[float] = []
        self.while_waiting: Callable[[], None] = self._fail_to_wait
        self.targets: list[Target] = []
        self.caches.put(PHOTOS, photos_body())
        self.report({"observedGeneration": 1, "spaces": {"active": record(OLD, since="2026-01-01T09:00:00Z")}})

    def _fail_to_wait(self) -> None:
        raise AssertionError("the command waits for a change that never comes")

    @property
    def body(self) -> ResourceBody:
        return self.caches.bodies[PHOTOS]

    @property
    def cache(self) -> EmbeddingCache:
        return parse_body(self.body)

    def report(self, status: ResourceBody) -> None:
        """Write a status, as whatever runs the rollout does."""
        self.caches.put(PHOTOS, self.body | {"status": status})

    def edit(self, change: ResourceBody) -> None:
        """Change the cache, as another user does."""
        self.caches.merge(PHOTOS, change)

    def set_encoder(self, encoder: Encoder) -> None:
        """Replace the encoder, as another user does."""
        wanted = record(encoder)["encoder"]
        if self.body["spec"]["encoder"] != wanted:
            self.edit({"spec": {"encoder": None}})
            self.edit({"spec": {"encoder": wanted}})

    def roll_out(self, phase: str, **rollout: Any) -> None:
        """Enter `phase` of a rollout from OLD to NEW, before the switch."""
        self.set_encoder(NEW)
        spaces = {"active": record(OLD), "candidate": record(NEW, coverage="0.25", source=Space.from_encoder(OLD).id)}
        self._report_rollout(spaces, {"phase": phase, **rollout})

    def switched(self, phase: str, **rollout: Any) -> None:
        """Enter `phase` of a rollout from OLD to NEW, after the switch."""
        self.set_encoder(NEW)
        spaces = {"active": record(NEW), "previous": record(OLD, keptUntil="2026-01-04T12:00:00Z")}
        self._report_rollout(spaces, {"phase": phase, **rollout})

    def _report_rollout(self, spaces: ResourceBody, rollout: ResourceBody) -> None:
        generation = self.body["metadata"]["generation"]
        self.report({"observedGeneration": generation, "spaces": spaces, "rollout": rollout})

    def run(self, *arguments: str) -> Result:
        """Run a rollout command."""
        group = click.Group(commands={command.name: command for command in ROLLOUT_COMMANDS if command.name})
        return CliRunner().invoke(group, arguments, obj=SessionOpener(self._open))

    @contextmanager
    def _open(self, target: Target) -> Iterator[RolloutSession]:
        self.targets.append(target)
        chosen = target.namespace if isinstance(target, ClusterTarget) else ""
        yield RolloutSession(self.caches, chosen or "default", target, lambda: self.now, self._wait)

    def _wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.while_waiting()
