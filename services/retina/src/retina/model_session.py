"""A loaded ONNX model behind a Protocol; `images` and `texts` run it, `load` opens it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from embark.spec import Provider
from retina.errors import RefusedError
from retina.model_encoder import Floats

_PROVIDERS: Final = {Provider.CPU: "CPUExecutionProvider", Provider.CUDA: "CUDAExecutionProvider"}
# TF32 and algorithms chosen by timing would change a vector's bits from one start to the next.
_PROVIDER_OPTIONS: Final[dict[Provider, dict[str, str]]] = {
    Provider.CPU: {},
    Provider.CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}
_ERRORS_ONLY: Final = 3


@dataclass(frozen=True, slots=True)
class TensorForm:
    """A model's input or output: `shape` has None where the size is free."""

    name: str
    shape: tuple[int | None, ...]


class Session(Protocol):
    """A loaded model; `run` is safe in several threads at once."""

    @property
    def inputs(self) -> Sequence[TensorForm]:
        """What the model takes."""
        ...

    @property
    def outputs(self) -> Sequence[TensorForm]:
        """What the model gives."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's `metadata_props`."""
        ...

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the tensor `output` for the inputs given."""
        ...


class OnnxSession:
    """A model run by ONNX Runtime on one core for each caller."""

    def __init__(self, path: Path, provider: Provider) -> None:
        """Load the file.

        Raises:
            RefusedError: it is not an ONNX model, or `provider` is not what it would run on.
        """
        onnxruntime.disable_telemetry_events()
        wanted = _PROVIDERS[provider]
        available = onnxruntime.get_available_providers()
        if wanted not in available:
            raise _other_provider(provider, wanted, available)
        try:
            self._session = onnxruntime.InferenceSession(
                path, _options(), providers=[(wanted, _PROVIDER_OPTIONS[provider])]
            )
        except Exception as error:
            raise RefusedError(f"the model {path.name} cannot be loaded: {error}") from error
        got = self._session.get_providers()
        if got[0] != wanted:
            raise _other_provider(provider, wanted, got)

    @property
    def inputs(self) -> Sequence[TensorForm]:
        """What the model takes."""
        return [_form(node) for node in self._session.get_inputs()]

    @property
    def outputs(self) -> Sequence[TensorForm]:
        """What the model gives."""
        return [_form(node) for node in self._session.get_outputs()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's `metadata_props`."""
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the tensor `output`, as float32, for the inputs given."""
        return np.asarray(self._session.run([output], feeds)[0], dtype=np.float32)


def output_of(session: Session, tensor: str, dimension: int) -> str:
    """Return `tensor` if the model gives it with rows of `dimension` elements.

    Raises:
        RefusedError: the model does not; the message names what the cache says and what the model has.
    """
    forms = {form.name: form for form in session.outputs}
    if tensor not in forms:
        has = ", ".join(repr(name) for name in forms)
        raise RefusedError(f"the cache names the output tensor {tensor!r}; the model has {has}")
    shape = forms[tensor].shape
    fits = len(shape) == 2 and shape[1] in {None, dimension}  # noqa: PLR2004 - [batch, dimension]
    if not fits:
        raise wrong_dimension(tensor, dimension, shape)
    return tensor


def wrong_dimension(tensor: str, dimension: int, shape: Sequence[int | None]) -> RefusedError:
    """Return the error for an output whose shape is not [batch, dimension]."""
    has = ", ".join("any" if size is None else str(size) for size in shape)
    return RefusedError(f"the cache says that {tensor!r} has dimension {dimension}; the model's has shape [{has}]")


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # The runners are as many as the cores: threads inside a run would only take them from each other.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options


def _form(node: Any) -> TensorForm:
    return TensorForm(node.name, tuple(size if isinstance(size, int) else None for size in node.shape))


def _other_provider(provider: Provider, wanted: str, got: Sequence[str]) -> RefusedError:
    return RefusedError(
        f"the cache asks for provider {provider.value} ({wanted}); this ONNX Runtime has {', '.join(got)}"
    )
