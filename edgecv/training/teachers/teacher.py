"""What a larger network says of every picture of a dataset: asked once, then kept on disk.

The teacher is any open model, whatever runs it. Answers are kept in the cache folder by what was
asked, the model's file and the pictures' pixels, so that a change of any asks anew.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from edgecv.align import ARCFACE_112, align_face
from edgecv.cache import atomic_path, cache_dir
from edgecv.errors import InferenceError, OutputError, SpecError, unknown_name
from edgecv.evaluation.loop import check_task
from edgecv.image import Plan
from edgecv.model import Model
from edgecv.progress import Report, silent, track
from edgecv.results import Embedding
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample, Samples
from edgecv.types import Array, FloatArray, Image

log = logging.getLogger(__name__)

Arrays = Mapping[str, Array]
_LEAST = 1e-6
"""A probability of 0, as quantized models give it, has no logarithm: this has."""


@dataclass(frozen=True, eq=False)
class Numbered:
    """The same samples, the label of each its number in the set.

    What belongs to a sample can then be looked up by it after all augmentation: its true label, a
    teacher's answer. In a picture that was blended with another, `mix.label` is a number too.

    Attributes:
        samples: The set.
        names: What a label is called is now what each sample's class is called: (N,).
    """

    samples: Samples
    names: tuple[str, ...]

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Return the set's names of keypoints."""
        return self.samples.keypoints

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> Sample:
        return replace(self.samples[index], label=range(len(self))[index])


def class_logits(teacher: Model, samples: Samples, *, report: Report = silent) -> FloatArray:
    """Return the teacher's logits, float32 (N, C), for the C classes that the samples name.

    Each row is up to a constant; a teacher that gives probabilities has their logarithms taken.

    Args:
        teacher: A classifier. Its classes are found by name; where it names none, their number
            has to be that of the samples' classes, a background left out.
        samples: N of them.
        report: Called with how many were asked.

    Raises:
        SpecError: The teacher is for another task, or its classes are not the samples'.
        InferenceError: The runtime failed, or the answers are not numbers.
    """
    check_task(teacher, "classification")
    if teacher.spec.labels:  # told before the asking, not after it
        columns(teacher.spec, len(teacher.spec.labels), samples.names)

    def ask() -> Arrays:
        rows = [picture_logits(teacher, image) for image in _images(samples, report)]
        return {"logits": np.stack(rows)}

    logits = remembered("classes", teacher, samples, ask)["logits"]
    chosen: FloatArray = logits[:, columns(teacher.spec, logits.shape[1], samples.names)]
    return chosen


def embeddings(teacher: Model, samples: Samples, *, report: Report = silent) -> FloatArray:
    """Return the teacher's embeddings, float32 (N, D), rows of length 1.

    Args:
        teacher: A model of the task "face_embedding".
        samples: N faces aligned by the ArcFace template, as `edgecv.align.align_face` cuts them.
        report: Called with how many were asked.

    Raises:
        SpecError: The teacher is for another task.
        InferenceError: The runtime failed, or an embedding points nowhere.
    """
    check_task(teacher, "face_embedding")

    def ask() -> Arrays:
        rows = [embed_aligned(teacher, image) for image in _images(samples, report)]
        return {"embeddings": np.stack(rows)}

    vectors: FloatArray = remembered("embeddings", teacher, samples, ask)["embeddings"]
    return vectors


def embed_aligned(model: Model, image: Image) -> FloatArray:
    """Return the embedding, float32 (D,), of a face that is aligned by the ArcFace template.

    The face is moved to the model's own template, where that is another.

    Args:
        model: A model of the task "face_embedding".
        image: uint8 (H, W, 3), BGR: the template's 112x112 pixels, or any size of it.

    Raises:
        InferenceError: The embedding points nowhere.
    """
    size = Plan(model.spec.input, model.session.inputs[0]).size
    height, width = image.shape[:2]
    points = np.array(ARCFACE_112, np.float32) * np.array((width / 112, height / 112), np.float32)
    template = np.array(model.spec.input.landmarks or ARCFACE_112, np.float32)
    result = model(align_face(image, points, template=template, size=size))
    if not isinstance(result, Embedding):
        raise SpecError(f"{model.spec.name} gives {type(result).__name__}, not Embedding")
    return result.vector


def columns(spec: ModelSpec, count: int, names: tuple[str, ...]) -> list[int]:
    """Return which of a classifier's `count` classes are the ones called `names`.

    Raises:
        SpecError: One is missing, or nothing says which they are.
    """
    if spec.labels:
        for name in names:
            if name not in spec.labels:
                raise SpecError(f"{spec.name}: {unknown_name('class', name, spec.labels)}")
        return [spec.labels.index(name) for name in names]
    first = int(bool(spec.options.get("background", False)))
    if count - first != len(names):
        raise SpecError(
            f"{spec.name} has {count - first} classes without names, the dataset {len(names)}: "
            "give the teacher labels (a spec beside its file)"
        )
    return list(range(first, count))


def remembered(
    question: str, teacher: Model, samples: Samples, ask: Callable[[], Arrays]
) -> Arrays:
    """Return what `ask` gives, from the cache folder where it was asked before.

    Args:
        question: What is asked, in a word.
        teacher: Who is asked. One that was not opened from a file is always asked.
        samples: Of what.
        ask: Asks.
    """
    if teacher.path is None:
        return ask()
    key = f"{_model_digest(teacher, teacher.path)}-{pixels_digest(s.image for s in _each(samples))}"
    return kept(f"{question}-{key}", ask)


def kept(key: str, make: Callable[[], Arrays]) -> Arrays:
    """Return arrays from the cache folder by their key; make and keep them where they are not."""
    file = cache_dir() / "teacher" / f"{key}.npz"
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        pass  # not there, or damaged
    arrays = make()
    try:
        with atomic_path(file) as temporary, temporary.open("wb") as out:
            np.savez(out, **dict(arrays))  # type: ignore[arg-type]  # none is its own keyword
    except OutputError as error:
        log.warning("what the teacher said is not kept: %s", error)
    return arrays


def pixels_digest(images: Iterable[Image]) -> str:
    """Return a fingerprint of pictures in their order."""
    digest = blake2b(digest_size=16)
    for image in images:
        digest.update(str(image.shape).encode())
        digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _model_digest(model: Model, path: Path) -> str:
    digest = blake2b(digest_size=16)
    for file in (path, path.with_suffix(".bin")):
        if file.is_file():
            digest.update(file.read_bytes())
    digest.update(json.dumps(model.spec.to_dict(), sort_keys=True).encode())
    digest.update(f"{model.runtime} {model.device}".encode())
    return digest.hexdigest()


def picture_logits(teacher: Model, image: Image) -> FloatArray:
    """Return a classifier's logits, float32 (its classes,), up to a constant.

    Args:
        teacher: Where it gives probabilities, their logarithms are taken.
        image: uint8 (H, W, 3), BGR.

    Raises:
        InferenceError: The runtime failed, or the answer is not numbers.
    """
    tensor, _ = teacher.preprocess(image)
    values = next(iter(teacher.infer(tensor).values())).astype(np.float32).reshape(-1)
    if not np.isfinite(values).all():
        raise InferenceError(f"{teacher.spec.name} gave scores that are no numbers")
    if teacher.spec.options.get("softmax", False):
        return values
    logits: FloatArray = np.log(np.maximum(values, _LEAST))
    return logits


def _images(samples: Samples, report: Report) -> Iterable[Image]:
    return (sample.image for sample in track(_each(samples), report, total=len(samples)))


def _each(samples: Samples) -> Iterable[Sample]:
    return (samples[index] for index in range(len(samples)))
