"""The operator's release: what it may do, what an upgrade does not touch, what an uninstall leaves behind."""

import json
from pathlib import Path

import pytest

from embark_testing.e2e.caches import Cache
from embark_testing.e2e.cluster import Kubernetes, Release, chart_before
from embark_testing.e2e.objects import photos_cache
from embark_testing.eventually import eventually

pytestmark = pytest.mark.e2e
SEEN = 120.0

# By its code and its log of requests.
USED = {
    ("embark.dev", "embeddingcaches"): {"get", "list", "watch", "patch"},
    ("embark.dev", "embeddingcaches/status"): {"update"},
    ("embark.dev", "embeddingcaches/finalizers"): {"update"},
    ("", "pods"): {"list"},
    ("", "events"): {"create"},
    **{
        place: {"get", "list", "watch", "create", "patch", "delete"}
        for place in (
            ("", "configmaps"),
            ("", "serviceaccounts"),
            ("", "services"),
            ("apps", "deployments"),
            ("batch", "jobs"),
            ("policy", "poddisruptionbudgets"),
            ("autoscaling", "horizontalpodautoscalers"),
            ("networking.k8s.io", "networkpolicies"),
        )
    },
    **{
        place: {"get", "list", "create", "patch", "delete"}
        for place in (
            ("policy.linkerd.io", "servers"),
            ("policy.linkerd.io", "authorizationpolicies"),
            ("policy.linkerd.io", "meshtlsauthentications"),
            ("policy.linkerd.io", "networkauthentications"),
            ("gateway.networking.k8s.io", "grpcroutes"),
            ("gateway.networking.k8s.io", "httproutes"),
            ("security.istio.io", "peerauthentications"),
            ("security.istio.io", "authorizationpolicies"),
            ("networking.istio.io", "destinationrules"),
            ("cert-manager.io", "certificates"),
            ("keda.sh", "scaledobjects"),
            ("keda.sh", "triggerauthentications"),
        )
    },
}


def test_the_operator_may_do_what_it_does_and_nothing_else(cluster: Kubernetes, release: Release) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": "default"},
    }
    account = f"--as=system:serviceaccount:{release.namespace}:embark-operator"
    groups = [f"--as-group=system:serviceaccounts:{release.namespace}", "--as-group=system:serviceaccounts"]
    report = cluster.kubectl(
        "create", account, *groups, "--validate=false", "-f=-", "-o=json", stdin=json.dumps(review)
    )
    rules = json.loads(report)["status"]["resourceRules"]
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                # Every account may review its own access.
                if group not in ("authorization.k8s.io", "authentication.k8s.io"):
                    found.setdefault((group, resource), set()).update(rule["verbs"])
    assert found == USED


def test_an_upgrade_from_the_commit_before_restarts_no_service(
    cluster: Kubernetes, release: Release, namespace: str, tmp_path: Path
) -> None:
    release.install(chart_before(tmp_path))
    cluster.apply(namespace, photos_cache("kept"))
    cache = Cache(cluster, namespace, "kept")
    cache.await_ready()
    before = _pods(cache)
    upgraded = {**release.values, "podAnnotations": {"upgraded": "yes"}}
    Release(cluster, release.namespace, release.name, upgraded).install()
    cluster.kubectl("annotate", f"-n={namespace}", "embc/kept", "looked-at=again")
    cluster.apply(namespace, photos_cache("after"))
    Cache(cluster, namespace, "after").await_ready()  # so the new operator has been at work
    assert _pods(cache) == before
    for name in ("kept", "after"):
        cluster.kubectl("delete", f"-n={namespace}", "embc", name, "--timeout=120s")


def test_an_uninstall_keeps_the_resource_and_leaves_nothing_that_waits_for_the_operator(
    cluster: Kubernetes, release: Release
) -> None:
    with cluster.namespace("orphans") as orphans:
        cluster.apply(orphans, photos_cache("left"))
        eventually(lambda: cluster.get(orphans, "deployments")["items"], SEEN, "its children")
        release.uninstall()
        try:
            kinds = "customresourcedefinitions,clusterroles,clusterrolebindings"
            mine = f"-l=app.kubernetes.io/instance={release.name}"
            left = cluster.kubectl("get", kinds, mine, "-o=name").split()
            assert left == ["customresourcedefinition.apiextensions.k8s.io/embeddingcaches.embark.dev"]
            namespaced = "all,serviceaccounts,roles,rolebindings,configmaps"
            eventually(
                lambda: not cluster.get(release.namespace, namespaced, mine)["items"], SEEN, "everything is deleted"
            )
            cluster.kubectl("delete", f"-n={orphans}", "embc", "left", "--timeout=60s")
            eventually(lambda: not cluster.get(orphans, "deployments,pods")["items"], SEEN, "its children are deleted")
            cluster.apply(orphans, photos_cache("last"))  # goes with its namespace
        finally:
            release.install()


def _pods(cache: Cache) -> set[str]:
    return {pod["metadata"]["uid"] for name in ("embark", "kfc", "retina") for pod in cache.pods(name)}
