"""Quantized models in a form that CPUs run faster: made once, kept in the cache.

Old uint8 models become int8, about twice as fast, their inputs too: `Model.preprocess` gives what
the file takes, and one operator less is run. PReLU of one slope, in int8 models, becomes LeakyReLU.
Which of the listed models are rewritten is told by their entries.
`EDGECV_INT8_REWRITE=0` in the environment turns it off.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecv import zoo
from edgecv.cache import cache_dir
from edgecv.errors import EdgeCVError, PackageMissingError
from edgecv.registry import Registry

log = logging.getLogger(__name__)

SWITCH = "EDGECV_INT8_REWRITE"
"""The variable that turns rewriting off when it is 0."""

VERSION = 1
"""Of what the rewriter makes of a file: raised with every change of that."""

REWRITERS = Registry("rewriter", {"tflite": "edgecv.converters.int8_rewrite:rewrite_file"})
"""Functions that write a quantized file anew, where it is the same on some made-up pictures."""


def cached_path(path: Path) -> Path | None:
    """Return where the faster form of a model file is kept, once it has been made.

    Args:
        path: A model file.

    Returns:
        None where the file is not rewritten: it is not a copy of such a listed model, or that is
        turned off.
    """
    if os.environ.get(SWITCH) == "0" or path.suffix != ".tflite":
        return None
    found = zoo.entry_of_file(path)
    if found is None or not found.int8_rewrite:
        return None
    first = found.files[0]
    name = f"{Path(first.file).stem}-{first.sha256[:16]}-v{VERSION}.tflite"
    return cache_dir() / "rewritten" / name


def int8_form(path: Path) -> Path | None:
    """Return the faster form of a model file, made now where the cache does not have it.

    Returns:
        None where the file is not rewritten or, said in the log, where it could not be.
    """
    target = cached_path(path)
    if target is None or target.is_file():
        return target
    try:
        rewrite: Callable[..., Any] = REWRITERS.load("tflite")
        rewrite(path, target, int8_inputs=True)
    except PackageMissingError as error:
        log.info("%s runs as it is, slower than it could: %s", path.name, error)
        return None
    except EdgeCVError as error:
        log.warning("%s runs as it is, slower than it could: %s", path.name, error)
        return None
    log.info("%s was rewritten for the CPU, once: %s", path.name, target)
    return target
