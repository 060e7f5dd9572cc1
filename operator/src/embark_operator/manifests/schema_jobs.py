"""The Job that makes tables and topics of a space; it runs once for everything that it does, by its name."""

from embark.settings import KfcSettings
from embark.spec import EmbeddingCache
from embark.spec.resources import Resources
from embark_operator.manifests.children import Component
from embark_operator.manifests.jobs import build_job, build_once, build_pod_template, kfc_command
from embark_operator.names import Manifest, kfc_name
from embark_operator.options import Images


def build_schema_job(cache: EmbeddingCache, uid: str, settings: KfcSettings, images: Images) -> Manifest:
    """Return the Job `<cache>-schema-<hash>`, which reads KFC's settings and runs as KFC."""
    component = Component(cache, uid, "schema", f"{cache.metadata.name}-schema", settings.space.id)
    process = kfc_command("kfc.schema", settings, images, Resources())
    template = build_pod_template(component, process, kfc_name(cache, settings.space.id), images)
    return build_job(component, build_once(template), purpose=_made(settings))


def _made(settings: KfcSettings) -> Manifest:
    """Return what of the settings decides the tables and topics."""
    return {
        "space": settings.space.id,
        "cassandra": settings.store.cassandra.model_dump(mode="json"),
        "kafka": settings.topic.kafka.model_dump(mode="json"),
        "topics": [settings.topic.fills, settings.topic.dead_letters],
    }
