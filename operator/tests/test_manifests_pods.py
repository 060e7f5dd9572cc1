import argparse
from pathlib import Path

import pytest

from embark.backends import Secrets, add_secret_options
from embark.processes import settings_parser
from embark.settings import settings_for
from embark_operator.manifests.volumes import MODELS_FOLDER, TMP_FOLDER
from embark_operator.names import Manifest
from embark_operator.options import Images, Options
from embark_testing.caches import sample
from embark_testing.worlds.child_manifests import (
    CHANGES,
    GPUS,
    IMAGES,
    SECRETS,
    build_children,
    children,
    container,
    every_child,
    templates,
)

COMPONENTS = ["embark", "kfc", "retina", "schema", "reembed", "verify", "drop"]
SERVING = ["embark", "retina"]
ALL = [template for change in CHANGES for template in templates(every_child(**change)).values()]


def test_every_pod_satisfies_the_restricted_profile() -> None:
    for template in ALL:
        pod, only = template["spec"], container(template)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        sources = {source for volume in pod["volumes"] for source in volume if source != "name"}
        assert sources <= {"configMap", "secret", "emptyDir"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()


def test_no_pod_gets_an_api_token() -> None:
    assert all(template["spec"]["automountServiceAccountToken"] is False for template in ALL)
    accounts = [manifest for manifest in every_child() if manifest["kind"] == "ServiceAccount"]
    assert accounts
    assert all(account["automountServiceAccountToken"] is False for account in accounts)


def test_every_container_has_resource_requests() -> None:
    for template in ALL:
        resources = container(template)["resources"]
        for name in ("cpu", "memory"):
            assert name in resources.get("requests", {}) | resources.get("limits", {})


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_mount_has_a_volume_and_only_tmp_and_models_are_writable(component: str) -> None:
    template = templates(every_child(**SECRETS))[component]
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    mounts = container(template)["volumeMounts"]
    assert {mount["name"] for mount in mounts} == volumes.keys()
    writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
    assert writable == ({TMP_FOLDER, MODELS_FOLDER} if component == "retina" else {TMP_FOLDER})
    # The folder of a mount inside another mount may be missing, and cannot be created.
    paths = [Path(mount["mountPath"]) for mount in mounts]
    assert not [path for path in paths if any(other in path.parents for other in paths)]


@pytest.mark.parametrize("component", ["embark", "kfc", "schema"])
def test_a_service_gets_the_folder_of_each_secret(component: str) -> None:
    template = templates(children(**SECRETS))[component]
    parser = settings_parser("test", "")
    add_secret_options(parser)
    parsed = Secrets.from_args(_parse(parser, template))
    folders = {mount["name"]: mount["mountPath"] for mount in container(template)["volumeMounts"]}
    secrets = {v["name"]: v["secret"]["secretName"] for v in template["spec"]["volumes"] if "secret" in v}
    assert secrets == {
        "store-credentials": "cassandra-user",
        "store-tls": "cassandra-tls",
        "topic-credentials": "kafka-user",
        "topic-tls": "kafka-tls",
    }
    assert parsed == Secrets(*(Path(folders[name]) for name in secrets))


@pytest.mark.parametrize("component", ["embark", "kfc", "schema"])
def test_a_cache_without_secrets_mounts_no_secret(component: str) -> None:
    template = templates(children())[component]
    parser = settings_parser("test", "")
    add_secret_options(parser)
    args = _parse(parser, template)
    assert Secrets.from_args(args) == Secrets()
    assert args.settings == Path("/etc/embark/settings.json")


def test_each_pod_runs_its_module_from_its_image() -> None:
    found = {name: container(template) for name, template in templates(children()).items()}
    assert {name: (c["image"], c["command"]) for name, c in found.items()} == {
        "embark": (IMAGES.embark, ["python", "-m", "embark_server"]),
        "kfc": (IMAGES.kfc, ["python", "-m", "kfc"]),
        "retina": (IMAGES.retina, ["python", "-m", "retina"]),
        "schema": (IMAGES.kfc, ["python", "-m", "kfc.schema"]),
    }
    assert found["retina"]["args"][-2:] == ["--models", "/models"]


@pytest.mark.parametrize("component", ["embark", "kfc", "retina"])
def test_probes_use_the_port_that_the_service_listens_on(component: str) -> None:
    only = container(templates(children())[component])
    listen = getattr(settings_for(sample("photos")), component).listen
    ports = {port["name"]: port["containerPort"] for port in only["ports"]}
    assert ports["probes"] == listen.probes_port
    assert ports.get("grpc") == (listen.grpc_port if component in SERVING else None)
    paths = {name: only[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert paths == {
        "startup": {"path": "/healthz", "port": "probes"},
        "liveness": {"path": "/healthz", "port": "probes"},
        "readiness": {"path": "/readyz", "port": "probes"},
    }


@pytest.mark.parametrize("component", ["embark", "kfc", "retina"])
def test_a_pod_has_time_to_drain_before_it_is_killed(component: str) -> None:
    template = templates(children())[component]
    only = container(template)
    sleep = only["lifecycle"]["preStop"]["sleep"]["seconds"] if component in SERVING else 0
    drain = getattr(settings_for(sample("photos")), component).listen.drain.total_seconds()
    assert template["spec"]["terminationGracePeriodSeconds"] > sleep + drain
    assert bool(sleep) == (component in SERVING)


def test_embark_requests_memory_for_its_hot_tier() -> None:
    for size, most in (("0", 2**29), ("256Mi", 2**30), ("4Gi", 2**33)):
        template = templates(children(embark={"hotTier": {"maxBytes": size}}))["embark"]
        memory = container(template)["resources"]["requests"]["memory"]
        held = settings_for(sample("photos", embark={"hotTier": {"maxBytes": size}})).embark.serving.hot_tier.max_bytes
        number = int(memory[:-2]) * {"Mi": 2**20, "Gi": 2**30}[memory[-2:]]
        assert held < number <= most


def test_a_limit_without_a_request_gets_no_default_request() -> None:
    template = templates(children(kfc={"resources": {"limits": {"cpu": "50m"}}}))["kfc"]
    assert container(template)["resources"] == {"limits": {"cpu": "50m"}, "requests": {"memory": "192Mi"}}


def test_only_a_retina_on_gpus_requests_them() -> None:
    template = templates(children(**GPUS))["retina"]
    only = container(template)
    assert only["image"] == IMAGES.retina_cuda
    assert only["resources"]["limits"] == {"nvidia.com/gpu": "2"}
    tolerated = [toleration["key"] for toleration in template["spec"]["tolerations"]]
    assert tolerated == ["nvidia.com/gpu"]
    assert "tolerations" not in templates(children())["retina"]["spec"]


def test_a_deployment_replaces_a_pod_only_once_the_next_one_is_ready() -> None:
    for manifest in (m for m in children() if m["kind"] == "Deployment"):
        assert manifest["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        (spread,) = manifest["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"] == manifest["spec"]["selector"]


def test_without_pull_secrets_pods_name_none() -> None:
    plain = Options(Images(embark="e", kfc="k", retina="r"))
    assert all("imagePullSecrets" not in t["spec"] for t in templates(build_children(sample("photos"), plain)).values())
    assert all(template["spec"]["imagePullSecrets"] == [{"name": "registry"}] for template in ALL)


def _parse(parser: argparse.ArgumentParser, template: Manifest) -> argparse.Namespace:
    return parser.parse_args(container(template)["args"])
