"""From found faces to names: alignment, embedding and the nearest known face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from edgecv.align import align_face
from edgecv.image import Plan
from edgecv.labels import FACE_5
from edgecv.model import Model
from edgecv.results import Embedding, Faces
from edgecv.types import Array, FloatArray, Image


def embed_faces(image: Image, faces: Faces, embedder: Model) -> FloatArray:
    """Return what each face looks like, float32 (N, D), every row of length 1.

    Without faces it is (0, 0).

    Args:
        image: uint8 (H, W, 3), BGR: the picture that the faces were found in.
        faces: N faces, with the five points.
        embedder: A model for aligned faces: its spec's `input.landmarks` say where the points go.

    Raises:
        ValueError: The faces lack the five points, or the model is not for aligned faces.
    """
    template = embedder.spec.input.landmarks
    if embedder.spec.task != "face_embedding" or not template:
        raise ValueError(
            f"{embedder.spec.name} does not embed aligned faces (its task is {embedder.spec.task}, "
            f"and input.landmarks are {'given' if template else 'not given'}): take a face "
            "embedding model such as face-reidentification-retail-0095_int8"
        )
    if faces.points != FACE_5:
        raise ValueError(
            f"faces are aligned by the five points {', '.join(FACE_5)}; these have "
            f"{', '.join(faces.points) or 'none'}: detect them with yunet_n_320, or run "
            "landmarks-regression-retail-0009_int8 on each box"
        )
    size = Plan(embedder.spec.input, embedder.session.inputs[0]).size
    points = np.array(template, np.float32)
    rows: list[FloatArray] = []
    for landmarks in faces.landmarks:
        result = embedder(align_face(image, landmarks, template=points, size=size))
        if not isinstance(result, Embedding):
            raise ValueError(f"{embedder.spec.name} gives {type(result).__name__}, not Embedding")
        rows.append(result.vector)
    return np.stack(rows) if rows else np.zeros((0, 0), np.float32)


def identify(
    embeddings: FloatArray, known: FloatArray, names: Sequence[str], *, threshold: float
) -> tuple[tuple[str | None, ...], FloatArray]:
    """Return who each face is, and the cosine to the nearest known face.

    Args:
        embeddings: float32 (N, D), rows of length 1.
        known: float32 (M, D), rows of length 1 by the same model; a person may have several.
        names: The M names.
        threshold: Faces whose cosine to every known one is below this are nobody known, -1..1.

    Returns:
        The names (N,), None for nobody known, and the similarity, float32 (N,), -1..1; it is NaN
        where there is no known face at all.

    Raises:
        ValueError: The numbers of rows, columns and names do not fit, or the threshold is out of
            range.
    """
    if len(known) != len(names):
        raise ValueError(f"wanted a name for each known face, got {len(known)} and {len(names)}")
    if not -1 <= threshold <= 1:
        raise ValueError(f"the threshold is a cosine, -1..1, got {threshold}")
    if not (len(known) and len(embeddings)):
        return (None,) * len(embeddings), np.full(len(embeddings), np.nan, np.float32)
    if embeddings.ndim != 2 or known.ndim != 2 or embeddings.shape[1] != known.shape[1]:
        raise ValueError(
            f"wanted embeddings of one model, (N, D) and (M, D), got {embeddings.shape} and "
            f"{known.shape}"
        )
    cosines = embeddings @ known.T
    nearest = cosines.argmax(axis=1)
    similarity = cosines[np.arange(len(cosines)), nearest].astype(np.float32)
    near = similarity >= threshold
    found = [names[k] if ok else None for k, ok in zip(nearest.tolist(), near, strict=True)]
    return tuple(found), similarity


def with_identity(
    faces: Faces, embeddings: FloatArray, known: Array, names: Sequence[str], *, threshold: float
) -> Faces:
    """Return the faces with names and similarities filled in; the arguments are `identify`'s.

    Raises:
        ValueError: There is not one embedding for each face, or `identify` refuses its arguments.
    """
    if len(embeddings) != len(faces):
        raise ValueError(
            f"wanted an embedding for each face, got {len(embeddings)} for {len(faces)}"
        )
    found, similarity = identify(embeddings, known, names, threshold=threshold)
    return replace(faces, names=found, similarity=similarity)
