"""Detection, pose and face ID as numbers, to be compared between machines.

usage: results.py PHOTOS OUT.json SETS [LFW]

Needs what `edgecv[pi]` brings and nothing else, and goes through the public way of each task: old
SSDs and PReLUs are rewritten first, and people are enrolled in a gallery on disk. PHOTOS is what
photos.py wrote. SETS are names of `SETS` with commas between them; `public` needs the public
models. LFW is a folder with `pairs.csv` and `images/`; without it nobody is identified.
"""

from __future__ import annotations

import csv
import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from edgecv.apps.demo import person

import edgecv
from edgecv.enrolment import face_to_enroll
from edgecv.faces import embed_faces
from edgecv.gallery import open_gallery
from edgecv.image import Region
from edgecv.model import Model
from edgecv.results import Detections, Faces, Poses
from edgecv.types import FloatArray, Image


class Names(NamedTuple):
    """The models of the three tasks."""

    detector: str
    pose: str
    faces: str
    embedder: str


SETS = {
    "own": Names("edgecv-detect", "edgecv-pose", "edgecv-face-detect", "edgecv-face-embed"),
    "public": Names(
        "ssd_mobilenet_v1_coco_int8",
        "movenet_lightning_int8",
        "ulffd_landmark",
        "mobilefacenet_int8",
    ),
}
PHOTOS = ("astronaut", "coffee", "grace_hopper")
POSED = "astronaut"

Found = dict[str, Any]
"""The numbers of one picture, as JSON holds them."""


def detections(detector: Model, image: Image) -> Found:
    """Return what is in a picture: names, scores and boxes."""
    found = cast("Detections", detector(image))
    return {
        "names": list(found.names),
        "scores": found.scores.tolist(),
        "boxes": found.boxes.tolist(),
    }


def pose(model: Model, image: Image, region: Region | None = None) -> Found:
    """Return the keypoints of the person in a picture, and its longer side in pixels."""
    found = cast("Poses", model(image, region))
    return {
        "keypoints": found.keypoints[0].tolist(),
        "scores": found.keypoint_scores[0].tolist(),
        "side": max(image.shape[:2]),
    }


def face(detector: Model, embedder: Model, image: Image) -> FloatArray:
    """Return the embedding of the one face that is fit to be enrolled, float32 (1, D)."""
    faces = cast("Faces", detector(image))
    return embed_faces(image, faces[face_to_enroll(image, faces)], embedder)


def identities(detector: Model, embedder: Model, lfw: Path) -> dict[str, Found]:
    """Enrol one person; look for them on another photograph, and on one of somebody else."""
    with (lfw / "pairs.csv").open(encoding="utf-8") as file:
        (enrolled, again), (stranger, _) = [
            (row["img1"], row["img2"]) for row in csv.DictReader(file) if row["same"] == "1"
        ][:2]
    pictures = {"enrolled": enrolled, "again": again, "stranger": stranger}
    embeddings = {
        what: face(detector, embedder, edgecv.read_image(lfw / "images" / path))
        for what, path in pictures.items()
    }
    rows = np.concatenate(list(embeddings.values()))
    with (
        tempfile.TemporaryDirectory() as folder,
        open_gallery(Path(folder) / "people.db", embedder) as gallery,
    ):
        gallery.enroll(Path(enrolled).parent.name, embeddings["enrolled"])
        names, cosines = gallery.identify(rows, threshold=embedder.spec.score)
    return {
        what: {
            "name": name,
            "similarity": float(cosine),
            "embedding": row.tolist(),
        }
        for what, name, cosine, row in zip(pictures, names, cosines, rows, strict=True)
    }


def photo(folder: Path, name: str, model: Model | None = None) -> Image:
    """Return a photograph as it was shot, or as a square of the side of a model's input."""
    image = edgecv.read_image(folder / f"{name}.png")
    if model is None:
        return image
    side = model.preprocess(image)[0].shape[1]
    return edgecv.read_image(folder / f"{name}_{side}.png")


def results(names: Names, photos: Path, lfw: Path | None) -> dict[str, Found]:
    """Return the numbers of the three tasks, by the pixels that they were given."""
    detector, poser, faces, embedder = (
        edgecv.load(name, runtime="tflite", device="cpu") for name in names
    )
    shot = {name: photo(photos, name) for name in PHOTOS}
    return {
        "same pixels": {
            "detection": {
                name: detections(detector, photo(photos, name, detector)) for name in PHOTOS
            },
            "pose": {POSED: pose(poser, photo(photos, POSED, poser))},
        },
        "as shot": {
            "detection": {name: detections(detector, image) for name, image in shot.items()},
            "pose": {POSED: pose(poser, shot[POSED], person(detector, shot[POSED]))},
            "face": identities(faces, embedder, lfw) if lfw else {},
        },
    }


def main(photos: Path, out: Path, sets: list[str], lfw: Path | None) -> None:
    """Run the three tasks with every set of models and write their numbers."""
    found = {name: results(SETS[name], photos, lfw) for name in sets}
    values = {"machine": platform.machine(), "sets": found}
    out.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    where, written, wanted, *more = sys.argv[1:]
    main(Path(where), Path(written), wanted.split(","), Path(more[0]) if more else None)
