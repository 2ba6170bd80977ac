from __future__ import annotations

import numpy as np
import pytest
from edgecv.apps.demo_live import FPS, SIZE, SLIDE_SECONDS, Scene, Tour, view

from edgecv.results import Detections, Poses

GREY = {name: np.full((300, 200, 3), value, np.uint8) for name, value in (("a", 10), ("b", 200))}


def test_a_tour_shows_one_photograph_after_the_other(monkeypatch) -> None:
    tour = Tour(GREY, seconds=2 * SLIDE_SECONDS)
    monkeypatch.setattr(tour._clock, "wait", lambda position: position)
    seen = list(tour)
    assert len(seen) == round(2 * SLIDE_SECONDS * FPS)
    assert [frame.source for frame in seen] == sorted(frame.source for frame in seen)
    assert {(frame.source, int(frame.image.mean())) for frame in seen} == {("a", 10), ("b", 200)}


@pytest.mark.parametrize("size", [(100, 400), (900, 300), (480, 640)])
def test_a_view_is_full_at_any_time_and_moves(size) -> None:
    rng = np.random.default_rng(1)
    photo = rng.integers(50, 255, (*size, 3), np.uint8)
    views = [view(photo, part) for part in (0.0, 0.3, 0.6, 0.99)]
    assert all(image.shape == (*SIZE, 3) and image.min() > 0 for image in views)
    assert (views[0] != views[1]).any()


def test_a_scene_has_the_values_of_all_its_parts() -> None:
    frame = SIZE
    found = Detections(
        frame=frame,
        boxes=np.array([[10, 10, 90, 90]], np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.zeros(1, np.int64),
    )
    nobody = Poses(
        frame=frame,
        scores=np.zeros(0, np.float32),
        boxes=np.zeros((0, 4), np.float32),
        keypoints=np.zeros((0, 17, 2), np.float32),
        keypoint_scores=np.zeros((0, 17), np.float32),
    )
    scene = Scene(frame=frame, parts=(found, nobody))
    assert list(scene.to_dict()) == ["detections", "people"]
    black = np.zeros((*frame, 3), np.uint8)
    assert (scene.draw(black) == found.draw(black)).all()


@pytest.mark.zoo
def test_the_live_demo_serves_a_page_and_ends(edgecv, zoo) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("uvicorn")
    ran = edgecv("demo", "--live", "--web", "127.0.0.1:0", "--max-frames", "20")
    assert ran.code == 0
    assert ran.err.startswith("edgecv: watch at http://127.0.0.1:")
    assert "results 20, " in ran.out
