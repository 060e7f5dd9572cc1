"""The source files that one lookup enters on the server, in order, as a profiler sees them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import grpc
from prometheus_client import CollectorRegistry

from embark.clock import now
from embark.settings import EmbArkSettings
from embark.store import Embedding, RolloutStore
from embark.topic import FillProducer
from embark.v1 import embark_pb2 as pb
from embark.v1 import types_pb2
from embark.v1.embark_pb2_grpc import EmbArkServiceStub
from embark_server.server import EmbArkServer

ROOT: Final = Path(__file__).parents[3]
_SOURCES: Final = (ROOT / "sdk/src", ROOT / "services/embark/src")
_GENERATED: Final = "sdk/src/embark/v1/"


class Tracer:
    """Records each file of ours that any thread enters within `recording`, once, in the order of the first entries.

    Only threads that start after `installed` began are traced, so the thread of the client is not.
    """

    def __init__(self) -> None:
        self._files: dict[str, None] = {}
        self._recording = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Profile every thread that starts within the block."""
        threading.setprofile(self._profile)
        try:
            yield
        finally:
            threading.setprofile(None)

    def record(self, call: Callable[[], object]) -> Sequence[str]:
        """Return the files that the server enters during `call`, as paths from the root of the repository."""
        self._files.clear()
        self._recording = True
        call()
        self._recording = False
        return [path for file in self._files if (path := _find_source(file))]

    def _profile(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._recording and event == "call":
            self._files.setdefault(frame.f_code.co_filename)


def trace_lookups(settings: EmbArkSettings, store: RolloutStore, producer: FillProducer) -> dict[str, Sequence[str]]:
    """Return the files entered by a hot hit, a cold hit and a miss, by those names.

    `store` has the active space; its schema is there.
    """
    store.write(settings.active.id, [Embedding(key, settings.active.form.zeros(), now()) for key in ("warm", "cold")])
    tracer = Tracer()
    with tracer.installed():
        server = EmbArkServer(settings, store, producer, clock=now, registry=CollectorRegistry())
        server.start()
        try:
            with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                stub = EmbArkServiceStub(channel)

                def look_up(key: str, status: str) -> None:
                    reply = stub.Lookup(pb.LookupRequest(keys=[key.encode()]), timeout=30, wait_for_ready=True)
                    found = types_pb2.KeyStatus.Name(reply.statuses[0])
                    if found != f"KEY_STATUS_{status}":
                        raise RuntimeError(f"{key} is {found}, not {status}: another path would be traced")

                # The first calls connect, prepare statements and start threads.
                look_up("warm", "HIT")
                look_up("warm", "HIT")
                look_up("warm miss", "OOV_ENQUEUED")
                return {
                    "cold hit": tracer.record(lambda: look_up("cold", "HIT")),
                    "hot hit": tracer.record(lambda: look_up("cold", "HIT")),
                    "miss": tracer.record(lambda: look_up("absent", "OOV_ENQUEUED")),
                }
        finally:
            server.stop()


def _find_source(file: str) -> str | None:
    """Return the path of a hand-written file of the server or the sdk; None for any other file."""
    path = Path(file)
    if not any(path.is_relative_to(sources) for sources in _SOURCES):
        return None
    relative = str(path.relative_to(ROOT))
    return None if relative.startswith(_GENERATED) else relative
