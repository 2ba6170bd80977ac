"""What TensorFlow raises inside of a training step, as errors for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from edgecv.training.errors import TrainingError


@contextmanager
def translated() -> Iterator[None]:
    """Turn what TensorFlow raises inside of the block into an error for people.

    Raises:
        TrainingError: There is not enough memory, or a batch could not be made.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingError(f"out of memory: lower run.batch or model.input_size ({error})") from (
            error
        )
    except tf.errors.OpError as error:
        raise TrainingError(f"a batch failed: {_cause(error.message)}") from error


def _cause(message: str) -> str:
    """Return the line of a Python traceback inside of a message that says what went wrong."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    raised = [line for line in lines if not line.startswith(("File ", "Traceback", "[["))]
    return next((line for line in raised if "Error" in line), raised[0] if raised else message)
