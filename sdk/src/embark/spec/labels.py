"""Kubernetes labels: names, values, and several of them as one text."""

from typing import Annotated, Final

from pydantic import StringConstraints

_NAME: Final = r"[A-Za-z0-9]([A-Za-z0-9_.\-]{0,61}[A-Za-z0-9])?"
_PREFIX: Final = r"[a-z0-9]([a-z0-9\-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9\-]*[a-z0-9])?)*/"
_LABEL: Final = f"({_PREFIX})?{_NAME}=({_NAME})?"
LABEL_NAME_PATTERN: Final = f"^({_PREFIX})?{_NAME}$"
LABELS_LENGTH: Final = 253
"""The API server's limit for a label's prefix, applied to a whole name or text."""

Labels = Annotated[str, StringConstraints(pattern=f"^({_LABEL}(,{_LABEL})*)?$", max_length=LABELS_LENGTH)]
"""Some labels, as `app=ranker,tier=web`."""
LabelName = Annotated[str, StringConstraints(pattern=LABEL_NAME_PATTERN, max_length=LABELS_LENGTH)]
OptionalLabelName = Annotated[str, StringConstraints(pattern=f"^(({_PREFIX})?{_NAME})?$", max_length=LABELS_LENGTH)]
LabelValue = Annotated[str, StringConstraints(pattern=f"^({_NAME})?$", max_length=63)]
