"""Channel shuffle and split in operations that every INT8 runtime has."""

from __future__ import annotations

from typing import Any

import keras


def channel_shuffle(x: Any, groups: int, *, name: str) -> Any:
    """Return a feature map whose channels of all groups alternate (ShuffleNet, figure 1).

    Channel j of group i comes to place j * groups + i. Three TFLite operators: reshape, transpose,
    reshape. Rows and columns are one axis meanwhile, so that no tensor has more than three axes
    longer than 1 at batch 1, which is the most that the Edge TPU takes.
    """
    _, height, width, channels = x.shape
    x = keras.layers.Reshape((height * width, groups, channels // groups), name=f"{name}_group")(x)
    x = keras.layers.Permute((1, 3, 2), name=f"{name}_transpose")(x)
    return keras.layers.Reshape((height, width, channels), name=name)(x)


def split_channels(x: Any, parts: int) -> list[Any]:
    """Return the channels of a feature map in equal parts."""
    return list(keras.ops.split(x, parts, axis=-1))
