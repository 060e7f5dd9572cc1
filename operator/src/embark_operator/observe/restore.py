"""Restores the state of a rollout: from the status or, if that was lost, from the live children."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

from pydantic import ValidationError

from embark.rollout.state import RolloutPhase, RolloutState, initial_rollout
from embark.settings import DropSettings, EmbArkSettings, KfcSettings, RetinaSettings
from embark.space import Space
from embark.spec import EmbeddingCache, Encoder, Output
from embark.spec.model import Model
from embark.spec.status import ActiveSpace, CandidateSpace, DroppedSpace, EmbeddingCacheStatus, PreviousSpace, Spaces
from embark_operator.cluster.kinds import CONFIG_MAP, Child
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.names import COMPONENT_LABEL, Manifest

S = TypeVar("S", bound=Model)
_LOST: Final = "the status was lost; the rollout continues from the state of the children"
_FILLING: Final = (
    RolloutPhase.AWAITING_APPROVAL,
    RolloutPhase.PREPARING,
    RolloutPhase.REEMBEDDING,
    RolloutPhase.VERIFYING,
    RolloutPhase.HALTED,
)
_DROPPING: Final = (RolloutPhase.HOLDING, RolloutPhase.ROLLING_BACK)


def restore(
    cache: EmbeddingCache, status: EmbeddingCacheStatus, live: Mapping[Child, Manifest], now: datetime
) -> RolloutState:
    """Return the state of the cache's rollout.

    Without a status, EmbArk's live settings determine the active space, never the spec, which may have changed since.
    A space that its KFC fills from the active one is the candidate, and is prepared again, which loses no work. A space
    that is filled from another one is dropped, as is one whose drop was in progress. A previous space is kept for the
    whole time again.
    """
    if status.spaces.active and _is_consistent(status):
        return RolloutState(status.spaces.active, status.spaces, status.rollout)
    embark = _settings(live, "embark", EmbArkSettings)
    if not embark:
        return initial_rollout(cache.spec.encoder, now)
    return _restore_from_children(cache, embark[0], live, now)


def _is_consistent(status: EmbeddingCacheStatus) -> bool:
    """Return whether the phase matches the spaces; if not, the status was edited, or a part of it was lost."""
    spaces, phase = status.spaces, status.rollout.phase
    if spaces.candidate:
        return phase in _FILLING and not (spaces.previous or spaces.dropped)
    if spaces.previous:
        return phase in (RolloutPhase.SWITCHING, RolloutPhase.HOLDING) and not spaces.dropped
    if spaces.dropped:
        return phase in _DROPPING
    return phase in (*_DROPPING, RolloutPhase.STEADY)


def _restore_from_children(
    cache: EmbeddingCache, embark: EmbArkSettings, live: Mapping[Child, Manifest], now: datetime
) -> RolloutState:
    dropping = {drop.kfc.space.id: drop.kfc.space for drop in _settings(live, "drop", DropSettings)}
    encoders = {space_id: _with_space(cache.spec.encoder, space) for space_id, space in dropping.items()}
    encoders |= {
        settings.space.id: encoder_from_settings(settings) for settings in _settings(live, "retina", RetinaSettings)
    }
    encoders[Space.from_encoder(cache.spec.encoder).id] = cache.spec.encoder
    sources = {settings.space.id: settings.source for settings in _settings(live, "kfc", KfcSettings)}
    if embark.active.id not in encoders:
        return initial_rollout(cache.spec.encoder, now)  # without its encoder, the space can be neither filled nor left

    def record(space_id: str) -> dict[str, object]:
        return {"id": space_id, "encoder": encoders[space_id], "source": sources.get(space_id, "")}

    active = ActiveSpace.model_validate(record(embark.active.id) | {"since": now})
    state = RolloutState(active, Spaces(active=active))
    if embark.previous and embark.previous.id in encoders:
        kept = record(embark.previous.id) | {"kept_until": now + cache.spec.rollout.keep_previous}
        state = state.with_spaces(previous=PreviousSpace.model_validate(kept))
        return state.with_phase(RolloutPhase.HOLDING, now, _LOST)
    for space_id in sorted((encoders.keys() & sources.keys()) - {active.id} - dropping.keys()):
        if sources[space_id] == active.id:
            state = state.with_spaces(candidate=CandidateSpace.model_validate(record(space_id)))
            return state.with_phase(RolloutPhase.PREPARING, now, _LOST, started_at=now)
        dropping[space_id] = Space.from_encoder(encoders[space_id])
    for space_id in sorted(dropping):
        state = state.with_spaces(dropped=DroppedSpace.model_validate(record(space_id)))
        return state.with_phase(RolloutPhase.ROLLING_BACK, now, _LOST)
    return state


def encoder_from_settings(settings: RetinaSettings) -> Encoder:
    """Return the encoder of a Retina with these settings."""
    space = settings.space
    return Encoder(
        model=settings.model,
        modality=space.modality,
        preprocessing=space.preprocessing,
        role=space.role,
        output=_build_output(space),
        provider=settings.provider,
        batch=settings.batch,
        fetch=settings.fetch,
    )


def _with_space(encoder: Encoder, space: Space) -> Encoder:
    # Dropping a space needs only the space of its encoder, not even the model's URI.
    update = {
        "model": encoder.model.model_copy(update={"digest": space.model_digest}),
        "modality": space.modality,
        "preprocessing": space.preprocessing,
        "role": space.role,
        "output": _build_output(space),
    }
    return encoder.model_copy(update=update)


def _build_output(space: Space) -> Output:
    return Output(
        tensor=space.output_tensor,
        dimension=space.dimension,
        dtype=space.dtype,
        normalization=space.normalization,
    )


def _settings(live: Mapping[Child, Manifest], component: str, model: type[S]) -> list[S]:
    found = []
    for child, body in live.items():
        if child.kind == CONFIG_MAP and body["metadata"].get("labels", {}).get(COMPONENT_LABEL) == component:
            try:
                found.append(model.model_validate_json(body.get("data", {}).get(SETTINGS_KEY, "")))
            except ValidationError:
                continue  # not written by the operator; apply replaces it
    return found
