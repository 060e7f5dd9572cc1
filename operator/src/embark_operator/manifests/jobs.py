"""What the Jobs of a space have in common: each runs one of KFC's commands; called by schema_jobs and rollout_jobs."""

from typing import Final

from embark.settings import KfcSettings
from embark.spec.resources import Resources
from embark_operator.manifests.children import Component, build_child, canonical_hash
from embark_operator.manifests.containers import Process
from embark_operator.manifests.pods import build_metadata, build_pod
from embark_operator.manifests.resources import KFC, build_resources
from embark_operator.manifests.volumes import secret_arguments, secret_mounts
from embark_operator.names import Manifest
from embark_operator.options import Images

# A store that is down for days is no reason to give up: attempts come five minutes apart, at most.
_ATTEMPTS: Final = 10_000
_HASH_LENGTH: Final = 8


def kfc_command(
    module: str, settings: KfcSettings, images: Images, resources: Resources, arguments: tuple[str, ...] = ()
) -> Process:
    """Return the process of `python -m <module>`, which reads KFC's settings and Secrets.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    mounts = secret_mounts(settings.store.cassandra, settings.topic.kafka)
    return Process(
        image=images.kfc,
        pull_policy=images.pull_policy,
        module=module,
        resources=build_resources("spec.kfc", resources, KFC),
        mounts=mounts,
        arguments=(*secret_arguments(mounts), *arguments),
    )


def build_pod_template(
    component: Component, process: Process, account: str, images: Images, annotations: dict[str, str] | None = None
) -> Manifest:
    """Return the template of a Job's pods; `account` names their ServiceAccount and their ConfigMap."""
    metadata = build_metadata(component, annotations)
    return {"metadata": metadata, "spec": build_pod(component, process, account, account, images.pull_secrets)}


def build_once(template: Manifest) -> Manifest:
    """Return the spec of a Job with one pod, which is started anew until its command has succeeded."""
    pod = template["spec"] | {"restartPolicy": "OnFailure"}
    return {"backoffLimit": _ATTEMPTS, "template": template | {"spec": pod}}


def build_job(component: Component, spec: Manifest, *, purpose: object, changeable: Manifest | None = None) -> Manifest:
    """Return the Job `<component>-<hash>`.

    Its hash is of how it runs and of its purpose, so that a Job that is there is never changed, which the API server
    would refuse; `changeable` is what of its spec may be changed. It has no TTL, since a Job that is there and complete
    says that there is nothing left to do.
    """
    name = f"{component.name}-{canonical_hash([spec, purpose], _HASH_LENGTH)}"
    return build_child(component, "batch/v1", "Job", {"spec": spec | (changeable or {})}, name)
