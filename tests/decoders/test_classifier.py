import numpy as np
import pytest

import edgecv
from edgecv.decoders.classifier import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, Size(30, 40), Size(30, 40))
SPEC = ModelSpec(name="m", task="classification", decoder="classifier", score=0.0)
IMAGENET = (
    "mobilenet_v1_0.25_128_quant",
    "mobilenet_v1_0.25_224_fp32",
    "mobilenet_v1_0.25_224_int8",
    "mobilenet_v1_0.5_160_int8",
    "mobilenet_v2_1.0_224_int8",
    "squeezenet1.1_fp16",
    "tf2_mobilenet_v2_1.0_224_ptq",
)


def outputs_of(*scores, shape=(1, -1)):
    return {"scores": np.array(scores, np.float32).reshape(shape)}


def photo(name):
    pictures = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(getattr(pictures, name)()[..., ::-1])


@pytest.mark.parametrize("shape", [(1, -1), (1, -1, 1, 1)], ids=["rows", "planes"])
def test_classes_come_by_falling_score(shape):
    result = decode(outputs_of(0.1, 0.6, 0.3, shape=shape), SPEC, PLACEMENT)
    assert result.class_ids.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(result.scores, np.array([0.6, 0.3, 0.1], np.float32))
    assert result.class_ids.dtype == np.int64
    assert result.frame == (30, 40)


@pytest.mark.parametrize(
    ("options", "score", "wanted"),
    [
        ({}, 0.0, [2, 5, 0, 1, 3]),
        ({"top": 2}, 0.0, [2, 5]),
        ({"top": 9}, 0.0, [2, 5, 0, 1, 3, 4]),
        ({}, 0.2, [2, 5]),
        ({}, 0.9, []),
        ({"background": True}, 0.0, [2, 5, 1, 3, 4]),
        ({"background": True, "top": 2}, 0.05, [2, 5]),
    ],
    ids=["five", "two", "all", "score", "none reaches it", "background", "background and score"],
)
def test_the_best_that_reach_the_score_are_given(options, score, wanted):
    outputs = outputs_of(0.1, 0.05, 0.5, 0.05, 0.0, 0.3)
    result = decode(outputs, SPEC.with_changes(score=score), PLACEMENT, **options)
    assert result.class_ids.tolist() == wanted


def test_the_background_keeps_its_place_in_the_labels():
    spec = SPEC.with_changes(labels=("background", "cat", "dog"))
    result = decode(outputs_of(0.7, 0.1, 0.2), spec, PLACEMENT, background=True)
    assert [row["label"] for row in result.to_dict()["classes"]] == ["dog", "cat"]


def test_logits_become_probabilities_without_overflow():
    result = decode(outputs_of(1000.0, 1000.0 + np.log(3)), SPEC, PLACEMENT, softmax=True)
    np.testing.assert_allclose(result.scores, [0.75, 0.25], atol=1e-4)
    assert result.class_ids.tolist() == [1, 0]


def test_labels_that_are_not_as_many_as_the_scores_are_refused():
    spec = SPEC.with_changes(labels=("cat", "dog"))
    with pytest.raises(SpecError, match=r"scores 3 classes, the spec's labels name 2"):
        decode(outputs_of(0.1, 0.2, 0.7), spec, PLACEMENT)


@pytest.mark.zoo
@pytest.mark.parametrize("name", IMAGENET)
@pytest.mark.parametrize(
    ("picture", "wanted"), [("chelsea", "Egyptian cat"), ("coffee", "espresso")], ids=str
)
def test_a_public_model_knows_a_photograph(zoo, name, picture, wanted):
    with edgecv.load(name, device="cpu") as model:
        found = model(photo(picture)).to_dict()["classes"]
    assert wanted in [row["label"] for row in found]
    assert len(found) <= 5


@pytest.mark.zoo
@pytest.mark.parametrize("kind", ["int8", "fp32"])
def test_people_are_told_from_cats_and_coffee(zoo, kind):
    with edgecv.load(f"vww_mobilenet_v1_0.25_96_{kind}", device="cpu") as model:
        results = [model(photo(name)) for name in ("astronaut", "chelsea", "coffee")]
    score = [dict(zip(r.class_ids.tolist(), r.scores, strict=True))[1] for r in results]
    assert score[0] > 0.4
    assert max(score[1:]) < 0.15
    assert results[0].labels[1] == "person"
