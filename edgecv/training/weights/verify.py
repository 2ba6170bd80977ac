"""Imported weights held against the file that they come from, on photographs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgecv.errors import ModelFileError
from edgecv.model import Model
from edgecv.session import open_session
from edgecv.spec import ModelSpec
from edgecv.training.weights.take import Imported, tensors
from edgecv.types import Array, FloatArray, Image

SAME_BEST, LARGEST, ALIKE = 0.95, 1e-3, 0.9
"""What has to hold: the largest difference for real weights; for integer ones the part of pictures
with the same best class, or the mean cosine of embeddings and of feature maps."""
BATCH = 20


class Parity(NamedTuple):
    """How far a model agrees with a file.

    Attributes:
        pictures: How many were compared.
        same_best: The part of them with the same largest output. Integer outputs are often equal:
            any of the file's largest ones counts.
        largest: The largest difference of two outputs: probabilities, or values as they are.
        cosine: The mean cosine between the outputs for a picture.
        holds: Whether that is near enough.
    """

    pictures: int
    same_best: float
    largest: float
    cosine: float
    holds: bool

    def __str__(self) -> str:
        return (
            f"on {self.pictures} pictures the same largest output in {self.same_best:.1%}, largest "
            f"difference {self.largest:.2g}, mean cosine {self.cosine:.6f}"
        )


def compare(path: Path, spec: ModelSpec, made: Imported, images: Sequence[Image]) -> Parity:
    """Run a file and the model that took its weights on the same pictures.

    Classes are compared as probabilities. Feature maps of a backbone are compared for TFLite files,
    which let one read them.

    Args:
        path: The file.
        spec: What its tensors mean.
        made: The model; its input is of the file's size.
        images: The pictures.

    Raises:
        ModelFileError: It is a backbone, and the file is not TFLite.
    """
    theirs = _feature_maps(path, spec, made, images) if made.spec is None else None
    if theirs is None:
        theirs = _outputs(path, spec, images)
    given = tensors(made.model, spec, images)
    parts = [given[start : start + BATCH] for start in range(0, len(given), BATCH)]
    found = [made.model(part, training=False).numpy() for part in parts]
    ours = np.concatenate(found).reshape(len(images), -1)
    if made.spec is not None and made.spec.options.get("softmax"):
        ours = _softmax(ours)
    classes = made.spec is not None and made.spec.task == "classification"
    return _parity(theirs, ours, quantized=made.quantized, classes=classes)


def _outputs(path: Path, spec: ModelSpec, images: Sequence[Image]) -> FloatArray:
    """Return what a file says of pictures: float32 (N, outputs), the background left out."""
    with _opened(path, spec) as model:
        found = [
            next(iter(model.infer(model.preprocess(image)[0]).values())).reshape(-1)
            for image in images
        ]
    values = np.asarray(found, np.float32)
    if spec.options.get("softmax"):
        values = _softmax(values)
    if spec.options.get("background"):
        values = values[:, 1:] / values[:, 1:].sum(1, keepdims=True)
    return values


def _opened(path: Path, spec: ModelSpec) -> Model:
    """Open the file itself, and not the faster form of it that `edgecv.load` may take."""
    return Model(open_session(path, device="cpu").session, spec)


def _feature_maps(
    path: Path, spec: ModelSpec, made: Imported, images: Sequence[Image]
) -> FloatArray:
    """Return the feature maps of a file that a backbone ends with: float32 (N, values)."""
    if path.suffix != ".tflite":
        raise ModelFileError(f"{path.name}: feature maps are compared for .tflite files alone")
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "tf.lite.Interpreter is deprecated"
        interpreter = tf.lite.Interpreter(str(path), experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    entrance = interpreter.get_input_details()[0]["index"]
    exit = int(made.pairs[-1].source.output)
    details = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    scale, zero = details[exit]["quantization"]
    found = []
    with _opened(path, spec) as model:
        for image in images:
            interpreter.set_tensor(entrance, model.preprocess(image)[0])
            interpreter.invoke()
            values = interpreter.get_tensor(exit).astype(np.float32).reshape(-1)
            found.append((values - zero) * scale if scale else values)
    return np.asarray(found, np.float32)


def _parity(theirs: Array, ours: Array, *, quantized: bool, classes: bool) -> Parity:
    chosen = np.take_along_axis(theirs, ours.argmax(1)[:, None], 1)[:, 0]
    same = float((chosen == theirs.max(1)).mean())
    largest = float(np.abs(theirs - ours).max())
    lengths = np.linalg.norm(theirs, axis=1) * np.linalg.norm(ours, axis=1)
    cosine = float(((theirs * ours).sum(1) / np.maximum(lengths, 1e-12)).mean())
    if not quantized:
        holds = largest <= LARGEST
    else:
        holds = same >= SAME_BEST if classes else cosine >= ALIKE
    return Parity(len(ours), same, largest, cosine, holds)


def _softmax(values: Array) -> FloatArray:
    powers = np.exp(values - values.max(1, keepdims=True))
    out: FloatArray = (powers / powers.sum(1, keepdims=True)).astype(np.float32)
    return out
