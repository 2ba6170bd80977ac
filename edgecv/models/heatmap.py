"""The pose of one person: a heatmap for each keypoint, and where in its cell the point lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from edgecv.labels import COCO_17, COCO_17_SKELETON
from edgecv.spec import InputSpec, ModelSpec

from .blocks import conv_bn, depthwise_bn
from .features import features

DEEPEST = 32
"""The stride of the backbone's map that the way up begins from."""


def heatmap_pose(
    backbone: keras.Model,
    *,
    keypoints: int = 17,
    stride: int = 4,
    channels: int = 64,
    lite: bool = True,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a network that finds one person's keypoints in a picture of that person.

    The backbone's deepest map is enlarged step by step, and its finer maps are added on the way.
    Source: heatmaps with offsets: Papandreou et al., "Towards Accurate Multi-person Pose Estimation
    in the Wild", 2017, section 2.2; the way up: Lin et al., "Feature Pyramid Networks", 2017.

    Args:
        backbone: A functional model of a known input size that 32 divides.
        keypoints: The number of keypoints, K.
        stride: Input pixels a cell of the heatmaps: 4, 8 or 16.
        channels: Channels of the maps on the way up.
        lite: Whether 3x3 convolutions are depthwise separable.
        momentum: Of the new layers' batch norm.

    Returns:
        A model with the outputs "heatmaps", logits float32 (B, h, w, K), and "offsets", float32
        (B, h, w, 2 K): of each keypoint x and y from the cell's centre, in cells.

    Raises:
        ValueError: The stride is none of these, or 32 does not divide the input's sides.
    """
    x = way_up(backbone, stride, channels, lite=lite, momentum=momentum)
    x = mixed(x, channels * 2, name="told", lite=lite, momentum=momentum)
    outputs = {
        "heatmaps": _told(x, keypoints, "heatmaps"),
        "offsets": _told(x, 2 * keypoints, "offsets"),
    }
    return keras.Model(backbone.input, outputs, name=f"heatmap_{backbone.name}")


def heatmap_spec(
    name: str,
    *,
    keypoints: Sequence[str] = COCO_17,
    skeleton: Sequence[tuple[int, int]] = COCO_17_SKELETON,
    activation: str = "sigmoid",
    score: float = 0.2,
) -> ModelSpec:
    """Return the spec of a model that `heatmap_pose` builds: what `decoders.heatmap` needs.

    Args:
        name: The model's name.
        keypoints: Names of the keypoints.
        skeleton: Pairs of them that are drawn as limbs.
        activation: What makes a heatmap's values scores: "sigmoid" for the focal loss, "none" for
            the squared error.
        score: A person below this score is not there.
    """
    return ModelSpec(
        name=name,
        task="pose",
        decoder="heatmap",
        input=InputSpec(color="rgb", mean=(127.5,) * 3, std=(127.5,) * 3, fit="letterbox", pad=127),
        outputs={"heatmaps": "heatmaps", "offsets": "offsets"},
        keypoints=tuple(keypoints),
        skeleton=tuple(skeleton),
        score=score,
        options={"activation": activation},
    )


def way_up(
    backbone: keras.Model, stride: int, channels: int, *, lite: bool, momentum: float
) -> Any:
    """Return one map at `stride` that knows of everything the backbone's deeper maps know.

    Raises:
        ValueError: The stride is none of 4, 8 and 16, or 32 does not divide the input's sides.
    """
    if stride not in (4, 8, 16):
        raise ValueError(f"stride is 4, 8 or 16, got {stride}")
    check_sides(backbone)
    found = features(backbone, [s for s in (4, 8, 16, 32) if s >= stride])
    sides = [
        conv_bn(x, channels, 1, name=f"lateral{i}", momentum=momentum) for i, x in enumerate(found)
    ]
    x = sides[-1]
    for i in reversed(range(len(sides) - 1)):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"enlarged{i}")(x)
        x = layers.Add(name=f"sum{i}")([x, sides[i]])
        x = mixed(x, channels, name=f"up{i}", lite=lite, momentum=momentum)
    return x


def check_sides(backbone: keras.Model) -> None:
    """Refuse a backbone whose deepest map, enlarged, would not lie on its finer ones.

    Raises:
        ValueError: Its input's size is open, or 32 does not divide the sides.
    """
    sides = backbone.input_shape[1:3]
    if any(side is None or side % DEEPEST for side in sides):
        raise ValueError(
            f"{backbone.name}: wanted an input whose sides {DEEPEST} divides, got {sides}"
        )


def mixed(x: Any, channels: int, *, name: str, lite: bool, momentum: float, kernel: int = 3) -> Any:
    """Return a convolution with batch norm and ReLU6, depthwise separable when lite."""
    if not lite:
        return conv_bn(x, channels, kernel, name=name, momentum=momentum)
    x = depthwise_bn(x, kernel, name=f"{name}_depthwise", momentum=momentum)
    return conv_bn(x, channels, 1, name=f"{name}_pointwise", momentum=momentum)


def _told(x: Any, numbers: int, name: str) -> Any:
    return layers.Conv2D(
        numbers, 1, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name=name
    )(x)
