"""`edgecv face enroll` and its kin: the people who are known, from the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from edgecv.gallery import Gallery, ModelId

pytestmark = [pytest.mark.zoo, pytest.mark.data]


class Faces(NamedTuple):
    """Two pictures of one person, and one of another."""

    first: Path
    second: Path
    other: Path


@pytest.fixture
def faces(zoo, data: Path) -> Faces:
    images = data / "lfw_eval" / "images"
    with (data / "lfw_eval" / "pairs.csv").open() as file:
        rows = list(csv.DictReader(file))
    same = next(row for row in rows if row["same"] == "1")
    other = next(row for row in rows if row["same"] == "0")
    return Faces(images / same["img1"], images / same["img2"], images / other["img2"])


@pytest.fixture
def known(edgecv, faces, own_gallery) -> Path:
    """The user's own gallery, in which the first person is Ann."""
    ran = edgecv("face", "enroll", "Ann", faces.first)
    assert ran == (0, "Ann: 1 enrolled\n", "")
    return own_gallery


def listed(edgecv) -> list[tuple[str, int]]:
    people = json.loads(edgecv("face", "list", "--json").out)
    return [(person["name"], person["embeddings"]) for person in people]


def test_who_is_enrolled_is_identified_and_others_are_unknown(edgecv, faces, known) -> None:
    ran = edgecv("face", "identify", faces.second, faces.other, "--json", "-")
    assert (ran.code, ran.err) == (0, "")
    second, other = (json.loads(line)["faces"][0] for line in ran.out.splitlines())
    assert second["name"] == "Ann"
    assert other["name"] is None
    assert second["similarity"] > 0.4 > other["similarity"]
    again = edgecv("face", faces.second, "--json", "-")  # the own gallery is there, and is used
    assert json.loads(again.out)["faces"][0]["name"] == "Ann"


def test_without_a_gallery_faces_have_no_names(edgecv, faces, own_gallery) -> None:
    ran = edgecv("face", faces.first, "--json", "-")
    assert ran.code == 0
    assert "name" not in json.loads(ran.out)["faces"][0]
    assert not own_gallery.exists()
    ran = edgecv("face", "identify", faces.first)
    assert (ran.code, ran.out) == (1, "")
    assert "begin one with `edgecv face enroll`" in ran.err


def test_people_are_listed_renamed_and_forgotten(edgecv, faces, known) -> None:
    table = edgecv("face", "list").out.splitlines()
    assert [line.split()[:2] for line in table] == [["name", "faces"], ["Ann", "1"]]
    assert edgecv("face", "rename", "Ann", "Änne").out == "Ann is now Änne\n"
    assert edgecv("face", "enroll", "Bob", faces.other).code == 0
    assert edgecv("face", "enroll", "Bob", faces.other).out == ("Bob: 0 enrolled, 1 known before\n")
    assert listed(edgecv) == [("Bob", 1), ("Änne", 1)]
    ran = edgecv("face", "delete", "Bib")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "edgecv: nobody is enrolled as 'Bib'; did you mean 'Bob'?\n"
    assert edgecv("face", "delete", "Bob").out == "Bob is forgotten\n"
    assert listed(edgecv) == [("Änne", 1)]


def two(faces: Faces) -> np.ndarray:
    return np.hstack([cv2.imread(str(faces.first)), cv2.imread(str(faces.other))])


def small(faces: Faces) -> np.ndarray:
    return cv2.resize(cv2.imread(str(faces.first)), None, fx=0.4, fy=0.4)


def blurred(faces: Faces) -> np.ndarray:
    return cv2.GaussianBlur(cv2.imread(str(faces.first)), (0, 0), 4)


Make = Callable[[Faces], np.ndarray]
UNFIT: dict[str, tuple[Make, str]] = {
    "nobody": (lambda faces: np.zeros((200, 200, 3), np.uint8), "no face was found"),
    "two people": (two, "there are 2 faces"),
    "far away": (small, "the face is too small"),
    "out of focus": (blurred, "the face is blurred"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_picture_that_is_not_fit_is_refused_with_the_reason(
    case, edgecv, faces, own_gallery, tmp_path
) -> None:
    make, said = UNFIT[case]
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), make(faces))
    ran = edgecv("face", "enroll", "Ann", path, faces.first)
    assert (ran.code, ran.out) == (1, "Ann: 1 enrolled\n")
    assert ran.err.startswith(f"edgecv: {path}: {said}")
    assert ran.err.count("\n") == 1


def test_two_pictures_are_verified(edgecv, faces) -> None:
    assert edgecv("face", "verify", faces.first, faces.second).out.startswith(
        "the same person: similarity 0."
    )
    found = json.loads(edgecv("face", "verify", faces.first, faces.other, "--json").out)
    assert found["same"] is False
    assert found["similarity"] < found["threshold"]


def test_a_threshold_from_pairs_is_kept_and_used(edgecv, faces, known, data, tmp_path) -> None:
    pairs = tmp_path / "pairs" / "pairs.csv"
    pairs.parent.mkdir()
    (pairs.parent / "images").symlink_to(data / "lfw_eval" / "images")
    with (data / "lfw_eval" / "pairs.csv").open() as file:
        lines = file.read().splitlines()
    chosen = [line for line in lines[1:] if line.endswith(",1")][:12]
    chosen += [line for line in lines[1:] if line.endswith(",0")][:20]
    pairs.write_text("\n".join([lines[0], *chosen]) + "\n")
    ran = edgecv("face", "calibrate", "--far", "0.05", "--pairs", pairs)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Threshold 0.")
    assert "of 20 comparisons of different people" in ran.out
    with Gallery(known) as gallery:
        assert gallery.threshold is not None
        assert gallery.calibration["wanted_far"] == 0.05
        gallery.set_threshold(0.999)
    ran = edgecv("face", "identify", faces.second, "--json", "-")
    assert json.loads(ran.out)["faces"][0]["name"] is None
    ran = edgecv("face", "identify", faces.second, "--json", "-", "--threshold", "0.3")
    assert json.loads(ran.out)["faces"][0]["name"] == "Ann"


def test_too_few_people_give_no_threshold(edgecv, known) -> None:
    ran = edgecv("face", "calibrate")
    assert (ran.code, ran.out) == (1, "")
    assert "comparisons of different people, and there are none" in ran.err


def test_a_gallery_goes_to_another_machine(edgecv, faces, known, tmp_path) -> None:
    file, other = tmp_path / "people.jsonl", tmp_path / "other.db"
    assert edgecv("face", "export", file).code == 0
    ran = edgecv("face", "import", file, "--gallery", other)
    assert ran == (0, "1 new people, 1 new faces, 0 known before\n", "")
    ran = edgecv("face", "identify", faces.second, "--gallery", other, "--json", "-")
    assert json.loads(ran.out)["faces"][0]["name"] == "Ann"
    again = edgecv("face", "import", file, "--gallery", other)
    assert again.out == "0 new people, 0 new faces, 1 known before\n"
    ran = edgecv("face", "export", file)
    assert (ran.code, ran.out) == (1, "")
    assert "exists already" in ran.err


def test_a_gallery_of_another_embedder_chooses_it_and_refuses_others(
    edgecv, faces, own_gallery
) -> None:
    other = "face-reidentification-retail-0095_fp16"
    ran = edgecv("face", "enroll", "Ann", faces.first, "--embedder", other)
    assert ran.code == 0, ran.err
    assert json.loads(edgecv("face", faces.second, "--json", "-").out)["faces"][0]["name"] == "Ann"
    ran = edgecv("face", faces.second, "--embedder", "mobilefacenet_int8")
    assert (ran.code, ran.out) == (1, "")
    assert "Embeddings of different models cannot be compared" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["enroll", "Ann"], "arguments are required: IMAGE"),
        (["calibrate", "--far", "2"], "a false accept rate lies between 0 and 1"),
        (["delete"], "arguments are required: NAME"),
        (["enroll", "\t", "a.jpg"], "no such file"),
    ],
)
def test_an_action_that_lacks_something_says_how_it_goes(words, said, edgecv, own_gallery) -> None:
    ran = edgecv("face", *words)
    assert ran.out == ""
    assert said in ran.err
    assert not own_gallery.exists()


@pytest.mark.parametrize("action", ["enroll", "list", "identify", "calibrate", "import"])
def test_every_action_explains_itself(action, edgecv) -> None:
    ran = edgecv("face", action, "--help")
    assert ran.code == 0
    assert f"usage: edgecv face {action}" in ran.out
    assert "--gallery FILE" in ran.out


def test_a_picture_named_like_an_action_needs_its_folder(edgecv, faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").write_bytes(faces.first.read_bytes())
    ran = edgecv("face", "./list", "--json", "-")
    assert json.loads(ran.out)["source"] == "list"
    assert edgecv("face", "list").code == 1  # nobody is enrolled


def test_a_gallery_of_a_model_that_is_unknown_is_refused(edgecv, faces, own_gallery) -> None:
    Gallery(own_gallery, model_id=ModelId("mine", "0" * 64), dimension=4).close()
    ran = edgecv("face", faces.first)
    assert (ran.code, ran.out) == (1, "")
    assert "was made with mine (SHA-256 000000000000)" in ran.err
