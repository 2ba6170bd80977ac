"""Pairs of faces that a training is measured on: found and aligned once, embedded every time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import cv2
import keras
import numpy as np

from edgecv.align import align_face
from edgecv.datasets import Pair
from edgecv.drawing import label
from edgecv.errors import DataError
from edgecv.evaluation import plots, verification
from edgecv.evaluation.verification import VerificationEvaluation
from edgecv.image import read_image
from edgecv.labels import FACE_5
from edgecv.model import Model, load
from edgecv.progress import Report, silent, track
from edgecv.results import Embedding, Faces
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample, SampleList, Samples
from edgecv.training.measuring import Inference
from edgecv.training.teachers.teacher import Arrays, remembered
from edgecv.types import Array, FloatArray, Image, IntArray

DETECTOR = "yunet_n_320"
FIGURES = ("accuracy", "accuracy_best", "tar@1e-2", "eer", "threshold")
SHOWN, COLUMNS, CELL = 24, 4, 112
"""Pairs in the report, pairs in a row, pixels of a face."""
ALIKE, OTHER = (60, 160, 60), (60, 60, 220)
"""BGR."""
_PAIRS = 3000
_EACH = 10


@dataclass(frozen=True, eq=False)
class FacePairs:
    """Aligned faces and which of them to compare.

    Attributes:
        faces: Aligned by the ArcFace template.
        first: int64 (P,): the place of each pair's first face among `faces`; -1 where none was
            found in the picture.
        second: int64 (P,): that of the second.
        same: bool (P,): whether it is the same person.
        failed: The pictures in which no face was found.
    """

    faces: Samples
    first: IntArray
    second: IntArray
    same: Array
    failed: tuple[Path, ...] = ()

    def measure(self, vectors: FloatArray) -> VerificationEvaluation:
        """Return how well the faces' embeddings, rows of length 1, tell people apart.

        Args:
            vectors: float32 (N, D).
        """
        cosines = (vectors[self.first] * vectors[self.second]).sum(axis=1, dtype=np.float64)
        cosines[(self.first < 0) | (self.second < 0)] = np.nan
        return verification.measure(cosines, self.same, images=len(self.faces), failed=self.failed)


class Verification:
    """Measures networks on pairs of faces, as `edgecv eval face-verify` does with a finished model.

    Args:
        spec: What goes into the trained file.
        pairs: The pairs.
    """

    def __init__(self, spec: ModelSpec, pairs: FacePairs) -> None:
        self.pairs, self._infer = pairs, Inference(spec, batch=64)

    def __call__(self, network: keras.Model) -> dict[str, float]:
        """Return the figures: accuracy, at rates of false accepts, and the best threshold."""
        found = self.measure(network).figures
        return {name: float(found[name]) for name in FIGURES}

    def measure(self, network: keras.Model) -> VerificationEvaluation:
        """Return all that is known of how a network tells the pairs apart."""
        results = cast("list[Embedding]", self._infer(network, self.pairs.faces))
        return self.pairs.measure(np.stack([result.vector for result in results]))

    def curve(self, network: keras.Model) -> Image:
        """Return a picture of the ROC curve."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "roc.png"
            plots.roc_plot(self.measure(network), file)
            return read_image(file)

    def wrong(self, network: keras.Model) -> Image:
        """Return a picture of pairs that were judged wrongly, spread over them: green are alike."""
        judged = self.measure(network)
        wrong = np.flatnonzero(~judged.correct & ~np.isnan(judged.similarity))
        shown = wrong[:: max(1, -(-len(wrong) // SHOWN))].tolist()
        cells = [self._cell(k, float(judged.similarity[k])) for k in shown]
        blank = np.full((CELL, 2 * CELL, 3), 255, np.uint8)
        cells += [blank] * (COLUMNS - len(cells) % COLUMNS)
        rows = [np.hstack(cells[k : k + COLUMNS]) for k in range(0, len(cells), COLUMNS)]
        return np.asarray(np.vstack(rows), np.uint8)

    def _cell(self, pair: int, similarity: float) -> Image:
        sides = [
            self.pairs.faces[int(part[pair])] for part in (self.pairs.first, self.pairs.second)
        ]
        cell: Image = np.hstack(
            [np.asarray(cv2.resize(side.image, (CELL, CELL)), np.uint8) for side in sides]
        )
        label(cell, f"{similarity:.2f}", 0, CELL, ALIKE if self.pairs.same[pair] else OTHER)
        return cell


def portraits(
    pairs: Sequence[Pair], *, detector: str = DETECTOR, report: Report = silent
) -> FacePairs:
    """Find and align the face in every picture of some pairs, or take it from the cache.

    Args:
        pairs: What `edgecv.datasets.read_pairs` gives.
        detector: A name of `edgecv models` or a file: a face detector that gives five points.
        report: Called with how many pictures are done.

    Raises:
        EdgeCVError: The detector cannot be opened, or a picture cannot be read.
        DataError: There is no face in any picture.
        ValueError: The detector gives no five points.
    """
    files = list(dict.fromkeys(file for pair in pairs for file in (pair.first, pair.second)))
    pictures = SampleList(_Files(files), ())
    with load(detector) as opened:

        def align() -> Arrays:
            return _aligned(opened, track(pictures.items, report, total=len(files)))

        arrays = remembered("aligned", opened, pictures, align)
    if not arrays["found"].any():
        raise DataError(f"{detector} finds no face in any of {len(files)} pictures of pairs")
    place = np.where(arrays["found"], np.cumsum(arrays["found"]) - 1, -1)
    at = {file: int(place[k]) for k, file in enumerate(files)}
    return FacePairs(
        SampleList([Sample(face) for face in arrays["faces"]], ()),
        np.array([at[pair.first] for pair in pairs], np.int64),
        np.array([at[pair.second] for pair in pairs], np.int64),
        np.array([pair.same for pair in pairs], bool),
        tuple(file for file in files if at[file] < 0),
    )


def paired(samples: Samples, labels: Sequence[int], *, seed: int = 0) -> FacePairs:
    """Make pairs of aligned faces of known people: as many of two people as of one.

    Args:
        samples: Aligned by the ArcFace template.
        labels: Who each is.
        seed: Of which pairs are taken, where there are very many.

    Raises:
        DataError: Nobody has two pictures, or there is one person only.
    """
    ids, rng = np.asarray(labels), np.random.default_rng(seed)
    genuine = [
        pair
        for person in np.unique(ids)
        for pair in _some(list(combinations(np.flatnonzero(ids == person), 2)), _EACH, rng)
    ]
    if not genuine or (ids == ids[0]).all():
        raise DataError(
            "verification compares pictures of one person and of two: wanted two people or more, "
            f"one of them with two pictures; got {len(ids)} of {len(np.unique(ids))}"
        )
    genuine = _some(genuine, _PAIRS, rng)
    impostors: list[tuple[int, int]] = []
    while len(impostors) < len(genuine):
        i, j = rng.integers(len(ids), size=2).tolist()
        if ids[i] != ids[j]:
            impostors.append((i, j))
    first, second = np.array(genuine + impostors, np.int64).T
    same = np.arange(len(first)) < len(genuine)
    return FacePairs(samples, first, second, same)


class _Files(Sequence[Sample]):
    """Pictures that are read when they are looked at."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: Any) -> Any:
        return Sample(read_image(self._files[index]))


def _aligned(detector: Model, samples: Iterable[Sample]) -> Arrays:
    """Return the faces, uint8 (M, 112, 112, 3), and in which pictures there is one, bool (N,)."""
    faces, found = [], []
    for sample in samples:
        seen = cast("Faces", detector(sample.image))
        if seen.points != FACE_5:
            raise ValueError(f"{detector.spec.name} gives no five points to align faces by")
        found.append(len(seen) > 0)
        if len(seen):
            landmarks = seen.landmarks[verification.main_face(seen)]
            faces.append(align_face(sample.image, landmarks))
    stacked = np.stack(faces) if faces else np.zeros((0, 112, 112, 3), np.uint8)
    return {"faces": stacked, "found": np.array(found, bool)}


def _some(
    pairs: list[tuple[int, int]], count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    if len(pairs) <= count:
        return pairs
    return [pairs[i] for i in sorted(rng.permutation(len(pairs))[:count].tolist())]
