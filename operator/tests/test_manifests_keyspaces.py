from pathlib import Path

import pytest

from embark.backends import add_secret_options
from embark.errors import InvalidSpecError
from embark.processes import settings_parser
from embark_operator.manifests.keyspace_jobs import build_drop_keyspace
from embark_operator.names import Manifest
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import IMAGES, SECRETS, UID, container


def job_of(manifests: list[Manifest]) -> Manifest:
    (job,) = (manifest for manifest in manifests if manifest["kind"] == "Job")
    return job


def test_the_names_of_the_longest_cache_are_dns_labels() -> None:
    cache = sample("photos")
    metadata = cache.metadata.model_copy(update={"name": "n" * 40, "namespace": "s" * 63})
    manifests = build_drop_keyspace(cache.model_copy(update={"metadata": metadata}), UID, IMAGES)
    texts = [text for m in manifests for text in (m["metadata"]["name"], *m["metadata"]["labels"].values())]
    assert max(map(len, texts)) <= 63


def test_the_command_is_told_where_each_secret_is() -> None:
    template = job_of(build_drop_keyspace(sample("photos", **SECRETS), UID, IMAGES))["spec"]["template"]
    parser = settings_parser("kfc.schema.drop", "")
    add_secret_options(parser)
    parser.add_argument("--keyspace", action="store_true")
    asked = parser.parse_args(container(template)["args"])
    assert asked.keyspace
    mounted = {Path(mount["mountPath"]) for mount in container(template)["volumeMounts"]}
    assert {asked.store_credentials, asked.store_tls, asked.topic_credentials, asked.topic_tls} <= mounted


def test_an_edit_that_the_command_does_not_read_leaves_the_job_as_it_is() -> None:
    first = job_of(build_drop_keyspace(sample("photos"), UID, IMAGES))
    edited = sample("photos", embark={"replicas": 5}, rollout={"minCoverage": "0.5"})
    assert job_of(build_drop_keyspace(edited, UID, IMAGES)) == first
    moved = sample("photos", store={"cassandra": {"port": 9043}})
    assert job_of(build_drop_keyspace(moved, UID, IMAGES))["metadata"]["name"] != first["metadata"]["name"]


def test_it_asks_for_what_the_caches_kfc_asks_for() -> None:
    with pytest.raises(InvalidSpecError, match=r"spec\.kfc\.resources"):
        build_drop_keyspace(sample("photos", kfc={"resources": {"requests": {"cpu": "99999999Ti"}}}), UID, IMAGES)
