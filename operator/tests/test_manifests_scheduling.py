"""Where the spec says that pods run is where they run, and nothing is said that the spec does not say."""

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
    """Return what the pods of a component say of their nodes."""
    pod = templates(every_child(**changes))[component]["spec"]
    return {name: pod[name] for name in FIELDS & pod.keys()}


@pytest.mark.parametrize("component", ["embark", "kfc", "retina"])
def test_a_component_s_pods_run_where_its_part_of_the_spec_says(component: str) -> None:
    change = {component: {"scheduling": SCHEDULED}}
    assert scheduled(component, **change) == SCHEDULED
    others = {"embark", "kfc", "retina"} - {component}
    assert all(scheduled(other, **change) == {} for other in others)


@pytest.mark.parametrize("job", JOBS)
def test_the_jobs_run_where_kfc_does(job: str) -> None:
    assert scheduled(job, kfc={"scheduling": SCHEDULED}) == SCHEDULED
    assert scheduled(job, embark={"scheduling": SCHEDULED}, retina={"scheduling": SCHEDULED}) == {}


def test_the_job_that_drops_a_keyspace_runs_where_kfc_does() -> None:
    cache = sample("photos", kfc={"scheduling": {"nodeSelector": {"pool": "encoders"}}})
    (job,) = (made for made in build_drop_keyspace(cache, UID, IMAGES) if made["kind"] == "Job")
    assert job["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "encoders"}


@pytest.mark.parametrize("component", ["embark", "kfc", "retina", *JOBS])
def test_without_a_word_nothing_is_said_of_nodes(component: str) -> None:
    assert scheduled(component) == {}


def test_a_retina_with_gpus_tolerates_their_taint_beside_what_is_asked_for() -> None:
    assert scheduled("retina", **GPUS) == {"tolerations": [GPU]}
    retina = GPUS["retina"] | {"scheduling": {"tolerations": [{"key": "pool", "operator": "Exists"}]}}
    pool = {"key": "pool", "operator": "Exists"}
    assert scheduled("retina", **GPUS | {"retina": retina})["tolerations"] == [pool, GPU]
    retina = GPUS["retina"] | {"scheduling": {"tolerations": [GPU]}}
    assert scheduled("retina", **GPUS | {"retina": retina})["tolerations"] == [GPU]
    assert all(scheduled(other, **GPUS) == {} for other in ("embark", "kfc", *JOBS))


def test_of_an_affinity_is_written_what_an_api_server_keeps() -> None:
    term = {"topologyKey": "zone", "namespaceSelector": {}}
    empty = {"labelSelector": {"matchLabels": {}, "matchExpressions": []}, "namespaces": []}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    affinity = {"nodeAffinity": None, "podAffinity": {required: [term | empty]}}
    found = scheduled("embark", embark={"scheduling": {"affinity": affinity}})["affinity"]
    assert found == {"podAffinity": {required: [term | {"labelSelector": {}}]}}
