"""Enrolling, identifying, renaming and deleting, by several threads and processes."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest
from gallery.conftest import DIMENSION, MODEL, directions, everything

import edgecv
from edgecv.enrolment import face_to_enroll
from edgecv.errors import GalleryError, UnknownNameError
from edgecv.evaluation.verification import embed_main_face
from edgecv.faces import embed_faces
from edgecv.gallery import Gallery, ModelId, Person, open_gallery
from edgecv.results import Faces
from edgecv.types import Image


def test_those_enrolled_are_listed_by_name_with_their_counts(gallery: Gallery) -> None:
    assert gallery.enroll("Grace", directions(3)) == 3
    assert gallery.enroll("Ada", directions(1, seed=1)[0]) == 1
    assert gallery.enroll("Grace", directions(4)) == 1  # the first three are there already
    ada, grace = gallery.names()
    assert (ada.name, ada.embeddings) == ("Ada", 1)
    assert (grace.name, grace.embeddings) == ("Grace", 4)
    assert ada.created.endswith("+00:00")
    assert isinstance(ada, Person)
    assert len(gallery) == 2


def test_an_empty_gallery_knows_nobody(gallery: Gallery) -> None:
    assert gallery.names() == []
    assert gallery.matrix()[1].shape == (0, DIMENSION)
    names, similarity = gallery.identify(directions(2), 0.5)
    assert names == (None, None)
    assert np.isnan(similarity).all()
    assert gallery.search(directions(1)[0]) == []


def test_a_person_is_the_mean_of_all_embeddings(gallery: Gallery) -> None:
    rows = directions(3)
    gallery.enroll("Ada", rows[:2])
    gallery.enroll("Grace", rows[2])
    names, matrix = gallery.matrix()
    mean = rows[:2].mean(axis=0)
    assert names == ("Ada", "Grace")
    np.testing.assert_allclose(matrix, [mean / np.linalg.norm(mean), rows[2]], atol=1e-6)
    assert matrix.dtype == np.float32


def test_the_matrix_is_read_once_and_again_after_a_change(gallery: Gallery) -> None:
    gallery.enroll("Ada", directions(1))
    _, first = gallery.matrix()
    assert gallery.matrix()[1] is first
    gallery.enroll("Grace", directions(1, seed=1))
    _, second = gallery.matrix()
    assert len(second) == 2
    gallery.delete("Ada")
    assert gallery.matrix()[0] == ("Grace",)
    with pytest.raises(ValueError, match="read-only"):
        second[0, 0] = 1


def test_faces_at_the_threshold_are_known_and_below_it_unknown(gallery: Gallery) -> None:
    axes = np.eye(DIMENSION, dtype=np.float32)
    gallery.enroll("Ada", axes[0])
    gallery.enroll("Grace", axes[1])
    probes = np.stack([axes[1], 0.6 * axes[0] + 0.8 * axes[2], axes[3]]).astype(np.float32)
    names, similarity = gallery.identify(probes, 0.6)
    assert names == ("Grace", "Ada", None)
    np.testing.assert_allclose(similarity, [1, 0.6, 0], atol=1e-6)
    assert gallery.identify(probes, 0.61)[0] == ("Grace", None, None)


def test_the_stored_threshold_is_used_where_none_is_given(path: Path, gallery: Gallery) -> None:
    axes = np.eye(DIMENSION, dtype=np.float32)
    gallery.enroll("Ada", axes[0])
    probe = (0.6 * axes[0] + 0.8 * axes[2])[None].astype(np.float32)
    with pytest.raises(ValueError, match="no threshold"):
        gallery.identify(probe)
    gallery.set_threshold(0.59, calibration={"wanted_far": 0.001})
    assert gallery.identify(probe)[0] == ("Ada",)
    with Gallery(path) as again:
        assert (again.threshold, again.calibration) == (0.59, {"wanted_far": 0.001})
        assert again.identify(probe)[0] == ("Ada",)
        again.set_threshold(0.61)
    assert gallery.identify(probe)[0] == (None,)
    assert gallery.calibration == {}
    gallery.set_threshold(None)
    assert (gallery.threshold, gallery.calibration) == (None, None)


@pytest.mark.parametrize("threshold", [1.01, -2.0, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(gallery: Gallery, threshold: float) -> None:
    with pytest.raises(ValueError, match="a cosine"):
        gallery.set_threshold(threshold)


@pytest.mark.parametrize("rows", [1, 200], ids=["one embedding", "many embeddings"])
@pytest.mark.parametrize("others", [0, 300], ids=["alone", "among others"])
def test_a_deleted_person_is_nowhere_in_the_files(path: Path, rows: int, others: int) -> None:
    chance = np.random.default_rng(3)
    picture = chance.integers(0, 256, (64, 64, 3), np.uint8)
    secret = directions(rows, seed=9999)
    with Gallery(path, model_id=MODEL, dimension=DIMENSION) as gallery:
        for at in range(others):
            gallery.enroll(f"Other {at}", directions(2, seed=at))
        gallery.enroll("Ada Lovelace", secret, thumbnail=picture, source="/home/x/love.jpg")
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        traces = [b"Ada Lovelace", b"love.jpg", jpeg[-64:], *(row.tobytes() for row in secret)]
        assert all(trace in everything(path) for trace in traces)
        gallery.delete("Ada Lovelace")
        assert not any(trace in everything(path) for trace in traces)
        assert len(gallery) == others
    assert not any(trace in everything(path) for trace in traces)


@pytest.mark.parametrize("seed", [12, 14])
def test_pages_that_were_rearranged_keep_no_copies(path: Path, gallery: Gallery, seed: int) -> None:
    """Without VACUUM, a deletion in each of these two courses leaves an embedding behind."""
    chance = random.Random(seed)
    there: list[tuple[int, str]] = []
    count = 0
    for _ in range(40):
        if chance.random() < 0.6 or not there:
            name = f"Somebody {count:04} " + "x" * chance.randrange(150)
            picture = None
            if chance.random() < 0.4:
                height = chance.choice([8, 40, 90])
                picture = np.random.default_rng(count).integers(0, 256, (height, 40, 3), np.uint8)
            rows = directions(chance.choice([1, 2, 5, 30]), seed=count)
            gallery.enroll(name, rows, thumbnail=picture)
            there.append((count, name))
            count += 1
        else:
            number, name = there.pop(chance.randrange(len(there)))
            gallery.delete(name)
            left = everything(path)
            assert name[:13].encode() not in left
            assert not any(row.tobytes()[:40] in left for row in directions(30, seed=number))


def test_a_deleted_person_is_gone_though_another_process_has_the_file_open(
    path: Path, gallery: Gallery
) -> None:
    gallery.enroll("Ada Lovelace", directions(1))
    with Gallery(path) as other:
        assert other.matrix()[0] == ("Ada Lovelace",)
        gallery.delete("Ada Lovelace")
        assert b"Ada Lovelace" not in everything(path)
        assert directions(1).tobytes() not in everything(path)
        assert other.matrix()[0] == ()


def test_a_former_name_is_nowhere_in_the_files(path: Path, gallery: Gallery) -> None:
    gallery.enroll("Ada Byron", directions(1))
    gallery.rename("Ada Byron", "Ada Lovelace")
    assert [person.name for person in gallery.names()] == ["Ada Lovelace"]
    assert gallery.matrix()[0] == ("Ada Lovelace",)
    assert b"Ada Byron" not in everything(path)


def test_renaming_to_a_name_in_use_changes_nothing(gallery: Gallery) -> None:
    gallery.enroll("Ada", directions(1))
    gallery.enroll("Grace", directions(1, seed=1))
    gallery.rename("Ada", "Ada")
    with pytest.raises(GalleryError, match="'Grace' is enrolled already"):
        gallery.rename("Ada", "Grace")
    assert [person.name for person in gallery.names()] == ["Ada", "Grace"]


@pytest.mark.parametrize("act", ["delete", "thumbnail", "rename"])
def test_an_unknown_name_is_answered_with_the_nearest(gallery: Gallery, act: str) -> None:
    gallery.enroll("Ada Lovelace", directions(1))
    arguments = ("Ada Lovelac", "Grace")[: 2 if act == "rename" else 1]
    with pytest.raises(UnknownNameError, match="did you mean 'Ada Lovelace'"):
        getattr(gallery, act)(*arguments)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "x" * 201])
def test_names_that_cannot_be_shown_are_refused(gallery: Gallery, name: str) -> None:
    with pytest.raises(ValueError, match="wanted a name"):
        gallery.enroll(name, directions(1))


def test_a_name_is_the_same_in_either_unicode_form(gallery: Gallery) -> None:
    gallery.enroll("Zoe\u0308", directions(1))
    gallery.enroll(" Zo\u00eb ", directions(1, seed=1))
    assert [(p.name, p.embeddings) for p in gallery.names()] == [("Zo\u00eb", 2)]
    gallery.delete("Zoe\u0308")
    assert len(gallery) == 0


BAD_EMBEDDINGS = {
    "of another size": directions(1, dimension=DIMENSION + 1),
    "none": np.zeros((0, DIMENSION), np.float32),
    "three axes": np.zeros((1, 1, DIMENSION), np.float32),
    "too long": 2 * directions(1),
    "zero": np.zeros(DIMENSION, np.float32),
    "not a number": np.full(DIMENSION, np.nan, np.float32),
    "infinite": np.full(DIMENSION, np.inf, np.float32),
}


@pytest.mark.parametrize("values", BAD_EMBEDDINGS.values(), ids=BAD_EMBEDDINGS)
def test_what_is_no_embedding_is_refused(gallery: Gallery, values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="wanted embeddings"):
        gallery.enroll("Ada", values)
    assert len(gallery) == 0


def test_the_newest_thumbnail_is_kept_and_none_unless_given(gallery: Gallery) -> None:
    gallery.enroll("Ada", directions(1))
    assert gallery.thumbnail("Ada") is None
    for grey in (50, 200):
        picture = np.full((32, 24, 3), grey, np.uint8)
        gallery.enroll("Ada", directions(2, seed=grey), thumbnail=picture)
    found = gallery.thumbnail("Ada")
    assert found is not None
    assert found.shape == (32, 24, 3)
    assert abs(int(found[0, 0, 0]) - 200) < 5


def test_a_thumbnail_that_is_no_picture_is_refused(gallery: Gallery) -> None:
    with pytest.raises(ValueError, match="wanted uint8"):
        gallery.enroll("Ada", directions(1), thumbnail=np.zeros((4, 4), np.uint8))


def test_another_model_is_refused_with_both_names_and_what_to_do(
    path: Path, gallery: Gallery
) -> None:
    with pytest.raises(GalleryError) as error:
        Gallery(path, model_id=ModelId("another", "cd" * 32), dimension=DIMENSION)
    text = str(error.value)
    assert "made with made_up (SHA-256 abababababab)" in text
    assert "another (SHA-256 cdcdcdcdcdcd) is loaded" in text
    assert "load made_up, or enrol everybody again" in text


def test_the_same_file_under_another_name_is_the_same_model(path: Path, gallery: Gallery) -> None:
    with Gallery(path, model_id=ModelId("copied", MODEL.sha256)) as again:
        assert again.model_id == MODEL


def test_another_dimension_is_refused(path: Path, gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="16 values, not 8"):
        Gallery(path, model_id=MODEL, dimension=8)


def test_a_closed_gallery_is_a_mistake_to_use(path: Path, gallery: Gallery) -> None:
    gallery.close()
    gallery.close()
    with pytest.raises(ValueError, match="closed"):
        gallery.matrix()


def test_threads_may_share_a_gallery(gallery: Gallery) -> None:
    failures: list[Exception] = []

    def work(first: int) -> None:
        try:
            for at in range(first, first + 10):
                gallery.enroll(f"Person {at}", directions(2, seed=at))
                names, _ = gallery.identify(directions(1, seed=at), -1.0)
                assert names[0] is not None
        except Exception as error:  # handed to the main thread
            failures.append(error)

    threads = [Thread(target=work, args=(100 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(gallery.matrix()[0]) == len(gallery) == 40


ENROLLER = """
import sys
from gallery.conftest import directions
from edgecv.gallery import Gallery

with Gallery(sys.argv[1]) as gallery:
    for at in range(int(sys.argv[2]), int(sys.argv[2]) + 40):
        gallery.enroll(f"Person {at}", directions(1, seed=at))
    gallery.delete(f"Person {at}")
"""


def test_two_processes_enrol_while_a_third_identifies(path: Path, gallery: Gallery) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    writers = [
        subprocess.Popen([sys.executable, "-c", ENROLLER, str(path), first], env=environment)
        for first in ("0", "1000")
    ]
    sizes = [0]
    while any(writer.poll() is None for writer in writers):
        names, matrix = gallery.matrix()
        assert len(names) == len(matrix)
        sizes.append(len(names))
    assert [writer.returncode for writer in writers] == [0, 0]
    names, _ = gallery.matrix()
    assert set(names) == {f"Person {at + first}" for at in range(39) for first in (0, 1000)}
    assert len(set(sizes)) > 5, "it saw the others' work while they were at it"


def test_what_another_process_enrolled_is_identified(path: Path, gallery: Gallery) -> None:
    assert gallery.matrix()[0] == ()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", ENROLLER, str(path), "0"]
    subprocess.run(command, env=environment, check=True)
    names, similarity = gallery.identify(directions(1, seed=7), 0.9)
    assert names == ("Person 7",)
    assert similarity[0] == pytest.approx(1, abs=1e-6)


@pytest.mark.zoo
@pytest.mark.data
def test_a_person_enrolled_by_one_photograph_is_known_on_another(
    zoo: Path, data: Path, tmp_path: Path
) -> None:
    with (
        edgecv.load("yunet_n_320", device="cpu") as detector,
        edgecv.load("mobilefacenet_int8", device="cpu") as embedder,
        open_gallery(tmp_path / "gallery.db", embedder) as gallery,
    ):
        assert gallery.dimension == 128
        assert gallery.model_id.name == "mobilefacenet_int8"

        def photograph(name: str) -> Image:
            return edgecv.read_image(data / "lfw_eval" / "images" / name)

        for name in ("Tim_Curry", "Sarah_Hughes"):
            image = photograph(f"{name}/{name}_0001.jpg")
            faces = detector(image)
            assert isinstance(faces, Faces)
            chosen = faces[face_to_enroll(image, faces)]
            gallery.enroll(name.replace("_", " "), embed_faces(image, chosen, embedder))
        gallery.set_threshold(0.45)
        probes = [
            embed_main_face(photograph(name), detector, embedder)
            for name in ("Tim_Curry/Tim_Curry_0002.jpg", "Ali_Abbas/Ali_Abbas_0001.jpg")
        ]
        names, similarity = gallery.identify(np.stack([p for p in probes if p is not None]))
    assert names == ("Tim Curry", None)
    assert similarity[0] > similarity[1] + 0.2


@pytest.mark.zoo
def test_another_embedding_model_cannot_open_a_gallery(zoo: Path, tmp_path: Path) -> None:
    with edgecv.load("mobilefacenet_int8", device="cpu") as embedder:
        open_gallery(tmp_path / "gallery.db", embedder).close()
        open_gallery(tmp_path / "gallery.db", embedder).close()
    name = "face-reidentification-retail-0095_int8"
    with (
        edgecv.load(name, device="cpu") as other,
        pytest.raises(GalleryError, match=f"made with mobilefacenet_int8 .*{name}"),
    ):
        open_gallery(tmp_path / "gallery.db", other)
