from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecv.labels import COCO_17
from edgecv.training.data.augment import Augment
from edgecv.training.data.coco import coco_keypoints
from edgecv.training.data.preview import picture, preview
from edgecv.training.data.samples import Mixed, Sample, SampleList

GREY = np.full((60, 80, 3), 60, np.uint8)
POINTS = np.stack((np.arange(17) * 4, np.arange(17) * 3, np.full(17, 2)), -1)[None].astype("f4")


def drawn(sample: Sample, names: tuple[str, ...] = ("cat", "dog"), points: tuple = ()) -> int:
    """Count the pixels that are not the picture's own."""
    return int((picture(sample, names, points) != 60).any(-1).sum())


MARKS = {
    "class": Sample(GREY, label=1),
    "blend": Sample(GREY, label=1, mix=Mixed(0, 0.3)),
    "box": Sample(GREY, boxes=np.array([[5, 5, 60, 50]], np.float32), classes=np.array([0])),
    "mask": Sample(GREY, mask=np.eye(60, 80, dtype=np.uint8)),
    "keypoints": Sample(GREY, keypoints=POINTS),
}


@pytest.mark.parametrize("name", MARKS)
def test_every_kind_of_mark_is_drawn(name: str) -> None:
    points = COCO_17 if name == "keypoints" else ()
    sample = MARKS[name]
    assert drawn(sample, points=points) > 100
    assert (sample.image == 60).all()
    assert drawn(Sample(GREY)) == 0


def test_small_pictures_are_enlarged_with_their_marks() -> None:
    canvas = picture(MARKS["box"], ("cat", "dog"))
    assert canvas.shape == (240, 320, 3)
    assert (canvas[199:202, 100] != 60).any()  # the lower edge, 50 times 4


def test_ignored_pixels_stay_as_they_are() -> None:
    assert drawn(Sample(GREY, mask=np.full((60, 80), 255, np.uint8))) == 0


@pytest.mark.parametrize(("count", "shape"), [(1, 1), (4, 2), (5, 3), (99, 3)])
def test_samples_lie_side_by_side(count: int, shape: int) -> None:
    samples = SampleList([Sample(GREY, label=i) for i in range(9)], tuple("abcdefghi"))
    sheet = preview(samples, Augment(mirror=True), (240, 240), 3, count=count)
    assert sheet.shape[1] == shape * 244 + 4
    assert (
        sheet.tobytes()
        == preview(samples, Augment(mirror=True), (240, 240), 3, count=count).tobytes()
    )


def test_a_preview_without_settings_shows_what_validation_sees() -> None:
    samples = SampleList([Sample(GREY)], ("a",))
    sheet = preview(samples, None, (240, 240))
    assert (sheet[4:244, 4:244] == 60).all()


def test_a_preview_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="from 1"):
        preview(SampleList([Sample(GREY)], ("a",)), None, (9, 9), count=0)


@pytest.mark.data
def test_people_are_drawn_with_their_limbs(data: Path) -> None:
    people = coco_keypoints(data / "coco_eval")
    assert people.keypoints == COCO_17
    settings = Augment(mirror=True, rotate=20, crop=0.7)
    assert preview(people, settings, (192, 192), count=4).shape == (780, 780, 3)
