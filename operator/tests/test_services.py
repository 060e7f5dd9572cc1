"""What the operator reads from the second port of a real EmbArk that requires client certificates."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from embark.rollout.step import ObservedProgress
from embark.store import split_ring
from embark_operator.observe.services import PodServices, read_samples, sum_samples
from embark_testing.contracts.checkpoints import begin
from embark_testing.embark.harness import Harness
from embark_testing.embark.secured import SERVER_NAME, authority_in, secured
from embark_testing.servers.free_ports import free_ports

CANDIDATE = "0123456789ab"
HOST, UNREACHABLE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    """An EmbArk with one embedding, and a rollout that has processed 70 keys."""
    server = authority_in(tmp_path / "authority").identify(tmp_path / "server", f"DNS:{SERVER_NAME}")
    with secured(server) as server_harness:
        within = split_ring(1)[0]
        kept = server_harness.store.checkpoints()
        assert kept.save(CANDIDATE, begin(kept, CANDIDATE, within).advanced(within.end, done=70, failed=3))
        yield server_harness


def test_counts_and_metrics_are_read_without_a_certificate(harness: Harness) -> None:
    services = PodServices(harness.server.probes_port)
    assert services.entries([HOST]) == 1
    assert services.progress([HOST], CANDIDATE) == ObservedProgress(done=70, failed=3)
    counted = read_samples(services.scrape([HOST]))
    assert sum_samples(counted, "embark_keys_total", "status", method="Lookup", status="HIT")


def test_a_pod_that_does_not_answer_is_skipped(harness: Harness) -> None:
    services = PodServices(harness.server.probes_port)
    assert services.entries([UNREACHABLE, HOST]) == 1
    assert services.progress([UNREACHABLE, HOST], CANDIDATE) == ObservedProgress(done=70, failed=3)


def test_without_an_answer_nothing_is_known(harness: Harness) -> None:
    services = PodServices(harness.server.probes_port)
    assert services.entries([]) is None
    assert services.entries([UNREACHABLE]) is None
    harness.store.failing.set()
    assert services.entries([HOST]) is None
    assert services.progress([HOST], CANDIDATE) is None


def test_a_missing_pod_reports_nothing() -> None:
    services = PodServices(free_ports(HOST, 1)[0])
    assert services.scrape([HOST]) == []
    assert services.readiness(HOST) == ""
