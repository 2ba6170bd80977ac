"""Pictures as they might have been taken: moved, turned, in other light, out of focus, covered."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np

from edgecv.spec import InputSpec
from edgecv.training.data.geometry import (
    INPUT,
    Survival,
    about,
    boxes_moved,
    chained,
    moved,
    region_to_input,
    warp,
)
from edgecv.training.data.pixels import blurred, color_shift, compressed, cut_out
from edgecv.training.data.samples import Sample
from edgecv.types import Array, Size

Random: TypeAlias = np.random.Generator
Region: TypeAlias = tuple[float, float, float, float]

GREY = 127
"""What fills the places that no picture reaches, where inference has no padding of its own."""

_TRIES = 10
_PARTS = ("crop", "blur", "jpeg", "cutout", "cutout_side", "mosaic", "color", "visible")


@dataclass(frozen=True)
class Augment:
    """What may happen to a picture. Everything is off unless it is set.

    Attributes:
        mirror: Whether half of the pictures are mirrored.
        crop: The least part of the picture's area that is kept: 1 for all of it.
        aspect: How much a crop's aspect may differ from the picture's, as a factor: 1.33 for a
            third.
        expand: How much larger than the picture, in both directions, what is looked at may be: 1
            for no larger. Half of the pictures are made small in this way.
        rotate: The largest turn, either way, in degrees.
        shear: The largest shear, either way, in degrees.
        color: How much contrast and saturation may change, as a part of what they are, 0..1;
            brightness changes by half as much of its range.
        hue: The largest turn of the colours, either way, in degrees.
        blur: The part of the pictures that is out of focus.
        blur_sigma: How much at most: standard deviation in pixels of the input.
        jpeg: The part of the pictures that is compressed.
        jpeg_quality: How much at most, 1..95.
        cutout: The part of the pictures that has a grey rectangle in it.
        cutout_side: Its longest side, as a part of the input's.
        mixup: The strength of blending two classes, the alpha of the paper: 0.2 is usual.
        mosaic: The part of the pictures that is put together of four.
        visible: The least part of a box that has to be left for it to count, 0..1.
        min_side: The least width and height of a box, in pixels of the input.
    """

    mirror: bool = False
    crop: float = 1.0
    aspect: float = 1.0
    expand: float = 1.0
    rotate: float = 0.0
    shear: float = 0.0
    color: float = 0.0
    hue: float = 0.0
    blur: float = 0.0
    blur_sigma: float = 1.5
    jpeg: float = 0.0
    jpeg_quality: int = 30
    cutout: float = 0.0
    cutout_side: float = 0.4
    mixup: float = 0.0
    mosaic: float = 0.0
    visible: float = 0.3
    min_side: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what no picture could be changed by."""
        low = {"aspect": 1.0, "expand": 1.0, "jpeg_quality": 1.0, "blur_sigma": 0.1}
        high = {"rotate": 180.0, "shear": 60.0, "hue": 180.0, "jpeg_quality": 95.0}
        high |= dict.fromkeys(_PARTS, 1.0)
        for item in fields(self):
            value, least = getattr(self, item.name), low.get(item.name, 0.0)
            if not least <= value <= high.get(item.name, float("inf")):
                top = f"..{high[item.name]:g}" if item.name in high else " or more"
                raise ValueError(f"augment.{item.name} is {least:g}{top}, got {value}")
        if self.crop == 0:
            raise ValueError("augment.crop is a part of the area above 0, got 0")

    @property
    def survival(self) -> Survival:
        """Return which boxes are still worth learning."""
        return Survival(self.visible, self.min_side)


def augment(
    sample: Sample,
    size: Size,
    rng: Random,
    settings: Augment,
    *,
    input: InputSpec = INPUT,
    keypoints: tuple[str, ...] = (),
) -> Sample:
    """Return a sample as it might have been, at the size of a network's input.

    Mixup and mosaic need more than one sample: see `edgecv.training.data.mix`.

    Args:
        sample: Any.
        size: The input's size.
        rng: Where chance comes from.
        settings: What may happen.
        input: How inference fits a picture: what happens is on top of that.
        keypoints: Names of the keypoints.
    """
    return touched(
        placed(sample, size, rng, settings, input=input, keypoints=keypoints), rng, settings
    )


def placed(
    sample: Sample,
    size: Size,
    rng: Random,
    settings: Augment,
    *,
    input: InputSpec = INPUT,
    keypoints: tuple[str, ...] = (),
) -> Sample:
    """Return a sample moved, turned and cut, by one map for everything. See `augment`."""
    affine = random_map(sample, size, rng, settings, input)
    fill = input.pad if input.fit.startswith("letterbox") else GREY
    image = warp(sample.image, affine, size, fill=fill)
    return moved(sample, image, affine, keypoints=keypoints, survival=settings.survival)


def random_map(
    sample: Sample, size: Size, rng: Random, settings: Augment, input: InputSpec
) -> Array:
    """Draw where the picture goes, so that a box stays where there was one."""
    frame = Size(*sample.image.shape[:2])
    whole = (0.0, 0.0, float(frame.width), float(frame.height))
    for _ in range(_TRIES):
        region = _region(frame, rng, settings)
        affine = _turned(region, size, rng, settings, input)
        if not len(sample.boxes):
            return affine
        if boxes_moved(sample.boxes, affine, size, settings.survival)[1].any():
            return affine
    return region_to_input(whole, size, input)


def _region(frame: Size, rng: Random, settings: Augment) -> Region:
    """Draw the part of the picture to look at; it may be larger than the picture."""
    area = rng.uniform(settings.crop, 1.0)
    aspect = settings.aspect ** rng.uniform(-1, 1)
    wide = frame.width * min(1.0, math.sqrt(area * aspect))
    high = frame.height * min(1.0, math.sqrt(area / aspect))
    if settings.expand > 1 and rng.random() < 0.5:
        factor = rng.uniform(1.0, settings.expand)
        wide, high = frame.width * factor, frame.height * factor
    x, y = rng.random() * (frame.width - wide), rng.random() * (frame.height - high)
    return (x, y, x + wide, y + high)


def _turned(region: Region, size: Size, rng: Random, settings: Augment, input: InputSpec) -> Array:
    """Draw a turn, shear and mirror about the middle of the region, and fit the region."""
    angle = math.radians(rng.uniform(-settings.rotate, settings.rotate))
    x, y = (math.tan(math.radians(by)) for by in rng.uniform(-settings.shear, settings.shear, 2))
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos - sin * y, cos * x - sin], [sin + cos * y, sin * x + cos]])
    if settings.mirror and rng.random() < 0.5:
        linear[0] *= -1
    centre = ((region[0] + region[2]) / 2, (region[1] + region[3]) / 2)
    return chained(region_to_input(region, size, input), about(linear, centre))


def touched(sample: Sample, rng: Random, settings: Augment) -> Sample:
    """Return a sample in other light, out of focus, compressed or covered. See `augment`."""
    image = sample.image
    if settings.color or settings.hue:
        by = rng.uniform(-settings.color, settings.color, 3)
        hue = rng.uniform(-settings.hue, settings.hue)
        image = color_shift(
            image, brightness=by[0] / 2, contrast=1 + by[1], saturation=1 + by[2], hue=hue
        )
    if rng.random() < settings.blur:
        image = blurred(image, rng.uniform(0.1, settings.blur_sigma))
    if rng.random() < settings.jpeg:
        image = compressed(image, int(rng.integers(settings.jpeg_quality, 96)))
    out = sample if image is sample.image else replace(sample, image=image)
    if rng.random() < settings.cutout:
        rect = _rect(Size(*image.shape[:2]), rng, settings.cutout_side)
        out = cut_out(out, rect, fill=GREY, visible=settings.visible)
    return out


def _rect(size: Size, rng: Random, longest: float) -> tuple[int, int, int, int]:
    high, wide = (max(1, round(side * longest * rng.uniform(0.2, 1.0))) for side in size)
    x, y = int(rng.integers(0, size.width - wide + 1)), int(rng.integers(0, size.height - high + 1))
    return (x, y, x + wide, y + high)
