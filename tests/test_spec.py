from __future__ import annotations

from pathlib import Path

import pytest

from edgecv.errors import SpecError
from edgecv.labels import COCO_17, COCO_80
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import Size

LEAST = {"name": "m", "task": "detection", "decoder": "ssd"}


def test_a_spec_survives_json() -> None:
    spec = ModelSpec.from_dict(
        {
            **LEAST,
            "input": {"color": "bgr", "mean": 127.5, "std": [1, 2, 3], "size": [300, 200]},
            "labels": ["a", "b"],
            "options": {"strides": [8, 16], "anchors": {"scales": [[1, 2]]}},
            "outputs": {"boxes": "t0"},
            "score": 0.5,
        }
    )
    assert spec.input.mean == (127.5, 127.5, 127.5)
    assert spec.input.size == Size(200, 300)[::-1]
    assert spec.options["strides"] == (8, 16)
    assert ModelSpec.from_dict(spec.to_dict()) == spec


def test_named_sets_of_labels_and_keypoints_are_written_out() -> None:
    spec = ModelSpec.from_dict({**LEAST, "labels": "coco_80", "keypoints": "coco_17"})
    assert spec.labels == COCO_80
    assert spec.keypoints == COCO_17
    assert len(spec.skeleton) == 16


def test_labels_come_from_a_file_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("background\n cat \n\ndog\n\n\n", encoding="utf-8")
    spec = ModelSpec.from_dict({**LEAST, "labels": "names.txt"}, folder=tmp_path)
    assert spec.labels == ("background", "cat", "", "dog")
    skipped = {**LEAST, "labels": {"file": "names.txt", "skip": 1}}
    assert ModelSpec.from_dict(skipped, folder=tmp_path).labels == ("cat", "", "dog")


def test_specs_cannot_be_changed_in_place() -> None:
    spec = ModelSpec.from_dict({**LEAST, "options": {"a": 1}})
    with pytest.raises(TypeError):
        spec.options["a"] = 2  # type: ignore[index]
    with pytest.raises(AttributeError):
        spec.score = 1.0  # type: ignore[misc]
    assert spec.with_changes(score=0.9).score == 0.9


BAD = {
    "unknown field": ({"labls": []}, "did you mean 'labels'"),
    "unknown input field": ({"input": {"colour": "rgb"}}, "did you mean 'color'"),
    "unknown task": ({"task": "detecting"}, "task 'detecting' is not one of"),
    "no decoder": ({"decoder": ""}, "lacks 'decoder'"),
    "unknown set of labels": ({"labels": "coco_81"}, "did you mean 'coco_80'"),
    "unknown set of keypoints": ({"keypoints": "coco_18"}, "did you mean 'coco_17'"),
    "missing file of labels": ({"labels": "none.txt"}, "cannot read the labels"),
    "score in percent": ({"score": 30}, "score lies in 0..1"),
    "unknown colour order": ({"input": {"color": "yuv"}}, "color 'yuv'"),
    "unknown fit": ({"input": {"fit": "squash"}}, "fit 'squash'"),
    "two means": ({"input": {"mean": [1, 2]}}, "a value for each of 3 channels"),
    "std of zero": ({"input": {"std": 0}}, "has to be positive"),
    "pad beyond a byte": ({"input": {"pad": 256}}, "pad is a byte"),
    "zoom of zero": ({"input": {"zoom": 0}}, "zoom lies in"),
    "four landmarks": ({"input": {"landmarks": [[1, 2]] * 4}}, "five points, got 4"),
    "limb to nowhere": ({"keypoints": ["a"], "skeleton": [[0, 1]]}, "beyond the 1"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_a_wrong_spec_is_refused_with_what_was_wanted(change, message) -> None:
    with pytest.raises(SpecError, match=message):
        ModelSpec.from_dict({**LEAST, **change})


def test_grey_inputs_have_one_channel() -> None:
    assert InputSpec(color="grey", mean=(5.0,)).mean == (5.0,)
    assert InputSpec(color="grey").std == (1.0,)
