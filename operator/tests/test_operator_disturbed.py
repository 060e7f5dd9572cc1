"""The operator's process killed at each write, with a frozen watch, and with many caches."""

import json
from pathlib import Path
from typing import Any

import pytest

from embark_testing.api.cutting_proxy import CuttingProxy, cutting_proxy
from embark_testing.api.namespaces import CacheNamespace
from embark_testing.api.operator_processes import operator
from embark_testing.eventually import eventually

pytestmark = pytest.mark.cluster
WAIT = 60.0
FROZEN_WATCH = 90.0
CACHES = 200
_CHOSEN = ("clusterIP", "clusterIPs", "controller-uid", "replicas")  # the last one by autoscalers
REPORT = Path(__file__).parents[2] / "out" / "operator.json"


@pytest.mark.parametrize("after", [False, True], ids=["before it happened", "after it"])
def test_killed_at_every_second_write_it_reaches_the_same_state_and_repeats_no_write(
    namespace: CacheNamespace, tmp_path: Path, *, after: bool
) -> None:
    with cutting_proxy(namespace.server, tmp_path / "undisturbed") as proxy:
        namespace.apply("photos")
        _run_to_rest(namespace, proxy, "undisturbed", tmp_path)
        writes, wanted = proxy.children, _declared_fields(namespace)
    assert writes == len(wanted)
    for cut in range(1 + after, writes + 1, 2):
        _delete(namespace)
        with cutting_proxy(namespace.server, tmp_path / f"cut-{cut}") as proxy:
            proxy.cut_at(cut, after=after)
            namespace.apply("photos")
            with operator(proxy.kubeconfig, tmp_path, *_options(namespace, f"cut-{cut}")) as running:
                assert proxy.cut.wait(WAIT)
                running.kill()
        with cutting_proxy(namespace.server, tmp_path / f"again-{cut}") as second:
            _run_to_rest(namespace, second, f"again-{cut}", tmp_path)
        assert proxy.children + second.children == writes, f"cut at write {cut}"
        assert _declared_fields(namespace) == wanted


def test_an_edit_behind_a_frozen_watch_is_reconciled(namespace: CacheNamespace, tmp_path: Path) -> None:
    with cutting_proxy(namespace.server, tmp_path / "kubeconfig") as proxy:
        namespace.apply("photos")
        with operator(proxy.kubeconfig, tmp_path, *_options(namespace, "frozen"), "--resync-seconds=3600") as running:
            namespace.await_phase("photos", "Pending")
            running.await_idle()
            proxy.freeze_watches()
            namespace.apply("photos", embark={"replicas": 3})

            def replicas() -> bool:
                return bool(namespace.get("deployment", "photos-embark")["spec"].get("replicas") == 3)

            eventually(replicas, FROZEN_WATCH, "the edit is acted on")


def test_two_hundred_caches_come_to_rest_and_a_resync_of_all_writes_nothing(
    namespace: CacheNamespace, tmp_path: Path
) -> None:
    names = [f"cache-{number}" for number in range(CACHES)]
    for name in names:
        namespace.apply(name, paused=True)  # type: ignore[arg-type]
    options = _options(namespace, "many")
    with operator(namespace.server.kubeconfig, tmp_path, *options, "--resync-seconds=20") as running:
        eventually(lambda: _phases(namespace) == {"Paused"}, 4 * WAIT, "every cache has its status")
        written = running.await_rest(2 * CACHES)
        passes, cpu = running.metric("embark_operator_passes_total"), running.metric("process_cpu_seconds_total")
        eventually(lambda: running.metric("embark_operator_passes_total") >= passes + CACHES, 2 * WAIT, "a resync")
        assert running.writes() == written
        REPORT.parent.mkdir(exist_ok=True)
        used = running.metric("process_cpu_seconds_total") - cpu
        counted = running.metric("embark_operator_passes_total") - passes
        report = {
            "caches": CACHES,
            "resident_megabytes": round(running.metric("process_resident_memory_bytes") / 1e6),
            "cpu_milliseconds_a_pass": round(1000 * used / counted, 1),
        }
        REPORT.write_text(json.dumps(report) + "\n")


def _options(namespace: CacheNamespace, lease: str) -> tuple[str, ...]:
    return (f"--namespace={namespace.name}", f"--lease-namespace={namespace.name}", f"--lease-name={lease}")


def _run_to_rest(namespace: CacheNamespace, proxy: CuttingProxy, lease: str, folder: Path) -> None:
    """Run an operator until nothing is left to do, and stop it."""
    with operator(proxy.kubeconfig, folder, *_options(namespace, lease), "--resync-seconds=0.3") as running:
        namespace.await_phase("photos", "Pending")
        running.await_rest()
        assert running.terminate() == 0


def _delete(namespace: CacheNamespace) -> None:
    namespace.kubectl("delete", "embc", "photos", "--timeout=60s")
    eventually(lambda: not namespace.children(), WAIT, "the children are deleted")


def _phases(namespace: CacheNamespace) -> set[str]:
    return {item.get("status", {}).get("phase", "") for item in namespace.get("embc")["items"]}


def _declared_fields(namespace: CacheNamespace) -> dict[str, Any]:
    """Return the children's fields, without those that the API server chooses."""
    return {
        place: _less_chosen({part: body[part] for part in ("spec", "data") if part in body})
        for place, body in namespace.children().items()
    }


def _less_chosen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _less_chosen(part) for name, part in value.items() if not name.endswith(_CHOSEN)}
    return [_less_chosen(part) for part in value] if isinstance(value, list) else value
