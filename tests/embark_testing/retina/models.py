"""Small ONNX models, and the settings of a Retina that runs them."""

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from embark.settings import Listen, RetinaSettings
from embark.space import Space
from embark.spec import Batch, DType, Fetch, Modality, Normalization, Preprocessing, Provider
from embark.spec.encoder import ModelFile

OPSET = 17


def mean_model(side: int = 224, dimension: int = 3) -> bytes:
    """Return a model from `image` [batch, 3, side, side] to `embedding`: channel means, repeated to `dimension`."""
    weights = np.eye(3, dtype=np.float32)[:, np.arange(dimension) % 3]
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("MatMul", ["means", "weights"], ["embedding"]),
    ]
    return _image_model(nodes, side, dimension, {"weights": weights})


def log_model(side: int = 224) -> bytes:
    """Return a model as mean_model, but of the logarithm: not finite for a dark image."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
        helper.make_node("Log", ["means"], ["embedding"]),
    ]
    return _image_model(nodes, side, 3, {})


def batch_scaled_model(side: int = 224) -> bytes:
    """Return a model that scales by the largest element of the whole batch, as dynamic quantization does."""
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["largest"], keepdims=0),
        helper.make_node("Div", ["image", "largest"], ["scaled"]),
        helper.make_node("GlobalAveragePool", ["scaled"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    return _image_model(nodes, side, 3, {})


def token_model(tokenizer: str | None = None) -> bytes:
    """Return a model from `input_ids` [batch, tokens] to `embedding` [batch, 2]: token count and mean token id."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
        helper.make_node("ReduceSum", ["ones", "axis"], ["count"], keepdims=1),
        helper.make_node("ReduceMean", ["ids"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Concat", ["count", "mean"], ["embedding"], axis=1),
    ]
    constants = {"zero": np.float32(0), "one": np.float32(1), "axis": np.array([1], dtype=np.int64)}
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])]
    model = _model(nodes, inputs, 2, constants)
    if tokenizer is not None:
        helper.set_model_props(model, {"embark.tokenizer": tokenizer})
    return bytes(model.SerializeToString())


def words_tokenizer(vocabulary: list[str]) -> str:
    """Return a tokenizer.json of whole words, with a begin token, id 1, and an unknown token, id 0.

    It declares truncation and padding to 8 tokens, which Retina must override.
    """
    ids = {word: number for number, word in enumerate(["[UNK]", "[CLS]", "[PAD]", *vocabulary])}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A", special_tokens=[("[CLS]", 1)])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=2, pad_token="[PAD]")  # noqa: S106 - as above
    return str(tokenizer.to_str())


def install(folder: Path, content: bytes) -> str:
    """Write the model under its digest and return the digest."""
    digest = hashlib.sha256(content).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"sha256-{digest}.onnx").write_bytes(content)
    return f"sha256:{digest}"


def settings(
    digest: str,
    dimension: int = 3,
    modality: Modality = Modality.IMAGE,
    preprocessing: Preprocessing | None = None,
    fetch: Fetch | None = None,
    **space: Any,
) -> RetinaSettings:
    """Return the settings of a Retina for the model; by default it may fetch images from 127.0.0.1."""
    profile = Preprocessing.TEXT_256 if modality is Modality.TEXT else Preprocessing.IMAGENET_224
    fields: dict[str, Any] = {
        "role": "",
        "output_tensor": "embedding",
        "dtype": DType.FLOAT32,
        "normalization": Normalization.NONE,
        **space,
    }
    return RetinaSettings(
        cache="default/tests",
        space=Space(
            model_digest=digest,
            modality=modality,
            preprocessing=preprocessing or profile,
            dimension=dimension,
            **fields,
        ),
        model=ModelFile(uri="https://models.example/model.onnx", digest=digest),
        provider=Provider.CPU,
        batch=Batch(max_size=16),
        fetch=fetch or loopback_fetch(),
        listen=Listen(host="127.0.0.1", grpc_port=0, probes_port=0, drain=timedelta(seconds=20)),
    )


def loopback_fetch(**fields: Any) -> Fetch:
    """Return the limits of downloads, with 127.0.0.1 allowed."""
    return Fetch.model_validate({"allowed_private_networks": ("127.0.0.1/32",), **fields})


def _image_model(nodes: list[onnx.NodeProto], side: int, dimension: int, constants: dict[str, Any]) -> bytes:
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, side, side])]
    return bytes(_model(nodes, inputs, dimension, constants).SerializeToString())


def _model(
    nodes: list[onnx.NodeProto], inputs: list[onnx.ValueInfoProto], dimension: int, constants: dict[str, Any]
) -> onnx.ModelProto:
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])]
    initializers = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
