"""What a teacher says of a dataset: by the right classes, asked once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

import edgecv
from edgecv.errors import EdgeCVError, SpecError
from edgecv.model import Model
from edgecv.spec import InputSpec, ModelSpec
from edgecv.testing import FakeSession
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.teachers.teacher import (
    Numbered,
    class_logits,
    columns,
    embed_aligned,
    embeddings,
    kept,
    pixels_digest,
)

F = np.float32
RNG = np.random.default_rng(0)


def _samples(count=3, size=(32, 32), names=("cat", "dog")):
    images = RNG.integers(0, 256, (count, *size, 3), np.uint8)
    items = [Sample(image, label=k % len(names)) for k, image in enumerate(images)]
    return SampleList(items, names)


def _classifier(values, *, path=None, **spec):
    whole = ModelSpec("teacher", "classification", "classifier", **spec)
    return Model(FakeSession({"scores": np.array([values], F)}), whole, path=path)


def test_the_label_of_a_numbered_sample_is_its_number():
    samples = _samples(3)
    numbered = Numbered(samples, tuple(samples.names[s.label] for s in samples.items))
    assert [numbered[i].label for i in range(3)] == [0, 1, 2]
    assert numbered[-1].label == 2
    assert len(numbered) == 3
    assert numbered.names == ("cat", "dog", "cat")
    with pytest.raises(IndexError):
        numbered[3]


def test_the_columns_are_the_samples_classes_by_name():
    asked = _classifier([0.5, 0.1, 0.3, 0.1], labels=("none", "dog", "cat", "cow"))
    got = class_logits(asked, _samples(2))
    np.testing.assert_allclose(got, np.log([[0.3, 0.1]] * 2), rtol=1e-6)


def test_logits_are_taken_as_they_are_and_a_probability_of_none_has_a_logarithm():
    plain = _classifier([4.0, -4.0], labels=("cat", "dog"), options={"softmax": True})
    np.testing.assert_allclose(class_logits(plain, _samples(1)), [[4, -4]])
    certain = _classifier([1.0, 0.0], labels=("cat", "dog"))
    np.testing.assert_allclose(class_logits(certain, _samples(1)), [[0, np.log(1e-6)]], rtol=1e-6)


@pytest.mark.parametrize(
    ("spec", "count", "wanted"),
    [
        ({}, 2, [0, 1]),
        ({"options": {"background": True}}, 3, [1, 2]),
        ({"labels": ("dog", "cat")}, 2, [1, 0]),
    ],
    ids=["as many", "background", "by name"],
)
def test_classes_without_names_are_matched_by_their_number(spec, count, wanted):
    known = ModelSpec("teacher", "classification", "classifier", **spec)
    assert columns(known, count, ("cat", "dog")) == wanted


@pytest.mark.parametrize(
    ("spec", "count", "message"),
    [({}, 3, "3 classes without names"), ({"labels": ("cat", "dgo")}, 2, "dgo")],
    ids=["another number", "another name"],
)
def test_a_teacher_of_other_classes_is_refused(spec, count, message):
    known = ModelSpec("teacher", "classification", "classifier", **spec)
    with pytest.raises(SpecError, match=message):
        columns(known, count, ("cat", "dog"))


def test_a_teacher_of_another_task_is_refused():
    asked = _classifier([1.0, 0.0], labels=("cat", "dog"))
    with pytest.raises(SpecError, match="face_embedding"):
        embeddings(asked, _samples(1))


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(EdgeCVError, match="no numbers"):
        class_logits(_classifier([np.nan, 0.0], labels=("cat", "dog")), _samples(1))


def test_a_teacher_from_a_file_is_asked_once_for_the_same_pictures(tmp_path):
    file = tmp_path / "teacher.tflite"
    file.write_bytes(b"weights")
    asked = _classifier([0.5, 0.5], labels=("cat", "dog"), path=file)
    samples = _samples(3)
    first = class_logits(asked, samples)
    second = class_logits(asked, samples)
    assert len(asked.session.seen) == 3
    assert second.tolist() == first.tolist()
    class_logits(asked, SampleList(samples.items[:2], samples.names))
    assert len(asked.session.seen) == 5  # other pictures
    file.write_bytes(b"trained on")
    class_logits(asked, samples)
    assert len(asked.session.seen) == 8  # another teacher


def test_a_teacher_without_a_file_is_always_asked():
    asked = _classifier([0.5, 0.5], labels=("cat", "dog"))
    samples = _samples(2)
    class_logits(asked, samples)
    class_logits(asked, samples)
    assert len(asked.session.seen) == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not all of it", b"\x93NUMPY"])
def test_a_damaged_memory_is_made_anew(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path))
    kept("k", lambda: {"a": np.arange(3)})
    file = tmp_path / "teacher" / "k.npz"
    file.write_bytes(damage)
    assert kept("k", lambda: {"a": np.arange(4)})["a"].tolist() == [0, 1, 2, 3]
    assert kept("k", dict)["a"].tolist() == [0, 1, 2, 3]


def test_a_cache_that_cannot_be_written_is_told_and_does_not_stop(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "file"))
    assert kept("k", lambda: {"a": np.arange(3)})["a"].tolist() == [0, 1, 2]
    assert "not kept" in caplog.text


def test_nothing_pickled_is_read_back(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path))
    (tmp_path / "teacher").mkdir()
    np.savez(tmp_path / "teacher" / "k.npz", a=np.array([{"x": 1}], dtype=object))
    assert kept("k", lambda: {"a": np.arange(2)})["a"].tolist() == [0, 1]


def test_pictures_of_other_shapes_pixels_or_order_have_another_fingerprint():
    a, b = np.zeros((2, 4, 3), np.uint8), np.ones((2, 4, 3), np.uint8)
    lists = [[a], [b], [a, b], [b, a], [a.reshape(4, 2, 3)], [a, a]]
    assert len({pixels_digest(images) for images in lists}) == len(lists)
    assert pixels_digest([a, b]) == pixels_digest([a.copy(), b.copy()])


def test_an_aligned_face_is_moved_to_the_models_own_template():
    face = RNG.integers(0, 256, (112, 112, 3), np.uint8)
    shifted = tuple((x - 8, y) for x, y in edgecv.align.ARCFACE_112)
    session = FakeSession({"e": np.ones((1, 4), F)}, shape=(1, 112, 96, 3))
    given = InputSpec(color="bgr", landmarks=shifted)
    model = Model(session, ModelSpec("m", "face_embedding", "embedding", input=given))
    vector = embed_aligned(model, face)
    np.testing.assert_allclose(vector, [0.5] * 4)
    assert np.abs(session.seen[0][0].astype(int) - face[:, 8:104]).max() <= 1


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_a_real_teacher_tells_people_apart_by_its_kept_embeddings(zoo, data):
    folder = data / "lfw_train_aligned"
    people = [p for p in sorted(folder.iterdir()) if len(list(p.iterdir())) >= 4][:5]
    files = [file for person in people for file in sorted(person.iterdir())[:4]]
    items = [Sample(cv2.imread(str(f)), label=k // 4) for k, f in enumerate(files)]
    samples = SampleList(items, tuple(p.name for p in people))
    with edgecv.load("mobilefacenet_fp32") as model:
        vectors = embeddings(model, samples)
        cosines = vectors @ vectors.T
        same = np.equal.outer(np.arange(20) // 4, np.arange(20) // 4)
        assert np.median(cosines[same]) > 0.5
        assert np.median(cosines[~same]) < 0.2
        assert embeddings(model, samples).tolist() == vectors.tolist()
