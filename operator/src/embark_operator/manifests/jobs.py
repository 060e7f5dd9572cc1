"""The Jobs of a cache, which run KFC's commands: what they share, the schema Job and the drop Job."""

from typing import Final

from embark.settings import DropScope, DropSettings, KfcSettings, filling_settings_for
from embark.spec import EmbeddingCache
from embark.spec.resources import Resources
from embark_operator.manifests.children import Component, build_child, canonical_hash
from embark_operator.manifests.config_maps import SETTINGS_HASH, build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.pods import build_metadata, build_pod
from embark_operator.manifests.resources import KFC, build_resources
from embark_operator.manifests.services import build_account
from embark_operator.manifests.volumes import secret_arguments, secret_mounts
from embark_operator.names import DROP_KEYSPACE, Manifest, drop_keyspace_name, kfc_name
from embark_operator.options import Images

# Do not give up on a store that is down for days: attempts are at most five minutes apart.
_ATTEMPTS: Final = 10_000
HASH_LENGTH: Final = 8
"""Hex digits of a hash in the name of a Job or of its settings."""


def build_schema_job(context: BuildContext, settings: KfcSettings) -> Manifest:
    """Return the Job `<cache>-schema-<hash>`, which creates tables and topics of a space.

    It reads KFC's settings and runs as KFC. Its name changes with what it creates, so it runs once for each schema.
    """
    cache, images = context.cache, context.images
    component = context.component("schema", f"{cache.metadata.name}-schema", settings.space.id)
    process = kfc_command("kfc.schema", settings, images, Resources())
    account = kfc_name(cache, settings.space.id)
    template = build_pod_template(component, process, images, account=account, config_map=account)
    return build_job(component, build_retried(template), purpose=_schema(settings))


def build_drop_keyspace(cache: EmbeddingCache, uid: str, images: Images) -> list[Manifest]:
    """Return account and settings `<cache>-drop-keyspace`, and the Job `<cache>-drop-keyspace-<hash>`.

    The cache does not own them: in a foreground deletion they would be deleted before the cache. A later cache of the
    same name has another `uid`, and so another Job.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is not usable.
    """
    settings = DropSettings(kfc=filling_settings_for(cache).kfc, scope=DropScope.CACHE)
    component = Component(cache, "", DROP_KEYSPACE, drop_keyspace_name(cache))
    process = kfc_command("kfc.schema.drop", settings.kfc, images, cache.spec.kfc.resources)
    # New settings, for example a corrected address of the store, are a new Job.
    annotations = {SETTINGS_HASH: settings_hash(settings)}
    template = build_pod_template(
        component, process, images, account=component.name, config_map=component.name, annotations=annotations
    )
    job = build_job(component, build_retried(template), purpose={"cache": uid})
    return [build_account(component), build_config_map(component, settings), job]


def kfc_command(module: str, settings: KfcSettings, images: Images, resources: Resources) -> Process:
    """Return the process of `python -m <module>` with the Secrets of KFC.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is not usable.
    """
    mounts = secret_mounts(settings.store.cassandra, settings.topic.kafka)
    return Process(
        image=images.kfc,
        pull_policy=images.pull_policy,
        module=module,
        resources=build_resources("spec.kfc", resources, KFC),
        mounts=mounts,
        arguments=secret_arguments(mounts),
    )


def build_pod_template(
    component: Component,
    process: Process,
    images: Images,
    *,
    account: str,
    config_map: str,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    """Return the template of a Job's pods; `account` and `config_map` name their ServiceAccount and their settings."""
    metadata = build_metadata(component, annotations)
    return {"metadata": metadata, "spec": build_pod(component, process, account, config_map, images.pull_secrets)}


def build_retried(template: Manifest) -> Manifest:
    """Return the spec of a Job with one pod, which is restarted until its command has succeeded."""
    pod = template["spec"] | {"restartPolicy": "OnFailure"}
    return {"backoffLimit": _ATTEMPTS, "template": template | {"spec": pod}}


def build_job(component: Component, spec: Manifest, *, purpose: object, mutable: Manifest | None = None) -> Manifest:
    """Return the Job `<component>-<hash>`.

    The API server refuses changes of a Job, so the hash is of `spec` and `purpose`: another spec is another Job. Only
    the fields in `mutable` may change. The Job has no TTL, since a complete Job means that nothing is left to do.
    """
    name = f"{component.name}-{canonical_hash([spec, purpose], HASH_LENGTH)}"
    return build_child(component, "batch/v1", "Job", {"spec": spec | (mutable or {})}, name)


def _schema(settings: KfcSettings) -> Manifest:
    """Return the part of the settings that decides the tables and topics."""
    return {
        "space": settings.space.id,
        "cassandra": settings.store.cassandra.model_dump(mode="json"),
        "kafka": settings.topic.kafka.model_dump(mode="json"),
        "topics": [settings.topic.fills, settings.topic.dead_letters],
    }
