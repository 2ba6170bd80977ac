"""Faces to embeddings: learned from people known by their pictures, or from a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np

from edgecv import models
from edgecv.align import ARCFACE_112
from edgecv.datasets import read_pairs
from edgecv.errors import unknown_name
from edgecv.model import load
from edgecv.models.blocks import conv_bn, depthwise_bn
from edgecv.models.loading import load_network
from edgecv.progress import bar
from edgecv.spec import ModelSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.data.samples import Sample, Samples, Subset
from edgecv.training.errors import RecipeError
from edgecv.training.faces.heads import HEADS, Distill, Head, People, Triplet, project, teacher_loss
from edgecv.training.faces.pairs import DETECTOR, FacePairs, Verification, paired, portraits
from edgecv.training.losses.triplet import ByPeople
from edgecv.training.network import FILES, take_weights
from edgecv.training.qat.training import started
from edgecv.training.settings import at_least, build, within
from edgecv.training.tasks import Outputs, Targets, Task, Tensor
from edgecv.training.tasks.sets import check_blends, open_set
from edgecv.training.teachers.teacher import Numbered, embeddings
from edgecv.types import Array, FloatArray, IntArray

if TYPE_CHECKING:
    from edgecv.training.data.stored import StoredSamples
    from edgecv.training.recipe import Recipe


@dataclass(frozen=True)
class FaceHead:
    """The recipe's [head].

    Attributes:
        embedding: The length of the vector.
        detector: Finds the faces in the pictures of pairs: a name of `edgecv models`, or a file.
        hold_out: Without data.val: the part of the people with several pictures that is left out
            of the training and measured on, 0..1.
    """

    embedding: int = 128
    detector: str = DETECTOR
    hold_out: float = 0.1

    def __post_init__(self) -> None:
        at_least("head.embedding", self.embedding, 1)
        within("head.hold_out", self.hold_out, 0, 0.9)


class Learner(NamedTuple):
    """A set of faces made ready to be learned.

    Attributes:
        samples: Labelled by their number in the set where there is a teacher.
        encode: Makes the targets of a batch.
    """

    samples: Samples
    encode: Callable[[Sequence[Sample]], Mapping[str, Array]]


def make(recipe: Recipe) -> Task:
    """Build the network and its faces from a recipe.

    Training pictures, and those of a data.val in folders by person, are faces aligned by the
    ArcFace template. A data.val with a pairs.csv holds whole photos: faces are found and aligned.

    Raises:
        RecipeError: The recipe lacks something, or has an option that nothing takes.
        DataError: A folder is not what it should be.
        UnknownNameError: There is no such network, loss, teacher or detector.
    """
    head, settings = _settings(recipe)
    spec = face_spec(recipe)
    embedder = started(open_embedder(recipe, settings.embedding), recipe, spec)
    train = open_set(recipe, "train")
    kept, pairs = _divided(recipe, settings, train)
    labels = np.array([train.entries[i].label for i in kept], np.int64)
    faces = Subset(train, kept)
    taught = _teacher_says(recipe, faces)
    learner = _learner(faces, labels, taught)
    samples = learner.samples
    if isinstance(head, Triplet):
        samples = ByPeople(samples, labels, batch=recipe.run.batch, images=head.images)
    people = People(len(train.names), steps=max(1, len(kept) // recipe.run.batch))
    network = _in_training(embedder, head, people, taught)
    measured = Verification(spec, pairs)

    def strip(model: keras.Model) -> keras.Model:
        return embedder if model is network else stripped(model)

    return Task(
        model=network,
        spec=spec,
        train=samples,
        val=pairs.faces,
        encode=learner.encode,
        loss=_loss(head, recipe.distill.weight if taught is not None else 0.0),
        measure=lambda model: measured(strip(model)),
        headline="accuracy",
        export=strip,
        pictures={
            "ROC curve": lambda model: measured.curve(strip(model)),
            "pairs judged wrongly": lambda model: measured.wrong(strip(model)),
        },
        backbone=_backbone(embedder),
    )


def open_embedder(recipe: Recipe, length: int) -> keras.Model:
    """Build a network from faces to embeddings (B, length), not normalised.

    A network of `edgecv.models` that gives no embeddings of its own, or a .keras file that ends in
    a feature map, gets MobileFaceNet's end: a mean of the map that is weighted for each channel and
    place, and a linear layer. Source: Chen et al. 2018, "MobileFaceNets", section 3.1.

    Raises:
        RecipeError: The network cannot be built so.
        UnknownNameError: There is no network of that name, or it has no such option.
        ModelFileError: A file cannot be read.
        CheckpointError: The weights are of another network.
    """
    part = recipe.model
    if part.name.endswith(FILES):
        model = load_network(Path(part.name))
    else:
        own = "embedding" in models.option_names(part.name)
        given = {"embedding": length} if own else {"include_top": False}
        try:
            model = models.build(part.name, input_size=part.size, **{**given, **part.options})
        except (ValueError, TypeError) as error:
            raise RecipeError(f"[model] {part.name}: {error}") from error
    if isinstance(model.output, (dict, list)) or len(model.output.shape) not in (2, 4):
        raise RecipeError(f"[model] {part.name}: wanted one output (B, H, W, C) or (B, D)")
    if len(model.output.shape) == 4:
        model = keras.Model(model.input, _pooled(model.output, length), name=model.name)
    if part.weights:
        take_weights(model, _backbone(model), Path(part.weights))
    return model


def stripped(model: keras.Model) -> keras.Model:
    """Return a network in training without its head; one that has none as it is."""
    if not isinstance(model.output, Mapping):
        return model
    return keras.Model(model.input, model.output["embedding"], name=model.name)


def face_spec(recipe: Recipe) -> ModelSpec:
    """Return what goes into the trained file.

    Raises:
        RecipeError: The input is not square.
    """
    height, width = recipe.model.size
    if height != width:
        raise RecipeError(f"model.input_size is {height} by {width}: aligned faces are square")
    template = tuple((x * width / 112, y * height / 112) for x, y in ARCFACE_112)
    return ModelSpec(
        name=recipe.name or recipe.model.name,
        task="face_embedding",
        decoder="embedding",
        input=replace(INPUT, landmarks=template),
        score=0.4,
        source=f"trained by edgecv: recipe {recipe.name}",
        notes=(
            "Aligned faces only (edgecv.faces.embed_faces). The score, the least cosine for the "
            "same person, is a guess: measure one with edgecv eval face-verify."
        ),
    )


def _settings(recipe: Recipe) -> tuple[Head, FaceHead]:
    """Read the recipe's [loss] and [head], and refuse what does not go together."""
    kind = recipe.loss.name or "arcface"
    if kind not in HEADS:
        raise RecipeError(str(unknown_name("loss", kind, HEADS)))
    check_blends(recipe)  # a person is one, not parts of two
    if HEADS[kind] is Distill and not recipe.distill.teacher:
        raise RecipeError("the loss distill wants a teacher: --set distill.teacher=NAME or a file")
    head: Head = build(HEADS[kind], recipe.loss.options, "loss")
    return head, build(FaceHead, recipe.head, "head")


def _divided(
    recipe: Recipe, settings: FaceHead, train: StoredSamples
) -> tuple[list[int], FacePairs]:
    """Return which training faces are learned, and the pairs that are measured."""
    every = list(range(len(train)))
    folder = recipe.data.val
    if folder and (Path(folder) / "pairs.csv").is_file():
        with bar("aligning faces") as report:
            return every, portraits(read_pairs(folder), detector=settings.detector, report=report)
    if folder:
        val = open_set(recipe, "val")
        return every, paired(val, [entry.label for entry in val.entries])
    labels = np.array([entry.label for entry in train.entries], np.int64)
    out = held_out(labels, settings.hold_out, recipe.run.seed)
    left = np.flatnonzero(out).tolist()
    return np.flatnonzero(~out).tolist(), paired(Subset(train, left), labels[out].tolist())


def held_out(labels: IntArray, part: float, seed: int) -> Array:
    """Return which pictures, bool (N,), are left for measuring: a part of those people with two.

    Args:
        labels: Who each is, (N,).
        part: The part of the people with two pictures or more, 0..1.
        seed: Of who they are.

    Raises:
        RecipeError: These would be fewer than two people, or all there are.
    """
    people, counts = np.unique(labels, return_counts=True)
    several = people[counts > 1]
    chosen = np.random.default_rng(seed).permutation(several)[: round(part * len(several))]
    if not 2 <= len(chosen) < len(people) - 1:
        raise RecipeError(
            f"data.val is missing, and {part:g} of the {len(several)} people with several pictures "
            "are too few to measure on or leave too few to learn: name a folder, or set "
            "head.hold_out"
        )
    out: Array = np.isin(labels, chosen)
    return out


def _teacher_says(recipe: Recipe, faces: Samples) -> FloatArray | None:
    if not recipe.distill.teacher:
        return None
    with load(recipe.distill.only) as teacher, bar("asking the teacher") as report:
        return embeddings(teacher, faces, report=report)


def _learner(faces: Samples, labels: IntArray, taught: FloatArray | None) -> Learner:
    if taught is None:
        return Learner(faces, lambda samples: {"ids": _labels(samples)})

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        numbers = _labels(samples)
        return {"ids": labels[numbers], "taught": taught[numbers]}

    names = tuple(faces.names[label] for label in labels.tolist())
    return Learner(Numbered(faces, names), encode)


def _labels(samples: Sequence[Sample]) -> IntArray:
    return np.array([sample.label for sample in samples], np.int64)


def _in_training(
    embedder: keras.Model, head: Head, people: People, taught: FloatArray | None
) -> keras.Model:
    embedding = embedder.output
    outputs = {"embedding": embedding, **head.outputs(embedding, people)}
    if taught is not None:
        outputs.update(project(embedding, taught.shape[1]))
    return keras.Model(embedder.input, outputs, name=embedder.name)


def _loss(head: Head, weight: float) -> Callable[[Targets, Outputs], Tensor]:
    """Return the loss of which `weight` is the teacher's part, 0..1: all of it for "distill"."""
    weight = 1.0 if isinstance(head, Distill) else weight

    def loss(targets: Targets, outputs: Outputs) -> Tensor:
        own = keras.ops.mean(head.loss(targets["ids"], outputs)) if weight < 1 else 0.0
        if not weight:
            return own
        theirs = keras.ops.mean(teacher_loss(targets["taught"], outputs))
        return (1 - weight) * own + weight * theirs

    return loss


def _pooled(features: Tensor, length: int) -> Tensor:
    x = depthwise_bn(features, features.shape[1:3], name="gdconv", activation=None, padding="valid")
    x = conv_bn(x, length, name="linear", activation=None)
    return keras.layers.Flatten(name="embedding")(x)


def _backbone(embedder: keras.Model) -> frozenset[str]:
    """Return the names of the layers before the end that `_pooled` and MobileFaceNet have."""
    end = ("gdconv", "linear", "embedding")
    return frozenset(layer.name for layer in embedder.layers if not layer.name.startswith(end))
