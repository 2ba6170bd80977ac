"""Bias correction of ONNX files: their layers as `bias` wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgecv.progress import Report, silent
from edgecv.types import Array

from .bias import Layers, Linear, Network, Run, Shifts, Window, correct
from .onnx_run import LAYERS, Taps, attribute, constants


def correct_biases(
    model: Any, made: Any, tensors: Sequence[Array], *, report: Report = silent
) -> Any:
    """Return a quantized ONNX model with corrected biases, where that helps.

    Args:
        model: The float model.
        made: The same, quantized: its nodes have the same names.
        tensors: Calibration tensors.
        report: Told how far it is.
    """
    quantized = _Quantized(made)
    layers = _find_layers(model, quantized, tensors[0])
    sources = list(dict.fromkeys(layer.source for layer in layers.values()))
    inner = {layer.source: quantized.nodes[name].input[0] for name, layer in layers.items()}

    def shifted(shifts: Shifts) -> Run:
        return Taps(quantized.shifted(shifts))

    def until(source: str, shifts: Shifts) -> Run:
        run = Taps(quantized.shifted(shifts), [inner[source]])
        return lambda tensor: {source: _channels_last(run(tensor)[inner[source]])}

    floats = Taps(model, sources)

    def inputs(tensor: Array) -> Mapping[Any, Array]:
        return {name: _channels_last(values) for name, values in floats(tensor).items()}

    network = Network(layers, inputs, Taps(model), shifted, until)
    return quantized.shifted(correct(network, tensors, report=report).shifts)


class _Quantized:
    """A quantized model whose biases can be shifted.

    Attributes:
        nodes: Its nodes by name.

    Args:
        model: The model; it is changed.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._constants = constants(model)
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._biases: dict[str, tuple[Any, Array, Array]] = {}
        self.nodes = {node.name: node for node in model.graph.node}

    def values(self, name: str) -> tuple[Any, Array, Array] | None:
        """Return the integers of a constant, as their tensor and values, and their scales."""
        from onnx import numpy_helper

        maker = self._makers.get(name)
        if maker is None or maker.op_type != "DequantizeLinear":
            return None
        integers, scales = (self._constants.get(part) for part in maker.input[:2])
        if integers is None or scales is None:
            return None
        steps = numpy_helper.to_array(integers)
        sizes = numpy_helper.to_array(scales)
        if sizes.ndim and sizes.size > 1 and steps.ndim > 1:
            wide = [1] * steps.ndim
            wide[attribute(maker, "axis", 1)] = -1
            sizes = sizes.reshape(wide)
        return integers, steps, sizes

    def shifted(self, shifts: Shifts) -> Any:
        """Return the model with shifts added to the biases that it had at first."""
        from onnx import numpy_helper

        for name, node in self.nodes.items():
            if name not in shifts and name not in self._biases:
                continue
            if name not in self._biases:
                found = self.values(node.input[2])
                if found is None:
                    continue
                self._biases[name] = found
            tensor, steps, sizes = self._biases[name]
            moved = np.rint(steps + shifts.get(name, 0) / sizes.astype(np.float64))
            limits = np.iinfo(np.int32)
            moved = np.clip(moved, limits.min, limits.max).astype(np.int32)
            tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
        return self._model


def _find_layers(model: Any, quantized: _Quantized, tensor: Array) -> Layers:
    """Return the layers whose weights and biases became integers, by their node's name."""
    from onnx import numpy_helper

    weights = constants(model)
    nodes = [n for n in model.graph.node if n.op_type in LAYERS and n.input[1] in weights]
    values = Taps(model, [name for n in nodes for name in (n.input[0], n.output[0])])(tensor)
    found: dict[Any, Linear] = {}
    for node in nodes:
        twin = quantized.nodes.get(node.name)
        if twin is None or len(twin.input) < 3 or quantized.values(twin.input[2]) is None:
            continue
        rounded = quantized.values(twin.input[1])
        if rounded is None or (node.op_type == "ConvTranspose" and attribute(node, "group", 1) > 1):
            continue
        floats = numpy_helper.to_array(weights[node.input[1]])
        shapes = [values[name].shape for name in (node.input[0], node.output[0])]
        found[node.name] = Linear(
            node.input[0],
            _outputs_last(node, floats),
            _outputs_last(node, rounded[1] * rounded[2]),
            None if node.op_type == "Gemm" else _window(node, floats.shape[2:], *shapes),
            attribute(node, "group", 1),
        )
    return found


def _channels_last(values: Array) -> Array:
    return values.transpose(0, 2, 3, 1) if values.ndim == 4 else values


def _outputs_last(node: Any, weights: Array) -> Array:
    """Return weights as (rows, columns, channels in a group, channels out)."""
    if node.op_type == "Gemm":
        return (weights.T if attribute(node, "transB", 0) else weights)[None, None]
    if node.op_type == "ConvTranspose":  # (channels in, channels out, rows, columns)
        return weights.transpose(2, 3, 0, 1)
    return weights.transpose(2, 3, 1, 0)


def _window(
    node: Any, kernel: Sequence[int], source: Sequence[int], target: Sequence[int]
) -> Window:
    """Return how a convolution's weights move."""
    stride = attribute(node, "strides", [1, 1])
    dilation = attribute(node, "dilations", [1, 1])
    transposed = node.op_type == "ConvTranspose"
    pads = list(attribute(node, "pads", [0, 0, 0, 0]))
    automatic = attribute(node, "auto_pad", b"NOTSET")
    small, large = (source, target) if transposed else (target, source)
    if automatic in (b"SAME_UPPER", b"SAME_LOWER"):
        for side in range(2):
            reach = (kernel[side] - 1) * dilation[side] + 1
            needed = max((small[side + 2] - 1) * stride[side] + reach - large[side + 2], 0)
            pads[side] = (needed + (automatic == b"SAME_LOWER")) // 2
    return Window(
        (kernel[0], kernel[1]), (stride[0], stride[1]), (dilation[0], dilation[1]),
        (pads[0], pads[1]), (target[2], target[3]), transposed,
    )  # fmt: skip
