import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.backends import Secrets, add_secret_options
from embark.processes import settings_parser
from embark.settings import KfcSettings
from embark.spec.rollout import Rollout
from embark_operator.manifests.children import MANIFEST_HASH
from embark_operator.manifests.rollout_jobs import build_reembed_job
from embark_operator.names import SPACE_LABEL, Manifest, kfc_name
from embark_operator.options import Images
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import (
    IMAGES,
    SECRETS,
    UID,
    build_every_child,
    build_rollout_children,
    candidate_settings,
    changes,
    container,
    find_component,
    select_kind,
    templates,
)

Change = dict[str, dict[str, Any]]

JOBS = ["reembed", "verify", "drop"]
MODULES = {"reembed": "kfc.reembed", "verify": "kfc.verify", "drop": "kfc.schema.drop"}


def job(component: str, **change: dict[str, Any]) -> Manifest:
    return find_component(build_rollout_children(sample("photos", **change)), "Job", component)


def job_of_attempt(component: str, attempt: int) -> Manifest:
    return find_component(build_rollout_children(sample("photos"), attempt=attempt), "Job", component)


def asked(manifest: Manifest) -> argparse.Namespace:
    """Return what the commands of a rollout would read from their arguments."""
    parser = settings_parser("test", "")
    add_secret_options(parser)
    parser.add_argument("--of", type=int)
    parser.add_argument("--keys-per-second", type=float, default=0)
    parser.add_argument("--max-lookup-slowdown", type=float, default=0)
    parser.add_argument("--embark")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--verdict", type=Path)
    parser.add_argument("--min-coverage")
    parser.add_argument("--max-failure-ratio")
    return parser.parse_args(container(manifest["spec"]["template"])["args"])


@pytest.mark.parametrize("component", JOBS)
def test_a_rollout_s_job_runs_its_command_as_kfc_does(component: str) -> None:
    children = build_rollout_children(sample("photos", kfc={"resources": {"limits": {"memory": "1Gi"}}}))
    kfc, only = (container(templates(children)[title]) for title in ("kfc", component))
    assert only["command"] == ["python", "-m", MODULES[component]]
    for field in ("image", "imagePullPolicy", "env", "resources"):
        assert only[field] == kfc[field]


@pytest.mark.parametrize("component", JOBS)
def test_a_rollout_s_job_is_told_where_each_secret_is(component: str) -> None:
    template = job(component, **SECRETS)["spec"]["template"]
    folders = {mount["name"]: Path(mount["mountPath"]) for mount in container(template)["volumeMounts"]}
    told = Secrets.from_args(asked({"spec": {"template": template}}))
    named = ("store-credentials", "store-tls", "topic-credentials", "topic-tls")
    assert told == Secrets(*(folders[secret] for secret in named))


@pytest.mark.parametrize("component", ["reembed", "verify"])
def test_the_candidate_is_filled_and_judged_with_the_settings_and_the_account_of_its_kfc(component: str) -> None:
    cache = sample("photos")
    kfc = kfc_name(cache, candidate_settings(cache).space.id)
    manifest = job(component)
    pod = manifest["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == kfc
    assert {"name": "settings", "configMap": {"name": kfc}} in pod["volumes"]
    assert manifest["metadata"]["labels"][SPACE_LABEL] == candidate_settings(cache).space.id


def test_a_space_is_dropped_by_what_outlives_its_kfc() -> None:
    children = build_rollout_children(sample("photos"))
    manifest = find_component(children, "Job", "drop")
    config_map = find_component(children, "ConfigMap", "drop")
    account = find_component(children, "ServiceAccount", "drop")
    space = KfcSettings.model_validate_json(config_map["data"]["settings.json"]).space.id
    pod = manifest["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["metadata"]["name"] == f"photos-drop-{space}"
    assert {"name": "settings", "configMap": {"name": config_map["metadata"]["name"]}} in pod["volumes"]
    assert {m["metadata"]["labels"][SPACE_LABEL] for m in (manifest, config_map, account)} == {space}


@pytest.mark.parametrize("parallelism", [1, 3, 256])
def test_the_pods_that_reembed_share_the_ranges_and_the_rate(parallelism: int) -> None:
    manifest = job("reembed", rollout={"parallelism": parallelism, "maxKeysPerSecond": 1000})
    spec, told = manifest["spec"], asked(manifest)
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", parallelism, parallelism)
    assert told.of == parallelism
    assert told.keys_per_second * parallelism == pytest.approx(1000)


def test_without_a_limit_none_is_told_to_the_pods_that_reembed() -> None:
    assert "--keys-per-second" not in container(job("reembed")["spec"]["template"])["args"]


def test_the_pods_that_reembed_ask_every_embark_of_the_cache_what_look_ups_take() -> None:
    cache = sample("photos")
    manifest, services = job("reembed"), select_kind(build_every_child(cache), "Service")
    told = asked(manifest)
    assert told.max_lookup_slowdown == 2
    host, port = told.embark.split(":")
    (named,) = (found for found in services if host == f"{found['metadata']['name']}.{cache.metadata.namespace}")
    assert named["spec"]["clusterIP"] == "None"
    assert named["spec"]["selector"]["app.kubernetes.io/component"] == "embark"
    assert int(port) in [served["port"] for served in named["spec"]["ports"]]
    assert asked(job("reembed", rollout={"maxLookupSlowdown": 5})).max_lookup_slowdown == 5


def test_where_look_ups_may_take_any_time_nobody_is_asked() -> None:
    told = asked(job("reembed", rollout={"maxLookupSlowdown": 0}))
    assert (told.max_lookup_slowdown, told.embark) == (0, None)


def test_a_rollout_that_goes_on_after_a_halt_encodes_negatives_again() -> None:
    assert not asked(job_of_attempt("reembed", 0)).again
    assert all(asked(job_of_attempt("reembed", attempt)).again for attempt in (1, 2))


def test_a_pod_that_reembeds_is_replaced_once_it_is_gone_and_a_disruption_is_no_failure() -> None:
    spec = job("reembed")["spec"]
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert 1 < spec["backoffLimitPerIndex"] < 100
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def test_a_pod_that_reembeds_answers_probes_where_kfc_does() -> None:
    children = templates(build_rollout_children(sample("photos")))
    kfc, reembed = container(children["kfc"]), container(children["reembed"])
    for field in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
        assert reembed[field] == kfc[field]
    assert "readinessProbe" not in container(children["verify"])


def test_pausing_changes_a_job_in_nothing_but_that_it_is_suspended() -> None:
    cache = sample("photos")
    running, paused = (
        build_reembed_job(cache, UID, candidate_settings(cache), IMAGES, attempt=0, suspended=suspended)
        for suspended in (False, True)
    )
    assert (running["spec"].pop("suspend"), paused["spec"].pop("suspend")) == (False, True)
    hashes = [manifest["metadata"]["annotations"].pop(MANIFEST_HASH) for manifest in (running, paused)]
    assert running == paused
    assert len(set(hashes)) == 2


def test_the_pod_that_judges_leaves_its_verdict_where_its_kubelet_looks_and_its_log_where_it_fails() -> None:
    only = container(job("verify")["spec"]["template"])
    assert only["terminationMessagePolicy"] == "FallbackToLogsOnError"
    # Where kubelets look unless a container says otherwise.
    assert "terminationMessagePath" not in only
    assert asked(job("verify")).verdict == Path("/dev/termination-log")


@pytest.mark.parametrize("ratio", ["0", "0.5", "0.9999999", "0.000001", "1"])
def test_the_gates_are_told_as_the_spec_writes_them(ratio: str) -> None:
    told = asked(job("verify", rollout={"minCoverage": ratio, "maxFailureRatio": ratio}))
    assert told.min_coverage == told.max_failure_ratio == ratio
    assert Rollout.model_validate_json(f'{{"minCoverage": "{told.min_coverage}"}}').min_coverage == float(ratio)


@pytest.mark.parametrize("component", ["verify", "drop"])
def test_what_judges_and_what_drops_is_tried_until_it_succeeds(component: str) -> None:
    spec = job(component)["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "OnFailure"
    assert spec["backoffLimit"] >= 1000


@pytest.mark.parametrize("component", JOBS)
def test_a_rollout_s_job_stays_once_it_is_complete(component: str) -> None:
    spec = job(component)["spec"]
    assert not {"ttlSecondsAfterFinished", "activeDeadlineSeconds"} & spec.keys()


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("reembed", {"rollout": {"parallelism": 5}}),
        ("reembed", {"rollout": {"maxKeysPerSecond": 5}}),
        ("reembed", {"rollout": {"maxLookupSlowdown": 5}}),
        ("reembed", {"kfc": {"maxInflight": 9}}),
        ("reembed", {"kfc": {"resources": {"limits": {"memory": "2Gi"}}}}),
        ("reembed", {"store": {"cassandra": {"contactPoints": ["elsewhere"]}}}),
        ("reembed", {"encoder": {"output": {"dimension": 640}}}),
        ("verify", {"rollout": {"minCoverage": "0.5"}}),
        ("verify", {"rollout": {"maxFailureRatio": "0.5"}}),
        ("verify", {"store": {"cassandra": {"credentialsSecret": "mine"}}}),
        ("verify", {"encoder": {"output": {"dimension": 640}}}),
        ("drop", {"topic": {"kafka": {"bootstrapServers": ["elsewhere:9092"]}}}),
        ("drop", {"encoder": {"output": {"dimension": 640}}}),
    ],
    ids=str,
)
def test_a_job_that_would_do_something_else_is_another_job(component: str, change: Change) -> None:
    assert job(component, **change)["metadata"]["name"] != job(component)["metadata"]["name"]


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("reembed", {"rollout": {"minCoverage": "0.5"}}),
        ("reembed", {"rollout": {"keepPrevious": "1h"}}),
        ("reembed", {"embark": {"readTimeout": "1s"}}),
        ("reembed", {"kfc": {"replicas": 3}}),
        ("reembed", {"encoder": {"fetch": {"timeout": "9s"}}}),
        ("verify", {"rollout": {"parallelism": 5, "maxKeysPerSecond": 5, "maxLookupSlowdown": 5}}),
        ("verify", {"miss": {"oov": "Mean"}}),
        ("drop", {"rollout": {"minCoverage": "0.5", "parallelism": 5}}),
    ],
    ids=str,
)
def test_an_edit_that_a_job_does_not_read_leaves_it_as_it_is(component: str, change: Change) -> None:
    assert job(component, **change) == job(component)


@pytest.mark.parametrize("component", ["reembed", "verify"])
def test_each_attempt_is_a_job_of_its_own(component: str) -> None:
    assert len({job_of_attempt(component, attempt)["metadata"]["name"] for attempt in range(4)}) == 4


@settings(max_examples=50, deadline=None)
@given(changes(), changes(), st.sampled_from([IMAGES, replace(IMAGES, kfc="kfc:2"), replace(IMAGES, pull_secrets=())]))
def test_a_job_of_a_name_is_never_changed(first: Change, second: Change, images: Images) -> None:
    old = select_kind(build_rollout_children(sample("photos", **first)), "Job")
    new = {
        m["metadata"]["name"]: m for m in select_kind(build_rollout_children(sample("photos", **second), images), "Job")
    }
    for manifest in old:
        assert new.get(manifest["metadata"]["name"], manifest) == manifest


def test_the_host_names_of_the_longest_cache_are_dns_labels() -> None:
    cache = sample("photos", rollout={"parallelism": 256})
    cache = cache.model_copy(update={"metadata": cache.metadata.model_copy(update={"name": "n" * 40})})
    manifest = find_component(build_rollout_children(cache), "Job", "reembed")
    assert len(f"{manifest['metadata']['name']}-{manifest['spec']['completions'] - 1}") <= 63
