"""A cluster in memory with a cache that is deleted together with its keyspace."""

from typing import Any

from embark.termination import TerminationMessage
from embark_operator.cluster.finalizers import FINALIZER
from embark_operator.cluster.kinds import CACHE, CONFIG_MAP, EVENT, JOB, POD, SERVICE_ACCOUNT, Kind
from embark_operator.names import COMPONENT_LABEL, DROP_KEYSPACE, Manifest
from embark_testing.worlds.memory_cluster import DELETED, MemoryCluster
from embark_testing.worlds.reconciled_caches import KEY, World

DELETE: dict[str, Any] = {"deletionPolicy": "Delete"}


class DeletingWorld(World):
    """A World whose cache has `deletionPolicy: Delete`."""

    def __init__(self, cluster: MemoryCluster | None = None, **changes: Any) -> None:
        super().__init__(cluster, **({"store": DELETE} | changes))

    @property
    def cache(self) -> Manifest | None:
        return self.cluster.objects.get((CACHE, *KEY))

    @property
    def guarded(self) -> bool:
        return FINALIZER in (self.cache or {"metadata": {}})["metadata"].get("finalizers", ())

    def delete_cache(self) -> None:
        """Act as a user who deletes the cache."""
        self.cluster.edit(CACHE, *KEY, {"metadata": {"deletionTimestamp": DELETED}})

    def terminate_pods(self) -> None:
        """Act as the controllers and the kubelet: remove all pods, and everything whose deletion was requested."""
        for place in [place for place in self.cluster.objects if place[0] == POD]:
            del self.cluster.objects[place]
        self.cluster.collect()

    def delete_until_drop(self) -> Manifest:
        """Delete the cache, reconcile until its keyspace is being dropped, and return the Job that does it."""
        self.delete_cache()
        self.reconcile()
        self.terminate_pods()
        self.reconcile()
        (job,) = self.find_drops(JOB)
        return job

    def find_drops(self, *kinds: Kind) -> list[Manifest]:
        """Return the objects that drop the keyspace."""
        wanted = kinds or (SERVICE_ACCOUNT, CONFIG_MAP, JOB)
        found = [body for (kind, *_), body in self.cluster.objects.items() if kind in wanted]
        return [body for body in found if body["metadata"].get("labels", {}).get(COMPONENT_LABEL) == DROP_KEYSPACE]

    def set_job(self, condition: str) -> None:
        """Act as the controller of the Job that drops the keyspace."""
        (job,) = self.find_drops(JOB)
        conditions = [{"type": condition, "status": "True"}]
        self.cluster.edit(JOB, KEY.namespace, job["metadata"]["name"], {"status": {"conditions": conditions}})

    def add_pod(self, name: str, state: Manifest | None = None, **labels: str) -> None:
        """Act as the controller that creates a pod of the cache, and as the kubelet that runs it."""
        metadata = {"name": name, "namespace": KEY.namespace, "labels": {"embark.dev/cache": KEY.name} | labels}
        status = {"containerStatuses": [{"state": state}]} if state else {}
        self.cluster.objects[POD, KEY.namespace, name] = {"metadata": metadata, "status": status}

    def fail_drop(self, message: str) -> None:
        """Let the pod of the Job that drops the keyspace exit with an error message."""
        self.add_drop_pod({"terminated": {"exitCode": 1, "message": TerminationMessage(error=message).to_json()}})

    def add_drop_pod(self, state: Manifest) -> None:
        """Add a pod in that state to the Job that drops the keyspace."""
        (job,) = self.find_drops(JOB)
        labels = {COMPONENT_LABEL: DROP_KEYSPACE, "job-name": job["metadata"]["name"]}
        self.add_pod("drop-1", state, **labels)

    def events(self) -> list[tuple[str, str]]:
        """Return the type and reason of every Event about the keyspace."""
        bodies = [body for (kind, _, name), body in self.cluster.objects.items() if kind == EVENT]
        return [(body["type"], body["reason"]) for body in bodies if body["metadata"]["name"].endswith(".deletion")]
