"""Who may call, in a cluster without a mesh: mTLS, identities, tenants, and certificates renewed under load."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from embark_testing.e2e.access import (
    CERTIFIED,
    build_secret,
    certificate_folder,
    certified_pod,
    fingerprint,
    lookup_as,
    renew,
    server_name,
    shown,
)
from embark_testing.e2e.caches import Cache, load_on
from embark_testing.e2e.cluster import Kubernetes
from embark_testing.e2e.objects import photos_cache
from embark_testing.e2e.rollouts import OTHER_OUTPUT, await_phase, get_rollout, patch
from embark_testing.eventually import eventually
from embark_testing.servers.authorities import Authority

pytestmark = pytest.mark.e2e
PHOTO = "http://samples/photos/chelsea.jpg"
ACCOUNTS = "spiffe://cluster.local/ns/ads/sa"
BURST = 5
CHANNELS = 4
SEEN = 120.0


@dataclass(frozen=True)
class Secured:
    """A cache under mTLS, and the folders that its certificates are issued in."""

    cache: Cache
    authority: Authority
    server: Path
    ranker: Path

    def issue(self) -> None:
        """Put new certificates of server and ranker into their folders."""
        names = (server_name(self.cache), f"{self.cache.name}-embark-headless")
        self.authority.identify(self.server, ",".join(f"DNS:{name}" for name in names))
        self.authority.identify(self.ranker, f"URI:{ACCOUNTS}/ranker")


@pytest.fixture(scope="module")
def secured(cluster: Kubernetes, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A Ready cache that lets in the accounts of one namespace (one has a small quota), and a pod for them."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, strange = Authority(folder / "authority"), Authority(folder / "strange")
    cache = Cache(cluster, namespace, "secured", client=CERTIFIED)
    made = Secured(cache, authority, folder / "server", folder / "ranker")
    made.issue()
    certificates = {
        "ranker": made.ranker,
        "crawler": authority.identify(folder / "crawler", f"URI:{ACCOUNTS}/crawler"),
        "outsider": authority.identify(folder / "outsider", "URI:spiffe://cluster.local/ns/web/sa/ranker"),
        "expired": authority.identify(folder / "expired", f"URI:{ACCOUNTS}/ranker", days=-1),
        "wrong": strange.identify(folder / "wrong", f"URI:{ACCOUNTS}/ranker"),
        "anonymous": authority.trusted(),
    }
    # It trusts the right authority, so it is the server that rejects it.
    (certificates["wrong"] / "ca.crt").write_bytes((certificates["anonymous"] / "ca.crt").read_bytes())
    pod = certified_pod(cluster, certificates, "ranker")
    cluster.apply(namespace, build_secret("secured-grpc", made.server), *pod, _manifest(cache.name))
    cluster.kubectl("wait", f"-n={namespace}", "--for=condition=Ready", f"pod/{CERTIFIED}", "--timeout=120s")
    cache.await_ready()
    yield made
    cluster.kubectl("delete", f"-n={namespace}", "embc", cache.name, "--cascade=foreground", "--timeout=120s")


def test_an_account_that_is_not_authorized_is_denied_and_learns_no_data(secured: Secured) -> None:
    report = lookup_as(secured.cache, "outsider", [PHOTO])
    assert report["error"] == "InvalidRequestError"
    assert "not authorized" in report["message"]
    space = secured.cache.body()["status"]["spaces"]["active"]["id"]
    assert not [data for data in (PHOTO, space, "ads", "crawler") if data in report["message"]]
    refused = secured.cache.counted_by('embark_refused_calls_total{code="PERMISSION_DENIED"}')
    assert sum(refused.values()) >= 1


@pytest.mark.parametrize("who", ["anonymous", "wrong", "expired"])
def test_without_or_with_a_wrong_or_expired_certificate_there_is_no_answer(secured: Secured, who: str) -> None:
    assert lookup_as(secured.cache, who, [PHOTO])["error"] == "UnavailableError"


def test_one_that_is_authorized_gets_oov_and_then_the_embedding(secured: Secured) -> None:
    # OOV_ENQUEUED: no refused call requested a fill.
    assert secured.cache.lookup(PHOTO) == {PHOTO: "OOV_ENQUEUED"}
    assert secured.cache.lookup(PHOTO, wait="60s") == {PHOTO: "HIT"}


def test_a_tenant_over_its_quota_is_shed_while_the_misses_of_another_are_filled(secured: Secured) -> None:
    crawled = [f"{PHOTO}?crawled={number}" for number in range(50)]
    assert lookup_as(secured.cache, "crawler", crawled) == {"OOV_ENQUEUED": BURST, "SHED": 50 - BURST}
    ranked = [f"{PHOTO}?ranked={number}" for number in range(30)]
    assert lookup_as(secured.cache, "ranker", ranked, wait=60.0) == {"HIT": 30}
    assert sum(secured.cache.counted_by('embark_tenant_shed_total{tenant="crawler"}').values()) >= 50 - BURST


def test_the_status_counts_entries_though_the_operator_has_no_certificate(secured: Secured) -> None:
    lookup_as(secured.cache, "ranker", [PHOTO], wait=60.0)
    eventually(lambda: secured.cache.body()["status"]["cache"].get("entries", 0) >= 1, SEEN, "entries are counted")


def test_certificates_are_renewed_under_load_without_a_failed_lookup(secured: Secured) -> None:
    cache = secured.cache
    assert _shows(secured)
    pods = {pod["metadata"]["name"] for pod in cache.pods("embark")}
    with load_on(cache, CHANNELS, certificate_folder("ranker"), server_name(cache)) as load:
        for _ in range(2):
            secured.issue()
            renew(cache, {"secured-grpc": secured.server, "client-ranker": secured.ranker})
            eventually(partial(_shows, secured), SEEN, "every pod shows the new certificate")
            eventually(partial(_more_than, cache, sum(cache.answered_by().values()) + 1000), SEEN, "lookups continue")
        report = load.end()
    assert (report["failed"], report["answered"] > 0) == (0, True), report
    assert {pod["metadata"]["name"] for pod in cache.pods("embark")} == pods
    fresh = f"{PHOTO}?fresh"
    assert lookup_as(cache, "ranker", [fresh], wait=60.0) == {"HIT": 1}


def test_a_rollout_reports_its_progress_and_ends_though_the_operator_has_no_certificate(secured: Secured) -> None:
    # Several photographs: a model whose vectors are all alike would be rejected.
    photos = [f"http://samples/photos/{name}.jpg?moved" for name in ("brick", "chelsea", "coffee", "hubble", "rocket")]
    assert lookup_as(secured.cache, "ranker", photos, wait=60.0) == {"HIT": len(photos)}
    patch(secured.cache, encoder={"output": OTHER_OUTPUT}, rollout={"maxKeysPerSecond": 4})
    eventually(lambda: get_rollout(secured.cache)["done"] > 0, SEEN, "some keys are encoded")
    await_phase(secured.cache, "Holding")
    assert lookup_as(secured.cache, "ranker", photos) == {"HIT": len(photos)}


def _shows(secured: Secured) -> bool:
    return shown(secured.cache, "ranker") == {fingerprint(secured.server)}


def _more_than(cache: Cache, count: float) -> bool:
    return sum(cache.answered_by().values()) > count


def _manifest(name: str) -> dict[str, Any]:
    tls = {"secret": "secured-grpc", "clientCertificates": True, "authorizedIdentities": [f"{ACCOUNTS}/*"]}
    manifest = photos_cache(name, tls=tls)
    identities = [f"{ACCOUNTS}/crawler"]
    manifest["spec"]["tenants"] = [{"name": "crawler", "identities": identities, "missesPerSecond": 1, "burst": BURST}]
    return manifest
