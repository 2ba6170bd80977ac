"""What the Edge TPU's compiler takes: the operators, and the limits of each.

Published: https://coral.ai/docs/edgetpu/models-intro, "Model requirements" and "Supported
operations". That is 8-bit tensors, shapes and parameters fixed when the model is compiled, at most
three axes, the innermost, that are longer than 1, and the table below. Where the page says "might
not be mapped" there are cases that are known to be, and cases that are known not to be; what lies
between is taken to be mapped, with a caution. Such limits are marked "inferred": they come from a
file that Coral compiled and published, or from what its engineers said of a user's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any, NamedTuple

import numpy as np

from edgecv.types import Array

EIGHT_BITS = ("INT8", "UINT8")
MOST_LONG_AXES = 3
POSTPROCESS = "TFLite_Detection_PostProcess"
"""The detectors' last operator, which is made for the CPU."""
CACHE_BYTES = 8_000_000
"""About what the chip holds of parameters (https://coral.ai/docs/edgetpu/compiler, "Parameter data
caching"): what is beyond it is sent anew for every picture."""
MOST_SOFTMAX = 16_000

NEWEST_VERSIONS = {"CONV_2D": 5, "EXP": 1, "QUANTIZE": 2, "TRANSPOSE_CONV": 3}
"""Inferred: compiler 16.0, the last, of 2021, refuses a file with a newer version of one of these
(github.com/google-coral/edgetpu, issues 631, 845, 879, and google-coral/libedgetpu, 71)."""

MOST_ENLARGED, NOT_ENLARGED = 2, 33
"""Inferred. A side enlarged twofold by a resize is mapped (github.com/google-coral/edgetpu/issues
31; the YOLO and MoveNet models); from 1 to 33, in Coral's own compiled DeepLab, it is not."""

MOST_RESIZED, NOT_RESIZED = 128 * 128 * 32, 512 * 512 * 32
"""Inferred: values that a resize gives and is mapped, or is not (the same issue 31)."""

MOST_AVERAGED, NOT_AVERAGED = 64 * 128, 256 * 128
"""Inferred: positions that a mean takes in and is mapped, or is not (edgetpu/issues/461)."""

MOST_RESHAPED = 32 * 32 * 255
"""Inferred: larger reshapes are among those that are not mapped (edgetpu/issues/512)."""


NOT_LISTED = "the Edge TPU has no such operator"
OPEN = "it has open shapes, and the compiler wants fixed ones"


class Tensor(NamedTuple):
    """What a rule may ask of a tensor.

    Attributes:
        name: As the file has it.
        dtype: TFLite's name of the type: "INT8".
        shape: None for an open side.
        scales: How many scales its integers have: none, one, or one a channel.
        constant: It is in the file, and not computed.
        values: Those of a constant of a known type.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    scales: int = 1
    constant: bool = False
    values: Array | None = None


class Operation(NamedTuple):
    """What a rule may ask of an operator; inputs that are left out are not listed."""

    kind: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    options: Any = None
    version: int = 1

    def option(self, name: str) -> int:
        """Return one of the options of `schema.fbs`, 0 where it is not set."""
        return int(getattr(self.options, name, 0) or 0)


Limit = Callable[[Operation], str]
"""Returns why an operator is not taken; empty where it is."""


def refusal(operation: Operation) -> str:
    """Return why an operator cannot run on the Edge TPU; empty where nothing speaks against it."""
    if operation.kind not in RULES:
        return NOT_LISTED
    for limit in (_version, _types, _constants, _shapes, *RULES[operation.kind]):
        try:
            reason = limit(operation)
        except (LookupError, StopIteration, ValueError):
            return "it is damaged: its inputs and outputs are not those of its kind"
        if reason:
            return reason
    return ""


def caution(operation: Operation) -> str:
    """Return why an operator that no rule forbids may stay on the CPU after all, or go wrong."""
    found = CAUTIONS.get(operation.kind)
    return found(operation) if found else ""


def too_new(operation: Operation) -> bool:
    """Tell whether the compiler refuses the whole file for this operator."""
    return bool(_version(operation))


def _version(operation: Operation) -> str:
    newest = NEWEST_VERSIONS.get(operation.kind, operation.version)
    if operation.version <= newest:
        return ""
    return f"version {operation.version} of it is newer than the compiler, which knows {newest}"


def _types(operation: Operation) -> str:
    for tensor in (*operation.inputs, *operation.outputs):
        if tensor.dtype not in (*EIGHT_BITS, *(("INT32",) if tensor.constant else ())):
            return f"it works on {tensor.dtype}, and not on 8 bits"
        if not tensor.constant and tensor.scales != 1:
            return f"{tensor.name} has no scale: it is not quantized"
    return ""


def _constants(operation: Operation) -> str:
    """Tell of weights, alphas and the like that are computed while the model runs."""
    first = PARAMETERS.get(operation.kind)
    if first is None:
        return ""
    given = [tensor for i, tensor in enumerate(operation.inputs) if i in first]
    return next((f"{t.name} is computed, and not constant" for t in given if not t.constant), "")


def _shapes(operation: Operation) -> str:
    for tensor in (*operation.inputs, *operation.outputs):
        if None in tensor.shape:
            return OPEN
        if not tensor.constant and any(side != 1 for side in tensor.shape[:-MOST_LONG_AXES]):
            return f"{_sides(tensor)} has more than {MOST_LONG_AXES} axes that are longer than 1"
    return ""


def _sides(tensor: Tensor) -> str:
    return "x".join("?" if side is None else str(side) for side in tensor.shape)


def _size(tensor: Tensor) -> int:
    return prod(side or 1 for side in tensor.shape)


def _no_activation(operation: Operation) -> str:
    return "an activation is fused into it" if operation.option("fusedActivationFunction") else ""


def _one_dilation(operation: Operation) -> str:
    height, width = (operation.option(f"dilation{axis}Factor") for axis in "HW")
    return "" if height == width else f"its dilation differs: {height} down, {width} across"


def _dense(operation: Operation) -> str:
    if operation.option("weightsFormat"):
        return "its weights are not in the default format"
    (output,) = operation.outputs
    if any(side != 1 for side in output.shape[:-1]):
        return f"its output is not one-dimensional: {_sides(output)}"
    return ""


def _concatenation(operation: Operation) -> str:
    fixed = [tensor for tensor in operation.inputs if tensor.constant]
    if not fixed:
        return ""
    zeros = all(tensor.values is not None and not np.any(tensor.values) for tensor in fixed)
    if len(operation.inputs) == 2 and zeros:
        return ""
    return "it joins a constant, which is taken only as zeros, with one other tensor"


def _axes(operation: Operation, position: int) -> set[int]:
    """Return the axes that a constant lists, counted from the first."""
    data = next(tensor for tensor in operation.inputs if tensor.dtype in EIGHT_BITS)
    values = operation.inputs[position].values
    found: Iterable[int] = () if values is None else np.ravel(values).tolist()
    return {int(axis) % max(1, len(data.shape)) for axis in found}


def _reduction(operation: Operation) -> str:
    return "it goes over the batch" if 0 in _axes(operation, 1) else ""


def _mean(operation: Operation) -> str:
    data = operation.inputs[0]
    depth = len(data.shape) - 1
    if depth and depth in _axes(operation, 1) and (data.shape[depth] or 0) % 4:
        return f"it averages {data.shape[depth]} channels, which is no multiple of 4"
    if _averaged(operation) >= NOT_AVERAGED:
        return f"it averages {_averaged(operation)} positions: too many (inferred)"
    return ""


def _averaged(operation: Operation) -> int:
    data = operation.inputs[0]
    return prod(data.shape[axis] or 1 for axis in _axes(operation, 1) - {len(data.shape) - 1})


def _pack(operation: Operation) -> str:
    rank = len(operation.outputs[0].shape)
    return "" if operation.option("axis") % max(1, rank) else "it packs along the batch"


def _split(operation: Operation) -> str:
    return "it splits the batch" if 0 in _axes(operation, 0) else ""


def _pad(operation: Operation) -> str:
    values = operation.inputs[1].values
    return "it pads the batch" if values is not None and np.any(values[0]) else ""


def _prelu(operation: Operation) -> str:
    alpha = operation.inputs[1]
    if any(side != 1 for side in alpha.shape[:-1]):
        return f"its alphas are {_sides(alpha)}: there may be one a channel, not one a pixel"
    return ""


def _softmax(operation: Operation) -> str:
    data = operation.inputs[0]
    if any(side != 1 for side in data.shape[:-1]):
        return f"its input is not one-dimensional: {_sides(data)}"
    if _size(data) > MOST_SOFTMAX:
        return f"it takes {_size(data)} values: more than {MOST_SOFTMAX}"
    return ""


def _strided_slice(operation: Operation) -> str:
    strides = operation.inputs[3].values
    if strides is None or np.any(strides != 1):
        return "its strides are not all 1"
    masks = [name for name in ("ellipsisMask", "newAxisMask") if operation.option(name)]
    return f"it has a {masks[0]}" if masks else ""


def _resize(operation: Operation) -> str:
    times, size = _enlarged(operation), _size(operation.outputs[0])
    if times >= NOT_ENLARGED:
        return f"it enlarges {times:.0f} times, which would lose precision (inferred)"
    return f"it gives {size} values: too many (inferred)" if size >= NOT_RESIZED else ""


def _enlarged(operation: Operation) -> float:
    (before, *_), (after, *_) = operation.inputs, operation.outputs
    sides = zip(before.shape[1:3], after.shape[1:3], strict=True)
    return max((new or 1) / (old or 1) for old, new in sides)


def _resize_caution(operation: Operation) -> str:
    if _enlarged(operation) > MOST_ENLARGED or _size(operation.outputs[0]) > MOST_RESIZED:
        return "resizes of large sizes or factors may stay on the CPU, to keep precision"
    return ""


def _reshape_caution(operation: Operation) -> str:
    return "large reshapes may stay on the CPU" if _large(operation, MOST_RESHAPED) else ""


def _large(operation: Operation, most: int) -> bool:
    return _size(operation.outputs[0]) > most


def _mean_caution(operation: Operation) -> str:
    many = _averaged(operation) > MOST_AVERAGED
    return "means over large pictures may stay on the CPU" if many else ""


def _dense_caution(operation: Operation) -> str:
    """Tell of what TFLite's specification forbade when the compiler was made."""
    if operation.inputs[1].scales > 1:
        return (
            "its weights have a scale a channel: when the compiler was made, dense layers had one "
            "for all, and whether it takes these is not known"
        )
    return ""


PARAMETERS = {
    "CONV_2D": (1, 2), "DEPTHWISE_CONV_2D": (1, 2), "FULLY_CONNECTED": (1, 2), "PRELU": (1,),
    "TRANSPOSE_CONV": (0, 1, 3),
}  # fmt: skip
"""Operator -> the inputs that have to be constants; those of INT32 have to be anyway."""

RULES: dict[str, tuple[Limit, ...]] = {
    "ADD": (),
    "AVERAGE_POOL_2D": (_no_activation,),
    "CONCATENATION": (_no_activation, _concatenation),
    "CONV_2D": (_one_dilation,),
    "DEPTHWISE_CONV_2D": (_one_dilation,),
    "EXPAND_DIMS": (),
    "FULLY_CONNECTED": (_dense,),
    "L2_NORMALIZATION": (),
    "LOGISTIC": (),
    "LSTM": (),
    "MAXIMUM": (),
    "MAX_POOL_2D": (_no_activation,),
    "MEAN": (_reduction, _mean),
    "MINIMUM": (),
    "MUL": (),
    "PACK": (_pack,),
    "PAD": (_pad,),
    "PRELU": (_prelu,),
    "QUANTIZE": (),
    "REDUCE_MAX": (_reduction,),
    "REDUCE_MIN": (_reduction,),
    "RELU": (),
    "RELU6": (),
    "RELU_N1_TO_1": (),
    "RESHAPE": (),
    "RESIZE_BILINEAR": (_resize,),
    "RESIZE_NEAREST_NEIGHBOR": (_resize,),
    "RSQRT": (),
    "SLICE": (),
    "SOFTMAX": (_softmax,),
    "SPACE_TO_DEPTH": (),
    "SPLIT": (_split,),
    "SQUARED_DIFFERENCE": (),
    "SQUEEZE": (),
    "STRIDED_SLICE": (_strided_slice,),
    "SUB": (),
    "SUM": (_reduction,),
    "TANH": (),
    "TRANSPOSE": (),
    "TRANSPOSE_CONV": (),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (),
}
"""The operators that the page lists, as TFLite's files call them, with the limits of each."""

CAUTIONS: dict[str, Limit] = {
    "FULLY_CONNECTED": _dense_caution,
    "MEAN": _mean_caution,
    "RESHAPE": _reshape_caution,
    "RESIZE_BILINEAR": _resize_caution,
    "RESIZE_NEAREST_NEIGHBOR": _resize_caution,
}
