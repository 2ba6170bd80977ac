"""Stand-ins that users' own tests may plug into the same seams as the real things."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from edgecv.errors import InferenceError
from edgecv.types import Array, TensorSpec


class FakeSession:
    """A session that gives the same outputs every time.

    Args:
        outputs: Output name -> array, given back by every run.
        shape: The shape of the one input, named "input".
        dtype: The dtype of that input.
        latency: How long a run takes, in seconds.
        fail_after: The run of this number, counted from 0, and all after it fail; None for never.

    Attributes:
        seen: The input tensors of all runs so far.
        closed: Whether `close` was called.
    """

    def __init__(
        self,
        outputs: Mapping[str, Array],
        *,
        shape: Sequence[int] = (1, 32, 32, 3),
        dtype: str = "uint8",
        latency: float = 0.0,
        fail_after: int | None = None,
    ) -> None:
        self._values = {name: np.asarray(value) for name, value in outputs.items()}
        self.inputs = (TensorSpec("input", tuple(shape), np.dtype(dtype)),)
        self.outputs = tuple(
            TensorSpec(name, value.shape, value.dtype) for name, value in self._values.items()
        )
        self._latency, self._fail_after = latency, fail_after
        self.seen: list[Array] = []
        self.closed = False

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Return copies of the outputs.

        Raises:
            InferenceError: It was told to fail by now.
            ValueError: The input is not of the shape and dtype that were announced.
        """
        tensor, wanted = tensors["input"], self.inputs[0]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise ValueError(
                f"wanted {wanted.dtype} {wanted.shape}, got {tensor.dtype} {tensor.shape}"
            )
        if self._fail_after is not None and len(self.seen) >= self._fail_after:
            raise InferenceError(f"told to fail after {self._fail_after} runs")
        self.seen.append(tensor)
        if self._latency:
            time.sleep(self._latency)
        return {name: value.copy() for name, value in self._values.items()}

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
