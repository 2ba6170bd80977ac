"""A small SSD of raw heads as a TFLite file: two maps of random convolutions, in any type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from tiny_uint8 import Builder, Quant

import edgecv
from edgecv.boxes import iou
from edgecv.spec import InputSpec, ModelSpec

SIDE, CLASSES = 64, 3
ANCHORS = {"layers": 2, "scale_min": 0.3}
LEVELS = ((16, 3), (32, 6))  # input pixels and anchors a cell
ROWS = 4 * 4 * 3 + 2 * 2 * 6
PICTURE = {"int8": Quant(1 / 128, 0), "uint8": Quant(1 / 128, 128)}
HEADS = {"int8": Quant(0.06, 0), "uint8": Quant(0.06, 128)}
PROBABILITIES = {"int8": Quant(1 / 256, -128), "uint8": Quant(1 / 256, 0)}


def ssd(dtype: str = "float32", *, background: bool = True, activation: str = "softmax") -> bytes:
    """Return the file.

    Args:
        dtype: Of all tensors: "float32", "int8" or "uint8".
        background: Whether there is one score more.
        activation: What the spec will say; of "none" the file has the sigmoid inside.
    """
    net = Builder()
    rng = np.random.default_rng(5)
    x = net.tensor("x", [1, SIDE, SIDE, 3], PICTURE.get(dtype), dtype=dtype)
    ends = []
    for name, width in (("boxes", 4), ("scores", CLASSES + background)):
        rows = [_head(net, x, f"{name}{i}", level, width, rng) for i, level in enumerate(LEVELS)]
        end = net.tensor(name, [1, ROWS, width], HEADS.get(dtype), dtype=dtype)
        net.add("CONCATENATION", rows, [end], kind="ConcatenationOptions", axis=1)
        ends.append(end)
    if activation == "none":
        quant = PROBABILITIES.get(dtype)
        sure = net.tensor("sure", [1, ROWS, CLASSES + background], quant, dtype=dtype)
        net.add("LOGISTIC", [ends[1]], [sure])
        ends[1] = sure
    return net.packed([x], ends)


def _head(
    net: Builder, x: int, name: str, level: tuple[int, int], width: int, rng: np.random.Generator
) -> int:
    """Add a convolution over whole cells and the rows that it gives."""
    stride, anchors = level
    cells, channels = SIDE // stride, anchors * width
    dtype = "float32" if net.graph.tensors[x].quantization is None else ""
    weights = rng.normal(0, 2 / stride, (channels, stride, stride, 3)).astype(np.float32)
    biases = rng.normal(0, 1, channels).astype(np.float32)
    quants: list[Any] = [None] * 3
    if not dtype:
        dtype, weights, biases, quants = _quantized(net, x, weights, biases)
    given = [
        net.tensor(f"{name}_weights", weights.shape, quants[0], weights, dtype=dtype),
        net.tensor(f"{name}_bias", biases.shape, quants[1], biases, dtype=str(biases.dtype)),
    ]
    felt = net.tensor(name + "_map", [1, cells, cells, channels], quants[2], dtype=dtype)
    window = {"strideW": stride, "strideH": stride, "padding": 1}
    net.add("CONV_2D", [x, *given], [felt], kind="Conv2DOptions", **window)
    shape = [1, cells * cells * anchors, width]
    rows = net.tensor(name + "_rows", shape, quants[2], dtype=dtype)
    net.add("RESHAPE", [felt], [rows], kind="ReshapeOptions", newShape=shape)
    return rows


def _quantized(net: Builder, x: int, weights: np.ndarray, biases: np.ndarray) -> tuple[Any, ...]:
    dtype = "int8" if net.graph.tensors[x].type == net.schema.TensorType.INT8 else "uint8"
    zero = 0 if dtype == "int8" else 128
    step = float(np.abs(weights).max()) / 127
    sums = Quant(step * PICTURE[dtype].scale, 0)
    quants = [Quant(step, zero), sums, HEADS[dtype]]
    return (
        dtype,
        np.rint(weights / step) + zero,
        np.rint(biases / sums.scale).astype(np.int32),
        quants,
    )


def spec(*, background: bool = True, activation: str = "softmax", **options: Any) -> ModelSpec:
    """Return what reads that file."""
    return ModelSpec(
        name="tiny",
        task="detection",
        decoder="ssd",
        input=InputSpec(mean=(128,) * 3, std=(128,) * 3),
        outputs={"boxes": "boxes", "scores": "sure" if activation == "none" else "scores"},
        labels=("cat", "dog", "owl"),
        score=0.4,
        options={
            "anchors": ANCHORS, "activation": activation, "background": background,
            "overlap": 0.5, **options,
        },
    )  # fmt: skip


def opened(file: Path, data: bytes, spec: ModelSpec) -> edgecv.Model:
    """Write a file and open it."""
    file.write_bytes(data)
    return edgecv.load(file, spec=spec, device="cpu", runtime="tflite")


def pictures(count: int, side: int = SIDE) -> list[np.ndarray]:
    """Return pictures of coarse shades, which excite the heads differently."""
    import cv2

    rng = np.random.default_rng(1)
    return [
        cv2.resize(rng.integers(0, 256, (5, 5, 3), np.uint8), (side, side)) for _ in range(count)
    ]


def same(a: Any, b: Any, *, overlap: float = 0.99) -> np.ndarray:
    """Return for each detection of `a` which of `b` it is, of those nearest in score; or -1."""
    if not len(a) or not len(b):
        return np.full(len(a), -1)
    pairs = (iou(a.boxes, b.boxes) >= overlap) & (a.class_ids[:, None] == b.class_ids[None])
    apart = np.where(pairs, np.abs(a.scores[:, None] - b.scores[None]), np.inf)
    return np.where(pairs.any(axis=1), apart.argmin(axis=1), -1)
