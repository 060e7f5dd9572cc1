from typing import Any

import pytest

from embark.errors import InvalidSpecError
from embark_operator.manifests.build import build
from embark_operator.options import Images, Options
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import build_children, build_context, children

PLAIN = Options(Images(embark="e", kfc="k", retina="r"))


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("spec.retina.gpu.count", {"retina": {"gpu": {"count": 1}}}),
        ("spec.embark.resources.limits.memory", {"embark": {"resources": {"limits": {"memory": "256Mi"}}}}),
        ("spec.kfc.resources.requests.memory", {"kfc": {"resources": {"requests": {"memory": "99999999Ti"}}}}),
        ("spec.miss.oovVectorConfigMap", {"miss": {"oov": "Vector", "oovVectorConfigMap": "oov"}}),
        (
            "spec.mesh.authorizedClients",
            {"mesh": {"authorizedClients": [{"serviceAccount": "ranker", "namespace": "ads"}]}},
        ),
    ],
)
def test_what_only_the_operator_can_reject_names_its_field(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpecError) as refused:
        children(**change)
    assert refused.value.field == field


def test_a_cache_on_gpus_is_rejected_without_an_image_for_them() -> None:
    with pytest.raises(InvalidSpecError, match="no Retina image") as refused:
        build_children(sample("photos", encoder={"provider": "cuda"}), PLAIN)
    assert refused.value.field == "spec.encoder.provider"
    assert children(encoder={"provider": "cuda"})


def test_an_oov_vector_too_large_for_a_config_map_is_rejected() -> None:
    dimension = 65536
    cache = sample(
        "photos",
        encoder={"output": {"dimension": dimension}},
        miss={"oov": "Vector", "oovVectorConfigMap": "oov"},
    )
    assert build(build_context(cache, oov_vector=[0.25] * dimension)).manifests
    with pytest.raises(InvalidSpecError, match="1048576") as refused:
        build(build_context(cache, oov_vector=[1 / 3] * dimension))
    assert refused.value.field == "spec.miss.oovVectorConfigMap"
