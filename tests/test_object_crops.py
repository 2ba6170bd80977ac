"""What edgecv-classify learns from: objects cut out of photographs in COCO's format."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_folder import write

TOOL = Path(__file__).parent.parent / "tools" / "object_crops.py"
pytestmark = pytest.mark.skipif(not TOOL.is_file(), reason="needs the source tree")


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("object_crops", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def crops(tool, monkeypatch, photos: Path, out: Path, *more: str) -> dict[str, list[str]]:
    words = [str(TOOL), str(photos), "--out", str(out), "--classes", "person", *more]
    monkeypatch.setattr(sys, "argv", words)
    tool.main()
    return {d.name: sorted(f.name for f in d.iterdir()) for d in sorted(out.iterdir())}


def test_objects_go_into_the_folder_of_their_class_and_the_rest_into_other(
    tool, monkeypatch, tmp_path
) -> None:
    photos = write(tmp_path / "coco")  # a bright person and a dark ball on each of six
    found = crops(tool, monkeypatch, photos, tmp_path / "a")
    assert set(found) == {"person", "other"}
    assert len(found["person"]) == 6
    assert len(found["other"]) >= 6
    for name in found["person"]:
        image = cv2.imread(str(tmp_path / "a" / "person" / name))
        assert max(image.shape[:2]) <= tool.SIDE
        assert np.median(image) > 200
    assert crops(tool, monkeypatch, photos, tmp_path / "b") == found
    assert len(crops(tool, monkeypatch, photos, tmp_path / "c", "--most", "2")["person"]) == 2


def test_what_smaller_things_hide_is_left_out(tool) -> None:
    sofa, cat, ball = boxes = np.array(
        [[0, 0, 100, 100], [10, 10, 90, 90], [40, 40, 50, 50]], np.float32
    )
    names = ["sofa", "cat", "ball"]
    assert not tool.alone(sofa, "sofa", boxes, names)
    assert tool.alone(cat, "cat", boxes, names)
    assert tool.alone(ball, "ball", boxes, names)
    assert tool.alone(sofa, "sofa", boxes, ["sofa", "sofa", "ball"])


def test_a_cut_has_room_and_ends_at_the_edge(tool) -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert tool.cut(image, np.array([50, 20, 90, 40], np.float32)).shape == (24, 46, 3)
    assert tool.cut(image, np.array([0, 0, 200, 100], np.float32)).shape == (96, 192, 3)
