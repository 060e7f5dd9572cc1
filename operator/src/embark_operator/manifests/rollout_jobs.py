"""The Jobs of a rollout: one fills the candidate, one judges it, one drops a space; called by `build`."""

from dataclasses import replace
from typing import Any, Final

from embark.settings import KfcSettings
from embark.spec import EmbeddingCache
from embark_operator.manifests.children import Component
from embark_operator.manifests.config_maps import SETTINGS_HASH, build_config_map, settings_hash
from embark_operator.manifests.containers import TERMINATION_LOG, Process
from embark_operator.manifests.jobs import build_job, build_once, build_pod_template, kfc_command
from embark_operator.manifests.services import build_account
from embark_operator.manifests.volumes import tls_mounts
from embark_operator.names import Manifest, drop_name, embark_probes, kfc_name
from embark_operator.options import Images

# The command waits out a store or a Retina that is away, so a pod that ends has a fault that most likely comes again:
# too little memory, a row that nobody thought of. The attempts are 10 s apart, then twice as long each time, at most
# 10 min (DefaultJobPodFailureBackOff and MaxJobPodFailureBackOff of Kubernetes' Job controller): 20 take 2.5 hours,
# which a bad node does not last, and after which somebody should hear of it.
_ATTEMPTS_PER_INDEX: Final = 20


def build_reembed_job(
    cache: EmbeddingCache, uid: str, settings: KfcSettings, images: Images, *, attempt: int, suspended: bool
) -> Manifest:
    """Return the Job `<cache>-reembed-<hash>`, which fills the candidate that `settings` are of from its source.

    `attempt` counts how often the rollout was resumed after it had halted; each is a Job of its own. Of one Job,
    `suspended` alone can be changed.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    rollout = cache.spec.rollout
    arguments = ["--of", str(rollout.parallelism)]
    if rollout.max_keys_per_second:
        arguments += ["--keys-per-second", str(rollout.max_keys_per_second / rollout.parallelism)]
    if rollout.max_lookup_slowdown:
        arguments += ["--max-lookup-slowdown", str(rollout.max_lookup_slowdown), "--embark", embark_probes(cache)]
    if attempt:
        arguments.append("--again")
    component = _component(cache, uid, settings, "reembed")
    process = _process("kfc.reembed", cache, settings, images, tuple(arguments))
    # It alone of the Jobs calls Retina.
    process = replace(process, listen=settings.listen, mounts=(*process.mounts, *tls_mounts(cache)))
    template = _template(component, process, settings, images)
    spec = _indexed(template, rollout.parallelism)
    return build_job(component, spec, purpose={"attempt": attempt}, changeable={"suspend": suspended})


def build_verify_job(
    cache: EmbeddingCache, uid: str, settings: KfcSettings, images: Images, *, attempt: int
) -> Manifest:
    """Return the Job `<cache>-verify-<hash>`, whose pod leaves its verdict on a candidate as its termination message.

    Another `attempt`, and other gates, are another Job.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    gates = cache.spec.rollout.model_dump(mode="json", by_alias=True)
    arguments = (
        *("--verdict", TERMINATION_LOG),
        *("--min-coverage", gates["minCoverage"]),
        *("--max-failure-ratio", gates["maxFailureRatio"]),
    )
    component = _component(cache, uid, settings, "verify")
    process = _process("kfc.verify", cache, settings, images, arguments)
    template = _template(component, process, settings, images)
    return build_job(component, build_once(template), purpose={"attempt": attempt})


def build_drop(cache: EmbeddingCache, uid: str, settings: KfcSettings, images: Images) -> list[Manifest]:
    """Return account, settings and Job of what drops a space; those of its KFC are gone by then.

    Account and settings are called `<cache>-drop-<space>`, the Job `<cache>-drop-<hash>`: while a space is dropped, an
    image or a Secret may change, and a Job may not.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    own = Component(cache, uid, "drop", drop_name(cache, settings.space.id), settings.space.id)
    process = _process("kfc.schema.drop", cache, settings, images)
    template = _template(own, process, settings, images, account=own.name)
    job = build_job(_component(cache, uid, settings, "drop"), build_once(template), purpose={})
    return [build_account(own), build_config_map(own, settings), job]


def _component(cache: EmbeddingCache, uid: str, settings: KfcSettings, title: str) -> Component:
    return Component(cache, uid, title, f"{cache.metadata.name}-{title}", settings.space.id)


def _process(
    module: str, cache: EmbeddingCache, settings: KfcSettings, images: Images, arguments: tuple[str, ...] = ()
) -> Process:
    return kfc_command(module, settings, images, cache.spec.kfc.resources, arguments)


def _template(
    component: Component, process: Process, settings: KfcSettings, images: Images, account: str = ""
) -> Manifest:
    # A process that waits for a store whose address was wrong would never read the right one: new settings, a new Job.
    # It goes on where the one before it was.
    annotations = {SETTINGS_HASH: settings_hash(settings)}
    account = account or kfc_name(component.cache, settings.space.id)
    return build_pod_template(component, process, account, images, annotations)


def _indexed(template: Manifest, parallelism: int) -> dict[str, Any]:
    """Return the spec of a Job with a pod for each share of the ranges, all of them at a time."""
    return {
        "completionMode": "Indexed",
        "completions": parallelism,
        "parallelism": parallelism,
        "backoffLimitPerIndex": _ATTEMPTS_PER_INDEX,
        # A pod that a node's drain or a preemption took is no failed attempt.
        "podFailurePolicy": {
            "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        },
        # Not before the last pod of an index is really gone: two would encode the same keys.
        "podReplacementPolicy": "Failed",
        "template": template | {"spec": template["spec"] | {"restartPolicy": "Never"}},
    }
