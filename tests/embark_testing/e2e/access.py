"""Certificates in a cluster: Secrets with what a test's authority signs, and a client pod with several of them."""

import base64
import hashlib
import json
import ssl
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embark_testing.e2e.caches import Cache, ask_client
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import Manifest, client_pod

CERTIFIED = "certified"
_FOLDER = "/certs"


def build_secret(name: str, folder: Path) -> Manifest:
    """Return the Secret with the files of a folder."""
    files = [file for file in folder.iterdir() if file.name in ("ca.crt", "tls.crt", "tls.key")]
    data = {file.name: base64.b64encode(file.read_bytes()).decode() for file in files}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}


def certified_pod(cluster: Kubernetes, folders: Mapping[str, Path], speaking_as: str) -> list[Manifest]:
    """Return a client pod that has the files of each folder in /certs/<who>, and their Secrets.

    The embark command speaks in it with the certificate of `speaking_as`.
    """
    (pod,) = client_pod(cluster, CERTIFIED)
    (container,) = pod["spec"]["containers"]
    secrets = [build_secret(f"client-{who}", folder) for who, folder in folders.items()]
    pod["spec"]["volumes"] = [{"name": who, "secret": {"secretName": f"client-{who}"}} for who in folders]
    container["volumeMounts"] = [{"name": who, "mountPath": certificate_folder(who)} for who in folders]
    own = {"CA": "ca.crt", "CERT": "tls.crt", "KEY": "tls.key"}
    container["env"] = [
        {"name": f"EMBARK_TLS_{option}", "value": f"{certificate_folder(speaking_as)}/{file}"}
        for option, file in own.items()
    ]
    return [*secrets, pod]


def certificate_folder(who: str) -> str:
    """Return the folder of a certificate in the pod."""
    return f"{_FOLDER}/{who}"


def server_name(cache: Cache) -> str:
    """Return the name that KFC expects in its Retina's certificate if spec.tls sets no other."""
    return f"{cache.name}.{cache.namespace}"


def lookup_as(cache: Cache, who: str, keys: list[str], wait: float = 0.0) -> dict[str, Any]:
    """Look keys up with a certificate of the client pod; return the count of each status, or `error` and `message`."""
    return ask_client(
        cache, "client_access.py", "ask", cache.target, server_name(cache), who, json.dumps(keys), str(wait)
    )


def shown(cache: Cache, who: str) -> set[str]:
    """Return the fingerprints of the certificates that the EmbArk pods present."""
    return set(ask_client(cache, "client_access.py", "shown", cache.target, server_name(cache), who).values())


def fingerprint(folder: Path) -> str:
    """Return the fingerprint of the certificate in a folder."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((folder / "tls.crt").read_text())).hexdigest()


def renew(cache: Cache, secrets: Mapping[str, Path]) -> None:
    """Replace Secrets by the files of folders, and have kubelets refresh them now instead of within a minute."""
    cache.cluster.apply(cache.namespace, *(build_secret(name, folder) for name, folder in secrets.items()))
    pods = [pod for component in ("embark", "kfc", "retina") for pod in cache.pods(component)]
    names = [pod["metadata"]["name"] for pod in pods]
    # A kubelet refreshes the Secrets of a pod when it sees the pod change.
    change = f"renewed={uuid.uuid4().hex}"
    cache.cluster.kubectl("annotate", f"-n={cache.namespace}", "pods", cache.client, *names, change, "--overwrite")
