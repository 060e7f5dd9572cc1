"""What drops the keyspace of a cache that is deleted: its account, settings and Job; called by `deletions`."""

from embark.settings import filling_settings_for
from embark.spec import EmbeddingCache
from embark_operator.manifests.children import Component
from embark_operator.manifests.config_maps import SETTINGS_HASH, build_config_map, settings_hash
from embark_operator.manifests.jobs import build_job, build_once, build_pod_template, kfc_command
from embark_operator.manifests.services import build_account
from embark_operator.names import DROP_KEYSPACE, Manifest, drop_keyspace_name
from embark_operator.options import Images


def build_drop_keyspace(cache: EmbeddingCache, uid: str, images: Images) -> list[Manifest]:
    """Return account and settings `<cache>-drop-keyspace`, and the Job `<cache>-drop-keyspace-<hash>`.

    The cache does not own them: they would go before it where it is deleted in the foreground. A later cache of the
    same name, which has another `uid`, has another Job.

    Raises:
        InvalidSpecError: a field of spec.kfc.resources is none that can be run with.
    """
    settings = filling_settings_for(cache).kfc
    component = Component(cache, "", DROP_KEYSPACE, drop_keyspace_name(cache))
    process = kfc_command("kfc.schema.drop", settings, images, cache.spec.kfc.resources, ("--keyspace",))
    # New settings, for example the right address of the store, are a new Job.
    annotations = {SETTINGS_HASH: settings_hash(settings)}
    template = build_pod_template(component, process, component.name, images, annotations)
    job = build_job(component, build_once(template), purpose={"cache": uid})
    return [build_account(component), build_config_map(component, settings), job]
