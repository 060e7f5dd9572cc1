"""The scheduling of a component's pods."""

from typing import Any

from embark.spec import EmbeddingCacheSpec
from embark.spec.scheduling import Scheduling
from embark.spec.serving import Gpu
from embark_operator.manifests.children import Component
from embark_operator.names import Manifest


def build_scheduling(component: Component) -> Manifest:
    """Return the fields of a pod's spec that the component's `scheduling` sets."""
    spec = component.cache.spec
    scheduling = _find_scheduling(spec, component.title)
    gpu = _gpu_tolerations(spec.retina.gpu) if component.title == "retina" else []
    written = scheduling.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    declared = written.get("tolerations", [])
    tolerations = [*declared, *(toleration for toleration in gpu if toleration not in declared)]
    fields = written | {"tolerations": tolerations, "affinity": _as_stored(scheduling.affinity)}
    return {name: value for name, value in fields.items() if value}


def _find_scheduling(spec: EmbeddingCacheSpec, title: str) -> Scheduling:
    # Every other component is KFC, or a Job that runs one of its commands.
    own = {"embark": spec.embark.scheduling, "retina": spec.retina.scheduling}
    return own.get(title, spec.kfc.scheduling)


def _gpu_tolerations(gpu: Gpu) -> list[Manifest]:
    # Nodes with GPUs commonly have a taint with the resource's name, to keep other pods away.
    return [{"key": gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"}] if gpu.count else []


def _as_stored(value: Any) -> Any:
    """Return what an API server keeps of an affinity: it drops nulls, empty lists, and empty matchLabels.

    Otherwise the live object would always differ from the wanted one.
    """
    if isinstance(value, list):
        return [_as_stored(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _as_stored(part) for name, part in value.items()}
    return {name: part for name, part in kept.items() if part not in (None, []) and (name, part) != ("matchLabels", {})}
