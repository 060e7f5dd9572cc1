"""Loads the model of a cache as a ModelEncoder, checked against the cache's declaration."""

import logging
import time
from pathlib import Path
from typing import Any

from embark.settings import RetinaSettings
from embark.spec import Modality, Provider
from retina.image_encoder import ImageEncoder
from retina.model_encoder import ModelEncoder
from retina.model_session import OnnxSession
from retina.models import obtain
from retina.text_encoder import TextEncoder


def load_encoder(settings: RetinaSettings, models: Path) -> ModelEncoder[Any]:
    """Return the encoder of the cache's space; `models` is the folder of models by digest. Blocks for seconds.

    Raises:
        StartupError: the model cannot be obtained, or its digest, provider, inputs or output differ from what the cache
            declares.
    """
    log = logging.getLogger(__name__)
    path = obtain(settings.model, models, log)
    session = OnnxSession(path, settings.provider)
    if settings.space.modality is Modality.TEXT:
        return TextEncoder(session, settings)
    # On a CPU the calling thread computes the whole run; its CPU time is not distorted by other load.
    clock = time.thread_time if settings.provider is Provider.CPU else time.perf_counter
    encoder = ImageEncoder(session, settings, clock)
    log.info("model loaded", extra={"cache": settings.cache, "space": settings.space.id, "sizes": encoder.sizes})
    return encoder
