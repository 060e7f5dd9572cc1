"""A cache of texts whose encoder changes: small real models of several spaces, with a manifest for each."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from embark.manifest import parse_manifest
from embark.spec import EmbeddingCache
from embark_testing.caches import sample_text
from embark_testing.retina.models import OPSET, install, words_tokenizer

# A fussy model has no vector for longer texts.
MAX_WORDS = 6
_WORDS = [f"w{digit}" for digit in range(10)]


def text_model(dimension: int, *, fussy: bool = False) -> bytes:
    """`input_ids` [1, tokens] to `embedding` [1, dimension]: how many tokens there are, times 1, 2, 3 and so on.

    A fussy one adds the root of the number of words up to MAX_WORDS, which is NaN for longer texts.
    """
    constants: dict[str, Any] = {
        "weights": np.arange(1, dimension + 1, dtype=np.float32)[None],
        "axis": np.array([1], np.int64),
        "one": np.float32(1),
        "most": np.float32(MAX_WORDS + 1),  # and the token that begins every text
    }
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["ids", "ids"], ["zeros"]),
        helper.make_node("Add", ["zeros", "one"], ["ones"]),
        helper.make_node("ReduceSum", ["ones", "axis"], ["count"], keepdims=1),
        helper.make_node("MatMul", ["count", "weights"], ["plain"]),
        helper.make_node("Sub", ["most", "count"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Add", ["plain", "root"] if fussy else ["plain", "zero"], ["embedding"]),
    ]
    constants["zero"] = np.float32(0)
    initializers = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    inputs = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", dimension])]
    graph = helper.make_graph(nodes, "test", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, {"embark.tokenizer": words_tokenizer(_WORDS)})
    return bytes(model.SerializeToString())


def build_manifest(folder: Path, model: bytes, dimension: int, **changes: Any) -> str:
    """Install the model in `folder`, and return the manifest of a cache with it; `changes` go to the spec."""
    digest = install(folder, model)
    output = {"tensor": "embedding", "dimension": dimension, "normalization": "none"}
    encoder = {"model": {"uri": f"https://models.example/text-{dimension}.onnx", "digest": digest}, "output": output}
    topic = {"kafka": {"partitions": 2}, "retry": {"maxAttempts": 1}}
    return sample_text("titles", encoder=encoder, topic=topic, **changes)


def build_cache(folder: Path, model: bytes, dimension: int, **changes: Any) -> EmbeddingCache:
    """Return the cache that build_manifest declares."""
    return parse_manifest(build_manifest(folder, model, dimension, **changes))


def texts(count: int, words: int = 0) -> list[str]:
    """Return different texts of `words` words each, at least four; by default of four, five and six in turn."""
    return [_text(number, words or 4 + number % 3) for number in range(count)]


def _text(number: int, words: int) -> str:
    digits = [f"w{digit}" for digit in f"{number:04}"]
    return " ".join(digits + ["w0"] * (words - len(digits)))
