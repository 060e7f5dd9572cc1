"""Asks the topic for fills: once a key and repeat window, never waiting; look-ups and changes share one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from embark.clock import Micros
from embark.statuses import KeyStatus
from embark.topic import Fill, FillProducer
from embark_server.calls import Call
from embark_server.quotas import Quota, Quotas
from embark_server.repeats import RepeatWindow


@dataclass(frozen=True, slots=True)
class Ask:
    """What the fills of one request share: when it was asked, the headers of its records, and whose they are."""

    at: Micros
    headers: Mapping[str, bytes] = field(default_factory=dict)
    quota: Quota | None = None
    """Of the tenant that asks; None: it may ask for any number of keys."""


class Fills:
    """Produces fill requests for keys, marking each in the repeat window, as far as topic and tenant have room."""

    def __init__(self, producer: FillProducer, window: RepeatWindow, quotas: Quotas) -> None:
        self._producer = producer
        self._window = window
        self._quotas = quotas

    def ask_of(self, call: Call, at: Micros) -> Ask:
        """Return what the fills of a call share."""
        return Ask(at, call.headers(), self._quotas.of(call))

    def ask(self, keys: Sequence[bytes], ask: Ask, not_before: Mapping[bytes, Micros]) -> dict[bytes, KeyStatus]:
        """Ask for keys, each once; return OOV_ENQUEUED, OOV_PENDING (asked in this window) or SHED (no room).

        `not_before` holds, for keys whose present row is not to count, the time before which none does.
        """
        claimed = self._window.claim(keys, ask.at)
        statuses = self._produce([key for key in keys if key in claimed], ask, not_before)
        for key in keys:
            statuses.setdefault(key, KeyStatus.OOV_PENDING)
        return statuses

    def ask_anew(self, keys: Sequence[bytes], ask: Ask, not_before: Micros) -> dict[bytes, KeyStatus]:
        """Ask for keys whether or not they were asked for in this window; return OOV_ENQUEUED or SHED."""
        self._window.mark(keys, ask.at)
        return self._produce(keys, ask, dict.fromkeys(keys, not_before))

    def _produce(self, keys: Sequence[bytes], ask: Ask, not_before: Mapping[bytes, Micros]) -> dict[bytes, KeyStatus]:
        statuses = {}
        allowed = len(keys) if ask.quota is None else ask.quota.take(len(keys), ask.at)
        # Taken back at once: another tenant that asks for the same key must not take it for asked.
        self._window.forget(keys[allowed:])
        for key in keys[allowed:]:
            statuses[key] = KeyStatus.SHED
        for key in keys[:allowed]:
            fill = Fill(key, ask.at, not_before.get(key, 0))
            taken = self._producer.produce(key, fill.to_bytes(), ask.headers)
            statuses[key] = KeyStatus.OOV_ENQUEUED if taken else KeyStatus.SHED
        shed = [key for key, status in statuses.items() if status is KeyStatus.SHED]
        if shed:
            self._window.forget(shed)
        return statuses
