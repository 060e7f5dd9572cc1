"""The Jobs of a rollout: the re-embedding of a candidate, its verification, and the drop of a space."""

from dataclasses import replace
from typing import Any, Final

from embark.settings import DropSettings, KfcSettings, ReembedSettings, VerifySettings
from embark.spec.model import Model
from embark_operator.manifests.children import Component
from embark_operator.manifests.config_maps import SETTINGS_HASH, build_config_map, settings_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.context import BuildContext
from embark_operator.manifests.jobs import HASH_LENGTH, build_job, build_pod_template, build_retried, kfc_command
from embark_operator.manifests.services import build_account
from embark_operator.manifests.volumes import tls_mounts
from embark_operator.names import Manifest, drop_name, embark_probes, kfc_name
from embark_operator.options import Images

# The command waits out outages of the store and of Retina, so a pod that fails has an error that most likely comes
# again: too little memory, an unexpected row. The attempts are 10 s apart, then twice as long each time, at most 10 min
# (DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff of Kubernetes' Job controller): 20 take 2.5 hours, which
# outlasts a bad node, and after which a person should know.
_ATTEMPTS_PER_INDEX: Final = 20


def build_reembed_job(context: BuildContext, settings: KfcSettings) -> list[Manifest]:
    """Return the settings and the Job `<cache>-reembed-<hash>`, which fills the candidate from its source.

    `settings` are the candidate's. A rollout that is resumed after a halt has another Job. Only `suspend` can be
    changed in a Job.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is not usable.
    """
    cache, attempt, rollout = context.cache, context.rollout.status.attempt, context.cache.spec.rollout
    reembed = ReembedSettings(
        kfc=settings,
        processes=rollout.parallelism,
        keys_per_second=rollout.max_keys_per_second / rollout.parallelism,
        max_lookup_slowdown=rollout.max_lookup_slowdown,
        embark=embark_probes(cache) if rollout.max_lookup_slowdown else None,
        retry_failed=attempt > 0,
    )
    process = kfc_command("kfc.reembed", settings, context.images, cache.spec.kfc.resources)
    # The only Job that calls Retina.
    process = replace(process, listen=settings.listen, mounts=(*process.mounts, *tls_mounts(cache)))
    component = _component(context, settings, "reembed")
    config_map = _build_settings(component, reembed)
    template = _build_template(component, process, context.images, config_map)
    spec = _indexed(template, rollout.parallelism)
    job = build_job(component, spec, purpose={"attempt": attempt}, mutable={"suspend": rollout.paused})
    return [config_map, job]


def build_verify_job(context: BuildContext, settings: KfcSettings) -> list[Manifest]:
    """Return the settings and the Job `<cache>-verify-<hash>`, whose pod reports its verdict on a candidate.

    The verdict is in the pod's TerminationMessage. Another attempt, and another gate, have another Job.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is not usable.
    """
    rollout = context.cache.spec.rollout
    verify = VerifySettings(
        kfc=settings, min_coverage=rollout.min_coverage, max_failure_ratio=rollout.max_failure_ratio
    )
    process = kfc_command("kfc.verify", settings, context.images, context.cache.spec.kfc.resources)
    component = _component(context, settings, "verify")
    config_map = _build_settings(component, verify)
    template = _build_template(component, process, context.images, config_map)
    purpose = {"attempt": context.rollout.status.attempt}
    return [config_map, build_job(component, build_retried(template), purpose=purpose)]


def build_drop(context: BuildContext, settings: KfcSettings) -> list[Manifest]:
    """Return account, settings and Job of the drop of a space, whose KFC no longer exists.

    Account and settings are called `<cache>-drop-<space>`, the Job `<cache>-drop-<hash>`: while a space is dropped, an
    image or a Secret may change, and a Job may not. The settings also keep the space, should the status be lost.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is not usable.
    """
    drop, images = DropSettings(kfc=settings), context.images
    shared = context.component("drop", drop_name(context.cache, settings.space.id), settings.space.id)
    process = kfc_command("kfc.schema.drop", settings, images, context.cache.spec.kfc.resources)
    # A process that waits for a store with a wrong address would never read the right one: new settings, a new Job.
    annotations = {SETTINGS_HASH: settings_hash(drop)}
    template = build_pod_template(
        shared, process, images, account=shared.name, config_map=shared.name, annotations=annotations
    )
    job = build_job(_component(context, settings, "drop"), build_retried(template), purpose={})
    return [build_account(shared), build_config_map(shared, drop), job]


def _component(context: BuildContext, settings: KfcSettings, title: str) -> Component:
    return context.component(title, f"{context.cache.metadata.name}-{title}", settings.space.id)


def _build_settings(component: Component, settings: Model) -> Manifest:
    """Return the ConfigMap `<component>-<hash>`.

    A Job cannot change and its processes read their settings once, so new settings have a new name, and so a new Job,
    which continues where the one before it stopped.
    """
    named = replace(component, name=f"{component.name}-{settings_hash(settings)[:HASH_LENGTH]}")
    return build_config_map(named, settings)


def _build_template(component: Component, process: Process, images: Images, config_map: Manifest) -> Manifest:
    """Return the template of pods that run as the KFC of their space."""
    account = kfc_name(component.cache, component.space_id)
    return build_pod_template(component, process, images, account=account, config_map=config_map["metadata"]["name"])


def _indexed(template: Manifest, parallelism: int) -> dict[str, Any]:
    """Return the spec of a Job with a pod for each share of the ranges, all of them at a time."""
    return {
        "completionMode": "Indexed",
        "completions": parallelism,
        "parallelism": parallelism,
        "backoffLimitPerIndex": _ATTEMPTS_PER_INDEX,
        # A pod that was evicted by a node's drain or a preemption is not a failed attempt.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        # Only once the last pod of an index has terminated: two would encode the same keys.
        "podReplacementPolicy": "Failed",
        "template": template | {"spec": template["spec"] | {"restartPolicy": "Never"}},
    }
