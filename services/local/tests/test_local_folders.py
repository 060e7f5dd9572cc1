"""The folders of a local cache, and the parts of the manifest that it replaces."""

from pathlib import Path

import pytest

from embark_local.folders import BusyError, claimed, data_folder, forget
from embark_local.replacements import replacements
from embark_testing.caches import sample
from retina.models import models_folder


def test_models_are_where_the_model_builder_puts_them() -> None:
    assert models_folder({"EMBARK_CACHE": "/somewhere"}) == Path("/somewhere/models")
    assert models_folder({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/embark/models")
    assert models_folder({}) == Path.home() / ".cache/embark/models"


def test_each_cache_has_its_own_data_folder() -> None:
    folders = {data_folder(sample(name), {"XDG_STATE_HOME": "/state"}) for name in ("photos", "titles")}
    assert folders == {Path("/state/embark/default.photos"), Path("/state/embark/default.titles")}


def test_a_claimed_folder_is_refused_to_a_second_claim_and_free_afterwards(tmp_path: Path) -> None:
    with claimed(tmp_path / "data"), pytest.raises(BusyError, match="in use"), claimed(tmp_path / "data"):
        pass
    with claimed(tmp_path / "data") as database:
        assert database.parent == tmp_path / "data"


def test_forgetting_leaves_nothing_of_the_database_and_nothing_else_is_touched(tmp_path: Path) -> None:
    for name in ("embark.sqlite", "embark.sqlite-wal", "embark.sqlite-shm", "port"):
        (tmp_path / name).touch()
    forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["port"]


def test_every_part_that_one_process_cannot_provide_is_named(tmp_path: Path) -> None:
    cache = sample(
        "photos",
        embark={"autoscaling": {"min": 1, "max": 2}},
        kfc={"replicas": 3},
        tls={"secret": "grpc", "clientCertificates": True},
        tenants=[{"name": "ads", "identities": ["ads"], "missesPerSecond": 1}],
        mesh={"provider": "linkerd"},
        miss={"oov": "Vector", "oovVectorConfigMap": "mean"},
    )
    model = tmp_path / "model.onnx"
    model.touch()
    fields = [sentence.partition(":")[0] for sentence in replacements(cache, tmp_path / "embark.sqlite", model)]
    assert fields == [
        "spec.store.cassandra",
        "spec.topic.kafka",
        "spec.encoder.model.uri",
        "spec.embark.autoscaling",
        "spec.kfc.replicas",
        "spec.tls",
        "spec.tenants",
        "spec.mesh",
        "spec.miss.oovVectorConfigMap",
    ]
