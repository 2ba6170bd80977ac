"""SSD and SSDLite heads on any backbone, with a feature pyramid where it is wanted."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import keras
from keras import layers

from edgecv.boxes import ssd_anchors
from edgecv.errors import UnknownNameError
from edgecv.registry import check_options
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import Size

from .blocks import conv_bn, depthwise_bn
from .enlarge import Enlarge
from .features import features

DEEPEST = 32
"""The greatest stride that is taken from the backbone; what is beyond grows on top of it."""

EXTRA = (512, 256, 256, 128)
"""Channels of the maps beyond the backbone, halved first by a 1x1 convolution. Source: Liu et al.,
"SSD: Single Shot MultiBox Detector", 2016, figure 2, with the Object Detection API's numbers for
MobileNets."""

PYRAMID = 128
"""Channels of every map of the pyramid. Source: the Object Detection API's SSDLite FPN-Lite."""

RARE = 0.01
"""How likely an untrained network finds any object. Source: Lin et al., "Focal Loss", 2017,
section 4.1."""


class Level(NamedTuple):
    """A feature map of the detector: input pixels a cell, and anchors a cell."""

    stride: int
    anchors: int


def ssd(  # noqa: PLR0913 - the parts of one head
    backbone: keras.Model,
    *,
    classes: int,
    anchors: Mapping[str, Any],
    lite: bool = True,
    pyramid: bool = False,
    background: bool = True,
    points: int = 0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build an SSD on a backbone: offsets and class scores of every anchor, and points of faces.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016; lite: Sandler et al.,
    "MobileNetV2", 2018, section 6.2; pyramid: Lin et al., "Feature Pyramid Networks", 2017.

    Args:
        backbone: A functional model of a known input size; its classifier is left aside.
        classes: The number of classes, the background not counted.
        anchors: Keyword arguments of `edgecv.boxes.ssd_anchors`: `decoders.ssd` reads the same.
        lite: Whether 3x3 convolutions are depthwise separable.
        pyramid: Whether deep maps are added to the shallow ones before boxes are told from them.
        background: Whether the first score is the background's, for a softmax; without, each class
            has a sigmoid of its own.
        points: Landmarks of what is found, such as the 5 of a face; 0 for none. Source: Deng et
            al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019.
        momentum: Of the new layers' batch norm.

    Returns:
        A model with the outputs "boxes", float32 (B, N, 4): y, x, height, width of the offsets,
        "scores", logits float32 (B, N, classes, one more with a background), and with points
        "landmarks", float32 (B, N, 2 * points): x, y of each point's offset.

    Raises:
        ValueError: The input's size is open, the anchors are of no such kind, or the backbone lacks
            a feature map at one of their strides.
    """
    size = input_size(backbone)
    chosen = levels(size, anchors)
    build = _Convolutions(lite=lite, momentum=momentum)
    maps = _pyramid_maps(backbone, chosen, build) if pyramid else _maps(backbone, chosen, build)
    width = classes + int(background)
    first = 0.0 if background else -math.log((1 - RARE) / RARE)
    boxes = [_told(x, 4, level, f"boxes{i}", build, 0.0) for i, (x, level) in enumerate(maps)]
    scores = [
        _told(x, width, level, f"scores{i}", build, first) for i, (x, level) in enumerate(maps)
    ]
    outputs = {
        "boxes": layers.Concatenate(axis=1, name="boxes")(boxes),
        "scores": layers.Concatenate(axis=1, name="scores")(scores),
    }
    if points:
        told = [
            _told(x, 2 * points, level, f"landmarks{i}", build, 0.0)
            for i, (x, level) in enumerate(maps)
        ]
        outputs["landmarks"] = layers.Concatenate(axis=1, name="landmarks")(told)
    wanted, made = len(ssd_anchors(size, **frozen(anchors))), outputs["boxes"].shape[1]
    if wanted != made:
        raise ValueError(
            f"{backbone.name}'s feature maps have {made} anchors, but an input of "
            f"{size.height}x{size.width} wants {wanted}: choose a size that {DEEPEST} divides"
        )
    return keras.Model(backbone.input, outputs, name=f"ssd_{backbone.name}")


def ssd_spec(
    name: str,
    *,
    labels: Sequence[str],
    anchors: Mapping[str, Any],
    background: bool = True,
    keypoints: Sequence[str] = (),
    score: float = 0.4,
    overlap: float = 0.6,
) -> ModelSpec:
    """Return the spec of a model that `ssd` builds: what `decoders.ssd` needs to read it.

    Args:
        name: The model's name.
        labels: Class names, without the background.
        anchors: What `ssd` was given.
        background: What `ssd` was given.
        keypoints: Names of the landmarks: the model finds faces, and has no labels; empty for none.
        score: Detections below this score are left out.
        overlap: Of two boxes of a class with a greater IoU only the better is kept.
    """
    return ModelSpec(
        name=name,
        task="face_detection" if keypoints else "detection",
        decoder="ssd",
        input=InputSpec(color="rgb", mean=(127.5,) * 3, std=(127.5,) * 3),
        outputs={name: name for name in ("boxes", "scores", *(["landmarks"] if keypoints else []))},
        labels=() if keypoints else tuple(labels),
        keypoints=tuple(keypoints),
        score=score,
        options={
            "anchors": frozen(anchors),
            "order": "yxhw",
            "variances": (0.1, 0.2),
            "activation": "softmax" if background else "sigmoid",
            "background": background,
            "overlap": overlap,
        },
    )


def input_size(model: keras.Model) -> Size:
    """Return the input's size.

    Raises:
        ValueError: The model takes more than one input, or leaves its size open.
    """
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            f"{model.name}: wanted one input of a fixed size (B, H, W, 3), got {shape}: build the "
            "backbone with an input_size"
        )
    return Size(int(shape[1]), int(shape[2]))


def levels(size: Size, anchors: Mapping[str, Any]) -> list[Level]:
    """Return the maps that the anchors lie on, the finest first.

    Raises:
        ValueError: The anchors are not such as `ssd_anchors` takes.
    """
    options = frozen(anchors)
    try:
        check_options("option", ssd_anchors, options)
        ssd_anchors(size, **options)
    except (TypeError, UnknownNameError) as error:
        raise ValueError(f"anchors: {error}") from error
    defaults = inspect.signature(ssd_anchors).parameters
    count = int(options.get("layers", defaults["layers"].default))
    ratios = len(options.get("ratios", defaults["ratios"].default))
    strides = options.get("strides") or tuple(16 * 2**i for i in range(count))
    if any(after != 2 * before for before, after in pairwise(strides)):
        raise ValueError(f"anchors.strides double from map to map, got {strides}")
    return [Level(int(s), ratios + 1 if i else 3) for i, s in enumerate(strides)]


def frozen(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with tuples for lists: `ssd_anchors` remembers what it was asked."""
    return {k: tuple(v) if isinstance(v, (list, tuple)) else v for k, v in options.items()}


class _Convolutions(NamedTuple):
    """How the new layers are built."""

    lite: bool
    momentum: float

    def conv(self, x: Any, filters: int, kernel: int, stride: int = 1, *, name: str) -> Any:
        """Return a convolution with batch norm and ReLU6; separable when lite and not 1x1."""
        if kernel == 1 or not self.lite:
            return conv_bn(x, filters, kernel, stride, name=name, momentum=self.momentum)
        x = depthwise_bn(x, kernel, stride, name=f"{name}_depthwise", momentum=self.momentum)
        return conv_bn(x, filters, 1, name=f"{name}_pointwise", momentum=self.momentum)


def _maps(
    backbone: keras.Model, chosen: Sequence[Level], build: _Convolutions
) -> list[tuple[Any, Level]]:
    """Return the backbone's maps, and those that grow on top of its last one."""
    found = features(backbone, [level.stride for level in chosen if level.stride <= DEEPEST])
    x = found[-1]
    for i in range(len(chosen) - len(found)):
        channels = EXTRA[min(i, len(EXTRA) - 1)]
        x = build.conv(x, channels // 2, 1, name=f"extra{i}_reduce")
        x = build.conv(x, channels, 3, 2, name=f"extra{i}")
        found.append(x)
    return list(zip(found, chosen, strict=True))


def _pyramid_maps(
    backbone: keras.Model, chosen: Sequence[Level], build: _Convolutions
) -> list[tuple[Any, Level]]:
    """Return maps of as many channels each: what is deep is enlarged and added to what is not."""
    found = features(backbone, [level.stride for level in chosen if level.stride <= DEEPEST])
    sides = [build.conv(x, PYRAMID, 1, name=f"lateral{i}") for i, x in enumerate(found)]
    for i in reversed(range(len(sides) - 1)):
        deep = Enlarge(2, name=f"enlarged{i}")(sides[i + 1])
        sides[i] = layers.Add(name=f"sum{i}")([sides[i], _cropped(deep, sides[i], f"cropped{i}")])
    maps = [build.conv(x, PYRAMID, 3, name=f"pyramid{i}") for i, x in enumerate(sides)]
    for i in range(len(maps), len(chosen)):
        maps.append(build.conv(maps[-1], PYRAMID, 3, 2, name=f"pyramid{i}"))
    return list(zip(maps, chosen, strict=True))


def _cropped(x: Any, like: Any, name: str) -> Any:
    """Cut off the row and column that an enlarged map of odd sides has too many."""
    rows, columns = (x.shape[axis] - like.shape[axis] for axis in (1, 2))
    return layers.Cropping2D(((0, rows), (0, columns)), name=name)(x) if rows or columns else x


def _told(x: Any, numbers: int, level: Level, name: str, build: _Convolutions, first: float) -> Any:
    """Return what is told of each anchor of a map: (B, anchors, numbers)."""
    kernel = 3
    if build.lite:
        x = depthwise_bn(x, 3, name=f"{name}_depthwise", momentum=build.momentum)
        kernel = 1
    x = layers.Conv2D(
        level.anchors * numbers,
        kernel,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(first),
        name=f"{name}_conv",
    )(x)
    cells = x.shape[1] * x.shape[2] * level.anchors
    return layers.Reshape((cells, numbers), name=f"{name}_rows")(x)
