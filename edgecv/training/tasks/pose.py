"""Pose: heatmaps of one person, or a proposal network for many, learned from keypoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from edgecv.datasets import CocoData, read_keypoints
from edgecv.evaluation import coco
from edgecv.evaluation import pose as evaluation
from edgecv.evaluation.loop import pictures
from edgecv.labels import COCO_17, COCO_17_SKELETON
from edgecv.models.heatmap import heatmap_pose, heatmap_spec
from edgecv.models.ppn import ppn, ppn_spec
from edgecv.regions import person_region
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.training.data.augment import GREY
from edgecv.training.data.samples import Derived, Sample, Samples
from edgecv.training.errors import RecipeError
from edgecv.training.losses.classes import build_loss
from edgecv.training.losses.pose import POSE_LOSSES
from edgecv.training.measuring import Inference
from edgecv.training.network import open_backbone, take_head
from edgecv.training.qat.training import started
from edgecv.training.settings import at_least, build, within
from edgecv.training.targets.pose import heatmap_encoder, ppn_encoder
from edgecv.training.tasks import Task
from edgecv.training.tasks.heads import built, drawn
from edgecv.training.tasks.sets import check_blends, open_sets, without_skipped
from edgecv.types import Array, Image, Size

if TYPE_CHECKING:
    import keras

    from edgecv.training.recipe import Recipe

KINDS = ("heatmap", "ppn")


@dataclass(frozen=True)
class PoseHead:
    """The recipe's [head].

    Attributes:
        kind: "heatmap" for one person who fills the picture, "ppn" for everybody in a picture.
        stride: Input pixels a cell; 0 for 4 of heatmaps and 16 of a proposal network.
        channels: Channels of the head; 0 for 64 of heatmaps and 256 of a proposal network.
        sigma: For "heatmap": the width of a keypoint's Gaussian, in cells.
        window: For "ppn": cells on the side of the square that limbs may lead to.
        margin: For "heatmap": what is learnt from is larger than a person's box by this on each
            side, as a part of the box's longer side.
        min_keypoints: For "heatmap": people with fewer marked keypoints are not learnt from.
        momentum: Of the head's batch norm; .99 suits long trainings.
    """

    kind: str = "heatmap"
    stride: int = 0
    channels: int = 0
    sigma: float = 1.5
    window: int = 9
    margin: float = 0.05
    min_keypoints: int = 5
    momentum: float = 0.9

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RecipeError(f"head.kind is one of {', '.join(KINDS)}, got {self.kind!r}")
        at_least("head.sigma", self.sigma, 0.1)
        at_least("head.margin", self.margin, 0)
        at_least("head.min_keypoints", self.min_keypoints, 1)
        within("head.momentum", self.momentum, 0, 1)


class _Parts(NamedTuple):
    """What is particular to a kind of head."""

    model: keras.Model
    spec: ModelSpec
    encode: Callable[[Sequence[Sample]], Mapping[str, Array]]
    train: Samples
    val: Samples


def make(recipe: Recipe) -> Task:
    """Build the pose network and its pictures from a recipe.

    Raises:
        RecipeError: The recipe lacks something, or has an option that nothing takes.
        DataError: A folder is not what it should be.
        UnknownNameError: There is no such network, loss or format.
        PackageMissingError: pycocotools is not installed.
    """
    coco.tools()  # what is missing is told before the pictures are read
    head = build(PoseHead, recipe.head, "head")
    known = {name: loss for name, loss in POSE_LOSSES.items() if (name == "ppn") == _many(head)}
    loss_name = recipe.loss.name or ("ppn" if _many(head) else "focal")
    loss = build_loss(loss_name, recipe.loss.options, known)
    check_blends(recipe, *(["mosaic"] if _many(head) else []))
    whole = replace(recipe.data, options={**recipe.data.options, "per": "image"})
    train, val = open_sets(replace(recipe, data=whole))
    truth = without_skipped(read_keypoints(recipe.data.val), val)
    network = open_backbone(recipe)
    make_parts = _proposals if _many(head) else _heatmaps
    parts = make_parts(recipe, head, network.model, (train, val), loss_name)
    spec = parts.spec.with_changes(source=f"trained by edgecv: recipe {recipe.name}")
    worker = Inference(spec)
    return Task(
        model=started(take_head(parts.model, recipe), recipe, spec),
        spec=spec,
        train=parts.train,
        val=parts.val,
        encode=parts.encode,
        loss=loss,
        measure=measurer(Inference(spec, score=0.0), truth, one_each=not _many(head)),
        headline="oks_ap" if _many(head) else "mean_oks",
        pictures={"poses": lambda trained: drawn(worker, trained, parts.val)},
        backbone=network.backbone,
    )


def _many(head: PoseHead) -> bool:
    return head.kind == "ppn"


def _heatmaps(
    recipe: Recipe,
    head: PoseHead,
    backbone: keras.Model,
    sets: tuple[Samples, Samples],
    loss: str,
) -> _Parts:
    train, val = (People(samples, margin=head.margin, least=head.min_keypoints) for samples in sets)
    names, stride = train.keypoints, head.stride or 4
    model = built(
        "head", heatmap_pose, backbone,
        keypoints=len(names), stride=stride, channels=head.channels or 64, momentum=head.momentum,
    )  # fmt: skip
    spec = heatmap_spec(
        recipe.name or model.name,
        keypoints=names,
        skeleton=_skeleton(names),
        activation="none" if loss == "mse" else "sigmoid",
    )
    size = Size(*recipe.model.size)
    encode = heatmap_encoder(size, keypoints=len(names), stride=stride, sigma=head.sigma)
    return _Parts(model, spec, encode, train, val)


def _proposals(
    recipe: Recipe,
    head: PoseHead,
    backbone: keras.Model,
    sets: tuple[Samples, Samples],
    loss: str,
) -> _Parts:
    train, val = sets
    if train.keypoints != COCO_17:
        raise RecipeError(
            "head.kind 'ppn' knows the limbs of COCO's 17 keypoints alone; the data have "
            f"{', '.join(train.keypoints)}"
        )
    model = built(
        "head", ppn, backbone,
        stride=head.stride or 16, window=head.window, channels=head.channels or 256,
        momentum=head.momentum,
    )  # fmt: skip
    grid = Size(*model.output["parts"].shape[1:3])
    encode = ppn_encoder(Size(*recipe.model.size), grid=grid, window=head.window)
    return _Parts(model, ppn_spec(recipe.name or model.name), encode, train, val)


def _skeleton(names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    return COCO_17_SKELETON if names == COCO_17 else ()


def measurer(
    worker: Inference, data: CocoData, *, one_each: bool
) -> Callable[[keras.Model], Mapping[str, float]]:
    """Return the function that gives the figures of `edgecv eval pose` of a network.

    Args:
        worker: Runs the network.
        data: The validation set.
        one_each: Whether the network is given one person at a time.
    """

    def measure(network: keras.Model) -> dict[str, float]:
        if one_each:
            figures = evaluation.evaluate(worker.model(network), data).figures
        else:
            files, sizes = zip(*((i.file, i.size) for i in data.images), strict=True)
            results = worker.results(network, pictures(files, None, sizes=sizes))
            found = cast("Sequence[Poses]", list(results))
            figures = evaluation.measure(data, found, one_each=False).figures
        return {name: figures[name] for name in ("mean_oks", "oks_ap", "oks_ap50")}

    return measure


class People(Derived):
    """Every person of a set of pictures as a sample of their own: a square round the person's box.

    It is the same square that inference looks at. Where it reaches beyond the picture it is grey.

    Args:
        samples: Pictures with boxes and keypoints.
        margin: As for `edgecv.regions.person_region`.
        least: People with fewer marked keypoints are left out.

    Raises:
        RecipeError: Nobody is left.
    """

    def __init__(self, samples: Samples, *, margin: float, least: int) -> None:
        self.samples, self.margin = samples, margin
        marked = [
            (index, int(person))
            for index in range(len(samples))
            for person in np.flatnonzero((samples[index].keypoints[..., 2] > 0).sum(1) >= least)
        ]
        if not marked:
            raise RecipeError(f"head.min_keypoints: nobody has {least} marked keypoints or more")
        self._people = marked

    def __len__(self) -> int:
        return len(self._people)

    def __getitem__(self, index: int, /) -> Sample:
        picture, person = self._people[index]
        sample = self.samples[picture]
        frame = Size(*sample.image.shape[:2])
        region = person_region(sample.boxes[person], frame, margin=self.margin)
        left, top = round(region[0]), round(region[1])
        side = max(1, round(region[2] - region[0]))
        one = slice(person, person + 1)
        shift = np.array((left, top), np.float32)
        points: Any = sample.keypoints[one].copy()
        points[..., :2] -= shift
        return replace(
            sample,
            image=_cut(sample.image, left, top, side),
            boxes=sample.boxes[one] - np.tile(shift, 2),
            classes=sample.classes[one],
            keypoints=points,
        )


def _cut(image: Image, left: int, top: int, side: int) -> Image:
    """Return a square of a picture; what lies beyond is grey."""
    out = np.full((side, side, 3), GREY, np.uint8)
    height, width = image.shape[:2]
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + side, width), min(top + side, height)
    out[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return out
