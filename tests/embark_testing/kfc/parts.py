"""Parts of a KFC under test: settings on loopback, a scripted encoder and a recording consumer."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from embark.causes import Cause, CauseKind
from embark.errors import UnavailableError
from embark.settings import KfcSettings, Listen, settings_for
from embark.spec import EmbeddingCache
from embark.topic import FillConsumer, Record
from kfc.encoder import EncodedVector

DIMENSION = 2
NOT_FOUND = Cause(CauseKind.NOT_FOUND, "404")
UNREACHABLE = Cause(CauseKind.UNREACHABLE, "no answer")
ENCODER_FAILED = Cause(CauseKind.ENCODER_FAILED, "a NaN")


def kfc_settings(
    *, max_inflight: int = 4, encode_items: int = 16, max_attempts: int = 5, ttl: str = "0s"
) -> KfcSettings:
    """Return settings with backoffs of milliseconds and probes on a free port of 127.0.0.1."""
    retry = {"maxAttempts": max_attempts, "initialBackoff": "1ms", "maxBackoff": "4ms"}
    spec = {
        "encoder": {
            "model": {"uri": "file:///model.onnx", "digest": f"sha256:{'0' * 64}"},
            "modality": "image",
            "preprocessing": "imagenet-224",
            "output": {"dimension": DIMENSION},
            "batch": {"maxSize": encode_items},
        },
        "store": {"cassandra": {"contactPoints": ["cassandra"], "keyspace": "k"}, "ttl": ttl},
        "topic": {"kafka": {"bootstrapServers": ["kafka:9092"]}, "retry": retry},
        "kfc": {"maxInflight": max_inflight},
    }
    document = {"apiVersion": "embark.dev/v1alpha1", "kind": "EmbeddingCache", "metadata": {"name": "c"}, "spec": spec}
    settings = settings_for(EmbeddingCache.model_validate(document)).kfc
    return settings.model_copy(update={"listen": Listen(host="127.0.0.1", probes_port=0)})


def fake_vector(key: str) -> bytes:
    """Return the vector of a key by FakeEncoder."""
    return hashlib.sha256(key.encode()).digest()[: 4 * DIMENSION]


class FakeEncoder:
    """A scripted EncoderClient: causes by key, an outage while `down` is set, and calls that `hold` stops."""

    def __init__(self) -> None:
        self.causes: dict[str, Cause] = {}
        self.down = threading.Event()
        self.refused = 0
        self.times: Counter[str] = Counter()
        self.calls: list[tuple[tuple[str, ...], str | None]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._held: dict[str, tuple[threading.Event, threading.Event]] = {}
        self._lock = threading.Lock()

    def hold(self, key: str) -> tuple[threading.Event, threading.Event]:
        """Return an event that is set once a call with `key` has begun, and one that lets it end."""
        self._held[key] = entered, released = threading.Event(), threading.Event()
        return entered, released

    def encode(self, keys: Sequence[str], traceparent: str | None) -> Sequence[EncodedVector | Cause]:
        """Encode as scripted; a refused call counts only in `refused`."""
        if self.down.is_set():
            with self._lock:
                self.refused += 1
            raise UnavailableError("retina", "switched off by the test")
        with self._lock:
            self.times.update(keys)
            self.calls.append((tuple(keys), traceparent))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        for key in keys:
            if key in self._held:
                entered, released = self._held[key]
                entered.set()
                assert released.wait(30)
        with self._lock:
            self._at_once -= 1
        return [self.causes.get(key) or EncodedVector(fake_vector(key), b"hash") for key in keys]


@dataclass
class TellingConsumer:
    """A FillConsumer that records its calls; `down` makes polls fail, `uncommitting` commits."""

    consumer: FillConsumer
    before_commit: Callable[[Mapping[int, int]], None] = lambda _: None
    commits: list[dict[int, int]] = field(default_factory=list)
    pauses: list[bool] = field(default_factory=list)
    polls: int = 0
    paused_polls: int = 0
    closes: int = 0
    threads: set[int] = field(default_factory=set)
    polled: list[Record] = field(default_factory=list)
    down: threading.Event = field(default_factory=threading.Event)
    uncommitting: threading.Event = field(default_factory=threading.Event)
    failed: int = 0
    polling: bool = False

    def poll(self, limit: int, timeout: timedelta) -> Sequence[Record]:
        self.threads.add(threading.get_ident())
        self._check(self.down)
        self.polls += 1
        self.paused_polls += bool(self.pauses and self.pauses[-1])
        self.polling = True
        records = self.consumer.poll(limit, timeout)
        self.polling = False
        self.polled += records
        return records

    def commit(self, offsets: Mapping[int, int]) -> None:
        self.threads.add(threading.get_ident())
        self._check(self.uncommitting)
        self.before_commit(offsets)
        self.consumer.commit(offsets)
        self.commits.append(dict(offsets))

    def pause(self, paused: bool) -> None:  # noqa: FBT001 - the signature of the Protocol
        self.threads.add(threading.get_ident())
        self.pauses.append(paused)
        self.consumer.pause(paused)

    def lag(self) -> int:
        return self.consumer.lag()

    def close(self) -> None:
        self.closes += 1
        self.consumer.close()

    def _check(self, down: threading.Event) -> None:
        if down.is_set():
            self.failed += 1
            raise UnavailableError("kafka", "switched off by the test")
