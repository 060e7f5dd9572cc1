"""The children of caches as the operator builds them, and changes of a spec."""

from collections.abc import Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from embark.rollout.state import initial_rollout
from embark.settings import KfcSettings, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache
from embark_operator.manifests.build import build
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.kfc import build_kfc
from embark_operator.manifests.network_policies import build_network_policies
from embark_operator.manifests.rollout_jobs import build_drop, build_reembed_job, build_verify_job
from embark_operator.names import COMPONENT_LABEL, Manifest
from embark_operator.options import Images, Options
from embark_testing.caches import sample
from embark_testing.worlds.network_worlds import OPERATOR_NAMESPACE, SPACES

UID = "5f3c1c8e-0d4b-4a53-9d0c-5d0d8f9a7e11"
IMAGES = Images(
    embark="registry.example/embark:1",
    kfc="registry.example/kfc:1",
    retina="registry.example/retina:1",
    retina_cuda="registry.example/retina-cuda:1",
    pull_secrets=("registry",),
)
OPTIONS = Options(IMAGES)

SECRETS: dict[str, dict[str, Any]] = {
    "store": {"cassandra": {"credentialsSecret": "cassandra-user", "tlsSecret": "cassandra-tls"}},
    "topic": {"kafka": {"credentialsSecret": "kafka-user", "tlsSecret": "kafka-tls"}},
}
GPUS: dict[str, dict[str, Any]] = {"encoder": {"provider": "cuda"}, "retina": {"gpu": {"count": 2}, "replicas": 2}}
AFFINITY: dict[str, Any] = {
    "podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 50,
                "podAffinityTerm": {
                    "topologyKey": "topology.kubernetes.io/zone",
                    "labelSelector": {"matchLabels": {"app": "ranker"}},
                    "namespaceSelector": {},
                },
            }
        ]
    }
}
SCHEDULED: dict[str, Any] = {
    "priorityClassName": "serving",
    "runtimeClassName": "nvidia",
    "nodeSelector": {"example.com/pool": "encoders"},
    "tolerations": [
        {"key": "pool", "value": "encoders"},
        {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30},
    ],
    "affinity": AFFINITY,
}
"""Every field that `scheduling` of a component can have."""
CHANGES: tuple[dict[str, dict[str, Any]], ...] = (
    {},
    SECRETS,
    GPUS,
    {name: {"scheduling": SCHEDULED} for name in ("embark", "kfc", "retina")},
    {"embark": {"replicas": 3}, "kfc": {"replicas": 0}, "retina": {"replicas": 1}},
    {"embark": {"resources": {"requests": {"cpu": "1000m", "memory": "2048Mi"}, "limits": {"memory": "4.5Gi"}}}},
)
"""Changes that together produce every kind of child and every optional field."""


def build_context(cache: EmbeddingCache, options: Options = OPTIONS, **fields: Any) -> BuildContext:
    """Return the context of a cache that has the one space of its spec, unless `fields` has another rollout."""
    return BuildContext(cache, UID, options, **({"rollout": initial_rollout(cache.spec.encoder)} | fields))


def build_children(cache: EmbeddingCache, options: Options = OPTIONS) -> list[Manifest]:
    """Return the children of a cache without a rollout."""
    return list(build(build_context(cache, options)).manifests)


def children(**changes: dict[str, Any]) -> list[Manifest]:
    """Return the children of samples/photos.yaml with changes to sections of its spec."""
    return build_children(sample("photos", **changes))


def candidate_settings(cache: EmbeddingCache) -> KfcSettings:
    """Return the settings of the KFC of a candidate that is re-embedded from the cache's space."""
    source = Space.from_encoder(cache.spec.encoder)
    candidate = _with_dimension(source, source.dimension + 1)
    return settings_for(cache, candidate, source=source.id).kfc


def build_rollout_children(
    cache: EmbeddingCache, images: Images = IMAGES, *, attempt: int = 0, suspended: bool = False
) -> list[Manifest]:
    """Return the children that a rollout adds in any of its phases, for a candidate and for a space to drop."""
    paused = cache.spec.rollout.model_copy(update={"paused": suspended})
    cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"rollout": paused})})
    rollout = initial_rollout(cache.spec.encoder).with_status(attempt=attempt)
    context = build_context(cache, Options(images), rollout=rollout)
    candidate, source = candidate_settings(cache), Space.from_encoder(cache.spec.encoder)
    dropped = _with_dimension(source, source.dimension + 2)
    return [
        *build_kfc(context, candidate),
        *build_reembed_job(context, candidate),
        *build_verify_job(context, candidate),
        *build_drop(context, settings_for(cache, dropped).kfc),
    ]


def build_every_child(cache: EmbeddingCache) -> list[Manifest]:
    """Return the children that a cache always has, then those that a rollout adds."""
    return [*build_children(cache), *build_rollout_children(cache)]


def every_child(**changes: dict[str, Any]) -> list[Manifest]:
    """Return every child of samples/photos.yaml with changes to sections of its spec."""
    return build_every_child(sample("photos", **changes))


def select_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    """Return the manifests of a kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def find_component(manifests: Iterable[Manifest], kind: str, component: str) -> Manifest:
    """Return the only child of a kind of a component."""
    (found,) = (m for m in select_kind(manifests, kind) if m["metadata"]["labels"][COMPONENT_LABEL] == component)
    return found


def templates(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Return the pod template of every component with a Deployment or a Job."""
    return {
        manifest["metadata"]["labels"][COMPONENT_LABEL]: manifest["spec"]["template"]
        for manifest in manifests
        if manifest["kind"] in {"Deployment", "Job"}
    }


def container(template: Manifest) -> Manifest:
    """Return the only container of a pod template."""
    (only,) = template["spec"]["containers"]
    return dict(only)


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Sequence[tuple[tuple[str | int, ...], object]]:
    """Return every value that is not a dict or list, and every empty one, with its path."""
    if isinstance(value, dict | list) and value:
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return [leaf for key, part in parts for leaf in leaves(part, (*path, key))]
    return [(path, value)]


def _with_dimension(space: Space, dimension: int) -> Space:
    return space.model_copy(update={"dimension": dimension})


def _section(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_CPU = st.sampled_from(["100m", "0.5", "1000m", "2"])
_RESOURCES = _section(requests=_section(cpu=_CPU), limits=_section(memory=st.sampled_from(["1024Mi", "1.5Gi", "8G"])))
_SCALED: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"replicas": st.integers(1, 1000)}),
    st.integers(1, 1000).flatmap(
        lambda least: st.fixed_dictionaries(
            {"autoscaling": st.fixed_dictionaries({"min": st.just(least), "max": st.integers(least, 1000)})}
        )
    ),
    st.just({}),
)


def _scaled(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda scaling, rest: scaling | rest, _SCALED, _section(resources=_RESOURCES, **fields))


def changes() -> st.SearchStrategy[dict[str, dict[str, Any]]]:
    """Return changes of any section of a spec, including those that create another space."""
    secret = st.sampled_from(["", "mine"])
    return _section(
        encoder=_section(
            provider=st.sampled_from(["cpu", "cuda"]),
            batch=_section(maxSize=st.integers(1, 64)),
            fetch=_section(maxRedirects=st.integers(0, 9)),
            output=_section(dimension=st.sampled_from([1280, 640])),
        ),
        store=_section(cassandra=_section(credentialsSecret=secret, port=st.integers(1, 65535)), ttl=st.just("1h")),
        topic=_section(kafka=_section(tlsSecret=secret, partitions=st.integers(1, 64))),
        embark=_scaled(hotTier=_section(maxBytes=st.sampled_from(["0", "1Mi", "512Mi"]))),
        kfc=_scaled(maxInflight=st.integers(1, 16)),
        retina=_scaled(),
    )


def build_all_policies(caches: Iterable[EmbeddingCache]) -> list[Manifest]:
    """Return the NetworkPolicies of caches with a KFC and a Retina for each of SPACES."""
    return [
        policy
        for cache in caches
        for policy in build_network_policies(cache, UID, dict.fromkeys(SPACES, cache.spec.encoder), OPERATOR_NAMESPACE)
    ]
