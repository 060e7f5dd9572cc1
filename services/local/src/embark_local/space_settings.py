"""The settings of the services for each space of a cache, all on loopback."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from embark.settings import CacheSettings, FillingSettings, Listen, filling_settings_for, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder, Oov

LOOPBACK = "127.0.0.1"
_FREE = Listen(host=LOOPBACK, grpc_port=0, probes_port=0)
# KFC and Retina share one process: calls between them need no certificate.
_KFC: Final[dict[str, Any]] = {"listen": _FREE, "retina_tls": None}
_RETINA: Final[dict[str, Any]] = {"listen": _FREE, "tls": None}


def on_loopback(settings: CacheSettings, grpc_port: int = 0, certificates: Path | None = None) -> CacheSettings:
    """Return the settings with every server on 127.0.0.1 and a free port; EmbArk's gRPC port may be chosen.

    `certificates` is the folder of EmbArk's certificates for spec.tls; without it calls are in plain text.
    """
    declared = settings.embark.tls
    tls = declared.model_copy(update={"folder": str(certificates)}) if declared and certificates else None
    chosen = _FREE.model_copy(update={"grpc_port": grpc_port})
    return CacheSettings(
        embark=settings.embark.model_copy(update={"listen": chosen, "tls": tls}),
        kfc=settings.kfc.model_copy(update=_KFC),
        retina=settings.retina.model_copy(update=_RETINA),
    )


def serving_settings(
    cache: EmbeddingCache,
    active: Encoder,
    previous: Encoder | None = None,
    *,
    oov_vector: Sequence[float] | None = None,
    grpc_port: int = 0,
    certificates: Path | None = None,
) -> CacheSettings:
    """Return the settings that serve the space of `active`, with everything else as the cache declares it.

    An OOV vector of another dimension belongs to another space; zeros replace it.
    """
    cache = _with_encoder(cache, active)
    if oov_vector is not None and len(oov_vector) != active.output.dimension:
        miss = cache.spec.miss.model_copy(update={"oov": Oov.ZEROS})
        cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"miss": miss})})
        oov_vector = None
    kept = None if previous is None else Space.from_encoder(previous)
    return on_loopback(settings_for(cache, oov_vector=oov_vector, previous=kept), grpc_port, certificates)


def filling_settings(cache: EmbeddingCache, encoder: Encoder, source: str = "") -> FillingSettings:
    """Return the settings that fill the space of `encoder`, which is re-embedded from the space `source` if given."""
    settings = filling_settings_for(_with_encoder(cache, encoder), source=source)
    return FillingSettings(
        kfc=settings.kfc.model_copy(update=_KFC),
        retina=settings.retina.model_copy(update=_RETINA),
    )


def _with_encoder(cache: EmbeddingCache, encoder: Encoder) -> EmbeddingCache:
    return cache.model_copy(update={"spec": cache.spec.model_copy(update={"encoder": encoder})})
