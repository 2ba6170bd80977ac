import numpy as np
import pytest

import edgecv
from edgecv.decoders.segmentation import decode
from edgecv.errors import SpecError
from edgecv.image import Placement, Plan
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import Size, TensorSpec

SPEC = ModelSpec(
    name="m", task="segmentation", decoder="segmentation", labels=("background", "cat", "dog")
)
IDS = np.array([[[0, 1, 1, 2], [2, 2, 0, 0]]], np.int64)
SAME = Placement(1.0, 1.0, 0.0, 0.0, Size(2, 4), Size(2, 4))


def scores_of(ids, classes):
    return np.eye(classes, dtype=np.float32)[ids] * 3 - 1  # (1, H, W, C)


@pytest.mark.parametrize(
    "values",
    [
        IDS,
        IDS.astype(np.float32),
        IDS[..., None].astype(np.int32),
        IDS[:, None].astype(np.uint8),
        scores_of(IDS, 3),
        scores_of(IDS, 3).transpose(0, 3, 1, 2),
    ],
    ids=["ids", "float ids", "ids with channel", "ids by plane", "scores", "planes of scores"],
)
def test_ids_and_scores_give_the_same_map(values):
    result = decode({"any": values}, SPEC, SAME)
    np.testing.assert_array_equal(result.class_map, IDS[0])
    assert result.class_map.dtype == np.uint8
    assert result.labels == SPEC.labels


@pytest.mark.parametrize("last", [True, False], ids=["channels last", "channels first"])
def test_without_labels_the_shorter_axis_holds_the_classes(last):
    ids = np.arange(48).reshape(1, 6, 8) % 4
    values = scores_of(ids, 4)
    values = values if last else values.transpose(0, 3, 1, 2)
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(6, 8), Size(6, 8))
    result = decode({"any": values}, SPEC.with_changes(labels=()), placement)
    np.testing.assert_array_equal(result.class_map, ids[0])


def test_labels_tell_classes_from_rows_where_the_picture_is_small():
    values = scores_of(np.array([[[2, 1], [0, 2]]]), 3)
    placement = Placement(1.0, 1.0, 0.0, 0.0, Size(2, 2), Size(2, 2))
    result = decode({"any": values}, SPEC, placement)
    np.testing.assert_array_equal(result.class_map, [[2, 1], [0, 2]])


def test_every_pixel_takes_the_cell_that_its_centre_lies_in():
    # The map has half the input's resolution, the input twice the frame's.
    placement = Placement(0.5, 0.5, 0.0, 0.0, Size(2, 4), Size(4, 8))
    np.testing.assert_array_equal(decode({"any": IDS}, SPEC, placement).class_map, IDS[0])
    larger = Placement(2.0, 2.0, 0.0, 0.0, Size(4, 8), Size(2, 4))
    np.testing.assert_array_equal(
        decode({"any": IDS}, SPEC, larger).class_map, IDS[0].repeat(2, 0).repeat(2, 1)
    )


def test_what_the_input_did_not_show_is_background():
    region = Placement(1.0, 1.0, 2.0, 1.0, Size(5, 8), Size(2, 4))
    wanted = np.zeros((5, 8), np.uint8)
    wanted[1:3, 2:6] = IDS[0]
    np.testing.assert_array_equal(decode({"any": IDS}, SPEC, region).class_map, wanted)


def test_an_input_outside_the_frame_gives_background_only():
    outside = Placement(1.0, 1.0, 20.0, 1.0, Size(5, 8), Size(2, 4))
    assert not decode({"any": IDS + 1}, SPEC, outside).class_map.any()


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "letterbox_topleft", "crop"])
@pytest.mark.parametrize("size", [(60, 90), (90, 60), (37, 53)], ids=str)
def test_a_map_comes_back_where_the_picture_was(fit, size):
    """A picture whose blue channel is a class map, given back by a model that only reads it."""
    image = np.zeros((*size, 3), np.uint8)
    image[size[0] // 3 :, size[1] // 4 : size[1] // 2] = 200
    plan = Plan(InputSpec(fit=fit), TensorSpec("x", (1, 64, 64, 3), np.dtype(np.uint8)))
    tensor, placement = plan(image)
    found = decode({"any": (tensor[..., 0] > 100).astype(np.int64)}, SPEC, placement).class_map
    shown = decode({"any": np.ones((1, 64, 64), np.int64)}, SPEC, placement).class_map > 0
    wrong = (found != (image[..., 0] > 0)) & shown
    assert wrong.sum() <= 2 * (size[0] + size[1]) * 0.5  # a pixel's breadth along the edges
    assert shown.all() == (fit != "crop")


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 3)), np.zeros((2, 4, 4)), np.zeros((1, 0, 4)), np.full((1, 2, 3), 256),
     np.full((1, 2, 3), -1), np.full((1, 2, 3), np.nan)],
    ids=["no batch", "two pictures", "empty", "class 256", "class -1", "no numbers"],
)  # fmt: skip
def test_what_is_not_a_class_map_is_refused(values):
    with pytest.raises(SpecError, match="'any'"):
        decode({"any": values}, SPEC, SAME)


@pytest.mark.zoo
def test_a_public_model_finds_the_astronaut(zoo):
    pictures = pytest.importorskip("skimage.data")
    image = np.ascontiguousarray(pictures.astronaut()[..., ::-1])
    with edgecv.load("deeplabv3_mnv2_dm05_pascal_quant", device="cpu") as model:
        result = model(image)
    person = result.class_map == result.labels.index("person")
    assert 0.38 < person.mean() < 0.5
    assert person[90:150, 195:255].all()  # the face
    assert not person[:100, 330:].any()  # the wall behind
