"""Small networks in uint8 with one scale a tensor, as TensorFlow 1's converter wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

SIDE = 8


class Quant(NamedTuple):
    scale: float
    zero: int


PICTURE, WIDE = Quant(1 / 128, 128), Quant(0.05, 100)


class Builder:
    """Puts a TFLite file together, operator by operator."""

    def __init__(self) -> None:
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.flatbuffers = schema, flatbuffers
        self.graph, self.model = schema.SubGraphT(), schema.ModelT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.version, self.model.operatorCodes = 3, []
        self.model.buffers, self.model.subgraphs = [schema.BufferT()], [self.graph]

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        quant: Quant | None = None,
        values: np.ndarray | None = None,
        *,
        dtype: str = "uint8",
    ) -> int:
        made = self.schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), list(shape), 0
        made.type = getattr(self.schema.TensorType, dtype.upper())
        if quant is not None:
            made.quantization = self.schema.QuantizationParametersT()
            made.quantization.scale, made.quantization.zeroPoint = [quant.scale], [quant.zero]
        if values is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(values.astype(dtype).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def add(self, operator: str, inputs: list[int], outputs: list[int], **options: Any) -> None:
        """Add an operator; the options are those of `schema.fbs`, or a custom operator's bytes."""
        code = self.schema.OperatorCodeT()
        number = getattr(self.schema.BuiltinOperator, operator, self.schema.BuiltinOperator.CUSTOM)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        made = self.schema.OperatorT()
        if number == self.schema.BuiltinOperator.CUSTOM:
            code.customCode = operator.encode()
            made.customOptions = list(options.get("content", b""))
        elif options:
            kind = options.pop("kind")
            made.builtinOptions = getattr(self.schema, f"{kind}T")()
            made.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            for name, value in options.items():
                setattr(made.builtinOptions, name, value)
        self.model.operatorCodes.append(code)
        made.opcodeIndex = len(self.model.operatorCodes) - 1
        made.inputs, made.outputs = inputs, outputs
        self.graph.operators.append(made)

    def weights(
        self, name: str, shape: Sequence[int], axis: int, given: Quant, scale: float
    ) -> list[int]:
        """Add weights whose channels differ fourfold in range, and a bias on their sums' scale."""
        rng = np.random.default_rng(len(name))
        ranges = np.linspace(40, 160, shape[axis])
        ranges = ranges.reshape([-1 if side == axis else 1 for side in range(len(shape))])
        values = np.clip(np.rint(rng.uniform(-1, 1, shape) * ranges + 90), 0, 255)
        sums, biases = Quant(scale * given.scale, 0), rng.integers(-900, 900, shape[axis])
        return [
            self.tensor(name, shape, Quant(scale, 90), values),
            self.tensor(f"{name}_bias", biases.shape, sums, biases, dtype="int32"),
        ]

    def packed(self, inputs: list[int], outputs: list[int]) -> bytes:
        self.graph.inputs, self.graph.outputs = inputs, outputs
        builder = self.flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


def classifier(
    *,
    last: str = "SOFTMAX",
    scores: Quant = Quant(1 / 256, 0),
    shared: bool = False,
) -> bytes:
    """Return convolutions, branches on different scales, a pool and a dense layer: five classes.

    Args:
        last: The last operator.
        scores: The scale and zero point of its output.
        shared: Two convolutions use the same weights.
    """
    net = Builder()
    wide = [1, SIDE, SIDE, 8]
    x = net.tensor("x", [1, SIDE, SIDE, 3], PICTURE)
    first = net.tensor("first", wide, WIDE)
    window = {"strideW": 1, "strideH": 1, "padding": 0}
    weights = net.weights("conv", [8, 3, 3, 3], 0, PICTURE, 0.01)
    net.add("CONV_2D", [x, *weights], [first], kind="Conv2DOptions", **window)
    second = net.tensor("second", wide, Quant(0.06, 120))
    if shared:
        net.add("CONV_2D", [x, *weights], [second], kind="Conv2DOptions", **window)
    else:
        depth = net.weights("depthwise", [1, 3, 3, 8], 3, WIDE, 0.004)
        kind = "DepthwiseConv2DOptions"
        net.add(
            "DEPTHWISE_CONV_2D", [first, *depth], [second], kind=kind, depthMultiplier=1, **window
        )
    both = net.tensor("both", [1, SIDE, SIDE, 16], WIDE)
    net.add("CONCATENATION", [first, second], [both], kind="ConcatenationOptions", axis=3)
    small = net.tensor("small", [1, 1, 1, 16], WIDE)
    whole = {"strideW": 1, "strideH": 1, "filterWidth": SIDE, "filterHeight": SIDE, "padding": 1}
    net.add("AVERAGE_POOL_2D", [both], [small], kind="Pool2DOptions", **whole)
    flat = net.tensor("flat", [1, 16], WIDE)
    net.add("RESHAPE", [small], [flat], kind="ReshapeOptions", newShape=[1, 16])
    logits = net.tensor("logits", [1, 5], Quant(0.03, 128))
    dense = net.weights("dense", [5, 16], 0, WIDE, 0.01)
    net.add("FULLY_CONNECTED", [flat, *dense], [logits], kind="FullyConnectedOptions")
    made = net.tensor("scores", [1, 5], scores)
    options = {"kind": "SoftmaxOptions", "beta": 1.0} if last == "SOFTMAX" else {}
    net.add(last, [logits], [made], **options)
    return net.packed([x], [made])


def detector(*, operator: str = "TFLite_Detection_PostProcess") -> bytes:
    """Return a detector of 48 anchors, whose one convolution gives boxes and scores alike."""
    from flatbuffers import flexbuffers

    net = Builder()
    x = net.tensor("x", [1, SIDE, SIDE, 3], PICTURE)
    felt = net.tensor("felt", [1, SIDE, SIDE, 3], WIDE)
    weights = net.weights("conv", [3, 3, 3, 3], 0, PICTURE, 0.01)
    window = {"strideW": 1, "strideH": 1, "padding": 0}
    net.add("CONV_2D", [x, *weights], [felt], kind="Conv2DOptions", **window)
    rows = net.tensor("boxes", [1, 48, 4], WIDE)
    net.add("RESHAPE", [felt], [rows], kind="ReshapeOptions", newShape=[1, 48, 4])
    sure = net.tensor("sure", [1, 48, 4], Quant(1 / 256, 0))
    net.add("LOGISTIC", [rows], [sure])
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(6), indexing="ij"), -1).reshape(48, 2)
    anchors = np.concatenate([grid * 30 + 20, np.full((48, 2), 40)], 1)
    places = net.tensor("anchors", [48, 4], Quant(1 / 256, 0), anchors)
    names = [f"detections:{i}" for i in range(4)]
    shapes = [[1, 10, 4], [1, 10], [1, 10], [1]]
    made = [
        net.tensor(name, shape, dtype="float32") for name, shape in zip(names, shapes, strict=True)
    ]
    options = {
        "max_detections": 10, "max_classes_per_detection": 1, "num_classes": 3,
        "nms_score_threshold": 0.1, "nms_iou_threshold": 0.6, "use_regular_nms": False,
        "x_scale": 10.0, "y_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
    }  # fmt: skip
    content = bytes(flexbuffers.Dumps(options))
    net.add(operator, [rows, sure, places], made, content=content)
    return net.packed([x], made)
