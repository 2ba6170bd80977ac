from __future__ import annotations

import json

import pytest


def test_a_detector_may_be_a_file(edgecv, stick, cats, picture) -> None:
    ran = edgecv(
        "pose", picture("a.png"), "--model", stick, "--detector", cats, "--json", "-"
    )  # the cats' file sees one person, in the right half
    assert ran.code == 0
    (person,) = json.loads(ran.out)["people"]
    assert {40 <= point["x"] <= 80 for point in person["keypoints"]} == {True}


def test_people_are_found_for_a_model_that_wants_them_to_fill_the_picture(
    edgecv, filling, cats, picture
) -> None:
    def people(*words: object) -> list[dict[str, list[dict[str, float]]]]:
        ran = edgecv("pose", picture("a.png"), "--model", filling, "--json", "-", *words)
        assert ran.code == 0, ran.err
        return json.loads(ran.out)["people"]

    assert people() == []  # the usual detector finds nobody in a red picture
    (alone,) = people("--single")
    (found,) = people("--detector", cats)  # which sees one person, in the right half
    assert {30 <= point["x"] <= 55 for point in alone["keypoints"]} == {True}
    assert {55 < point["x"] <= 80 for point in found["keypoints"]} == {True}


@pytest.mark.zoo
@pytest.mark.data
def test_a_skier_is_seen_better_when_found_first(edgecv, zoo, data) -> None:
    skier = data / "coco_eval" / "images" / "000000000785.jpg"
    words = ["pose", skier, "--model", "movenet_lightning_int8", "--json", "-"]
    (alone,) = json.loads(edgecv(*words).out)["people"]
    ran = edgecv(*words, "--detector", "ssd_mobilenet_v1_coco_int8")
    (found,) = json.loads(ran.out)["people"]
    assert found["score"] > alone["score"] > 0.4
    nose = next(point for point in found["keypoints"] if point["name"] == "nose")
    assert (nose["x"], nose["y"]) == pytest.approx((363, 81), abs=12)
