"""Whether a rewritten TFLite file says the same as the file it was made of.

What is compared are integers before the last operators that hide differences or make much of them:
a softmax is zero nearly everywhere, and a list of detections changes its order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edgecv.errors import ModelFileError
from edgecv.session import Session, open_session
from edgecv.tflitegraph import OPERATOR, TYPE, Graph
from edgecv.types import Array, Quant, TensorSpec

PICTURES = 4
MOST_STEPS = 3.0
"""How many quantization steps two outputs may differ on average over a picture."""

LAST = (
    OPERATOR.ARG_MAX, OPERATOR.CUSTOM, OPERATOR.DEQUANTIZE, OPERATOR.LOGISTIC, OPERATOR.RESHAPE,
    OPERATOR.SOFTMAX, OPERATOR.SQUEEZE,
)  # fmt: skip
"""Operators that are left out of the comparison where nothing follows them but their like."""


class Agreement(NamedTuple):
    """How far two files are apart over a few made-up pictures.

    Attributes:
        mean: Quantization steps between two outputs, on average, of the worst output and picture.
        most: The most steps between any two values.
        pictures: How many pictures there were.
    """

    mean: float
    most: int
    pictures: int


def check_parity(source: bytes, rewrite: Callable[[bytes], bytes], made: Path) -> Agreement:
    """Run a file and its rewritten form on the same pictures.

    Args:
        source: The file as it was.
        rewrite: What made the other one of it.
        made: The rewritten file; its inputs and outputs have to be those of the source.

    Returns:
        How far they are apart.

    Raises:
        ModelFileError: They do not agree.
    """
    shortened = without_last(source)
    steps: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
        files = [Path(folder) / name for name in ("whole.tflite", "old.tflite", "new.tflite")]
        for file, data in zip(files, (source, shortened, rewrite(shortened)), strict=True):
            file.write_bytes(data)
        sessions = [_open(file) for file in (*files, made)]
        for session in sessions:
            opened.callback(session.close)
        whole, old, new, final = sessions
        _check_ends(whole, final)
        for seed in range(PICTURES):
            given = {spec.name: picture(spec, seed) for spec in old.inputs}
            final.run(_as_taken(final, given))
            steps += _steps(old.run(given), new.run(_as_taken(new, given)))
    return Agreement(max(mean for mean, _ in steps), max(most for _, most in steps), PICTURES)


def _check_ends(old: Session, new: Session) -> None:
    """Refuse inputs and outputs that changed; inputs may have become int8."""
    inputs = (new.inputs, tuple(map(_in_bytes, new.inputs)))
    if old.inputs not in inputs or old.outputs != new.outputs:
        raise ModelFileError("inputs or outputs are no longer what they were")


def _in_bytes(spec: TensorSpec) -> TensorSpec:
    """Return an int8 tensor as the uint8 tensor that stands for the same numbers."""
    if spec.dtype != np.int8 or spec.quant is None:
        return spec
    quant = Quant(spec.quant.scale, spec.quant.zero_point + 128)
    return replace(spec, dtype=np.dtype(np.uint8), quant=quant)


def _as_taken(session: Session, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return bytes as the session takes them: where it takes int8, they are moved by 128."""
    moved = {spec.name for spec in session.inputs if spec.dtype == np.int8}
    return {
        name: _moved(values) if name in moved and values.dtype == np.uint8 else values
        for name, values in given.items()
    }


def _moved(values: Array) -> Array:
    return (values ^ np.uint8(128)).view(np.int8)


def without_last(data: bytes) -> bytes:
    """Return a TFLite file without its last operators of the kinds in `LAST`, if others remain."""
    graph = Graph(data)
    ends = list(graph.outputs)
    kept: list[Any] = []
    for operator in reversed(graph.operators):
        inner = [
            i for i in operator.inputs
            if i >= 0 and graph.tensors[i].type == TYPE.UINT8 and graph.values(i) is None
        ]  # fmt: skip
        followed = any(set(operator.outputs) & set(later.inputs) for later in kept)
        if graph.code(operator) in LAST and inner and not followed:
            ends = [i for i in ends if i not in operator.outputs] + inner
        else:
            kept.append(operator)
    if not kept:
        return data
    graph.operators, graph.outputs = kept[::-1], list(dict.fromkeys(ends))
    return graph.packed()


def picture(spec: TensorSpec, seed: int) -> Array:
    """Return an input tensor with edges and shades at several scales, as photographs have."""
    rng = np.random.default_rng(seed)
    shape = [side or 1 for side in spec.shape]
    if len(shape) != 4:
        return rng.integers(0, 256, shape).astype(spec.dtype)
    _, height, width, channels = shape
    total = np.zeros((height, width, channels), np.float32)
    for cells in (2, 5, 13, 34):
        grid = rng.random((cells, cells, channels), np.float32)
        how = cv2.INTER_NEAREST if cells == 5 else cv2.INTER_CUBIC
        total += cv2.resize(grid, (width, height), interpolation=how).reshape(total.shape) / cells
    total = (total - total.min()) / max(float(np.ptp(total)), 1e-6)
    values = (total * 255).astype(np.uint8 if spec.dtype == np.int8 else spec.dtype)
    if spec.dtype == np.int8:
        values = _moved(values)
    return np.broadcast_to(values, shape).copy()


def _open(file: Path) -> Session:
    return open_session(file, device="cpu", runtime="tflite").session


def _steps(old: dict[str, Array], new: dict[str, Array]) -> Iterator[tuple[float, int]]:
    """Yield the steps between two outputs, on average and at most; refuse too many."""
    for name, values in old.items():
        steps = np.abs(values.astype(np.float64) - new[name])
        mean = float(steps.mean())
        if mean > MOST_STEPS:
            raise ModelFileError(
                f"{name} differs by {mean:.1f} quantization steps on average from what it was; "
                f"{MOST_STEPS:g} at most are allowed"
            )
        yield mean, int(steps.max())
