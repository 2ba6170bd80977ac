from __future__ import annotations

import json

import cv2
import pytest

pytest.importorskip("skimage")
pytest.importorskip("matplotlib")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch) -> None:
    """All that the demo needs ships with the package: no network, nothing fetched before."""
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))


def test_the_demo_writes_pictures_and_figures(edgecv, tmp_path) -> None:
    ran = edgecv("demo", "--out", tmp_path / "demo")
    assert ran.code == 0, ran.err
    written = json.loads((tmp_path / "demo" / "results.json").read_text())
    results = written["results"]
    for file in results:
        assert cv2.imread(str(tmp_path / "demo" / file)) is not None
    labels = {
        name: {found["label"] for found in results[f"detect_{name}.png"]["detections"]}
        for name in ("astronaut", "coffee", "grace_hopper")
    }
    assert labels == {"astronaut": {"person"}, "coffee": set(), "grace_hopper": {"person"}}
    assert results["pose_astronaut.png"]["people"][0]["keypoints"][0]["name"] == "nose"
    assert {row["task"] for row in written["latency_ms"]} >= {"detection", "pose"}
    assert "p50 of" in ran.out


def test_the_demo_knows_one_face_in_changed_pictures_and_nobody_else(edgecv, tmp_path) -> None:
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
