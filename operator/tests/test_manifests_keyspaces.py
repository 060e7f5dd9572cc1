from pathlib import Path

import pytest

from embark.backends import add_secret_options
from embark.errors import InvalidSpecError
from embark.processes import settings_parser
from embark.settings import DropScope, DropSettings
from embark_operator.manifests.jobs import build_drop_keyspace
from embark_operator.names import Manifest
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import IMAGES, SECRETS, UID, container


def find_job(manifests: list[Manifest]) -> Manifest:
    (job,) = (manifest for manifest in manifests if manifest["kind"] == "Job")
    return job


def test_the_names_of_the_longest_cache_are_dns_labels() -> None:
    cache = sample("photos")
    metadata = cache.metadata.model_copy(update={"name": "n" * 40, "namespace": "s" * 63})
    manifests = build_drop_keyspace(cache.model_copy(update={"metadata": metadata}), UID, IMAGES)
    texts = [text for m in manifests for text in (m["metadata"]["name"], *m["metadata"]["labels"].values())]
    assert max(map(len, texts)) <= 63


def test_the_command_takes_its_settings_and_the_folder_of_each_secret_and_no_other_argument() -> None:
    manifests = build_drop_keyspace(sample("photos", **SECRETS), UID, IMAGES)
    template = find_job(manifests)["spec"]["template"]
    parser = settings_parser("kfc.schema.drop", "")
    add_secret_options(parser)
    args = parser.parse_args(container(template)["args"])
    mounted = {Path(mount["mountPath"]) for mount in container(template)["volumeMounts"]}
    assert {args.store_credentials, args.store_tls, args.topic_credentials, args.topic_tls} <= mounted
    (config_map,) = (manifest for manifest in manifests if manifest["kind"] == "ConfigMap")
    assert DropSettings.model_validate_json(config_map["data"]["settings.json"]).scope is DropScope.CACHE


def test_an_edit_that_the_command_does_not_read_leaves_the_job_as_it_is() -> None:
    first = find_job(build_drop_keyspace(sample("photos"), UID, IMAGES))
    edited = sample("photos", embark={"replicas": 5}, rollout={"minCoverage": "0.5"})
    assert find_job(build_drop_keyspace(edited, UID, IMAGES)) == first
    moved = sample("photos", store={"cassandra": {"port": 9043}})
    assert find_job(build_drop_keyspace(moved, UID, IMAGES))["metadata"]["name"] != first["metadata"]["name"]


def test_it_asks_for_what_the_caches_kfc_asks_for() -> None:
    with pytest.raises(InvalidSpecError, match=r"spec\.kfc\.resources"):
        build_drop_keyspace(sample("photos", kfc={"resources": {"requests": {"cpu": "99999999Ti"}}}), UID, IMAGES)
