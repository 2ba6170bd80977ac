"""The values that pass between the stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float32]
IntArray: TypeAlias = npt.NDArray[np.int64]
Image: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (H, W, 3), BGR, as OpenCV reads it."""


class Size(NamedTuple):
    """A height and a width, in pixels."""

    height: int
    width: int


class Quant(NamedTuple):
    """Affine quantization: ``real = (integer - zero_point) * scale``."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorSpec:
    """What a model file says of one input or output.

    Attributes:
        name: The tensor's name in the file.
        shape: Its sizes; None where the file leaves one open.
        dtype: Its numpy type.
        quant: How its integers stand for real numbers; None for floats and plain integers.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    quant: Quant | None = None


@dataclass(frozen=True)
class Frame:
    """One picture from a source.

    Attributes:
        image: uint8 (H, W, 3), BGR.
        index: Its number in the source, from 0.
        time: When it was captured, in seconds of the monotonic clock.
        source: Where it came from: a path or a URI, without its password.
        position: Seconds from the beginning of a recording; None for what has no beginning.
    """

    image: Image
    index: int
    time: float
    source: str = ""
    position: float | None = None


@dataclass(frozen=True)
class Device:
    """One device of this machine, as one runtime sees it.

    Attributes:
        name: What `load(device=...)` takes: "cpu", "gpu", "npu", "coral:0", "cuda", "tensorrt".
        runtime: The runtime that drives it.
        description: Its name for people.
        problem: Why it cannot be used and what to do about it; empty when it can.
        simulated: Whether this is a program in place of the device: right, and slow.
    """

    name: str
    runtime: str
    description: str
    problem: str = ""
    simulated: bool = False

    @property
    def kind(self) -> str:
        """The name without its number: "coral" for "coral:1"."""
        return self.name.partition(":")[0]
