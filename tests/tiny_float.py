"""A small float32 TFLite network with branches, fixed scales and a layer without a bias."""

from __future__ import annotations

import numpy as np
from tiny_uint8 import Builder

SIDE = 16
RELU, RELU6 = 1, 3


class FloatBuilder(Builder):
    """Puts a float network together, layer by layer."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.inputs = [self.tensor("image", [1, SIDE, SIDE, 3], dtype="float32")]

    def floats(self, name: str, shape: list[int]) -> int:
        return self.tensor(name, shape, dtype="float32")

    def constant(self, name: str, values: np.ndarray, dtype: str = "float32") -> int:
        return self.tensor(name, list(values.shape), None, values, dtype=dtype)

    def layer(
        self, kind: str, name: str, source: int, shape: list[int], *,
        kernel: int = 1, stride: int = 1, act: int = 0, bias: bool = True,
        factors: np.ndarray | None = None, over: np.ndarray | None = None,
    ) -> int:  # fmt: skip
        """Add a convolution (or depthwise, dense) layer.

        Args:
            kind: "CONV_2D", "DEPTHWISE_CONV_2D" or "FULLY_CONNECTED".
            name: Of its output.
            source: What goes in.
            shape: Of its output.
            kernel: Rows and columns.
            stride: Steps.
            act: Its activation function.
            bias: Whether it has one.
            factors: What its channels are multiplied by.
            over: What its inputs are divided by.
        """
        inner, outer = int(self.graph.tensors[source].shape[-1]), shape[-1]
        sides = {
            "CONV_2D": [outer, kernel, kernel, inner],
            "DEPTHWISE_CONV_2D": [1, kernel, kernel, outer],
            "FULLY_CONNECTED": [outer, inner],
        }[kind]
        depthwise = kind == "DEPTHWISE_CONV_2D"
        fan = kernel * kernel * (1 if depthwise else inner)
        weights = self.rng.normal(0.15, 1.0, sides) / np.sqrt(fan)
        shifts = self.rng.normal(0, 0.2, outer)
        if over is not None:
            weights = weights / over
        if factors is not None:
            weights = weights * factors.reshape([-1, *[1] * (weights.ndim - 1)])
            shifts = shifts * factors
        ends = [source, self.constant(f"{name}/weights", weights)]
        if bias:
            ends.append(self.constant(f"{name}/bias", shifts))
        options = {"fusedActivationFunction": act}
        if kind != "FULLY_CONNECTED":
            options |= {"strideW": stride, "strideH": stride, "padding": 0}
            options |= {"dilationWFactor": 1, "dilationHFactor": 1}
        if depthwise:
            options["depthMultiplier"] = 1
        made = self.floats(name, shape)
        names = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D"}
        self.add(kind, ends, [made], kind=f"{names.get(kind, 'FullyConnected')}Options", **options)
        return made


def network(
    *, unequal: float = 0.0, act: int = RELU, slope: float | None = None, last: str = "SOFTMAX",
    extra: tuple[str, ...] = (),
) -> bytes:  # fmt: skip
    """Return a classifier of five classes.

    Args:
        unequal: By how many powers of two the channels between its first layers differ.
        act: Between these layers.
        slope: Of a PReLU between them besides.
        last: Its last operator, or "" for none.
        extra: Operators of one input without a rule, one behind the other.
    """
    net = FloatBuilder()
    half = SIDE // 2
    factors = 2.0 ** np.linspace(-unequal, unequal, 8)
    x = net.layer(
        "CONV_2D", "first", net.inputs[0], [1, half, half, 8],
        kernel=3, stride=2, act=act, factors=factors,
    )  # fmt: skip
    if slope is not None:
        slopes, made = (
            net.constant("slopes", np.full((1, 1, 8), slope)),
            net.floats("bent", [1, half, half, 8]),
        )
        net.add("PRELU", [x, slopes], [made])
        x = made
    x = net.layer("CONV_2D", "second", x, [1, half, half, 8], over=factors)
    y = net.layer("DEPTHWISE_CONV_2D", "third", x, [1, half, half, 8], kernel=3, act=RELU6)
    total = net.floats("sum", [1, half, half, 8])
    net.add("ADD", [x, y], [total], kind="AddOptions")
    gate = net.floats("gate", [1, half, half, 8])
    net.add("LOGISTIC", [total], [gate])
    both = net.floats("both", [1, half, half, 16])
    net.add("CONCATENATION", [y, gate], [both], kind="ConcatenationOptions", axis=3)
    pooled = net.floats("pooled", [1, 16])
    axes = net.constant("axes", np.array([1, 2]), "int32")
    net.add("MEAN", [both, axes], [pooled], kind="ReducerOptions", keepDims=False)
    end = net.layer("FULLY_CONNECTED", "logits", pooled, [1, 5], bias=False)
    for name in (*extra, *([last] if last else [])):
        made = net.floats(name.lower(), [1, 5])
        options = {"kind": "SoftmaxOptions", "beta": 1.0} if name == "SOFTMAX" else {}
        net.add(name, [end], [made], **options)
        end = made
    return net.packed(net.inputs, [end])


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    """Return smooth pictures of -1..1, each of its own colours."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        coarse = rng.uniform(-1, 1, (4, 4, 3)) * rng.uniform(0.3, 1)
        fine = np.kron(coarse, np.ones((SIDE // 4, SIDE // 4, 1))) + rng.normal(0, 0.1, (16, 16, 3))
        out.append(np.clip(fine + rng.normal(0, 0.2, 3), -1, 1).astype(np.float32)[None])
    return out
