"""Which model made a gallery: embeddings of different models cannot be compared."""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path
from typing import NamedTuple

from edgecv.errors import GalleryError, ModelFileError
from edgecv.model import Model
from edgecv.zoo.checksums import sha256_of


class ModelId(NamedTuple):
    """An embedding model, by what is in its file; the name is for people.

    Attributes:
        name: The spec's name.
        sha256: Of the model file, 64 hexadecimal digits.
    """

    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} (SHA-256 {self.sha256[:12]})"


def model_id(model: Model) -> ModelId:
    """Return what tells a model from others: its name and the SHA-256 of its file.

    For OpenVINO, whose models are two files, it is the SHA-256 of both digests.

    Raises:
        ModelFileError: The file cannot be read any more.
        ValueError: The model was not loaded from a file.
    """
    if model.path is None:
        raise ValueError(f"{model.spec.name} has no file, so nothing tells it from other models")
    files = [model.path]
    if model.path.suffix == ".xml":
        files.append(model.path.with_suffix(".bin"))
    try:
        digests = [sha256_of(file) for file in files]
    except OSError as error:
        raise ModelFileError(f"cannot read {model.path}: {error.strerror or error}") from error
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    return ModelId(model.spec.name, digests[0] if len(digests) == 1 else whole)


def embedding_size(model: Model) -> int:
    """Return the number of values in a model's embeddings.

    Raises:
        ValueError: It is no embedding model, or its file leaves the number open.
    """
    if model.spec.task != "face_embedding":
        raise ValueError(f"{model.spec.name} embeds no faces: its task is {model.spec.task}")
    roles = model.spec.outputs.values()
    tensors = [t for t in model.session.outputs if not roles or t.name in roles]
    sides = tensors[0].shape[1:]
    if not sides or None in sides:
        raise ValueError(f"{model.spec.name}: the size of its output is open, {tensors[0].shape}")
    return prod(side for side in sides if side is not None)


def check_model(gallery: Path, made_with: ModelId, other: ModelId, about: str) -> None:
    """Refuse embeddings of another model than the one that made a gallery.

    Args:
        gallery: Its file.
        made_with: Its model.
        other: The model of the embeddings that are to be compared with those in it.
        about: Where those come from, with the model's name, for the message.

    Raises:
        GalleryError: The models are not the same.
    """
    if made_with.sha256 != other.sha256:
        raise GalleryError(
            f"{gallery} was made with {made_with}, but {about}. Embeddings of different models "
            f"cannot be compared: load {made_with.name}, or enrol everybody again into a new "
            "gallery"
        )
