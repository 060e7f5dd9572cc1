"""Converts all-MiniLM-L6-v2 into one self-contained ONNX file, from tokens to embedding.

The published graph ends with a vector for each token, and its tokenizer is a separate file. Here the graph continues to
the mean over the tokens, and the model's metadata contains the tokenizer, so that one digest covers everything that an
embedding depends on.
"""

import numpy as np
import onnx
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

TOKENIZER_KEY = "embark.tokenizer"
TOKEN_VECTORS = "last_hidden_state"  # noqa: S105 - the name of the published graph's output [batch, sequence, 384]
DIMENSION = 384


def convert(published: bytes, tokenizer: bytes) -> bytes:
    """Return the published model with pooling and tokenizer added; the same bytes for the same input.

    Inputs: `input_ids`, `attention_mask` and `token_type_ids`, int64 [batch, sequence]. Output: `embedding` f32
    [batch, 384], the mean of the token vectors that the mask selects, not normalised to unit length. Metadata:
    `embark.tokenizer`, the text of the tokenizer's tokenizer.json.
    """
    model = onnx.load_model_from_string(published)
    graph = model.graph
    _rename(graph, "embedding", "word_embedding")  # an inner tensor; its name is needed for the output
    graph.node.extend(_mean_over_mask())
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([1], dtype="<i8"), "pooling.sequence_axis"),
            numpy_helper.from_array(np.array([2], dtype="<i8"), "pooling.vector_axis"),
            numpy_helper.from_array(np.array(1, dtype="<f4"), "pooling.one"),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIMENSION]))
    helper.set_model_props(model, {TOKENIZER_KEY: tokenizer.decode("utf-8")})
    onnx.checker.check_model(model, full_check=True)
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def _mean_over_mask() -> list[NodeProto]:
    """Return the nodes for sum(vectors * mask) / max(sum(mask), 1): a row without tokens is zeros, not NaN."""
    return [
        _node("Cast", ["attention_mask"], "pooling.mask", to=TensorProto.FLOAT),
        _node("Unsqueeze", ["pooling.mask", "pooling.vector_axis"], "pooling.mask3"),
        _node("Mul", [TOKEN_VECTORS, "pooling.mask3"], "pooling.masked"),
        _node("ReduceSum", ["pooling.masked", "pooling.sequence_axis"], "pooling.total", keepdims=0),
        _node("ReduceSum", ["pooling.mask", "pooling.sequence_axis"], "pooling.tokens", keepdims=1),
        _node("Max", ["pooling.tokens", "pooling.one"], "pooling.divisor"),
        _node("Div", ["pooling.total", "pooling.divisor"], "embedding"),
    ]


def _rename(graph: GraphProto, name: str, new: str) -> None:
    """Rename one tensor wherever the graph writes, reads or describes it."""
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [new if end == name else end for end in ends]
    for described in graph.value_info:
        if described.name == name:
            described.name = new


def _node(operator: str, inputs: list[str], output: str, **attributes: int) -> NodeProto:
    node = helper.make_node(operator, inputs, [output], name=output)
    node.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(attributes.items()))
    return node
