from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest

from edgecv.spec import InputSpec
from edgecv.training.data.augment import Augment, augment, random_map
from edgecv.training.data.geometry import INPUT, fit
from edgecv.training.data.order import chance
from edgecv.training.data.samples import Sample
from edgecv.types import Size

SIZE = Size(64, 64)
STRONG = Augment(
    mirror=True,
    crop=0.3,
    aspect=1.4,
    expand=2.0,
    rotate=30,
    shear=10,
    color=0.4,
    hue=20,
    blur=0.5,
    jpeg=0.5,
    cutout=0.5,
)


def dots(rng: np.random.Generator) -> tuple[Sample, np.ndarray]:
    """Draw a few discs of their own colours, each with a box, a keypoint and its mask."""
    image, mask = np.zeros((120, 160, 3), np.uint8), np.zeros((120, 160), np.uint8)
    boxes, y_x = [], np.mgrid[:120, :160] + 0.5
    colors = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)], np.uint8)
    for number, color in enumerate(colors):
        x, y = 30 + 50 * number + rng.uniform(-5, 5), rng.uniform(30, 90)
        inside = (y_x[0] - y) ** 2 + (y_x[1] - x) ** 2 < 15**2
        image[inside], mask[inside] = color, number + 1
        boxes.append((x - 15, y - 15, x + 15, y + 15))
    points = [[((b[0] + b[2]) / 2, (b[1] + b[3]) / 2, 2)] for b in boxes]
    sample = Sample(
        image,
        boxes=np.array(boxes, np.float32),
        classes=np.arange(3),
        keypoints=np.array(points, np.float32),
        mask=mask,
    )
    return sample, colors


@pytest.mark.parametrize("fit_", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("seed", range(12))
def test_boxes_keypoints_and_masks_stay_on_what_they_mark(seed: int, fit_: str) -> None:
    rng = np.random.default_rng(seed)
    sample, colors = dots(rng)
    settings = Augment(mirror=True, crop=0.6, aspect=1.3, expand=1.5, rotate=25, shear=8)
    out = augment(sample, Size(96, 128), rng, settings, input=InputSpec(fit=fit_), keypoints=("a",))
    assert len(out.boxes) == len(out.keypoints) == len(out.classes) >= 1
    assert out.mask is not None
    for box, points, number in zip(out.boxes, out.keypoints, out.classes, strict=True):
        ours = (np.abs(out.image.astype(int) - colors[number]) < 90).all(-1)
        rows, columns = np.nonzero(ours)
        seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert box == pytest.approx(seen, abs=2.5)
        x, y, mark = points[0]
        assert (ours[int(min(y, 95)), int(min(x, 127))]) or not mark
        assert (out.mask[ours] == number + 1).mean() > 0.9


def test_nothing_happens_unless_it_is_set() -> None:
    sample, _ = dots(np.random.default_rng(0))
    y, x = np.mgrid[:120, :160]
    image = np.stack((x, y, x / 2 + y), -1).astype(np.uint8)
    sample = Sample(image, boxes=sample.boxes, classes=sample.classes)
    ours = augment(sample, SIZE, np.random.default_rng(1), Augment())
    plain = fit(sample, SIZE)
    assert np.abs(ours.image[1:-1, 1:-1].astype(int) - plain.image[1:-1, 1:-1]).max() <= 3
    assert ours.boxes == pytest.approx(plain.boxes, abs=1e-3)


def test_the_same_chance_gives_the_same_sample() -> None:
    sample, _ = dots(np.random.default_rng(0))
    a, b, c = (augment(sample, SIZE, chance(1, 2, i), STRONG, keypoints=("a",)) for i in (3, 3, 4))
    assert a.image.tobytes() == b.image.tobytes() != c.image.tobytes()
    assert a.boxes.tobytes() == b.boxes.tobytes()
    assert a.keypoints.tobytes() == b.keypoints.tobytes()


def test_a_sample_in_memory_is_left_as_it_was() -> None:
    sample, _ = dots(np.random.default_rng(0))
    before = sample.image.copy()
    sample.image.setflags(write=False)
    for seed in range(20):
        augment(sample, SIZE, np.random.default_rng(seed), STRONG, keypoints=("a",))
    assert (sample.image == before).all()


ALONE: dict[str, tuple[Augment, Callable[[np.ndarray, np.ndarray], bool]]] = {
    "mirror": (Augment(mirror=True), lambda a, b: bool((a == b[:, ::-1]).all())),
    "jpeg": (Augment(jpeg=1.0), lambda a, b: bool((a != b).mean() > 0.2)),
    "blur": (Augment(blur=1.0), lambda a, b: a.std() < b.std()),
    "cutout": (Augment(cutout=1.0), lambda a, b: bool((a == 127).all(-1).sum() >= 20)),
    "color": (Augment(color=0.4), lambda a, b: abs(a.mean() - b.mean()) > 10),
    "hue": (Augment(hue=90), lambda a, b: bool(np.abs(a.astype(int) - b).max() > 40)),
    "crop": (Augment(crop=0.3), lambda a, b: bool((a != b).mean() > 0.5)),
    "expand": (Augment(expand=3.0), lambda a, b: bool((a == 127).all(-1).mean() > 0.3)),
    "rotate": (Augment(rotate=45), lambda a, b: bool((a[0, :2] == 127).all())),
    "shear": (Augment(shear=40), lambda a, b: bool((a[0, :2] == 127).all())),
    "aspect": (Augment(aspect=2.0), lambda a, b: bool((a != b).mean() > 0.5)),
}


@pytest.mark.parametrize("name", ALONE)
def test_each_setting_does_what_it_says_to_some_of_the_pictures(name: str) -> None:
    settings, changed = ALONE[name]
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    plain = augment(Sample(image), SIZE, np.random.default_rng(0), Augment()).image
    hits = [
        changed(augment(Sample(image), SIZE, np.random.default_rng(s), settings).image, plain)
        for s in range(24)
    ]
    assert sum(hits) >= 4


def test_a_crop_keeps_a_box_where_there_was_one() -> None:
    box = np.array([[2, 2, 22, 22]], np.float32)
    sample = Sample(np.zeros((400, 400, 3), np.uint8), boxes=box, classes=np.zeros(1, np.int64))
    settings = Augment(crop=0.05)
    for seed in range(50):
        assert len(augment(sample, SIZE, np.random.default_rng(seed), settings).boxes) == 1


def test_crops_keep_the_area_and_aspect_that_they_may() -> None:
    sample, settings = Sample(np.zeros((100, 200, 3), np.uint8)), Augment(crop=0.25, aspect=1.5)
    for seed in range(100):
        affine = random_map(sample, SIZE, np.random.default_rng(seed), settings, INPUT)
        wide, high = 64 / affine[0, 0], 64 / affine[1, 1]
        assert 0.2 <= wide * high / 20_000 <= 1.0001
        assert 1 / 1.5001 <= wide / high / 2 <= 1.5001
        x, y = -affine[0, 2] / affine[0, 0], -affine[1, 2] / affine[1, 1]
        assert -1e-6 <= x <= 200 - wide + 1e-6
        assert -1e-6 <= y <= 100 - high + 1e-6


@pytest.mark.parametrize(
    ("change", "range_"),
    [
        ({"crop": 0.0}, "above 0"),
        ({"crop": 1.5}, "0..1"),
        ({"aspect": 0.5}, "1 or more"),
        ({"expand": 0.5}, "1 or more"),
        ({"rotate": -1}, "0..180"),
        ({"jpeg_quality": 99}, "1..95"),
        ({"mosaic": 2.0}, "0..1"),
        ({"mixup": -0.1}, "0 or more"),
        ({"color": float("nan")}, "0..1"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused(change: dict, range_: str) -> None:
    with pytest.raises(ValueError, match=rf"augment\.{next(iter(change))} is .*{range_}"):
        Augment(**change)


def test_settings_are_plain_numbers() -> None:
    assert {type(getattr(Augment(), item.name)) for item in fields(Augment)} == {bool, int, float}
