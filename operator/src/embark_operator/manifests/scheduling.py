"""Where the pods of a component come to, and before whom; called by `pods`."""

from typing import Any

from embark.spec import EmbeddingCacheSpec
from embark.spec.scheduling import Scheduling
from embark.spec.serving import Gpu
from embark_operator.manifests.children import Component
from embark_operator.names import Manifest


def build_scheduling(component: Component) -> Manifest:
    """Return the fields of a pod's spec that `scheduling` of the component gives; none where it gives nothing."""
    spec = component.cache.spec
    scheduling = _scheduling_of(spec, component.title)
    gpu = _gpu_tolerations(spec.retina.gpu) if component.title == "retina" else []
    written = scheduling.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    asked = written.get("tolerations", [])
    tolerations = [*asked, *(toleration for toleration in gpu if toleration not in asked)]
    fields = written | {"tolerations": tolerations, "affinity": _as_kept(scheduling.affinity)}
    return {name: value for name, value in fields.items() if value}


def _scheduling_of(spec: EmbeddingCacheSpec, title: str) -> Scheduling:
    # All but EmbArk and Retina is KFC, or a Job that runs one of its commands.
    own = {"embark": spec.embark.scheduling, "retina": spec.retina.scheduling}
    return own.get(title, spec.kfc.scheduling)


def _gpu_tolerations(gpu: Gpu) -> list[Manifest]:
    # Nodes with GPUs are commonly kept for those who ask for them, by a taint of the resource's name.
    return [{"key": gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"}] if gpu.count else []


def _as_kept(value: Any) -> Any:
    """Return what an API server keeps of an affinity: not what is null, an empty list, or matchLabels without a label.

    It would else never be what was asked for.
    """
    if isinstance(value, list):
        return [_as_kept(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _as_kept(part) for name, part in value.items()}
    return {name: part for name, part in kept.items() if part not in (None, []) and (name, part) != ("matchLabels", {})}
