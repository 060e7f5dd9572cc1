"""ModelSession: the protocol of a loaded ONNX model, and its adapter for ONNX Runtime."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from embark.spec import Provider
from retina.errors import StartupError
from retina.model_encoder import Floats

_PROVIDERS: Final = {Provider.CPU: "CPUExecutionProvider", Provider.CUDA: "CUDAExecutionProvider"}
# TF32, and algorithms chosen by timing, would change a vector's bits from one start to the next.
_PROVIDER_OPTIONS: Final[dict[Provider, dict[str, str]]] = {
    Provider.CPU: {},
    Provider.CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}
_ERRORS_ONLY: Final = 3


@dataclass(frozen=True, slots=True)
class TensorForm:
    """A model's input or output: `shape` has None for a dynamic axis."""

    name: str
    shape: tuple[int | None, ...]


class ModelSession(Protocol):
    """A loaded model; `run` is thread-safe."""

    @property
    def inputs(self) -> Sequence[TensorForm]:
        """The model's inputs."""
        ...

    @property
    def outputs(self) -> Sequence[TensorForm]:
        """The model's outputs."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's `metadata_props`."""
        ...

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the tensor `output` for the given inputs."""
        ...


class OnnxSession:
    """A model in ONNX Runtime; a run uses only the core of its caller."""

    def __init__(self, path: Path, provider: Provider) -> None:
        """Load the file.

        Raises:
            StartupError: the file is not an ONNX model, or the model would not run on `provider`.
        """
        onnxruntime.disable_telemetry_events()
        wanted = _PROVIDERS[provider]
        available = onnxruntime.get_available_providers()
        if wanted not in available:
            raise _wrong_provider(provider, wanted, available)
        try:
            self._session = onnxruntime.InferenceSession(
                path, _options(), providers=[(wanted, _PROVIDER_OPTIONS[provider])]
            )
        except Exception as error:
            raise StartupError(f"the model {path.name} cannot be loaded: {error}") from error
        actual = self._session.get_providers()
        if actual[0] != wanted:
            raise _wrong_provider(provider, wanted, actual)

    @property
    def inputs(self) -> Sequence[TensorForm]:
        """The model's inputs."""
        return [_to_form(node) for node in self._session.get_inputs()]

    @property
    def outputs(self) -> Sequence[TensorForm]:
        """The model's outputs."""
        return [_to_form(node) for node in self._session.get_outputs()]

    @property
    def metadata(self) -> Mapping[str, str]:
        """The model's `metadata_props`."""
        found: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return found

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> Floats:
        """Return the tensor `output`, as float32, for the given inputs."""
        return np.asarray(self._session.run([output], feeds)[0], dtype=np.float32)


def check_output(session: ModelSession, tensor: str, dimension: int) -> None:
    """Check that the model has an output `tensor` with rows of `dimension` elements.

    Raises:
        StartupError: it does not; the message names what the cache declares and what the model has.
    """
    forms = {form.name: form for form in session.outputs}
    if tensor not in forms:
        has = ", ".join(repr(name) for name in forms)
        raise StartupError(f"the cache declares the output tensor {tensor!r}; the model has {has}")
    shape = forms[tensor].shape
    fits = len(shape) == 2 and shape[1] in {None, dimension}  # noqa: PLR2004 - [batch, dimension]
    if not fits:
        raise wrong_dimension(tensor, dimension, shape)


def wrong_dimension(tensor: str, dimension: int, shape: Sequence[int | None]) -> StartupError:
    """Return the error for an output whose shape is not [batch, dimension]."""
    has = ", ".join("any" if size is None else str(size) for size in shape)
    return StartupError(f"the cache declares dimension {dimension} for {tensor!r}; the model's has shape [{has}]")


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # There is one runner per core already: threads within a run would only compete with them.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = _ERRORS_ONLY
    return options


def _to_form(node: Any) -> TensorForm:
    return TensorForm(node.name, tuple(size if isinstance(size, int) else None for size in node.shape))


def _wrong_provider(provider: Provider, wanted: str, actual: Sequence[str]) -> StartupError:
    return StartupError(
        f"the cache declares provider {provider.value} ({wanted}); this ONNX Runtime has {', '.join(actual)}"
    )
