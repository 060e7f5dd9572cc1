"""Converts the published weights of EfficientNet-Lite0 to ONNX.

The network is the baseline of Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
ICML 2019 (https://arxiv.org/abs/1905.11946), table 1, as EfficientNet-Lite adapts it to small devices: no
squeeze-and-excitation, and ReLU6 instead of swish. Lite0 scales neither width nor depth, and takes 224 pixels a side.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from samples.models.torch_weights import read_weights

RESOLUTION = 224
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
OPSET = 17
IR_VERSION = 8  # of ONNX 1.12, which brought opset 17


@dataclass(frozen=True, slots=True)
class Stage:
    """A row of the table: `layers` inverted bottlenecks; the first has the stride and changes the channels."""

    expansion: int
    kernel: int
    stride: int
    channels: int
    layers: int


STAGES = (
    Stage(expansion=1, kernel=3, stride=1, channels=16, layers=1),
    Stage(expansion=6, kernel=3, stride=2, channels=24, layers=2),
    Stage(expansion=6, kernel=5, stride=2, channels=40, layers=2),
    Stage(expansion=6, kernel=3, stride=2, channels=80, layers=3),
    Stage(expansion=6, kernel=5, stride=1, channels=112, layers=3),
    Stage(expansion=6, kernel=5, stride=2, channels=192, layers=4),
    Stage(expansion=6, kernel=3, stride=1, channels=320, layers=1),
)


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """A tensor [batch, channels, side, side] in the graph, by name."""

    name: str
    channels: int
    side: int


def convert(weights_file: bytes) -> bytes:
    """Return the ONNX model for a file of weights; the same bytes for the same weights, on any machine.

    Input: `image` f32 [batch, 3, 224, 224], RGB normalised by ImageNet's mean and deviation. Outputs: `embedding` f32
    [batch, 1280], the pooled last layer of convolutions, and `logits` f32 [batch, 1000], ImageNet's classes.

    Raises:
        UnreadableWeightsError: the file is not PyTorch weights.
    """
    graph = _Graph(read_weights(weights_file))
    features = graph.convolve(
        FeatureMap("image", 3, RESOLUTION), "_conv_stem", "_bn0", channels=STEM_CHANNELS, kernel=3, stride=2
    )
    block = 0
    for stage in STAGES:
        for layer in range(stage.layers):
            features = _inverted_bottleneck(
                graph, features, f"_blocks.{block}.", stage, stride=1 if layer else stage.stride
            )
            block += 1
    features = graph.convolve(features, "_conv_head", "_bn1", channels=HEAD_CHANNELS)
    graph.classify(features)
    serialised: bytes = graph.model().SerializeToString(deterministic=True)
    return serialised


def _inverted_bottleneck(
    graph: "_Graph", features: FeatureMap, prefix: str, stage: Stage, *, stride: int
) -> FeatureMap:
    """Widen by 1x1, filter each channel separately, narrow by 1x1 without activation; add the input if it fits."""
    inner = features
    if stage.expansion != 1:
        inner = graph.convolve(
            inner, f"{prefix}_expand_conv", f"{prefix}_bn0", channels=features.channels * stage.expansion
        )
    inner = graph.convolve(
        inner,
        f"{prefix}_depthwise_conv",
        f"{prefix}_bn1",
        channels=inner.channels,
        kernel=stage.kernel,
        stride=stride,
        groups=inner.channels,
    )
    inner = graph.convolve(inner, f"{prefix}_project_conv", f"{prefix}_bn2", channels=stage.channels, activation=False)
    if inner == FeatureMap(inner.name, features.channels, features.side):
        return graph.add(inner, features, name=f"{prefix}add")
    return inner


@dataclass(slots=True)
class _Graph:
    """The nodes and constants so far; layers have the names of their weights."""

    weights: dict[str, NDArray[np.float32]]
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._constant("relu6.min", np.float32(0))
        self._constant("relu6.max", np.float32(6))

    def convolve(
        self,
        features: FeatureMap,
        layer: str,
        batch_norm: str,
        *,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: bool = True,
    ) -> FeatureMap:
        """Convolve, normalise (folded into the kernel and the bias) and, if `activation`, apply ReLU6."""
        weight, bias = self._folded(layer, batch_norm)
        side, pads = _same_padding(features.side, kernel, stride)
        name = self._node(
            "Conv",
            [features.name, self._constant(f"{layer}.weight", weight), self._constant(f"{layer}.bias", bias)],
            layer,
            group=groups,
            kernel_shape=[kernel, kernel],
            pads=pads,
            strides=[stride, stride],
        )
        if activation:
            name = self._node("Clip", [name, "relu6.min", "relu6.max"], f"{layer}.relu6")
        return FeatureMap(name, channels, side)

    def add(self, features: FeatureMap, shortcut: FeatureMap, *, name: str) -> FeatureMap:
        """Add two feature maps of one shape."""
        return FeatureMap(self._node("Add", [features.name, shortcut.name], name), features.channels, features.side)

    def classify(self, features: FeatureMap) -> None:
        """Write the two outputs: the mean over the picture, and the logits of its classes."""
        pooled = self._node("GlobalAveragePool", [features.name], "pooled")
        embedding = self._node("Flatten", [pooled], "embedding")
        weight = self._constant("_fc.weight", self.weights["_fc.weight"])
        bias = self._constant("_fc.bias", self.weights["_fc.bias"])
        self._node("Gemm", [embedding, weight, bias], "logits", transB=1)

    def model(self) -> ModelProto:
        """Return the checked model; no field depends on the version of the library that writes it."""
        tensor = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "efficientnet-lite0",
            inputs=[tensor("image", TensorProto.FLOAT, ["batch", 3, RESOLUTION, RESOLUTION])],
            outputs=[
                tensor("embedding", TensorProto.FLOAT, ["batch", HEAD_CHANNELS]),
                tensor("logits", TensorProto.FLOAT, ["batch", CLASSES]),
            ],
            initializer=self.constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="embark"
        )
        checker.check_model(model, full_check=True)
        return model

    def _folded(self, layer: str, batch_norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the kernel and bias of a convolution with its batch normalisation folded in."""
        gain, shift, mean, variance = (
            self.weights[f"{batch_norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
        kernel = self.weights[f"{layer}.weight"].astype(np.float64)
        return kernel * scale[:, None, None, None], shift - mean * scale

    def _constant(self, name: str, value: NDArray[np.floating] | np.floating) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype="<f4", order="C"), name))
        return name

    def _node(self, operator: str, inputs: list[str], output: str, **attributes: int | list[int]) -> str:
        node = helper.make_node(operator, inputs, [output], name=output)
        node.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(attributes.items()))
        self.nodes.append(node)
        return output


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, list[int]]:
    """Return the output's side, and its pads [top, left, bottom, right], as TensorFlow's SAME computes them.

    If the padding is odd, the larger half is at the bottom and right: the weights were trained that way.
    """
    output = -(-side // stride)
    total = max((output - 1) * stride + kernel - side, 0)
    before, after = total // 2, total - total // 2
    return output, [before, before, after, after]
