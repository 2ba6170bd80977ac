"""Segmentation: a U-Net or an FCN on a network of `edgecv.models`, learned from masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgecv.models.segmentation import fcn, segmentation_spec, unet
from edgecv.results import Mask
from edgecv.training.data.samples import Samples
from edgecv.training.errors import RecipeError
from edgecv.training.losses.classes import build_loss
from edgecv.training.losses.masks import MASK_LOSSES
from edgecv.training.measuring import Inference
from edgecv.training.network import open_backbone, take_head
from edgecv.training.qat.training import started
from edgecv.training.settings import build, within
from edgecv.training.targets.masks import mask_encoder
from edgecv.training.tasks import Task
from edgecv.training.tasks.heads import built, drawn
from edgecv.training.tasks.sets import check_blends, open_sets
from edgecv.types import Array, IntArray, Size

if TYPE_CHECKING:
    import keras

    from edgecv.training.recipe import Recipe

KINDS = ("unet", "fcn")


@dataclass(frozen=True)
class SegmentHead:
    """The recipe's [head].

    Attributes:
        kind: "unet" or "fcn".
        stride: For "unet": input pixels a pixel of the map that comes out.
        channels: For "unet": channels after each step up, the deepest first.
        momentum: Of the head's batch norm; .99 suits long trainings.
    """

    kind: str = "unet"
    stride: int = 2
    channels: tuple[int, ...] = (128, 96, 64, 48, 32)
    momentum: float = 0.9

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RecipeError(f"head.kind is one of {', '.join(KINDS)}, got {self.kind!r}")
        within("head.momentum", self.momentum, 0, 1)


def make(recipe: Recipe) -> Task:
    """Build the network and its pictures from a recipe.

    Raises:
        RecipeError: The recipe lacks something, or has an option that nothing takes.
        DataError: A folder is not what it should be.
        UnknownNameError: There is no such network, loss or format.
    """
    head = build(SegmentHead, recipe.head, "head")
    loss = build_loss(recipe.loss.name or "dice_cross_entropy", recipe.loss.options, MASK_LOSSES)
    check_blends(recipe, "mosaic")
    train, val = open_sets(recipe)
    network = open_backbone(recipe)
    options: dict[str, Any] = {"classes": len(train.names)}
    if head.kind == "unet":
        options |= {"stride": head.stride, "channels": head.channels, "momentum": head.momentum}
    model: keras.Model = built(
        "head", unet if head.kind == "unet" else fcn, network.model, **options
    )
    spec = segmentation_spec(recipe.name or model.name, labels=train.names).with_changes(
        source=f"trained by edgecv: recipe {recipe.name}"
    )
    worker = Inference(spec)
    output = Size(*model.output["mask"].shape[1:3])
    return Task(
        model=started(take_head(model, recipe), recipe, spec),
        spec=spec,
        train=train,
        val=val,
        encode=mask_encoder(Size(*recipe.model.size), output=output),
        loss=lambda targets, outputs: loss(targets, outputs["mask"]),
        measure=lambda trained: measure(worker, trained, val),
        headline="mean_iou",
        pictures={"masks": lambda trained: drawn(worker, trained, val)},
        backbone=network.backbone,
    )


def measure(worker: Inference, network: keras.Model, val: Samples) -> Mapping[str, float]:
    """Return the mean IoU of the classes that occur, and the part of the pixels that are right."""
    table: IntArray = np.zeros((len(val.names),) * 2, np.int64)
    images = (val[index].image for index in range(len(val)))
    for index, result in enumerate(worker.results(network, images)):
        mask = val[index].mask
        if mask is not None:
            table += confusion(mask, cast("Mask", result).class_map, len(val.names))
    return figures(table)


def confusion(truth: Array, found: Array, classes: int) -> IntArray:
    """Return how many pixels of each class were found as each class: int64 (C, C).

    Args:
        truth: Class ids (H, W); pixels of ids from C on do not count.
        found: Class ids (H, W).
        classes: C.
    """
    counted = truth < classes
    pairs = truth[counted].astype(np.int64) * classes + found[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def figures(table: IntArray) -> dict[str, float]:
    """Return what a table of pixels, truth by rows, says: "mean_iou" and "pixel_accuracy".

    The IoU of a class is that of Pascal VOC (Everingham et al. 2010): right / (truth + found -
    right); a class that is neither marked nor found does not count.
    """
    right = np.diagonal(table)
    union = table.sum(axis=0) + table.sum(axis=1) - right
    there = union > 0
    total = int(table.sum())
    return {
        "mean_iou": float((right[there] / union[there]).mean()) if there.any() else 0.0,
        "pixel_accuracy": float(right.sum() / total) if total else 0.0,
    }
