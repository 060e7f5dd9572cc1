"""Pods are scheduled as the spec says, and only so."""

from typing import Any

import pytest

from embark_operator.manifests.jobs import build_drop_keyspace
from embark_operator.names import Manifest
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import GPUS, IMAGES, SCHEDULED, UID, every_child, templates

FIELDS = {"priorityClassName", "runtimeClassName", "nodeSelector", "tolerations", "affinity"}
JOBS = ["schema", "reembed", "verify", "drop"]
GPU = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def scheduled(component: str, **changes: dict[str, Any]) -> Manifest:
    """Return the scheduling fields of a component's pods."""
    pod = templates(every_child(**changes))[component]["spec"]
    return {name: pod[name] for name in FIELDS & pod.keys()}


@pytest.mark.parametrize("component", ["embark", "kfc", "retina"])
def test_the_pods_of_a_component_follow_its_scheduling(component: str) -> None:
    change = {component: {"scheduling": SCHEDULED}}
    assert scheduled(component, **change) == SCHEDULED
    others = {"embark", "kfc", "retina"} - {component}
    assert all(scheduled(other, **change) == {} for other in others)


@pytest.mark.parametrize("job", JOBS)
def test_jobs_are_scheduled_like_kfc(job: str) -> None:
    assert scheduled(job, kfc={"scheduling": SCHEDULED}) == SCHEDULED
    assert scheduled(job, embark={"scheduling": SCHEDULED}, retina={"scheduling": SCHEDULED}) == {}


def test_the_job_that_drops_a_keyspace_is_scheduled_like_kfc() -> None:
    cache = sample("photos", kfc={"scheduling": {"nodeSelector": {"pool": "encoders"}}})
    (job,) = (child for child in build_drop_keyspace(cache, UID, IMAGES) if child["kind"] == "Job")
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "encoders"}


@pytest.mark.parametrize("component", ["embark", "kfc", "retina", *JOBS])
def test_pods_have_no_node_constraints_by_default(component: str) -> None:
    assert scheduled(component) == {}


def test_a_retina_with_gpus_tolerates_their_taint_in_addition_to_the_declared_ones() -> None:
    assert scheduled("retina", **GPUS) == {"tolerations": [GPU]}
    retina = GPUS["retina"] | {"scheduling": {"tolerations": [{"key": "pool", "operator": "Exists"}]}}
    pool = {"key": "pool", "operator": "Exists"}
    assert scheduled("retina", **GPUS | {"retina": retina})["tolerations"] == [pool, GPU]
    retina = GPUS["retina"] | {"scheduling": {"tolerations": [GPU]}}
    assert scheduled("retina", **GPUS | {"retina": retina})["tolerations"] == [GPU]
    assert all(scheduled(other, **GPUS) == {} for other in ("embark", "kfc", *JOBS))


def test_an_affinity_is_written_as_the_api_server_stores_it() -> None:
    term = {"topologyKey": "zone", "namespaceSelector": {}}
    empty = {"labelSelector": {"matchLabels": {}, "matchExpressions": []}, "namespaces": []}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    affinity = {"nodeAffinity": None, "podAffinity": {required: [term | empty]}}
    found = scheduled("embark", embark={"scheduling": {"affinity": affinity}})["affinity"]
    assert found == {"podAffinity": {required: [term | {"labelSelector": {}}]}}
