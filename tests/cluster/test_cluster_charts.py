"""The charts, rendered by helm and judged by a real API server."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from embark_testing.api.caches import install_crd
from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.binaries import built
from embark_testing.cluster.fixtures import require_programs
from embark_testing.cluster.go_modules import HELM

pytestmark = pytest.mark.cluster
CHARTS = Path(__file__).parents[2] / "charts"
NAMES = ("embark", "embark-backends")
CONFIGURED: dict[str, dict[str, Any]] = {
    "embark": {
        "images": {"retinaCuda": {"repository": "retina", "tag": "cuda"}, "pullSecrets": ["pull"]},
        "podLabels": {"team": "ads"},
        "podAnnotations": {"note": "ours"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
        "replicas": 2,
        "serviceAccount": {"annotations": {"note": "ours"}},
    },
    "embark-backends": {
        "cassandra": {"storage": {"size": "2Gi", "className": "fast"}},
        "kafka": {"storage": {"size": "1Gi"}},
    },
}


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm of the cache folder."""
    require_programs(HELM)
    return built(HELM, os.environ) / "helm"


def _helm(helm: Path, *arguments: str, values: dict[str, Any] | None = None) -> "subprocess.CompletedProcess[str]":
    command = [str(helm), *arguments, *(["--values=-"] if values else [])]
    text = yaml.safe_dump(values) if values else None
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def _render(helm: Path, chart: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    ran = _helm(helm, "template", chart, str(CHARTS / chart), "--namespace=default", values=values)
    assert ran.returncode == 0, ran.stderr
    return [document for document in yaml.safe_load_all(ran.stdout) if document]


def _kinds(documents: list[dict[str, Any]]) -> set[str]:
    return {document["kind"] for document in documents}


def _find(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(document for document in documents if document["kind"] == kind)


@pytest.mark.parametrize("chart", NAMES)
def test_a_chart_has_nothing_that_helm_would_complain_about(helm: Path, chart: str) -> None:
    ran = _helm(helm, "lint", "--strict", str(CHARTS / chart))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("chart", NAMES)
def test_what_a_chart_renders_is_taken_by_the_api_server(
    helm: Path,
    api_server: ApiServer,
    chart: str,
    configured: bool,  # noqa: FBT001
) -> None:
    install_crd(api_server)
    documents = _render(helm, chart, CONFIGURED[chart] if configured else None)
    text = yaml.safe_dump_all(documents)
    api_server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f=-", stdin=text)


@pytest.mark.parametrize("chart", NAMES)
def test_a_value_that_a_chart_does_not_know_is_refused_by_name(helm: Path, chart: str) -> None:
    ran = _helm(helm, "template", chart, str(CHARTS / chart), values={"replica": 2})
    assert ran.returncode != 0
    assert "replica" in ran.stderr


def test_an_operator_of_some_namespaces_has_rights_only_in_those(helm: Path) -> None:
    documents = _render(helm, "embark", {"namespaces": ["one", "two"]})
    assert _kinds(documents).isdisjoint({"ClusterRole", "ClusterRoleBinding"})
    roles = [document["metadata"]["namespace"] for document in documents if document["kind"] == "Role"]
    assert sorted(roles) == ["default", "one", "two"]
    arguments = _find(documents, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--namespace=one", "--namespace=two"} <= set(arguments)


def test_the_resource_is_kept_at_an_uninstall_by_default(helm: Path) -> None:
    kept = _find(_render(helm, "embark"), "CustomResourceDefinition")["metadata"]["annotations"]
    assert kept["helm.sh/resource-policy"] == "keep"
    dropped = _find(_render(helm, "embark", {"crds": {"keep": False}}), "CustomResourceDefinition")
    assert "helm.sh/resource-policy" not in dropped["metadata"].get("annotations", {})
    assert "CustomResourceDefinition" not in _kinds(_render(helm, "embark", {"crds": {"install": False}}))


def test_the_chart_brings_the_very_resource_of_crds(helm: Path) -> None:
    rendered = _find(_render(helm, "embark"), "CustomResourceDefinition")
    generated = yaml.safe_load((CHARTS.parent / "crds" / "embark.dev_embeddingcaches.yaml").read_text())
    assert rendered["spec"] == generated["spec"]


def test_a_service_monitor_is_only_created_on_request(helm: Path) -> None:
    assert "ServiceMonitor" not in _kinds(_render(helm, "embark"))
    requested = _render(helm, "embark", {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}}})
    assert _find(requested, "ServiceMonitor")["metadata"]["labels"]["release"] == "p"


def test_the_backends_answer_under_the_names_of_the_samples(helm: Path) -> None:
    services = [d["metadata"]["name"] for d in _render(helm, "embark-backends") if d["kind"] == "Service"]
    cache = yaml.safe_load((CHARTS.parent / "samples" / "photos.yaml").read_text())["spec"]
    named = [*cache["store"]["cassandra"]["contactPoints"], *cache["topic"]["kafka"]["bootstrapServers"]]
    assert sorted(services) == sorted(name.partition(":")[0] for name in named)
