"""The API server that tests of the CRD and the operator run against is a real one, and only theirs."""

import json
from pathlib import Path

import pytest

from embark_testing.cluster.api_server import ApiServer
from embark_testing.cluster.kubeconfigs import Kubectl, KubectlError
from embark_testing.eventually import eventually

pytestmark = pytest.mark.cluster

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "sleeper"},
    "spec": {
        "selector": {"matchLabels": {"app": "sleeper"}},
        "template": {
            "metadata": {"labels": {"app": "sleeper"}},
            "spec": {"containers": [{"name": "sleeper", "image": "sleeper"}]},
        },
    },
}


def test_what_is_created_is_served_again(api_server: ApiServer) -> None:
    api_server.kubectl("create", "configmap", "kept", "--from-literal=word=embedding")
    assert api_server.kubectl("get", "configmap", "kept", "-o=jsonpath={.data.word}") == "embedding"


def test_a_service_account_may_only_do_what_its_roles_say(api_server: ApiServer, tmp_path: Path) -> None:
    kubectl = api_server.kubectl
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=configmaps")
    kubectl("create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:reader")
    token = kubectl("create", "token", "reader").strip()
    reader = Kubectl(kubectl.program, api_server.write_kubeconfig(token, tmp_path / "reader"))
    reader("get", "configmaps")
    with pytest.raises(KubectlError, match="cannot list resource"):
        reader("get", "secrets")


def test_data_outlives_a_killed_api_server(api_server: ApiServer) -> None:
    api_server.kubectl("create", "configmap", "outlives")
    api_server.server.kill()
    api_server.server.start()
    assert api_server.kubectl("get", "configmap", "outlives", "-o=name").strip() == "configmap/outlives"


def test_with_controllers_what_an_owner_leaves_is_collected(api_server_with_controllers: ApiServer) -> None:
    kubectl = api_server_with_controllers.kubectl
    kubectl("create", "namespace", "owned")

    def pods() -> str:
        return kubectl("get", "pods", "--namespace=owned", "-o=name")

    kubectl("apply", "--namespace=owned", "-f=-", stdin=json.dumps(DEPLOYMENT))
    eventually(pods, timeout=60, what="the deployment has a pod")
    kubectl("delete", "deployment", "sleeper", "--namespace=owned", "--wait=false")
    eventually(lambda: not pods(), timeout=60, what="the pod went with its deployment")
    kubectl("delete", "namespace", "owned", "--timeout=60s")
