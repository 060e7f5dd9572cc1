"""The settings of the services for spaces that the manifest no longer names, or not yet alone; all on loopback."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from embark.settings import CacheSettings, FillingSettings, Listen, filling_settings_for, settings_for
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder, Oov

LOOPBACK = "127.0.0.1"
_FREE = Listen(host=LOOPBACK, grpc_port=0, probes_port=0)
# KFC and Retina are in one process: what goes between them needs no certificate.
_KFC: Final[dict[str, Any]] = {"listen": _FREE, "retina_tls": None}
_RETINA: Final[dict[str, Any]] = {"listen": _FREE, "tls": None}


def on_loopback(settings: CacheSettings, grpc_port: int = 0, certificates: Path | None = None) -> CacheSettings:
    """Return the settings with every server on 127.0.0.1 and a free port; EmbArk's gRPC port may be chosen.

    `certificates` is the folder for what spec.tls says of clients and EmbArk; without it they speak in plain text.
    """
    asked = settings.embark.tls
    tls = asked.model_copy(update={"folder": str(certificates)}) if asked and certificates else None
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
    """Return the settings that serve the space of `active`, with everything else as the cache says.

    An OOV vector that is not of that space's dimension is the other space's: zeros stand in for it.
    """
    cache = _with_encoder(cache, active)
    if oov_vector is not None and len(oov_vector) != active.output.dimension:
        miss = cache.spec.miss.model_copy(update={"oov": Oov.ZEROS})
        cache = cache.model_copy(update={"spec": cache.spec.model_copy(update={"miss": miss})})
        oov_vector = None
    kept = None if previous is None else Space.from_encoder(previous)
    return on_loopback(settings_for(cache, oov_vector=oov_vector, previous=kept), grpc_port, certificates)


def candidate_settings(cache: EmbeddingCache, candidate: Encoder, source: str) -> FillingSettings:
    """Return the settings that fill the space of `candidate` from the space `source`."""
    settings = filling_settings_for(_with_encoder(cache, candidate), source=source)
    return FillingSettings(
        kfc=settings.kfc.model_copy(update=_KFC),
        retina=settings.retina.model_copy(update=_RETINA),
    )


def _with_encoder(cache: EmbeddingCache, encoder: Encoder) -> EmbeddingCache:
    return cache.model_copy(update={"spec": cache.spec.model_copy(update={"encoder": encoder})})
