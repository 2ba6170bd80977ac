import numpy as np
import pytest

from edgecv.decoders.ppn import LIMBS, decode, find_parts
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import COCO_17
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(2.0, 2.0, 10.0, 20.0, Size(200, 200), Size(80, 80))
SPEC = ModelSpec(name="m", task="pose", decoder="ppn", keypoints=("head", "foot"), score=0.2)
PAIRS = ((0, 1), (1, 2))  # person -> head -> foot
SURE, NOT = 8.0, -8.0


def logit(p):
    return np.log(p / (1 - p))


class Grid:
    """8x8 cells of 10 pixels that hold three kinds of parts, with 5x5 cells around each."""

    def __init__(self):
        self.parts = np.full((1, 8, 8, 3, 6), NOT, np.float32)
        self.limbs = np.full((1, 8, 8, 2, 5, 5), NOT, np.float32)

    def part(self, kind, row, column, *, sure=SURE, at=(0.5, 0.5), side=0.05):
        self.parts[0, row, column, kind] = (sure, SURE, *logit(np.array((*at, side, side))))
        return self

    def limb(self, limb, start, end, sure=SURE):
        (r, c), (y, x) = start, end
        self.limbs[0, r, c, limb, y - r + 2, x - c + 2] = sure
        return self

    def read(self, **options):
        outputs = {
            "parts": self.parts.reshape(1, 8, 8, 18),
            "limbs": self.limbs.reshape(1, 8, 8, 50),
        }
        return decode(outputs, SPEC, PLACEMENT, **{"limbs": PAIRS, **options})


def body(grid, column, *, sure=SURE):
    """A person whose head is a cell above and whose foot two cells below the middle."""
    grid.part(0, 3, column, sure=sure).part(1, 2, column).part(2, 4, column)
    return grid.limb(0, (3, column), (2, column)).limb(1, (2, column), (4, column))


def test_a_part_lies_by_its_place_in_its_cell():
    grid = Grid().part(0, 3, 4).part(1, 2, 4, at=(0.25, 0.75)).limb(0, (3, 4), (2, 4))
    found = grid.read()
    np.testing.assert_allclose(found.keypoints[0, 0], (2 * 42.5 + 10, 2 * 27.5 + 20), rtol=1e-5)
    assert found.keypoint_scores[0, 0] > 0.99
    assert found.keypoint_scores[0, 1] == 0
    assert found.keypoints[0, 1].tolist() == [0, 0]


def test_limbs_tell_which_parts_belong_together():
    found = body(body(Grid(), 2), 5, sure=2.0).read()
    assert len(found) == 2
    np.testing.assert_allclose(found.keypoints[..., 0], [[60] * 2, [120] * 2], rtol=1e-5)
    assert found.scores[0] > found.scores[1]


def test_a_limb_that_crosses_over_is_followed():
    grid = Grid().part(0, 3, 3).part(0, 3, 4).part(1, 2, 3).part(1, 2, 4)
    grid.limb(0, (3, 3), (2, 4)).limb(0, (3, 4), (2, 3), sure=6.0)
    heads = grid.read().keypoints[:, 0, 0]
    assert sorted(heads.tolist()) == pytest.approx([80, 100])
    by_root = Grid()
    by_root.parts, by_root.limbs = grid.parts.copy(), grid.limbs
    by_root.parts[0, 3, 3, 0, 0] = 3.0  # the left root is the less sure one, so it comes second
    assert by_root.read().keypoints[:, 0, 0].tolist() == pytest.approx([80, 100])


def test_a_part_belongs_to_one_person():
    grid = Grid().part(0, 3, 3).part(0, 3, 5).part(1, 2, 4)
    grid.limb(0, (3, 3), (2, 4), sure=2.0).limb(0, (3, 5), (2, 4), sure=4.0)
    found = grid.read()
    assert (found.keypoint_scores[:, 0] > 0).sum() == 1


def test_a_part_without_a_way_to_the_root_is_left_out():
    grid = Grid().part(0, 3, 3).part(2, 4, 3).part(1, 2, 6).limb(1, (2, 6), (4, 3))
    assert not grid.read().keypoint_scores.any()


def test_a_part_beyond_the_window_is_not_reached():
    grid = Grid().part(0, 0, 0).part(1, 7, 7)
    grid.limbs[:] = SURE
    assert not grid.read().keypoint_scores.any()


@pytest.mark.parametrize(("least", "count"), [(0.1, 2), (0.95, 1), (0.9999, 0)])
def test_roots_below_the_least_score_are_nobody(least, count):
    assert len(body(body(Grid(), 2), 5, sure=2.0).read(part_score=least)) == count


def test_of_two_boxes_on_one_part_the_better_is_kept():
    grid = Grid().part(0, 3, 3, at=(0.95, 0.5), side=0.3).part(0, 3, 4, at=(0.05, 0.5), side=0.3)
    values = grid.parts[0]
    found = find_parts(values, input_hw=(80, 80), least=0.1, overlap=0.3)
    assert [len(proposals.scores) for proposals in found] == [1, 0, 0]


def test_an_empty_grid_holds_nobody():
    assert len(Grid().read()) == 0


def test_the_limbs_are_a_tree_from_the_person_to_every_keypoint():
    reached = {0}
    for start, end in LIMBS:
        assert start in reached
        assert end not in reached
        reached.add(end)
    assert reached == set(range(len(COCO_17) + 1))


@pytest.mark.parametrize(
    ("parts", "limbs"),
    [
        ((1, 8, 8, 17), (1, 8, 8, 50)),
        ((1, 8, 8, 24), (1, 8, 8, 50)),
        ((1, 8, 8, 18), (1, 8, 8, 32)),
        ((1, 8, 8, 18), (1, 4, 4, 50)),
    ],
    ids=["not by six", "another part", "even window", "another grid"],
)
def test_outputs_of_another_shape_are_refused(parts, limbs):
    outputs = {"parts": np.zeros(parts), "limbs": np.zeros(limbs)}
    with pytest.raises(SpecError, match="wanted parts"):
        decode(outputs, SPEC, PLACEMENT, limbs=PAIRS)
