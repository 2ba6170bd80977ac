from __future__ import annotations

import json

import cv2
import pytest
from edgecv.apps.common import BUNDLED

pytest.importorskip("skimage")
pytest.importorskip("matplotlib")


@pytest.mark.zoo
def test_the_demo_writes_pictures_and_figures(edgecv, zoo, tmp_path) -> None:
    ran = edgecv("demo", "--out", tmp_path / "demo")
    assert ran.code == 0, ran.err
    written = json.loads((tmp_path / "demo" / "results.json").read_text())
    results = written["results"]
    for file in results:
        assert cv2.imread(str(tmp_path / "demo" / file)) is not None
    labels = {
        name: {found["label"] for found in results[f"detect_{name}.png"]["detections"]}
        for name in ("astronaut", "chelsea", "coffee")
    }
    assert "person" in labels["astronaut"]
    assert "cat" in labels["chelsea"]
    assert "cup" in labels["coffee"]
    assert results["pose_astronaut.png"]["people"][0]["keypoints"][0]["name"] == "nose"
    assert {row["task"] for row in written["latency_ms"]} >= {"detection", "pose"}
    assert "p50 of" in ran.out


@pytest.mark.zoo
def test_the_demo_knows_one_face_in_changed_pictures_and_nobody_else(edgecv, zoo, tmp_path) -> None:
    assert edgecv("demo", "--out", tmp_path).code == 0
    results = json.loads((tmp_path / "results.json").read_text())["results"]
    faces = {name: results[f"face_{name}.png"]["faces"] for name in FACES}
    names = {name: [face["name"] for face in found] for name, found in faces.items()}
    assert names == FACES


FACES = {
    "mirrored": ["Grace Hopper"],
    "dark_and_small": ["Grace Hopper"],
    "tilted": ["Grace Hopper"],
    "somebody_else": [None],
}


def test_without_a_network_the_demo_does_what_ships_and_says_what_it_lacks(
    edgecv, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    ran = edgecv("demo", "--out", tmp_path / "demo")
    assert ran.code == 0, ran.err
    *instead, left_out = ran.err.strip().splitlines()
    assert len(instead) == len(BUNDLED)
    for line, name in zip(instead, BUNDLED.values(), strict=True):
        assert f"{name} ships with edgecv and is used" in line
    assert "mobilefacenet_int8: " in left_out
    assert "names of faces" in left_out
    assert "set EDGECV_ZOO_MIRROR" in left_out
    results = json.loads((tmp_path / "demo" / "results.json").read_text())["results"]
    found = results["detect_astronaut.png"]["detections"]
    assert {one["label"] for one in found} == {"person"}
    (face,) = results["face_mirrored.png"]["faces"]
    assert face["score"] > 0.9
    left, top, right, bottom = face["box"]
    right_eye, left_eye, nose, *mouth = face["landmarks"]
    assert left < right_eye[0] < nose[0] < left_eye[0] < right
    assert top < right_eye[1] < nose[1] < mouth[0][1] < bottom


def test_the_live_demo_wants_all_models(edgecv, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    ran = edgecv("demo", "--live", "--seconds", "1")
    assert ran.code == 1
    assert "edgecv models pull" in ran.err
