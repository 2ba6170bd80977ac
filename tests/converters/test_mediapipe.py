"""MediaPipe Tasks, which knows nothing of edgecv, runs our files and says the same.

MediaPipe has an environment of its own, made once in the user's cache as `benchmarks.peers` does.
"""

from __future__ import annotations

import json
import os
import subprocess
import venv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import tiny_ssd
import tiny_uint8
from edgecv.converters.classifier_softmax import add_softmax
from edgecv.converters.embed import embed
from edgecv.converters.ssd_postprocess import add_postprocess
from edgecv.converters.tflite_metadata import add_metadata

import edgecv
from edgecv import zoo as models
from edgecv.boxes import iou
from edgecv.cache import cache_dir
from edgecv.image import Plan
from edgecv.spec import ModelSpec
from edgecv.tflitegraph import Graph
from edgecv.types import TensorSpec

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SCRIPT = Path(__file__).parent.parent / "mediapipe_tasks.py"
PICTURES = 12


class Exported(NamedTuple):
    """A TFLite file as `edgecv convert` gives it."""

    path: Path
    spec: ModelSpec


@pytest.fixture(scope="session")
def mediapipe() -> Path:
    """The Python of MediaPipe's environment; the test is skipped where it cannot be installed."""
    folder = cache_dir() / "peers" / "mediapipe"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not (folder / "complete").is_file():
        venv.create(folder, clear=True, with_pip=True)
        line = [python, "-m", "pip", "install", "-q", "mediapipe"]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode and not os.environ.get("EDGECV_TESTS_SKIP_NOTHING"):
            pytest.skip(f"MediaPipe cannot be installed here: {done.stderr[-200:]}")
        assert done.returncode == 0, done.stderr
        (folder / "complete").touch()
    return python


def asked(python: Path, task: str, model: Path, pictures: Sequence[np.ndarray] = ()) -> Any:
    """Return what MediaPipe says of BGR pictures, or of a model's metadata."""
    line = [python, SCRIPT, task, model]
    if pictures:
        line.append(model.with_suffix(".npz"))
        np.savez(line[-1], *(picture[..., ::-1] for picture in pictures))
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def photographs(data: Path, side: int = 0, count: int = PICTURES) -> list[np.ndarray]:
    """Return photographs; of the input's size, so that nobody has to resize them."""
    files = sorted((data / "coco_eval" / "images").iterdir())[:count]
    images = [edgecv.read_image(file) for file in files]
    return [cv2.resize(image, (side, side)) for image in images] if side else images


def in_bytes(source: Path, target: Path, spec: ModelSpec, pictures: Sequence[np.ndarray]) -> Path:
    """Quantize a float file; it takes bytes, as MediaPipe wants it, and gives floats."""
    from edgecv.quantize.recipe import QuantRecipe
    from edgecv.quantize.tflite import quantize

    graph = Graph(source.read_bytes())
    shape = tuple(int(side) for side in graph.tensors[graph.inputs[0]].shape)
    plan = Plan(spec.input, TensorSpec("image", shape, np.dtype(np.float32)))
    tensors = [plan(picture)[0] for picture in pictures]
    quantize(source, target, tensors, QuantRecipe(inputs="uint8", outputs="float32"))
    return target


@pytest.fixture(scope="module")
def mobilenet(zoo_folder: Path, tmp_path_factory) -> Exported:
    """A public MobileNet's weights in Keras, converted; for pictures of the input's size."""
    pytest.importorskip("keras")
    from edgecv.converters.keras_tflite import convert

    from edgecv.training.kerasfile import save_model
    from edgecv.training.weights.take import import_weights

    folder, name = tmp_path_factory.mktemp("classifier"), "mobilenet_v1_0.25_224_fp32"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGECV_ZOO_MIRROR", str(zoo_folder))
        path, spec = models.fetch(name), models.spec(name)
    made = import_weights(path, spec, "mobilenet_v1", options={"alpha": 0.25})
    save_model(made.model, made.spec, folder / "a.keras")
    convert(folder / "a.keras", folder / "a.tflite", precision="fp32")
    given = replace(made.spec.input, fit="stretch", zoom=1.0)
    return Exported(folder / "a.tflite", made.spec.with_changes(input=given, score=0.0))


@pytest.fixture(scope="module", params=["float32", "int8"])
def classifier(request, mobilenet: Exported, data: Path) -> Exported:
    file, spec = mobilenet
    if request.param == "int8":
        file = in_bytes(file, file.with_name("int8.tflite"), spec, photographs(data, count=24))
    content, spec = add_softmax(file.read_bytes(), spec)
    return exported(file.with_stem(f"{file.stem}_done"), content, spec)


def exported(path: Path, content: bytes, spec: ModelSpec) -> Exported:
    """Write a file with all that `edgecv convert` puts into it."""
    path.write_bytes(content)
    embed(path, spec=spec, card={"made": "for a test"})
    return Exported(path, spec)


@pytest.mark.zoo
@pytest.mark.data
def test_our_classifier_gives_the_same_classes(mediapipe, classifier: Exported, data: Path) -> None:
    pictures = photographs(data, 224)
    theirs = asked(mediapipe, "classify", classifier.path, pictures)
    apart, sure = 0.02, 0
    with edgecv.load(classifier.path) as model:
        for picture, categories in zip(pictures, theirs, strict=True):
            ours = model(picture)
            scores = {index: score for _, index, score in categories}
            assert sum(scores.values()) == pytest.approx(1, abs=0.02)
            name, index, score = categories[0]
            if ours.scores[0] - ours.scores[1] > apart:
                assert (name, index) == (ours.labels[ours.class_ids[0]], ours.class_ids[0])
            for class_id, own in zip(ours.class_ids, ours.scores, strict=True):
                assert scores[class_id] == pytest.approx(float(own), abs=apart)
            sure += score > 0.3
    assert sure >= 3


@pytest.fixture(scope="module")
def ssd(data: Path, tmp_path_factory) -> Exported:
    """An SSD of ours, of random weights, converted."""
    pytest.importorskip("keras")
    from edgecv.converters.keras_tflite import convert
    from keras_ssd import write_ssd

    folder = tmp_path_factory.mktemp("detector")
    spec = write_ssd(folder / "a.keras", photographs(data, count=24))
    convert(folder / "a.keras", folder / "a.tflite", precision="fp32")
    return Exported(folder / "a.tflite", spec)


@pytest.fixture(scope="module", params=["float32", "int8"])
def raw_detector(request, ssd: Exported, data: Path) -> Exported:
    if request.param == "float32":
        return ssd
    file = ssd.path.with_name("int8.tflite")
    return Exported(in_bytes(ssd.path, file, ssd.spec, photographs(data, count=24)), ssd.spec)


@pytest.fixture(scope="module")
def detector(raw_detector: Exported) -> Exported:
    content, spec = add_postprocess(raw_detector.path.read_bytes(), raw_detector.spec)
    return exported(raw_detector.path.with_stem(f"{raw_detector.path.stem}_done"), content, spec)


@pytest.mark.data
def test_our_detector_finds_inside_what_its_decoder_finds(raw_detector, detector, data) -> None:
    raw = raw_detector.spec
    raw = raw.with_changes(options={**raw.options, "class_wise": False, "limit": 23})
    found = kept = 0
    with (
        edgecv.load(raw_detector.path, spec=raw) as outside,
        edgecv.load(detector.path, score=raw.score - 0.01) as inside,
    ):
        for picture in photographs(data):
            was, now = outside(picture), inside(picture)
            hit = (pairs := tiny_ssd.same(was, now)) >= 0
            found, kept = found + len(was), kept + int(hit.sum())
            np.testing.assert_allclose(now.scores[pairs[hit]], was.scores[hit], atol=0.01)
    assert found > 30
    assert kept / found > 0.97


def agreement(model: Exported, python: Path, pictures: Sequence[np.ndarray]) -> Iterator[bool]:
    """Yield for each detection of ours whether MediaPipe has it, with the same score.

    MediaPipe gives whole pixels: a corner may be one off, and the far one two. Of a box that begins
    outside the picture it moves the near corner to the edge and keeps the size, so that the far
    corner is wrong: only the near one is compared.
    """
    theirs = asked(python, "detect", model.path, pictures)
    with edgecv.load(model.path) as ours:
        for picture, detections in zip(pictures, theirs, strict=True):
            found = ours(picture)
            names = np.array([name for name, *_ in detections])
            numbers = np.array([numbers for _, *numbers in detections], np.float32)
            boxes = np.clip(numbers[:, 1:], 0, picture.shape[0])
            for box, class_id, score in zip(
                found.boxes, found.class_ids, found.scores, strict=True
            ):
                cut = np.array([False, False, *(box[:2] <= 0)])
                same = ((np.abs(boxes - box) <= 2) | cut).all(axis=1)
                same |= iou(box[None], boxes)[0] >= 0.9
                same &= (names == found.labels[class_id]) & (np.abs(numbers[:, 0] - score) <= 0.03)
                yield bool(same.any())


@pytest.mark.data
def test_our_detector_finds_the_same_objects(mediapipe, detector: Exported, data: Path) -> None:
    found = list(agreement(detector, mediapipe, photographs(data, 96)))
    assert len(found) > 30
    assert np.mean(found) >= 0.98


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_detector_of_any_type_finds_the_same_objects(mediapipe, dtype, tmp_path: Path) -> None:
    content, spec = add_postprocess(tiny_ssd.ssd(dtype), tiny_ssd.spec())
    made, black = exported(tmp_path / "done.tflite", content, spec), np.zeros((64, 64, 3), np.uint8)
    found = list(agreement(made, mediapipe, [black, *tiny_ssd.pictures(12)]))
    assert len(found) > 60
    assert np.mean(found) >= 0.98


@pytest.mark.zoo
@pytest.mark.data
def test_a_public_detector_cut_to_its_heads_and_ended_by_us_finds_the_same_objects(
    mediapipe, zoo: Path, data: Path, tmp_path: Path
) -> None:
    name = "ssd_mobilenet_v1_coco_int8"
    graph = Graph((zoo / f"{name}.tflite").read_bytes())
    sigmoid, decoding = graph.operators[-2:]
    graph.operators = graph.operators[:-2]
    graph.set_outputs({"boxes": decoding.inputs[0], "scores": sigmoid.inputs[0]})
    raw = models.spec(name).with_changes(
        decoder="ssd", outputs={"boxes": "Squeeze", "scores": "concat_1"}, options={}
    )
    content, spec = add_postprocess(graph.packed(), raw)
    made = exported(tmp_path / "done.tflite", content, spec)
    found = list(agreement(made, mediapipe, photographs(data, 300)))
    assert len(found) > 25
    assert np.mean(found) >= 0.98


def pixels() -> bytes:
    """Return a file that scores three classes in every pixel, by its surroundings."""
    net, rng = tiny_uint8.Builder(), np.random.default_rng(3)
    x = net.tensor("x", [1, 64, 64, 3], dtype="float32")
    weights = net.tensor(
        "weights", [3, 3, 3, 3], values=rng.normal(0, 1, (3, 3, 3, 3)), dtype="float32"
    )
    bias = net.tensor("bias", [3], values=np.zeros(3), dtype="float32")
    mask = net.tensor("mask", [1, 64, 64, 3], dtype="float32")
    window = {"strideW": 1, "strideH": 1, "padding": 0}
    net.add("CONV_2D", [x, weights, bias], [mask], kind="Conv2DOptions", **window)
    return net.packed([x], [mask])


def test_a_segmentation_network_gives_every_pixel_the_same_class(mediapipe, tmp_path: Path) -> None:
    spec = tiny_ssd.spec().with_changes(
        task="segmentation", decoder="segmentation", outputs={}, options={}
    )
    file, pictures = tmp_path / "done.tflite", tiny_ssd.pictures(3)
    file.write_bytes(add_metadata(pixels(), spec))
    theirs = np.array(asked(mediapipe, "segment", file, pictures))
    with edgecv.load(file, spec=spec) as model:
        ours = np.stack([model(picture).class_map for picture in pictures])
    assert np.bincount(ours.ravel(), minlength=3).min() > 500
    assert (ours == theirs).mean() > 0.999


def test_what_was_written_is_what_mediapipe_reads(mediapipe, tmp_path: Path) -> None:
    content, spec = add_postprocess(tiny_ssd.ssd(), tiny_ssd.spec().with_changes(license="MIT"))
    file = tmp_path / "done.tflite"
    file.write_bytes(add_metadata(content, spec.with_changes(notes="Made up.")))
    read = asked(mediapipe, "metadata", file)
    (graph,) = read.pop("subgraphMetadata")
    assert read == {
        "name": "tiny", "description": "A model for detection. Made up.", "license": "MIT",
        "minParserVersion": "1.2.0",
    }  # fmt: skip
    (picture,) = graph["inputTensorMetadata"]
    assert picture["content"]["contentProperties"] == {"colorSpace": 1}
    (unit,) = picture["processUnits"]
    assert unit == {"optionsType": 1, "options": {"mean": [128.0] * 3, "std": [128.0] * 3}}
    assert picture["stats"] == {"max": [127 / 128] * 3, "min": [-1.0] * 3}
    outputs = {each["name"]: each for each in graph["outputTensorMetadata"]}
    assert list(outputs) == ["location", "category", "score", "number of detections"]
    assert outputs["location"]["content"] == {
        "contentPropertiesType": 3,
        "contentProperties": {"index": [1, 0, 3, 2], "type": 1, "coordinateType": 0},
        "range": {"min": 2, "max": 2},
    }
    (labels,) = outputs["category"]["associatedFiles"]
    assert (labels["name"], labels["type"]) == ("labels.txt", 3)
    (unit,) = outputs["score"]["processUnits"]
    assert unit == {"optionsType": 3, "options": {"globalScoreThreshold": pytest.approx(0.4)}}
    assert graph["outputTensorGroups"] == [
        {"name": "detection_result", "tensorNames": ["location", "category", "score"]}
    ]
