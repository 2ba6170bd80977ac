"""A picture of what training sees: augmented samples side by side, with what is marked in them."""

from __future__ import annotations

import cv2
import numpy as np

from edgecv.drawing import color_of, draw, label
from edgecv.labels import KEYPOINTS
from edgecv.results import Mask, Poses
from edgecv.spec import InputSpec
from edgecv.training.data.augment import Augment
from edgecv.training.data.geometry import INPUT, fit
from edgecv.training.data.mix import training_sample
from edgecv.training.data.order import Schedule, chance, own_order
from edgecv.training.data.samples import IGNORED, Sample, Samples
from edgecv.types import Image, Size

_CELL = 224  # pixels: smaller pictures are enlarged so that names can be read
_GAP = 4
_LINE = (0, 18)  # where the class is written


def preview(
    samples: Samples,
    settings: Augment | None,
    size: tuple[int, int],
    seed: int = 0,
    *,
    count: int = 16,
    input: InputSpec = INPUT,
) -> Image:
    """Return the first samples of a training's first epoch, as the network gets them.

    Args:
        samples: The dataset.
        settings: What may happen to the pictures; None for pictures as inference sees them.
        size: (height, width) of the network's input.
        seed: Of the training.
        count: How many samples to show, if there are as many.
        input: How inference fits a picture.

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count counts from 1, got {count}")
    schedule = Schedule(len(samples), min(count, len(samples)), seed, own=own_order(samples))
    cells = []
    for index in schedule.indices(0, 0).tolist()[:count]:
        if settings is None:
            sample = fit(samples[index], Size(*size), input)
        else:
            rng = chance(seed, 0, index)
            sample = training_sample(samples, index, Size(*size), rng, settings, input=input)
        cells.append(picture(sample, samples.names, samples.keypoints))
    return _grid(cells)


def picture(sample: Sample, names: tuple[str, ...] = (), keypoints: tuple[str, ...] = ()) -> Image:
    """Return a sample's picture with its class, boxes, keypoints and mask drawn on it.

    Args:
        sample: Any; small pictures are enlarged.
        names: Class names by id.
        keypoints: Names of the keypoints: known sets are drawn with their limbs.
    """
    times = max(1, -(-_CELL // min(sample.image.shape[:2])))
    frame = Size(*(side * times for side in sample.image.shape[:2]))
    large = fit(sample, frame)
    canvas = np.array(large.image)
    if large.mask is not None:
        class_map = np.where(large.mask == IGNORED, 0, large.mask).astype(np.uint8)
        canvas = draw(Mask(frame=frame, class_map=class_map, labels=names), canvas)
    if large.keypoints.size:
        canvas = draw(_poses(large, frame, keypoints), canvas)
    for box, number in zip(large.boxes.tolist(), large.classes.tolist(), strict=True):
        x0, y0, x1, y1 = (round(value) for value in box)
        color = color_of(number)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), color, 2, cv2.LINE_AA)
        label(canvas, _name(number, names), x0, y0, color)
    if large.label >= 0:
        label(canvas, _class_text(large, names), *_LINE, color_of(large.label))
    return canvas


def _poses(sample: Sample, frame: Size, names: tuple[str, ...]) -> Poses:
    skeleton = next((limbs for known, limbs in KEYPOINTS.values() if known == names), ())
    people = len(sample.keypoints)
    boxes = sample.boxes if len(sample.boxes) == people else np.zeros((people, 4), np.float32)
    return Poses(
        frame=frame,
        scores=np.ones(people, np.float32),
        boxes=boxes,
        keypoints=sample.keypoints[..., :2],
        keypoint_scores=sample.keypoints[..., 2] * np.float32(0.5),
        names=names,
        skeleton=skeleton,
    )


def _class_text(sample: Sample, names: tuple[str, ...]) -> str:
    text = _name(sample.label, names)
    if sample.mix is None:
        return text
    return f"{text} + {sample.mix.weight:.0%} {_name(sample.mix.label, names)}"


def _name(number: int, names: tuple[str, ...]) -> str:
    return names[number] if number < len(names) else str(number)


def _grid(cells: list[Image]) -> Image:
    """Put pictures of one size side by side, in rows about as many as columns."""
    columns = int(np.ceil(np.sqrt(len(cells))))
    rows = -(-len(cells) // columns)
    high, wide = cells[0].shape[:2]
    sheet = np.full((rows * (high + _GAP) + _GAP, columns * (wide + _GAP) + _GAP, 3), 32, np.uint8)
    for number, cell in enumerate(cells):
        row, column = divmod(number, columns)
        y, x = row * (high + _GAP) + _GAP, column * (wide + _GAP) + _GAP
        sheet[y : y + high, x : x + wide] = cell
    return sheet
