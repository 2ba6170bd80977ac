"""What OpenVINO Model API reads of an IR: the group `model_info` of its runtime information.

Source of all names and values: openvino-model-api 0.4, `model_api/models/parameters.py` and
`model_api/models/types.py`. Lists are words with spaces between them, so that a label is one word.

What it can read: classifiers, and detectors whose last operator is `DetectionOutput`
(`openvino_detection`). It has no decoder for an SSD's raw heads, for heatmaps of people or for
faces, and wants masks in another order of axes: those files say how a picture is prepared, and no
more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from edgecv.spec import ModelSpec

RESIZES = {"stretch": "standard", "letterbox": "fit_to_window_letterbox",
           "letterbox_topleft": "fit_to_window", "crop": "crop"}  # fmt: skip
"""Model API's names for how a picture is made to fit."""


def model_info(spec: ModelSpec) -> dict[str, str]:
    """Return what Model API wants to know, as text by name.

    There is a "model_type" where Model API has a decoder for the spec's outputs; without one it
    refuses the file, which is better than results that mean something else.
    """
    values = _input(spec)
    if spec.labels:
        values["labels"] = _words(spec.labels)
    values |= _DECODERS.get(spec.decoder, _nothing)(spec)
    return values


def _input(spec: ModelSpec) -> dict[str, str]:
    """Say how a picture is prepared: Model API reads BGR and counts in bytes, as we do."""
    given = spec.input
    values = {"resize_type": RESIZES[given.fit], "pad_value": str(given.pad)}
    if given.color == "rgb":
        values["reverse_input_channels"] = "True"
    if any(given.mean):
        values["mean_values"] = _numbers(given.mean)
    if any(std != 1 for std in given.std):
        values["scale_values"] = _numbers(given.std)
    return values


def _classifier(spec: ModelSpec) -> dict[str, str]:
    """It takes a softmax of whatever is no list of probabilities yet."""
    if not _whole_crop(spec):
        return {}
    most = int(spec.options.get("top", 5))
    count = min(most, len(spec.labels) or most)
    return {
        "model_type": "Classification",
        "topk": str(count),
        "confidence_threshold": f"{spec.score:g}",
        "multilabel": "False",
        "hierarchical": "False",
        "output_raw_scores": "True",
    }


def _detection_output(spec: ModelSpec) -> dict[str, str]:
    """Its classes are counted with the background, which needs a label of its own."""
    if not _whole_crop(spec):
        return {}
    values = {"model_type": "SSD", "confidence_threshold": f"{_below(spec.score):.9g}"}
    if spec.labels and spec.options.get("background", True):
        values["labels"] = _words(("background", *spec.labels))
    return values


def _nothing(spec: ModelSpec) -> dict[str, str]:
    return {}


def _whole_crop(spec: ModelSpec) -> bool:
    """Tell whether the picture is cut as Model API cuts it: it knows no zoom, and no grey."""
    return (spec.input.fit != "crop" or spec.input.zoom == 1) and spec.input.color != "grey"


def _below(score: float) -> float:
    """Return the next smaller threshold: Model API wants more than it, we want no less."""
    return max(math.nextafter(score, 0.0) - 1e-7, 0.0)


def _words(labels: Iterable[str]) -> str:
    return " ".join("_".join(label.split()) or "_" for label in labels)


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.9g}" for value in values)


_DECODERS: Mapping[str, Callable[[ModelSpec], dict[str, str]]] = {
    "classifier": _classifier,
    "detection_output": _detection_output,
}
