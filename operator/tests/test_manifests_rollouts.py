from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embark.backends import Secrets, add_secret_options
from embark.processes import settings_parser
from embark.settings import DropScope, DropSettings, ReembedSettings, VerifySettings
from embark.settings.jobs import TERMINATION_LOG
from embark.spec.model import Model
from embark.spec.rollout import Rollout
from embark_operator.manifests.children import MANIFEST_HASH
from embark_operator.manifests.rollout_jobs import build_reembed_job
from embark_operator.names import SPACE_LABEL, Manifest, kfc_name
from embark_operator.options import Images
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import (
    IMAGES,
    SECRETS,
    build_context,
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
S = TypeVar("S", bound=Model)

JOBS = ["reembed", "verify", "drop"]
MODULES = {"reembed": "kfc.reembed", "verify": "kfc.verify", "drop": "kfc.schema.drop"}


def job(component: str, **change: dict[str, Any]) -> Manifest:
    return find_component(build_rollout_children(sample("photos", **change)), "Job", component)


def job_of_attempt(component: str, attempt: int) -> Manifest:
    return find_component(build_rollout_children(sample("photos"), attempt=attempt), "Job", component)


def read_job_settings(component: str, form: type[S], *, attempt: int = 0, **change: dict[str, Any]) -> S:
    """Return the settings that a Job's pods mount."""
    children = build_rollout_children(sample("photos", **change), attempt=attempt)
    pod = find_component(children, "Job", component)["spec"]["template"]["spec"]
    config_map = find_component(children, "ConfigMap", component)
    assert {"name": "settings", "configMap": {"name": config_map["metadata"]["name"]}} in pod["volumes"]
    return form.model_validate_json(config_map["data"]["settings.json"])


def reembed_settings(attempt: int = 0, **change: dict[str, Any]) -> ReembedSettings:
    return read_job_settings("reembed", ReembedSettings, attempt=attempt, **change)


def verify_settings(**change: dict[str, Any]) -> VerifySettings:
    return read_job_settings("verify", VerifySettings, attempt=0, **change)


@pytest.mark.parametrize("component", JOBS)
def test_a_rollout_s_job_runs_its_command_as_kfc_does(component: str) -> None:
    children = build_rollout_children(sample("photos", kfc={"resources": {"limits": {"memory": "1Gi"}}}))
    kfc, only = (container(templates(children)[title]) for title in ("kfc", component))
    assert only["command"] == ["python", "-m", MODULES[component]]
    for field in ("image", "imagePullPolicy", "env", "resources"):
        assert only[field] == kfc[field]


@pytest.mark.parametrize("component", JOBS)
def test_a_rollout_s_job_takes_its_settings_and_the_folder_of_each_secret_and_no_other_argument(component: str) -> None:
    template = job(component, **SECRETS)["spec"]["template"]
    folders = {mount["name"]: Path(mount["mountPath"]) for mount in container(template)["volumeMounts"]}
    parser = settings_parser("test", "")
    add_secret_options(parser)
    args = parser.parse_args(container(template)["args"])
    assert args.settings == folders["settings"] / "settings.json"
    named = ("store-credentials", "store-tls", "topic-credentials", "topic-tls")
    assert Secrets.from_args(args) == Secrets(*(folders[secret] for secret in named))


def test_the_candidate_is_filled_and_verified_with_the_settings_and_the_account_of_its_kfc() -> None:
    candidate = candidate_settings(sample("photos"))
    assert reembed_settings().kfc == verify_settings().kfc == candidate
    for manifest in (job("reembed"), job("verify")):
        assert manifest["spec"]["template"]["spec"]["serviceAccountName"] == kfc_name(
            sample("photos"), candidate.space.id
        )
        assert manifest["metadata"]["labels"][SPACE_LABEL] == candidate.space.id


def test_the_drop_of_a_space_outlives_its_kfc() -> None:
    children = build_rollout_children(sample("photos"))
    manifest = find_component(children, "Job", "drop")
    config_map = find_component(children, "ConfigMap", "drop")
    account = find_component(children, "ServiceAccount", "drop")
    dropped = DropSettings.model_validate_json(config_map["data"]["settings.json"])
    assert dropped.scope is DropScope.SPACE
    space = dropped.kfc.space.id
    pod = manifest["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["metadata"]["name"] == f"photos-drop-{space}"
    assert {"name": "settings", "configMap": {"name": config_map["metadata"]["name"]}} in pod["volumes"]
    assert {m["metadata"]["labels"][SPACE_LABEL] for m in (manifest, config_map, account)} == {space}


@pytest.mark.parametrize("parallelism", [1, 3, 256])
def test_the_pods_that_reembed_share_the_ranges_and_the_rate(parallelism: int) -> None:
    change = {"parallelism": parallelism, "maxKeysPerSecond": 1000}
    spec, read = job("reembed", rollout=change)["spec"], reembed_settings(rollout=change)
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", parallelism, parallelism)
    assert read.processes == parallelism
    assert read.keys_per_second * parallelism == pytest.approx(1000)


def test_without_a_limit_the_pods_that_reembed_have_none() -> None:
    assert reembed_settings().keys_per_second == 0


def test_the_pods_that_reembed_read_the_lookup_latencies_of_every_embark_of_the_cache() -> None:
    cache = sample("photos")
    read, services = reembed_settings(), select_kind(build_every_child(cache), "Service")
    assert read.max_lookup_slowdown == 2
    assert read.embark
    (named,) = (s for s in services if read.embark.host == f"{s['metadata']['name']}.{cache.metadata.namespace}")
    assert named["spec"]["clusterIP"] == "None"
    assert named["spec"]["selector"]["app.kubernetes.io/component"] == "embark"
    assert read.embark.port in [served["port"] for served in named["spec"]["ports"]]
    assert reembed_settings(rollout={"maxLookupSlowdown": 5}).max_lookup_slowdown == 5


def test_no_latencies_are_read_if_lookups_may_take_any_time() -> None:
    read = reembed_settings(rollout={"maxLookupSlowdown": 0})
    assert (read.max_lookup_slowdown, read.embark) == (0, None)


def test_a_rollout_that_continues_after_a_halt_retries_failed_keys() -> None:
    assert [reembed_settings(attempt).retry_failed for attempt in (0, 1, 2)] == [False, True, True]


def test_a_pod_that_reembeds_is_replaced_once_terminated_and_a_disruption_is_not_a_failure() -> None:
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


def test_pausing_only_suspends_a_job() -> None:
    caches = (sample("photos"), sample("photos", rollout={"paused": True}))
    running, paused = (build_reembed_job(build_context(c), candidate_settings(c))[-1] for c in caches)
    assert (running["spec"].pop("suspend"), paused["spec"].pop("suspend")) == (False, True)
    hashes = [manifest["metadata"]["annotations"].pop(MANIFEST_HASH) for manifest in (running, paused)]
    assert running == paused
    assert len(set(hashes)) == 2


def test_the_pod_that_verifies_reports_in_its_termination_message_or_by_its_log_if_it_crashes() -> None:
    only = container(job("verify")["spec"]["template"])
    assert only["terminationMessagePolicy"] == "FallbackToLogsOnError"
    # The default of Kubernetes.
    assert "terminationMessagePath" not in only
    assert verify_settings().termination_log == TERMINATION_LOG == "/dev/termination-log"


@pytest.mark.parametrize("ratio", ["0", "0.5", "0.9999999", "0.000001", "1"])
def test_the_gate_is_in_the_settings_as_the_spec_writes_it(ratio: str) -> None:
    read = verify_settings(rollout={"minCoverage": ratio, "maxFailureRatio": ratio})
    assert read.min_coverage == read.max_failure_ratio == float(ratio)
    assert read.model_dump(mode="json")["min_coverage"] == ratio
    assert Rollout.model_validate_json(f'{{"minCoverage": "{ratio}"}}').min_coverage == read.min_coverage


@pytest.mark.parametrize("component", ["verify", "drop"])
def test_verify_and_drop_are_retried_until_they_succeed(component: str) -> None:
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
def test_a_job_with_other_work_is_another_job(component: str, change: Change) -> None:
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
def test_an_edit_that_a_job_does_not_read_does_not_change_it(component: str, change: Change) -> None:
    assert job(component, **change) == job(component)


@pytest.mark.parametrize("component", ["reembed", "verify"])
def test_each_attempt_is_another_job(component: str) -> None:
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
