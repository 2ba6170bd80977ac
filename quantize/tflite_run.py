"""TFLite files run so that every tensor within them can be looked at."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from edgecv.errors import InferenceError
from edgecv.registry import package_missing
from edgecv.types import Array


class Taps:
    """An opened TFLite file that keeps all its tensors.

    Args:
        data: The whole file.
        indices: Which tensors are wanted; None for none but the outputs.

    Raises:
        InferenceError: The runtime refuses the file.
        PackageMissingError: It is not installed.
    """

    def __init__(self, data: bytes, indices: Iterable[int] | None = None) -> None:
        self._interpreter = open_interpreter(data, keep=indices is not None)
        (self._input,) = self._interpreter.get_input_details()
        outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self._details = {d["index"]: d for d in self._interpreter.get_tensor_details()}
        self._indices = outputs if indices is None else list(indices)

    def __call__(self, tensor: Array) -> dict[int, Array]:
        """Run on one float32 tensor; return the real numbers of each wanted tensor by index.

        Raises:
            InferenceError: The runtime failed.
        """
        try:
            self._interpreter.set_tensor(self._input["index"], as_taken(tensor, self._input))
            self._interpreter.invoke()
            return {i: self._real(i) for i in self._indices}
        except (RuntimeError, ValueError) as error:
            raise InferenceError(f"the TFLite runtime failed: {error}") from error

    def _real(self, index: int) -> Array:
        return as_real(self._interpreter.get_tensor(index), self._details[index])


def open_interpreter(data: bytes, *, keep: bool = False) -> Any:
    """Return an interpreter of one thread that is ready to run.

    Raises:
        InferenceError: The runtime refuses the file.
        PackageMissingError: It is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ModuleNotFoundError as error:
        raise package_missing("ai-edge-litert", "convert") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # keeping all tensors takes memory
            made = Interpreter(
                model_content=data, num_threads=1, experimental_preserve_all_tensors=keep
            )
        made.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InferenceError(f"the TFLite runtime refuses the model: {error}") from error
    return made


def as_taken(tensor: Array, detail: Mapping[str, Any]) -> Array:
    """Return real numbers as an input takes them."""
    kind, (scale, zero) = detail["dtype"], detail["quantization"]
    if not scale:
        return tensor.astype(kind)
    limits = np.iinfo(kind)
    steps = np.rint(tensor / scale) + zero
    return np.asarray(np.clip(steps, limits.min, limits.max), kind)


def as_real(values: Array, detail: Mapping[str, Any]) -> Array:
    """Return a tensor's values as real numbers."""
    scale, zero = detail["quantization"]
    if values.dtype == np.float32 or not scale:
        return values
    return (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
