"""A cluster in memory with one cache in it, and an operator that reconciles it on request."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml

from embark.rollout.step import ObservedProgress
from embark_operator.cluster.kinds import CACHE, CHILD_KINDS, DEPLOYMENT, JOB, Kind
from embark_operator.names import Manifest
from embark_operator.options import Images, Options
from embark_operator.reconcile import Reconciler
from embark_operator.result import Key
from embark_operator.runtime import Runtime
from embark_testing.caches import sample_text
from embark_testing.worlds.memory_cluster import MemoryCluster

KEY = Key("default", "photos")
OPTIONS = Options(Images("embark:1", "kfc:1", "retina:1"))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Silent:
    """Services that report fixed metrics, and no progress."""

    def readiness(self, address: str) -> str:
        return f"{address} is not ready"

    def scrape(self, addresses: Sequence[str]) -> Sequence[str]:
        return [METRICS for _ in addresses]

    def entries(self, addresses: Sequence[str]) -> int | None:
        assert addresses
        return 7

    def progress(self, addresses: Sequence[str], space: str) -> ObservedProgress | None:  # noqa: ARG002 - the protocol's signature
        return None


METRICS = """# TYPE embark_keys_total counter
embark_keys_total{method="Lookup",space="active",status="HIT"} 3.0
embark_keys_total{method="Lookup",space="active",status="OOV_ENQUEUED"} 1.0
embark_keys_total{method="Prefetch",space="active",status="OOV_ENQUEUED"} 9.0
embark_kfc_lag 5.0
embark_kfc_fills_total{outcome="dead-lettered"} 2.0
"""


class World:
    """A cluster with one cache in it, and its operator."""

    def __init__(self, cluster: MemoryCluster | None = None, **changes: dict[str, Any]) -> None:
        self.cluster = cluster or MemoryCluster()
        self.now = BEGIN
        self.apply_cache(**changes)

    def apply_cache(self, **changes: dict[str, Any]) -> None:
        document = yaml.safe_load(sample_text("photos", **changes))
        document["metadata"]["namespace"] = "default"
        if (CACHE, *KEY) in self.cluster.objects:
            self.cluster.objects[CACHE, *KEY]["spec"] = {}
            self.cluster.edit(CACHE, *KEY, {"spec": document["spec"]})
        else:
            self.cluster.create(document)
        self.cluster.writes.clear()

    def reconcile(self) -> list[str]:
        """Reconcile with a newly started operator; return what it wrote."""
        before = len(self.cluster.writes)
        self.result = Reconciler(Runtime(self.cluster, Silent(), OPTIONS, lambda: self.now)).reconcile(KEY)
        return self.cluster.writes[before:]

    @property
    def status(self) -> Manifest:
        status: Manifest = self.cluster.objects[CACHE, *KEY]["status"]
        return status

    def condition(self, kind: str) -> Manifest:
        return next(condition for condition in self.status["conditions"] if condition["type"] == kind)

    def children(self) -> dict[tuple[str, str], Manifest]:
        return {
            (kind.name, name): body for (kind, _, name), body in self.cluster.objects.items() if kind in CHILD_KINDS
        }

    def child(self, kind: Kind, prefix: str) -> Manifest:
        return next(body for (of, _, name), body in self.cluster.objects.items() if of == kind and prefix in name)

    def make_ready(self) -> None:
        """Act as the controllers: make the pods of every Deployment ready, and complete every Job."""
        for (kind, namespace, name), body in list(self.cluster.objects.items()):
            if kind == DEPLOYMENT:
                labels = body["spec"]["template"]["metadata"]["labels"]
                counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas"), 1)
                status = counts | {"observedGeneration": body["metadata"]["generation"] + 1}
                self.cluster.edit(kind, namespace, name, {"spec": {"replicas": 1}, "status": status})
                pod = {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": f"{name}-1", "namespace": namespace, "labels": labels},
                    "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]},
                }
                self.cluster.create(pod)
            if kind == JOB:
                done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
                self.cluster.edit(kind, namespace, name, done)
        self.cluster.writes.clear()
