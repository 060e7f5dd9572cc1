"""The operator's release: what it may do, what an upgrade leaves alone, what an uninstall leaves behind."""

import json

import pytest
from e2e_caches import Cache
from e2e_cluster import Kubernetes, Release
from e2e_objects import photos_cache

pytestmark = pytest.mark.e2e

# What a look at its code and its log of requests says that it does.
USED = {
    ("embark.dev", "embeddingcaches"): {"get", "list", "watch"},
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
    told = cluster.kubectl("create", account, *groups, "-f=-", "-o=json", stdin=json.dumps(review))
    rules = json.loads(told)["status"]["resourceRules"]
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                # What every account may do: ask about itself.
                if group not in ("authorization.k8s.io", "authentication.k8s.io"):
                    found.setdefault((group, resource), set()).update(rule["verbs"])
    assert found == USED


def test_an_upgrade_that_changes_no_settings_restarts_no_service(
    cluster: Kubernetes, release: Release, namespace: str
) -> None:
    cluster.apply(namespace, photos_cache("kept"))
    cache = Cache(cluster, namespace, "kept")
    cache.await_ready()
    before = {pod["metadata"]["uid"] for name in ("embark", "kfc", "retina") for pod in cache.pods(name)}
    Release(
        cluster, release.namespace, release.name, {**release.values, "podAnnotations": {"upgraded": "yes"}}
    ).install()
    cluster.kubectl("annotate", f"-n={namespace}", "embc/kept", "looked-at=again")
    cache.await_ready()
    after = {pod["metadata"]["uid"] for name in ("embark", "kfc", "retina") for pod in cache.pods(name)}
    assert after == before
