"""Retina on JPEG bytes and on tensors, against the same work called directly, with one caller a core."""

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from typing import Any, Final

import grpc
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.children import Child, child
from benchmarks.ratios import Rate, Ratio, compare
from benchmarks.subjects import run_retina
from embark.rpc.channels import server_options
from embark.service_names import RETINA_SERVICE
from embark.spec import Preprocessing
from embark.v1 import retina_pb2
from embark_testing.caches import SAMPLES, sample_settings
from retina.decode import decode
from retina.models import model_path, models_folder
from retina.profiles import PROFILES, fill_row

ENCODE: Final = f"/{RETINA_SERVICE}/Encode"
ITEMS: Final = 16
CORES: Final = len(os.sched_getaffinity(0))
# Enough that a runner never waits for the next call.
CALLS_IN_FLIGHT: Final = 4
_PROFILE: Final = PROFILES[Preprocessing.IMAGENET_224]
_TABLE: Final = _PROFILE.table()
Prepare = Callable[[bytes], NDArray[np.float32]]


def measure(rounds: int, calls: int) -> list[Ratio]:
    """Return the ratios on JPEG bytes and on tensors; a round is `calls` Encode calls of 16 items."""
    jpegs = [path.read_bytes() for path in sorted((SAMPLES / "photos").glob("*.jpg"))]
    tensors = [_prepare(jpeg).tobytes() for jpeg in jpegs]
    settings = sample_settings("photos").retina
    with child(run_retina, settings) as retina:
        return [
            compare(
                "Retina, JPEG / decode + preprocess + ONNX Runtime",
                unit="images/s",
                wanted=0.85,
                rounds=rounds,
                subject=lambda: _load(retina, settings.space.id, "content", jpegs, calls),
                baseline=lambda: _direct(jpegs, _prepare, calls),
            ),
            compare(
                "Retina, tensors / ONNX Runtime",
                unit="images/s",
                wanted=0.90,
                rounds=rounds,
                subject=lambda: _load(retina, settings.space.id, "tensor", tensors, calls),
                baseline=lambda: _direct(tensors, _as_tensor, calls),
            ),
        ]


def _load(retina: Child, space: str, field: str, payloads: list[bytes], calls: int) -> Rate:
    """Encode `calls` * 16 items with as many calls in flight as KFC has for a Retina of this size."""
    requests = [
        retina_pb2.EncodeRequest(
            space=space,
            items=[retina_pb2.EncodeItem(**{field: payload}) for payload in islice(cycle(payloads), n, n + ITEMS)],
        ).SerializeToString()
        for n in range(calls)
    ]
    with grpc.insecure_channel(f"127.0.0.1:{retina.serving}", options=server_options()) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ENCODE)
        grpc.channel_ready_future(channel).result(10)
        cpu, started = retina.cpu_seconds(), time.perf_counter()
        with ThreadPoolExecutor(CALLS_IN_FLIGHT) as pool:
            replies = list(pool.map(call, requests))
        elapsed = time.perf_counter() - started
        cpu = retina.cpu_seconds() - cpu
    vectors = [result.vector for reply in replies for result in retina_pb2.EncodeResponse.FromString(reply).results]
    if not all(vectors):
        raise RuntimeError("not every item was encoded: the benchmark would measure something else")
    return Rate(len(vectors) / elapsed, len(vectors) / cpu)


def _direct(payloads: list[bytes], prepare: Prepare, calls: int) -> Rate:
    """Do the same work in this process: a thread a core, each an item at a time."""
    session = _session()
    items = list(islice(cycle(payloads), calls * ITEMS))

    def run(payload: bytes) -> None:
        session.run(["embedding"], {"image": prepare(payload)[np.newaxis]})

    cpu, started = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        done = len(list(pool.map(run, items)))
    return Rate(done / (time.perf_counter() - started), done / (time.process_time() - cpu))


def _prepare(jpeg: bytes) -> NDArray[np.float32]:
    row = np.empty(_PROFILE.shape, np.float32)
    fill_row(_PROFILE.crop(decode(jpeg, 25_000_000, _PROFILE.min_decoded_side)), _TABLE, row)
    return row


def _as_tensor(payload: bytes) -> NDArray[np.float32]:
    return np.frombuffer(payload, "<f4").reshape(_PROFILE.shape)


def _session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = model_path(models_folder(os.environ), sample_settings("photos").retina.model.digest)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
