"""A minimal adapter of external metrics, run by the pod of embark_testing.e2e.adapters: `python -c "$(cat …)"`.

Serves external.metrics.k8s.io/v1beta1 with the one metric embark_kfc_lag, as an adapter of Prometheus would with
`max by (namespace, embark_dev_cache, embark_dev_space) (embark_kfc_lag)`: the highest lag among a cache's KFC pods.
"""

import json
import os
import re
import ssl
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import Request, urlopen

ROOT = "/apis/external.metrics.k8s.io/v1beta1"
METRIC = "embark_kfc_lag"
QUESTION = re.compile(rf"{ROOT}/namespaces/([a-z0-9-]+)/{METRIC}")
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
LABELS = {"embark_dev_cache": "embark.dev/cache", "embark_dev_space": "embark.dev/space"}
SECONDS = 3


def list_pods(namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """Return the KFC pods with these labels, which are called as Prometheus does."""
    selector = ",".join([*(f"{LABELS[name]}={value}" for name, value in labels.items()), "embark.dev/space"])
    host = f"{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    url = f"https://{host}/api/v1/namespaces/{namespace}/pods?labelSelector={quote(selector)}"
    token = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"}
    trusted = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urlopen(Request(url, headers=token), timeout=SECONDS, context=trusted) as answer:
        pods: list[dict[str, Any]] = json.load(answer)["items"]
    component = "app.kubernetes.io/component"
    return [pod for pod in pods if pod["metadata"]["labels"].get(component) == "kfc"]


def read_lag(address: str) -> float | None:
    """Return the lag that a pod reports; None if it does not answer."""
    try:
        with urlopen(f"http://{address}:8080/metrics", timeout=SECONDS) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return None
    return next((float(line.split()[-1]) for line in lines if re.match(rf"{METRIC}[ {{]", line)), None)


def find_values(namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
    """Return the metric of a cache's space; empty if no pod reports it."""
    addresses = [pod["status"].get("podIP") for pod in list_pods(namespace, labels)]
    lags = [lag for lag in (read_lag(address) for address in addresses if address) if lag is not None]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    value = {"metricName": METRIC, "metricLabels": labels, "timestamp": now}
    return [value | {"value": str(int(max(lags)))}] if lags else []


class Adapter(BaseHTTPRequestHandler):
    """Answers the API server, its only client."""

    def do_GET(self) -> None:
        """Send the API's resource list, or the metric."""
        requested = urlsplit(self.path)
        question = QUESTION.fullmatch(requested.path)
        if requested.path == ROOT:
            metric = {"name": METRIC, "singularName": "", "namespaced": True, "verbs": ["get"]}
            kind = {"kind": "ExternalMetricValueList"}
            listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": ROOT.removeprefix("/apis/")}
            self._answer(HTTPStatus.OK, listed | {"resources": [metric | kind]})
        elif question:
            selector = parse_qs(requested.query)["labelSelector"][0]
            labels = dict(pair.split("=", 1) for pair in selector.split(","))
            found = {"kind": "ExternalMetricValueList", "apiVersion": ROOT.removeprefix("/apis/"), "metadata": {}}
            self._answer(HTTPStatus.OK, found | {"items": find_values(question[1], labels)})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    """Serve until the process is stopped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
    server = ThreadingHTTPServer(("", 8443), Adapter)
    # In the thread that answers: a client that only connects blocks no other.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    main()
