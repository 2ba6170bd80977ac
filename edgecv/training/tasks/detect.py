"""Detection: an SSD on a network of `edgecv.models`, learned from boxes, of faces with points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgecv.boxes import area
from edgecv.datasets import BoxedImage, CocoData, CocoImage, read_objects
from edgecv.evaluation import coco, detection, face_detection
from edgecv.evaluation.loop import pictures
from edgecv.labels import FACE_5
from edgecv.models.ssd import ssd, ssd_spec
from edgecv.results import Detections, Faces
from edgecv.training.data.samples import Derived, Sample, Samples
from edgecv.training.losses.boxes import BACKGROUND, BOX_LOSSES
from edgecv.training.losses.classes import build_loss
from edgecv.training.measuring import Inference
from edgecv.training.network import open_backbone, take_head
from edgecv.training.qat.training import started
from edgecv.training.settings import build, within
from edgecv.training.targets.boxes import ssd_encoder
from edgecv.training.tasks import Task
from edgecv.training.tasks.heads import built, drawn
from edgecv.training.tasks.sets import check_blends, open_sets, repeated, without_skipped
from edgecv.types import Size

if TYPE_CHECKING:
    import keras

    from edgecv.training.data.stored import StoredSamples
    from edgecv.training.recipe import Recipe

FIGURES = ("AP50", "AP", "AP75", "APs", "APm", "APl", "AR100")
"""What is kept of COCO's figures, epoch by epoch."""

FACE_FIGURES = ("recall@1fppi", "ap40", "ap", "recall", "precision")
"""The figures of a detector of faces."""


@dataclass(frozen=True)
class DetectHead:
    """The recipe's [head].

    Attributes:
        lite: Whether 3x3 convolutions are depthwise separable, as in SSDLite.
        pyramid: Whether deep feature maps are added to the shallow ones.
        anchors: Keyword arguments of `edgecv.boxes.ssd_anchors`.
        match: The least IoU of an anchor with a box that it answers for.
        overlap: Of two boxes found with a greater IoU only the better is kept.
        momentum: Of the head's batch norm; .99 suits long trainings.
        landmarks: Whether faces are found, with five points. Pictures that have only boxes get
            points from a teacher ([distill]); coordinates that nobody knows count for nothing.
    """

    lite: bool = True
    pyramid: bool = False
    anchors: Mapping[str, Any] = field(default_factory=dict)
    match: float = 0.5
    overlap: float = 0.6
    momentum: float = 0.9
    landmarks: bool = False

    def __post_init__(self) -> None:
        within("head.match", self.match, 0, 1)
        within("head.overlap", self.overlap, 0, 1)
        within("head.momentum", self.momentum, 0, 1)


def make(recipe: Recipe) -> Task:
    """Build the detector and its pictures from a recipe.

    Raises:
        RecipeError: The recipe lacks something, or has an option that nothing takes.
        DataError: A folder is not what it should be.
        UnknownNameError: There is no such network, loss or format.
        PackageMissingError: pycocotools is not installed.
    """
    coco.tools()  # what is missing is told before the pictures are read
    head = build(DetectHead, recipe.head, "head")
    name = recipe.loss.name or "multibox"
    loss = build_loss(name, recipe.loss.options, BOX_LOSSES)
    check_blends(recipe, "mosaic")
    sets = open_sets(recipe)
    train: Samples = repeated(recipe, sets[0])
    val: Samples = sets[1]
    points = FACE_5 if head.landmarks else ()
    if points:
        train, val = Pointed(train, points), Pointed(val, points)
    network = open_backbone(recipe)
    model: keras.Model = built(
        "head",
        ssd,
        network.model,
        classes=len(train.names),
        anchors=head.anchors,
        lite=head.lite,
        pyramid=head.pyramid,
        background=BACKGROUND[name],
        points=len(points),
        momentum=head.momentum,
    )
    spec = ssd_spec(
        recipe.name or model.name,
        labels=train.names,
        anchors=head.anchors,
        background=BACKGROUND[name],
        keypoints=points,
        overlap=head.overlap,
    ).with_changes(source=f"trained by edgecv: recipe {recipe.name}")
    worker = Inference(spec)
    return Task(
        model=started(take_head(model, recipe), recipe, spec),
        spec=spec,
        train=train,
        val=val,
        encode=ssd_encoder(spec, Size(*recipe.model.size), overlap=head.match),
        loss=loss,
        measure=(
            face_measurer(Inference(spec, score=face_detection.SCORE), val, spec.score)
            if points
            else measurer(Inference(spec, score=detection.SCORE), recipe.data.val, sets[1])
        ),
        headline="recall@1fppi" if points else "AP50",
        pictures={"detections": lambda trained: drawn(worker, trained, val)},
        backbone=network.backbone,
    )


def measurer(
    worker: Inference, folder: str, val: StoredSamples
) -> Callable[[keras.Model], Mapping[str, float]]:
    """Return the function that gives COCO's figures of a network.

    A folder of COCO objects is read as `edgecv eval detect` reads it, so that the figures are the
    same; pictures of other formats are taken as they are in memory.

    Args:
        worker: Runs the network.
        folder: The validation set.
        val: The same, as samples: its names are the classes that count.
    """
    own = (Path(folder) / "instances.json").is_file()
    data = without_skipped(read_objects(folder), val) if own else truth(val)
    classes = [name for name in val.names if name in data.categories.values()]

    def measure(network: keras.Model) -> dict[str, float]:
        if own:
            files, sizes = zip(*((i.file, i.size) for i in data.images), strict=True)
            images = pictures(files, None, sizes=sizes)
        else:
            images = (val[index].image for index in range(len(val)))
        found = cast("Sequence[Detections]", list(worker.results(network, images)))
        figures = detection.measure(data, found, classes=classes).figures
        return {name: figures[name] for name in FIGURES if not np.isnan(figures[name])}

    return measure


@dataclass(frozen=True, eq=False)
class Pointed(Derived):
    """Samples of boxes with names for the points that a teacher may add.

    Attributes:
        samples: The set.
        points: The names.
    """

    samples: Samples
    points: tuple[str, ...]

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Return the points' names."""
        return self.points

    def __getitem__(self, index: int, /) -> Sample:
        sample = self.samples[index]
        shape = (len(sample.boxes), len(self.points), 3)
        return replace(sample, keypoints=np.zeros(shape, np.float32))


def face_measurer(
    worker: Inference, val: Samples, score: float
) -> Callable[[keras.Model], Mapping[str, float]]:
    """Return the function that gives the figures of `edgecv eval face-detect` of a network.

    Args:
        worker: Runs the network.
        val: The validation set.
        score: The threshold in use.
    """
    each = [val[index] for index in range(len(val))]
    data = [BoxedImage(Path(s.source), Size(*s.image.shape[:2]), s.boxes) for s in each]

    def measure(network: keras.Model) -> dict[str, float]:
        found = cast("Sequence[Faces]", list(worker.results(network, [s.image for s in each])))
        figures = face_detection.measure(data, found, score=score).figures
        return {name: figures[name] for name in FACE_FIGURES if not np.isnan(figures[name])}

    return measure


def truth(samples: Samples) -> CocoData:
    """Return what is marked in samples as labelled pictures of COCO."""
    images = []
    for index in range(len(samples)):
        sample = samples[index]
        count = len(sample.boxes)
        images.append(
            CocoImage(
                file=Path(sample.source),
                size=Size(*sample.image.shape[:2]),
                boxes=sample.boxes,
                category_ids=sample.classes,
                areas=area(sample.boxes),
                crowd=np.zeros(count, bool),
                keypoints=np.zeros((count, 0, 3), np.float32),
            )
        )
    return CocoData(tuple(images), dict(enumerate(samples.names)))
