import numpy as np
import pytest

from edgecv.decoders import heatmap, ppn
from edgecv.image import Placement
from edgecv.labels import COCO_17
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample
from edgecv.training.targets.pose import (
    IGNORED,
    encode_heatmaps,
    encode_limbs,
    encode_parts,
    heatmap_encoder,
    ppn_encoder,
)
from edgecv.types import Size

SIZE = Size(96, 128)
GRID = Size(6, 8)
SPEC = ModelSpec(name="m", task="pose", decoder="heatmap", keypoints=COCO_17, score=0.0)
PLACEMENT = Placement(2.0, 3.0, 5.0, 7.0, Size(1000, 1000), SIZE)


def person(x, y, width, height, seed=0):
    """A box and 17 keypoints somewhere in it, of which two are not marked."""
    rng = np.random.default_rng(seed)
    points = np.ones((17, 3), np.float32)
    points[:, :2] = rng.uniform((x, y), (x + width, y + height), (17, 2))
    points[[3, 9]] = 0
    return np.array((x, y, x + width, y + height), np.float32), points


def sample_of(*people):
    boxes, points = (np.array(values, np.float32) for values in zip(*people, strict=True))
    return Sample(np.zeros((*SIZE, 3), np.uint8), boxes=boxes, keypoints=points)


def test_a_heatmap_of_a_worked_example():
    points = np.array([(10, 6, 2), (0, 0, 0), (-3, 5, 2), (31.9, 0, 1)], np.float32)
    heatmaps, offsets = encode_heatmaps(points, size=Size(16, 32), stride=4, sigma=1.0)
    assert heatmaps.shape == (4, 8, 4)
    assert heatmaps[1, 2, 0] == 1  # the point, (2.5, 1.5) cells, is in the middle of a cell
    assert heatmaps[1, 3, 0] == pytest.approx(np.exp(-0.5))
    assert heatmaps[2, 3, 0] == pytest.approx(np.exp(-1))
    assert (heatmaps[..., 1:3] == IGNORED).all()  # not marked, and outside
    assert heatmaps[0, 7, 3] == 1
    np.testing.assert_allclose(offsets[0, 7, 6:], (31.9 / 4 - 7.5, -0.5), rtol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "none"])
@pytest.mark.parametrize("stride", [4, 8])
def test_heatmaps_go_back_through_the_decoder(stride, activation):
    """What a perfect network would say is read as the keypoints that were labelled."""
    sample = sample_of(person(20, 10, 70, 80))
    targets = heatmap_encoder(SIZE, stride=stride)([sample, sample])
    assert targets["heatmaps"].shape == (2, 96 // stride, 128 // stride, 17)
    outputs = {name: value[:1] for name, value in targets.items()}
    if activation == "sigmoid":
        outputs["heatmaps"] = np.where(outputs["heatmaps"] == 1, 8, -8).astype(np.float32)
    found = heatmap.decode(outputs, SPEC, PLACEMENT, activation=activation)
    seen = sample.keypoints[0, :, 2] > 0
    wanted = PLACEMENT.points_to_frame(sample.keypoints[0, :, :2])
    np.testing.assert_allclose(found.keypoints[0, seen], wanted[seen], atol=1e-3)
    assert (found.keypoint_scores[0, ~seen] < 0.01).all()


def test_a_sample_without_people_teaches_nothing():
    empty = Sample(np.zeros((*SIZE, 3), np.uint8))
    assert (heatmap_encoder(SIZE)([empty])["heatmaps"] == IGNORED).all()
    assert not ppn_encoder(SIZE, grid=GRID, window=5)([empty])["parts"].any()


def test_parts_lie_in_the_cells_of_their_centres():
    box, points = person(16, 16, 64, 32)
    points[:] = 0
    points[0] = (40, 24, 2)
    target = encode_parts(box[None], points[None], size=SIZE, grid=GRID)
    assert target.shape == (6, 8, 18, 5)
    np.testing.assert_allclose(target[2, 3, 0], (1, 0, 0, 0.5, 32 / 96))
    np.testing.assert_allclose(target[1, 2, 1], (1, 0.5, 0.5, 0.2 * 64 / 128, 0.2 * 64 / 96))
    assert (target[..., 0] == 1).sum() == 2
    # what is not marked is not known to be missing anywhere in the person's box
    assert (target[1:3, 1:5, 2:, 0] == IGNORED).all()
    assert (target[..., 2:, 0] == IGNORED).sum() == 2 * 4 * 16
    assert not (target[..., :2, 0] == IGNORED).any()


def test_of_two_parts_in_a_cell_the_larger_persons_counts():
    large, small = person(0, 0, 90, 90), person(40, 40, 20, 20)
    for order in ((large, small), (small, large)):
        boxes, points = (np.array(v) for v in zip(*order, strict=True))
        boxes[:, 2:] += np.float32(0)
        points[:, 0] = (45, 45, 2)
        target = encode_parts(boxes, points, size=SIZE, grid=GRID)
        assert target[2, 2, 1, 3] == pytest.approx(0.2 * 90 / 128)


def test_a_limb_leads_from_cell_to_cell():
    box, points = person(16, 16, 64, 32)
    points[:] = 0
    points[0] = (40, 24, 2)
    limbs = ((0, 1), (1, 2))
    parts = encode_parts(box[None], points[None], size=SIZE, grid=GRID)
    target = encode_limbs(box[None], points[None], parts, size=SIZE, window=3, limbs=limbs)
    links = target.reshape(6, 8, 2, 3, 3)
    assert np.argwhere(links == 1).tolist() == [[2, 3, 0, 0, 0]]  # one up and one to the left
    # the other pairs that count: all others from the root, and those that lead to the nose
    assert (links[2, 3, 0] == 0).sum() == 8
    assert (links[..., 0, :, :] == 0).sum() == 8 + 8
    assert links[1, 1, 0, 1, 2] == 0
    # an eye is not marked, so nothing leads from the nose to it but zeros
    assert (links[1, 2, 1] == 0).all()
    assert (links[..., 1, :, :] == 0).sum() == 9


def test_proposals_go_back_through_the_decoder():
    people = (person(2, 2, 50, 90, seed=1), person(70, 30, 50, 60, seed=2))
    sample = sample_of(*people)
    targets = ppn_encoder(SIZE, grid=GRID, window=9)([sample])
    parts, links = targets["parts"][0], targets["limbs"]
    said = np.zeros((1, *GRID, 18, 6), np.float32)
    said[0, ..., 0] = np.where(parts[..., 0] == 1, 8, -8)
    said[0, ..., 1] = 8
    place = np.clip(parts[..., 1:], 1e-4, 1 - 1e-4)
    said[0, ..., 2:] = np.log(place / (1 - place))
    outputs = {
        "parts": said.reshape(1, *GRID, -1),
        "limbs": np.where(links == 1, 8, -8).astype(np.float32),
    }
    spec = SPEC.with_changes(decoder="ppn", score=0.2)
    found = ppn.decode(outputs, spec, PLACEMENT)
    assert len(found) == 2
    by_left = np.argsort(found.boxes[:, 0])
    missing = 0
    for row, (_, points) in zip(by_left, people, strict=True):
        seen = points[:, 2] > 0
        got = found.keypoint_scores[row] > 0
        assert not got[~seen].any()
        missing += int((seen & ~got).sum())
        wanted = PLACEMENT.points_to_frame(points[:, :2])
        np.testing.assert_allclose(found.keypoints[row, got], wanted[got], atol=0.1)
    assert missing <= 3  # those that hang on a joint that is not marked
