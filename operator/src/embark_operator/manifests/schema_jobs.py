"""The Job that makes tables and topics of a space; it runs once for everything that it does, by its name."""

from typing import Final

from embark.settings import KfcSettings
from embark.spec import EmbeddingCache
from embark.spec.resources import Resources
from embark_operator.manifests.children import Component, build_child, hash_of
from embark_operator.manifests.containers import Process
from embark_operator.manifests.pods import build_pod
from embark_operator.manifests.resources import KFC, build_resources
from embark_operator.manifests.volumes import secret_arguments, secret_mounts
from embark_operator.names import Manifest, kfc_name
from embark_operator.options import Images

# A store that is down for days is no reason to give up: attempts come five minutes apart, at most.
_ATTEMPTS: Final = 10_000
_HASH_LENGTH: Final = 8


def build_schema_job(cache: EmbeddingCache, uid: str, settings: KfcSettings, images: Images) -> Manifest:
    """Return the Job `<cache>-schema-<hash>`, which reads KFC's settings and runs as KFC.

    Its hash is of what it does and of how it runs, so that a Job that is there is never changed, which the API server
    would refuse; it has no TTL, since a Job that is there and complete says that there is nothing left to do.
    """
    component = Component(cache, uid, "schema", f"{cache.metadata.name}-schema", settings.space.id)
    mounts = secret_mounts(settings.store.cassandra, settings.topic.kafka)
    process = Process(
        image=images.kfc,
        pull_policy=images.pull_policy,
        module="kfc.schema",
        resources=build_resources("spec.kfc", Resources(), KFC),
        mounts=mounts,
        arguments=secret_arguments(mounts),
    )
    kfc = kfc_name(cache, settings.space.id)
    pod = build_pod(component, process, kfc, kfc, images.pull_secrets)
    spec = {
        "backoffLimit": _ATTEMPTS,
        "template": {"metadata": {"labels": component.labels}, "spec": pod | {"restartPolicy": "OnFailure"}},
    }
    name = f"{component.name}-{hash_of([spec, _done(settings)], _HASH_LENGTH)}"
    return build_child(component, "batch/v1", "Job", {"spec": spec}, name)


def _done(settings: KfcSettings) -> Manifest:
    """Return what of the settings decides the tables and topics."""
    return {
        "space": settings.space.id,
        "cassandra": settings.store.cassandra.model_dump(mode="json"),
        "kafka": settings.topic.kafka.model_dump(mode="json"),
        "topics": [settings.topic.fills, settings.topic.dead_letters],
    }
