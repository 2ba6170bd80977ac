"""Silence for tools that write pages to a terminal, with what they wrote kept for errors."""

from __future__ import annotations

import io
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import IO

from edgecv.models import needs_tensorflow

LOGGERS = ("absl", "tensorflow", "tf2onnx", "openvino", "keras")


@contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Keep off the terminal what Python and native code print; give a function that returns it.

    What other threads print meanwhile is lost too: a process has one stdout and one stderr.
    """
    with ExitStack() as stack, tempfile.TemporaryFile() as file:
        said = io.StringIO()
        stack.enter_context(redirect_stdout(said))
        stack.enter_context(redirect_stderr(said))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in LOGGERS:
            stack.enter_context(_muted(logging.getLogger(name)))
        for number in (1, 2):
            stack.enter_context(_redirected(number, file))
        yield lambda: said.getvalue() + _text(file)


@contextmanager
def _muted(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _redirected(number: int, file: IO[bytes]) -> Iterator[None]:
    try:
        kept = os.dup(number)
    except OSError:  # closed
        yield
        return
    os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)


def _text(file: IO[bytes]) -> str:
    size = os.fstat(file.fileno()).st_size  # the writers share the file's position: leave it
    return os.pread(file.fileno(), size, 0).decode("utf-8", "replace")


def start_tensorflow() -> None:
    """Import TensorFlow and Keras, quietly and for the CPU alone, where that was not done before.

    Raises:
        PackageMissingError: TensorFlow is not installed.
    """
    needs_tensorflow()
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet():
        import keras  # noqa: F401
        import tensorflow as tf
    tf.config.set_visible_devices([], "GPU")
