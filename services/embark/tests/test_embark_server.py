"""The server as a whole: drain, readiness, health, reflection and metrics."""

import threading
from queue import SimpleQueue
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import CollectorRegistry

from embark.rpc.channels import open_channel
from embark.service_names import EMBARK_SERVICE
from embark.settings import Listen
from embark.statuses import KeyStatus
from embark.topic import Losses
from embark.topic.memory import MemoryTopic
from embark.v1 import embark_pb2 as pb
from embark.v1.embark_pb2_grpc import EmbArkServiceStub
from embark_server.server import EmbArkServer
from embark_testing.embark.harness import Harness, embark_settings, read_statuses, running, vector
from embark_testing.eventually import eventually

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def health(channel: grpc.Channel) -> Any:
    """Return an untyped stub: the type stubs lack the methods of HealthStub."""
    return health_pb2_grpc.HealthStub(channel)


def probe(harness: Harness, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{harness.server.probes_port}{path}", timeout=30) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def stopping(harness: Harness) -> threading.Thread:
    thread = threading.Thread(target=harness.server.stop)
    thread.start()
    return thread


def test_a_drain_loses_no_call() -> None:
    with running() as harness:
        harness.store.gate.clear()
        calls = [harness.stub.Lookup.future(pb.LookupRequest(keys=[b"%d" % n]), timeout=60) for n in range(20)]
        eventually(lambda: len(harness.store.reads) == 20, what="every call is in the store")
        watch = health(harness.channel).Watch(health_pb2.HealthCheckRequest(service=EMBARK_SERVICE))
        assert next(watch).status == SERVING
        thread = stopping(harness)
        assert next(watch).status == NOT_SERVING
        assert not any(call.done() for call in calls)
        assert probe(harness, "/readyz") == (503, "draining\n")
        harness.store.gate.set()
        assert [read_statuses(call.result()) for call in calls] == [[KeyStatus.OOV_ENQUEUED]] * 20
        thread.join(30)
        assert not thread.is_alive()


def test_calls_past_the_drain_are_cancelled() -> None:
    with running(embark_settings(drain="50ms")) as harness:
        harness.store.gate.clear()
        call = harness.stub.Lookup.future(pb.LookupRequest(keys=[b"a"]), timeout=60)
        eventually(lambda: harness.store.reads)
        thread = stopping(harness)
        thread.join(30)
        assert not thread.is_alive()
        assert call.exception(timeout=30) is not None


def test_stop_may_be_called_twice_and_without_a_start() -> None:
    with running() as harness:
        harness.server.stop()
        harness.server.stop()
        idle = EmbArkServer(
            harness.settings, harness.store, harness.producer, clock=harness.clock, registry=CollectorRegistry()
        )
        idle.stop()
        with pytest.raises(grpc.RpcError) as refused:
            harness.lookup("a")
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_drain_ends_a_stream_after_the_current_answer() -> None:
    with running() as harness:
        ends = SimpleQueue[pb.LookupStreamRequest | None]()
        stream = harness.stub.LookupStream(iter(ends.get, None), timeout=60)
        harness.store.gate.clear()
        ends.put(pb.LookupStreamRequest(lookup=pb.LookupRequest(keys=[b"a"])))
        eventually(lambda: harness.store.reads, what="the request is in the store")
        thread = stopping(harness)
        eventually(lambda: harness.server._servicer._draining)
        harness.store.gate.set()
        assert read_statuses(next(stream).lookup) == [KeyStatus.OOV_ENQUEUED]
        with pytest.raises(grpc.RpcError) as ended:
            next(stream)
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "continue with another" in str(ended.value.details())
        ends.put(None)
        thread.join(30)
        assert not thread.is_alive()


def test_a_client_with_health_checks_is_answered_and_does_not_delay_a_drain() -> None:
    with running() as harness:
        harness.write({"a": vector(1)})
        with open_channel(harness.target, EMBARK_SERVICE) as channel:
            stub = EmbArkServiceStub(channel)
            request = pb.LookupRequest(keys=[b"a"])
            assert read_statuses(stub.Lookup(request, timeout=30, wait_for_ready=True)) == [KeyStatus.HIT]
            thread = stopping(harness)
            thread.join(8)  # the full drain would take 10 s
            assert not thread.is_alive()


def test_readiness_reports_the_store_until_it_has_answered_once() -> None:
    with running() as harness:
        harness.store.failing.set()
        code, body = probe(harness, "/readyz")
        assert code == 503
        assert "store" in body
        assert probe(harness, "/healthz") == (200, "ok\n")
        harness.store.failing.clear()
        assert probe(harness, "/readyz") == (200, "ok\n")
        # Later outages do not make the server unready: hot rows and OOV embeddings are better than no answer.
        harness.store.failing.set()
        assert probe(harness, "/readyz") == (200, "ok\n")


@pytest.mark.parametrize("service", ["", EMBARK_SERVICE])
def test_health_is_reported_by_service(service: str) -> None:
    with running() as harness:
        stub = health(harness.channel)
        assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=30).status == SERVING
        with pytest.raises(grpc.RpcError) as unknown:
            stub.Check(health_pb2.HealthCheckRequest(service="x"), timeout=30)
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_the_service() -> None:
    with running() as harness:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(harness.channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        response = next(iter(stub.ServerReflectionInfo(iter([request]), timeout=30)))
        assert EMBARK_SERVICE in {service.name for service in response.list_services_response.service}


def test_metrics_are_on_the_second_port() -> None:
    with running() as harness:
        harness.lookup("a")
        code, text = probe(harness, "/metrics")
        assert code == 200
        assert 'embark_keys_total{method="Lookup",space="active",status="OOV_ENQUEUED"} 1.0' in text
        assert "embark_fills_pending 1.0" in text


def test_lost_fills_are_counted_by_reason() -> None:
    with running() as harness:
        assert [harness.counted(f"embark_fills_{reason}_total") for reason in ("shed", "refused", "dropped")] == [
            0,
            0,
            0,
        ]
        harness.producer.lost = Losses(shed=3, refused=1, dropped=2)
        text = probe(harness, "/metrics")[1]
    for line in ("embark_fills_shed_total 3.0", "embark_fills_refused_total 1.0", "embark_fills_dropped_total 2.0"):
        assert line in text


def test_fills_shed_by_a_full_topic_are_counted() -> None:
    topic = MemoryTopic(1, capacity=2)
    with running(producer=topic.producer()) as harness:
        assert read_statuses(harness.lookup("a", "b", "c")).count(KeyStatus.SHED) == 1
        assert harness.counted("embark_fills_shed_total") == 1
    topic.close()


def test_a_port_in_use_is_reported() -> None:
    with running() as harness:
        taken = Listen(host="127.0.0.1", grpc_port=harness.server.port, probes_port=0)
        settings = harness.settings.model_copy(update={"listen": taken})
        second = EmbArkServer(
            settings, harness.store, harness.producer, clock=harness.clock, registry=CollectorRegistry()
        )
        with pytest.raises(OSError, match=f":{harness.server.port}: the port is in use"):
            second.start()
        second.stop()


def test_short_lived_watches_never_block_the_server() -> None:
    with running() as harness:

        def watch() -> None:
            with grpc.insecure_channel(harness.target, [("grpc.use_local_subchannel_pool", 1)]) as channel:
                for _ in range(100):
                    call = health(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
                    assert next(call).status == SERVING
                    call.cancel()

        threads = [threading.Thread(target=watch) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert read_statuses(harness.lookup("a")) == [KeyStatus.OOV_ENQUEUED]
        assert eventually(lambda: not harness.server._health._watches, what="no watch is left")


def test_a_watch_of_an_unknown_service_reports_that() -> None:
    with running() as harness:
        request = health_pb2.HealthCheckRequest(service="x")
        watch = health(harness.channel).Watch(request, timeout=30)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        watch.cancel()
