"""A cluster in memory with a rollout in progress: controllers, kubelet and services react to what is applied."""

from collections.abc import Sequence
from typing import Any

from embark.rollout.step import ObservedProgress
from embark.rollout.verdict import Verdict
from embark.settings import EmbArkSettings
from embark.termination import TerminationMessage
from embark_operator.cluster.kinds import CACHE, CONFIG_MAP, DEPLOYMENT, JOB, POD
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest
from embark_operator.reconcile import Reconciler
from embark_operator.runtime import Runtime
from embark_testing.worlds.reconciled_caches import KEY, METRICS, OPTIONS, Silent, World

OTHER: dict[str, Any] = {"output": {"tensor": "logits", "dimension": 1000, "dtype": "float32", "normalization": "none"}}
"""A change of the sample's encoder that makes another space."""


class Counting(Silent):
    """Services that report the progress of a rollout."""

    def __init__(self) -> None:
        self.done: ObservedProgress | None = None

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        return [METRICS for _ in addresses]

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:  # noqa: ARG002 - as the protocol has it
        return self.done


class RollingWorld(World):
    """A World whose Deployments become ready and whose Jobs complete when `react` is called."""

    def __init__(self, **changes: Any) -> None:
        self.services = Counting()
        self.verdict = Verdict(keys=7, held=7, failed=0, sampled=7)
        self.held_back: set[str] = set()
        """Components whose Jobs do not complete, and whose pods do not become ready."""
        super().__init__(**changes)

    def reconcile(self) -> list[str]:
        """Reconcile with an operator that has just started; return what it wrote."""
        before = len(self.cluster.writes)
        self.result = Reconciler(Runtime(self.cluster, self.services, OPTIONS, lambda: self.now)).reconcile(KEY)
        return self.cluster.writes[before:]

    @property
    def phase(self) -> str:
        phase: str = self.status["rollout"]["phase"]
        return phase

    def space(self, role: str) -> str:
        """Return the id of the active, candidate, previous or dropped space; empty if there is none."""
        name: str = self.status["spaces"].get(role, {}).get("id", "")
        return name

    def spaces_with(self, component: str) -> set[str]:
        """Return the spaces that have a Deployment of a component."""
        labels = [body["metadata"]["labels"] for (kind, *_), body in self.cluster.objects.items() if kind == DEPLOYMENT]
        return {label[SPACE_LABEL] for label in labels if label[COMPONENT_LABEL] == component}

    def embark_settings(self) -> EmbArkSettings:
        """Return the settings that EmbArk gets."""
        return EmbArkSettings.model_validate_json(self.child(CONFIG_MAP, "photos-embark")["data"][SETTINGS_KEY])

    def jobs(self) -> list[str]:
        """Return the components of the existing Jobs, sorted."""
        labels = [body["metadata"]["labels"] for (kind, *_), body in self.cluster.objects.items() if kind == JOB]
        return sorted(label[COMPONENT_LABEL] for label in labels)

    def react(self) -> None:
        """React once, as the controllers and the kubelet do."""
        for place in [place for place in self.cluster.objects if place[0] == POD]:
            del self.cluster.objects[place]
        for (kind, namespace, name), body in list(self.cluster.objects.items()):
            component = body["metadata"].get("labels", {}).get(COMPONENT_LABEL, "")
            if component in self.held_back:
                continue
            if kind == DEPLOYMENT:
                counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), 1)
                status = counts | {"observedGeneration": body["metadata"]["generation"] + 1}
                self.cluster.edit(kind, namespace, name, {"spec": {"replicas": 1}, "status": status})
                ready = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
                self.add_pod(namespace, name, body["spec"]["template"]["metadata"]["labels"], ready)
            if kind == JOB:
                done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
                self.cluster.edit(kind, namespace, name, done)
                message = TerminationMessage(verdict=self.verdict).to_json() if component == "verify" else ""
                ended = {"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"message": message}}}]}
                self.add_pod(namespace, name, body["metadata"]["labels"] | {"job-name": name}, ended)
        self.cluster.writes.clear()

    def run_until(self, until: str, max_passes: int = 30) -> list[str]:
        """Reconcile and react in turn until the rollout is in a phase; return the phases on the way."""
        phases = []
        for _ in range(max_passes):
            self.reconcile()
            phases.append(self.phase)
            if self.phase == until:
                return list(dict.fromkeys(phases))
            self.react()
        raise AssertionError(f"not {until} after {max_passes} passes: {phases}; {self.status['rollout']}")

    def add_pod(self, namespace: str, name: str, labels: Manifest, status: Manifest) -> None:
        """Create a pod that exists until the next reaction."""
        metadata = {"name": f"{name}-1", "namespace": namespace, "labels": labels}
        self.cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})

    def annotate(self, name: str, value: str) -> None:
        """Annotate the cache, as a user does."""
        self.cluster.edit(CACHE, *KEY, {"metadata": {"annotations": {name: value}}})


def ready_world() -> RollingWorld:
    """Return a cache that is Ready, in its first space."""
    made = RollingWorld()
    made.reconcile()
    made.react()
    made.reconcile()
    assert made.condition("Ready")["status"] == "True"
    return made
