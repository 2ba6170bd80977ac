"""Detection, pose and face ID on photographs in the public domain: pictures, JSON and a table."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

import edgecv
from edgecv.cache import write_atomic
from edgecv.faces import embed_faces, with_identity
from edgecv.image import Region
from edgecv.model import Model
from edgecv.regions import person_region
from edgecv.registry import package_missing
from edgecv.results import Detections, Faces, Result, RunInfo
from edgecv.sinks.images import write_image
from edgecv.types import FloatArray, Image

from .common import DEFAULTS
from .demo_live import Scenes, Tour, run_live
from .options import count, web_address

DETECTOR, POSE, FACES, EMBEDDER = "detection", "pose", "face_detection", "face_embedding"
TASKS = (DETECTOR, POSE, FACES, EMBEDDER)
"""What the demo's models are for. All of them ship with the package."""
TIMED_CALLS = 15


class Row(NamedTuple):
    """One line of the table: medians over `TIMED_CALLS`, in milliseconds."""

    task: str
    model: str
    runtime: str
    device: str
    preprocess: float
    inference: float
    decode: float
    total: float


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the demo's arguments."""
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder to write to")
    parser.add_argument("--device", default="auto", help="what to run on; see `edgecv devices`")
    live = parser.add_argument_group("live")
    live.add_argument(
        "--live", action="store_true", help="move over the photographs, on a page for a browser"
    )
    live.add_argument(
        "--web",
        type=web_address,
        default="127.0.0.1:8080",  # read as if it had been given
        metavar="HOST:PORT",
        help="where the page is (default: 127.0.0.1:8080)",
    )
    live.add_argument("--seconds", type=count("seconds"), default=0, help="stop after so long")
    live.add_argument("--max-frames", type=count("frames"), default=0, help="stop after so many")
    parser.epilog = "examples:\n  edgecv demo --out demo_output\n  edgecv demo --live"


def run(args: argparse.Namespace) -> int:
    """Run the three tasks; write annotated PNGs and results.json; print the table."""
    photos = photographs()
    models = opened(args.device)
    if args.live:
        return live(models, photos, args)
    results: dict[str, dict[str, Any]] = {}
    for part, look in {"detect": detect, "pose": pose, "face": face}.items():
        for name, (image, result) in look(models, photos).items():
            file = f"{part}_{name}.png"
            write_image(args.out / file, result.draw(image))
            results[file] = {"source": name, **result.to_dict()}
    rows = table(models, photos)
    written = {"results": results, "latency_ms": [row._asdict() for row in rows]}
    write_atomic(args.out / "results.json", json.dumps(written, indent=1) + "\n")
    print_table(rows)
    print(f"\n{len(results)} pictures and results.json are in {args.out}/")
    return 0


def opened(device: str) -> dict[str, Model]:
    """Open the demo's models by their tasks."""
    return {task: edgecv.load(DEFAULTS[task], device=device) for task in TASKS}


def live(models: dict[str, Model], photos: dict[str, Image], args: argparse.Namespace) -> int:
    """Run the three tasks on a moving picture of the photographs, until it is ended."""
    hopper = photos["grace_hopper"]
    known = embed_faces(hopper, faces_of(models, hopper), models[EMBEDDER])[:1]
    same = models[EMBEDDER].spec.score
    used = [models[task] for task in TASKS]
    scenes = Scenes(used, known, "Grace Hopper", threshold=same)
    chosen = {name: photos[name] for name in ("astronaut", "grace_hopper", "coffee", "chelsea")}
    tour = Tour(chosen, args.seconds)
    return run_live(tour, scenes, web=args.web, max_frames=args.max_frames)


def photographs() -> dict[str, Image]:
    """Return the photographs, uint8 (H, W, 3) BGR, by name.

    Raises:
        PackageMissingError: scikit-image or matplotlib, which carry them, are not installed.
    """
    try:
        from matplotlib import get_data_path
        from skimage import data
    except ModuleNotFoundError as error:
        raise package_missing(error.name or "scikit-image", "demo") from error
    photos: dict[str, Image] = {
        name: np.ascontiguousarray(getattr(data, name)()[..., ::-1])
        for name in ("astronaut", "chelsea", "coffee")
    }
    photos["camera"] = np.asarray(cv2.cvtColor(data.camera(), cv2.COLOR_GRAY2BGR), np.uint8)
    hopper = Path(get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photos["grace_hopper"] = edgecv.read_image(hopper)
    return photos


Found = dict[str, tuple[Image, Result]]


def detect(models: dict[str, Model], photos: dict[str, Image]) -> Found:
    """Detect objects on every photograph."""
    return {name: (image, models[DETECTOR](image)) for name, image in photos.items()}


def pose(models: dict[str, Model], photos: dict[str, Image]) -> Found:
    """Find the people, then the pose of the one most surely seen."""
    found: Found = {}
    for name in ("astronaut", "grace_hopper"):
        region = person(models[DETECTOR], photos[name])
        found[name] = photos[name], models[POSE](photos[name], region)
    return found


def person(detector: Model, image: Image) -> Region | None:
    """Return the square round the most surely seen person; None where there is none."""
    found = detector(image)
    if not isinstance(found, Detections):
        return None
    people = found[np.array([name == "person" for name in found.names], bool)]
    return person_region(people.boxes[0], people.frame) if len(people) else None


def face(models: dict[str, Model], photos: dict[str, Image]) -> Found:
    """Enrol Grace Hopper from her photograph; find her in changed copies, and nobody else."""
    hopper, astronaut = photos["grace_hopper"], photos["astronaut"]
    small = cv2.resize(hopper, None, fx=0.4, fy=0.4)
    pictures: dict[str, Image] = {
        "mirrored": np.ascontiguousarray(hopper[:, ::-1]),
        "dark_and_small": np.asarray(cv2.convertScaleAbs(small, alpha=0.5), np.uint8),
        "tilted": tilted(hopper, 15),
        "somebody_else": astronaut,
    }
    known = embed_faces(hopper, faces_of(models, hopper), models[EMBEDDER])[:1]
    return {name: (image, named(models, image, known)) for name, image in pictures.items()}


def named(models: dict[str, Model], image: Image, known: FloatArray) -> Faces:
    """Return the faces of a picture with Grace Hopper's name where she is."""
    faces = faces_of(models, image)
    embeddings = embed_faces(image, faces, models[EMBEDDER])
    same = models[EMBEDDER].spec.score
    return with_identity(faces, embeddings, known, ["Grace Hopper"], threshold=same)


def faces_of(models: dict[str, Model], image: Image) -> Faces:
    """Return the faces of a picture."""
    found = models[FACES](image)
    if not isinstance(found, Faces):
        name = models[FACES].spec.name
        raise TypeError(f"{name} gave {type(found).__name__}, wanted Faces")
    return found


def tilted(image: Image, degrees: float) -> Image:
    """Return a picture turned about its centre."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height)), np.uint8)


def table(models: dict[str, Model], photos: dict[str, Image]) -> list[Row]:
    """Time every model on the photograph of Grace Hopper."""
    image = photos["grace_hopper"]
    rows = []
    for task, model in models.items():
        model(image)
        runs = [ran(model(image)) for _ in range(TIMED_CALLS)]
        stages = zip(*(run.latency_ms for run in runs), strict=True)
        medians = [round(statistics.median(stage), 3) for stage in stages]
        name = task.replace("_", " ")
        rows.append(Row(name, model.spec.name, runs[0].runtime, runs[0].device, *medians))
    return rows


def ran(result: Result) -> RunInfo:
    """Return where a result comes from, which every model call says."""
    if result.run is None:
        raise ValueError("the result does not say where it comes from")
    return result.run


def print_table(rows: list[Row]) -> None:
    """Print the medians, a line a model."""
    head = ("task", "model", "runtime", "device", "preprocess", "inference", "decode", "total")
    print(f"p50 of {TIMED_CALLS} calls, in milliseconds\n")
    layout = "{:15} {:28} {:9} {:7} {:>10} {:>10} {:>8} {:>8}"
    print(layout.format(*head))
    for row in rows:
        print(layout.format(*row[:4], *(f"{value:.2f}" for value in row[4:])))
