"""Loads the cache's model, checked, as an encoder; `server` calls it in a thread before anything listens."""

import logging
import time
from pathlib import Path
from typing import Any

from embark.settings import RetinaSettings
from embark.spec import Modality, Provider
from retina.image_encoder import ImageEncoder
from retina.model_encoder import Encoder
from retina.model_session import OnnxSession
from retina.models import obtain
from retina.text_encoder import TextEncoder


def load_encoder(settings: RetinaSettings, models: Path) -> Encoder[Any]:
    """Return the encoder of the cache's space; `models` is the folder of models by digest.

    Raises:
        RefusedError: the digest, the provider, an input or the output is not what the cache says, or the model cannot
            be had.
    """
    log = logging.getLogger(__name__)
    path = obtain(settings.model, models, log)
    session = OnnxSession(path, settings.provider)
    if settings.space.modality is Modality.TEXT:
        return TextEncoder(session, settings)
    # On a CPU a run is computed by the thread that asks for it, so its own time tells more than a busy machine's.
    clock = time.thread_time if settings.provider is Provider.CPU else time.perf_counter
    encoder = ImageEncoder(session, settings, clock)
    log.info("the model is loaded", extra={"cache": settings.cache, "space": settings.space.id, "sizes": encoder.sizes})
    return encoder
