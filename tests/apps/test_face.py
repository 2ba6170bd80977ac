from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
from edgecv.apps.common import UsageError
from edgecv.apps.faceid import check_embedder, find_faces, largest_face

from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession

F = np.float32
BOXES = {
    "boxes": np.array([[[0.0, 0.0, 0.2, 0.2], [0.1, 0.1, 0.9, 0.9]]], F),
    "classes": np.zeros((1, 2), F),
    "scores": np.array([[0.9, 0.8]], F),
    "count": np.array([2], F),
}
IMAGE = np.zeros((100, 200, 3), np.uint8)


def test_a_detector_without_five_points_is_refused_with_one_that_has_them() -> None:
    detector = Model(FakeSession(BOXES), ModelSpec("boxes", "face_detection", "ssd_postprocess"))
    with pytest.raises(
        UsageError, match=r"boxes does not give the five points.*edgecv-face-detect"
    ):
        find_faces(IMAGE, detector)
    nobody = Model(
        FakeSession({**BOXES, "scores": np.zeros((1, 2), F)}),
        ModelSpec("boxes", "face_detection", "ssd_postprocess"),
    )
    assert len(find_faces(IMAGE, nobody)) == 0
    assert largest_face(IMAGE, nobody) is None


def test_an_embedder_that_does_not_align_is_refused_with_those_that_do() -> None:
    session = FakeSession({"vector": np.ones((1, 8), F)})
    with pytest.raises(UsageError, match=r"lacks input.landmarks.*mobilefacenet_int8"):
        check_embedder(Model(session, ModelSpec("vector", "face_embedding", "embedding")))
    assert session.closed


@pytest.mark.parametrize("words", [["--embedder", "mobilefacenet_int8"], ["--threshold", "0.5"]])
def test_names_need_known_people(edgecv, picture, words) -> None:
    ran = edgecv("face", picture("a.png"), *words)
    assert ran.code == 2
    assert "need --known" in ran.err


@pytest.fixture
def pair(data: Path) -> Namespace:
    """Two pictures of one person, and one of somebody else."""
    folder = data / "lfw_eval"
    with (folder / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    same = next(row for row in rows if row["same"] == "1")
    other = next(row for row in rows if row["same"] == "0")
    images = folder / "images"
    return Namespace(
        first=images / same["img1"], second=images / same["img2"], other=images / other["img2"]
    )


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize("layout", ["{}.jpg", "{}/any.jpg"], ids=["files", "folders"])
def test_known_people_are_named_and_others_are_not(edgecv, zoo, pair, tmp_path, layout) -> None:
    known = tmp_path / layout.format("Ann")
    known.parent.mkdir(exist_ok=True)
    shutil.copy(pair.first, known)
    folder = tmp_path / "known"
    folder.mkdir()
    shutil.move(known if known.parent == tmp_path else known.parent, folder)
    words = ["--known", folder, "--json", "-"]
    ran = edgecv("face", pair.second, pair.other, *words)
    assert (ran.code, ran.err) == (0, "")
    second, other = (json.loads(line)["faces"][0] for line in ran.out.splitlines())
    assert second["name"] == "Ann"
    assert other["name"] is None
    assert second["similarity"] > 0.4 > other["similarity"]
    strict = edgecv("face", pair.second, *words, "--threshold", "0.999")
    assert json.loads(strict.out)["faces"][0]["name"] is None


@pytest.mark.zoo
@pytest.mark.data
def test_known_pictures_without_a_face_are_told(edgecv, zoo, pair, picture, tmp_path) -> None:
    picture("known/Nobody.png")
    ran = edgecv("face", pair.first, "--known", tmp_path / "known")
    assert ran.code == 1
    assert "no face in" in ran.err
    assert f"no faces in {tmp_path / 'known'}: NAME.jpg or NAME/ is wanted" in ran.err
    shutil.copy(pair.first, tmp_path / "known" / "Ann.jpg")
    ran = edgecv("face", pair.first, "--known", tmp_path / "known")
    assert ran.code == 0
    assert ": Ann 1.00 " in ran.out


@pytest.mark.zoo
@pytest.mark.data
def test_two_faces_are_compared(edgecv, zoo, pair) -> None:
    def similarity(*words: object) -> float:
        ran = edgecv("embed", *words)
        assert ran.code == 0
        assert len(ran.out.splitlines()) == 3
        return float(ran.out.splitlines()[-1].removeprefix("similarity "))

    same, different = similarity(pair.first, pair.second), similarity(pair.first, pair.other)
    assert same > 0.4 > different


@pytest.mark.zoo
@pytest.mark.data
def test_a_vector_has_length_one_and_a_picture_without_a_face_is_told(
    edgecv, zoo, pair, picture
) -> None:
    empty = picture("empty.png")
    ran = edgecv("embed", pair.first, empty, "--json", "-")
    assert ran.code == 1
    assert ran.err == f"edgecv: {empty}: no face found\n"
    found = json.loads(ran.out)
    assert found["model"] == "edgecv-face-embed"
    assert np.linalg.norm(found["embedding"]) == pytest.approx(1, abs=1e-4)
    assert found["latency_ms"]["total"] > 0


@pytest.mark.zoo
@pytest.mark.data
def test_faces_are_found_and_compared_where_tflite_is_the_only_runtime(zoo, pair) -> None:
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('openvino', 'onnxruntime')))\n"
        "from edgecv.apps.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", code, "face", "verify", pair.first, pair.second]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["same"] is True
