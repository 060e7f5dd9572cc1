"""What the server says of a space, as callers of `describe` get it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from embark.rpc.wire import form_of_wire
from embark.space import VectorForm
from embark.v1 import embark_pb2


@dataclass(frozen=True, slots=True, eq=False)
class SpaceDescription:
    """A space as the server serves it now; `oov_vector` is [dimension] of the form's dtype."""

    space: str
    form: VectorForm
    modality: str
    preprocessing: str
    role: str
    normalization: str
    model_digest: str
    output_tensor: str
    oov_vector: npt.NDArray[np.floating]
    entries: int
    max_keys_per_request: int

    @property
    def dimension(self) -> int:
        """Elements of an embedding."""
        return self.form.dimension


def description_of_wire(reply: embark_pb2.DescribeSpaceResponse) -> SpaceDescription:
    """Return the value of a reply.

    Raises:
        ValueError: a dtype that this version does not know, or an OOV embedding of another dimension.
    """
    form = form_of_wire(reply.dimension, reply.dtype)
    if len(reply.oov_vector) != form.nbytes:
        raise ValueError(f"the OOV embedding has {len(reply.oov_vector)} bytes, the space's vectors {form.nbytes}")
    return SpaceDescription(
        space=reply.space,
        form=form,
        modality=reply.modality,
        preprocessing=reply.preprocessing,
        role=reply.role,
        normalization=reply.normalization,
        model_digest=reply.model_digest,
        output_tensor=reply.output_tensor,
        oov_vector=np.frombuffer(reply.oov_vector, dtype=form.numpy),
        entries=reply.entries,
        max_keys_per_request=reply.max_keys_per_request,
    )
