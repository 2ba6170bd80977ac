"""Faces to embeddings: from a recipe to a network that is measured and stripped of its head."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

import edgecv
from edgecv.datasets import Pair, read_pairs
from edgecv.errors import DataError, EdgeCVError
from edgecv.evaluation import verification
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.errors import RecipeError
from edgecv.training.faces.pairs import FacePairs, paired, portraits
from edgecv.training.fit import fit
from edgecv.training.preparing import make_task
from edgecv.training.recipe import read_recipe, recipe_from_dict
from edgecv.training.tasks.face import face_spec, held_out, make, open_embedder, stripped
from edgecv.training.teachers.teacher import embed_aligned

SIZE = 32
PEOPLE = 8


def _face(person: int, picture: int) -> np.ndarray:
    """Return stripes of the person's own two colours and width, moved and with noise."""
    own = np.random.default_rng(person)
    colors = own.integers(30, 226, (2, 3))
    width, slope = own.integers(3, 9), own.integers(0, 2)
    rng = np.random.default_rng((person, picture))
    y, x = np.mgrid[:SIZE, :SIZE]
    stripe = ((x if slope else y) + rng.integers(0, 3)) // width % 2
    noise = rng.normal(0, 12, (SIZE, SIZE, 3))
    return np.clip(colors[stripe] + noise, 0, 255).astype(np.uint8)


def _folder(root: Path, people: range, pictures: int = 6) -> Path:
    for person in people:
        inner = root / f"person_{person}"
        inner.mkdir(parents=True)
        for picture in range(pictures):
            cv2.imwrite(str(inner / f"{picture}.png"), _face(person, picture))
    return root


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    return _folder(tmp_path_factory.mktemp("faces"), range(PEOPLE))


def _recipe(faces, **tables):
    given = {
        "task": "face",
        "name": "tiny",
        "model": {"name": "mobilefacenet", "input_size": SIZE, "alpha": 0.25, "momentum": 0.9},
        "head": {"embedding": 16, "hold_out": 0.3},
        "data": {"train": str(faces)},
        "run": {"batch": 12, "epochs": 2},
    }
    for table, values in tables.items():
        given[table] = {**given.get(table, {}), **values}
    return recipe_from_dict(given)


def _batch(task, count=12):
    samples = [task.train[i] for i in range(count)]
    images = np.stack([s.image[..., ::-1] for s in samples]).astype(np.float32) / 127.5 - 1
    return images, task.encode(samples)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "outputs"),
    [
        ({"name": "arcface", "warmup_epochs": 2, "subcentres": 2}, {"cosines", "share"}),
        ({"name": "cosface", "scale": 16}, {"cosines", "share"}),
        ({"name": "softmax", "smoothing": 0.1}, {"logits"}),
        ({"name": "triplet", "images": 3}, set()),
    ],
    ids=["arcface", "cosface", "softmax", "triplet"],
)
def test_every_loss_has_a_network_that_learns_and_can_be_stripped(faces, loss, outputs):
    keras.utils.set_random_seed(0)
    task = make(_recipe(faces, loss=loss))
    assert set(task.model.output) == {"embedding", *outputs}
    images, targets = _batch(task)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(task.loss(targets, task.model(images, training=True)))
    gradients = tape.gradient(value, task.model.trainable_variables)
    assert np.isfinite(float(value))
    assert all(g is not None and np.isfinite(g).all() for g in gradients)
    network = task.export(task.model)
    assert network.output.shape == (None, 16)
    wanted = task.model(images)["embedding"]
    np.testing.assert_allclose(network(images), wanted, atol=1e-5)
    figures = task.measure(task.model)
    assert next(iter(figures)) == task.headline == "accuracy"
    assert 0 <= figures["accuracy"] <= 1


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    return _folder(tmp_path_factory.mktemp("strangers"), range(100, 108))


@pytest.mark.slow
def test_the_network_measured_is_the_one_that_is_saved(faces, strangers):
    task = make(_recipe(faces, data={"val": str(strangers)}))
    figures = task.measure(task.model)
    vectors = []
    network = task.export(task.model)
    for index in range(len(task.val)):
        image = task.val[index].image[None, ..., ::-1].astype(np.float32) / 127.5 - 1
        vector = network(image).numpy()[0]
        vectors.append(vector / np.linalg.norm(vector))
    labels = np.repeat(np.arange(8), 6)
    pairs = paired(task.val, labels)
    wanted = pairs.measure(np.stack(vectors)).figures
    assert figures["accuracy"] == pytest.approx(wanted["accuracy"], abs=0.01)
    assert figures["eer"] == pytest.approx(wanted["eer"], abs=0.01)


@pytest.mark.slow
def test_a_network_loaded_anew_is_measured_and_stripped_as_well(faces):
    task = make(_recipe(faces))
    again = keras.models.clone_model(task.model)
    again.set_weights(task.model.get_weights())
    assert task.measure(again) == task.measure(task.model)
    assert stripped(stripped(again)).output.shape == (None, 16)


def test_the_spec_says_where_the_five_points_go(faces):
    spec = face_spec(_recipe(faces))
    assert (spec.task, spec.decoder, spec.name) == ("face_embedding", "embedding", "tiny")
    assert spec.input.landmarks[0] == pytest.approx((38.2946 * 32 / 112, 51.6963 * 32 / 112))
    assert (spec.input.mean, spec.input.std, spec.input.color) == (
        (127.5,) * 3,
        (127.5,) * 3,
        "rgb",
    )


def test_without_other_pictures_some_people_are_left_out_of_the_training(faces):
    task = make(_recipe(faces))
    learnt = {task.train[i].source for i in range(len(task.train))}
    measured = {task.val[i].source for i in range(len(task.val))}
    assert len(learnt) + len(measured) == PEOPLE * 6
    assert {Path(f).parent for f in learnt}.isdisjoint({Path(f).parent for f in measured})
    assert len(measured) == 12  # 0.3 of 8 people


def test_people_with_one_picture_are_never_held_out():
    labels = np.array([0, 1, 1, 2, 2, 3, 3, 3, 4])
    out = held_out(labels, 0.67, seed=0)
    assert set(labels[out]) < {1, 2, 3}
    assert len(set(labels[out])) == 2
    assert out.tolist() == held_out(labels, 0.67, seed=0).tolist()


@pytest.mark.parametrize("part", [0.0, 0.1], ids=["none", "too few"])
def test_too_few_people_to_hold_out_are_refused(part):
    with pytest.raises(RecipeError, match="name a folder"):
        held_out(np.repeat(np.arange(5), 3), part, seed=0)


def test_pairs_of_a_person_and_of_strangers_are_as_many():
    labels = [0, 0, 0, 1, 1, 2]
    pairs = paired(SampleList([Sample(_face(0, k)) for k in range(6)], ()), labels)
    assert pairs.same.tolist() == [True] * 4 + [False] * 4
    ids = np.array(labels)
    assert ((ids[pairs.first] == ids[pairs.second]) == pairs.same).all()
    assert (pairs.first != pairs.second).all()


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]], ids=["no two of a person", "one person"])
def test_people_who_cannot_be_paired_are_refused(labels):
    with pytest.raises(DataError, match="two people or more"):
        paired(SampleList([Sample(_face(0, 0))] * 3, ()), labels)


def test_a_pair_without_a_face_is_taken_for_different_people():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    faces = SampleList([Sample(_face(0, 0))] * 4, ())
    first, second = np.array([0, 2, 0, 1, 0]), np.array([1, 3, 2, 3, -1])
    same = np.array([True, True, False, False, True])
    result = FacePairs(faces, first, second, same, (Path("a.png"),)).measure(vectors)
    assert np.isnan(result.similarity[4])
    assert result.figures["accuracy_best"] == pytest.approx(4 / 5)
    assert result.figures["failed"] == 1


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"loss": {"name": "arcfase"}}, RecipeError, "arcface"),
        ({"loss": {"name": "arcface", "margn": 1}}, RecipeError, "margin"),
        ({"loss": {"name": "arcface", "margin": "wide"}}, RecipeError, "a number"),
        ({"loss": {"name": "arcface", "subcentres": 0}}, RecipeError, "subcentres"),
        ({"loss": {"name": "softmax", "margin": 0.5}}, RecipeError, "margin"),
        ({"loss": {"name": "triplet"}, "run": {"batch": 2}}, RecipeError, "batches of 3"),
        ({"loss": {"name": "distill"}}, RecipeError, "teacher"),
        ({"augment": {"mixup": 0.2}}, RecipeError, "mixup"),
        ({"head": {"embeding": 64}}, RecipeError, "embedding"),
        ({"model": {"input_size": [32, 48]}}, RecipeError, "square"),
        ({"model": {"alpha": -1}}, RecipeError, "alpha"),
        ({"model": {"name": "mobilefacenets"}}, EdgeCVError, "mobilefacenet"),
        ({"data": {"train": ""}}, RecipeError, "data.train"),
        ({"data": {"val": "/nowhere"}}, DataError, "nowhere"),
        ({"distill": {"teacher": "mobilefacenet"}}, EdgeCVError, "mobilefacenet_fp32"),
        ({"distill": {"teacher": ["one", "two"]}}, RecipeError, "one, two"),
        ({"distill": {"teacher": "one", "consistent": True}}, RecipeError, "consistent"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_recipes_that_cannot_be_meant_are_refused(faces, tables, error, message):
    with pytest.raises(error, match=message):
        make_task(_recipe(faces, **tables))


@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilefacenet"])
def test_any_backbone_gives_an_embedding_of_the_length_asked_for(faces, name):
    model = {"name": name, "alpha": 0.35, "input_size": 64}
    embedder = open_embedder(_recipe(faces, model=model), 24)
    assert embedder.output.shape == (None, 24)
    assert embedder.get_layer("gdconv").kernel_size == embedder.get_layer("gdconv").input.shape[1:3]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_the_loop_trains_a_file_that_tells_strangers_apart(tmp_path):
    keras.utils.set_random_seed(0)
    faces = _folder(tmp_path / "faces", range(24), pictures=8)
    strangers = _folder(tmp_path / "strangers", range(100, 120))
    recipe = _recipe(
        faces,
        data={"val": str(strangers)},
        loss={"name": "arcface", "scale": 16, "warmup_epochs": 4},
        optimizer={"lr": 5e-3},
        run={"batch": 24, "epochs": 12, "measure_every": 6},
    )
    before = make(recipe)
    untrained = before.measure(before.model)["accuracy"]
    outcome = fit(recipe, tmp_path / "out")
    assert outcome.figures["accuracy"] > max(0.76, untrained + 0.03)  # processors round differently
    with edgecv.load(outcome.model) as model:
        assert model.spec.task == "face_embedding"
        vectors = np.stack(
            [embed_aligned(model, _face(p, k)) for p in range(100, 120) for k in range(6)]
        )
    pairs = paired(before.val, np.repeat(np.arange(20), 6))
    got = pairs.measure(vectors).figures["accuracy"]
    assert got == pytest.approx(outcome.figures["accuracy"], abs=0.02)


@pytest.fixture
def few_pairs(data, tmp_path):
    """The first ten pairs of LFW of each kind, beside the photos."""
    with (data / "lfw_eval" / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for kind in "10" for row in [r for r in rows if r["same"] == kind][:10]]
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(chosen[0]))
        writer.writeheader()
        writer.writerows(chosen)
    (tmp_path / "images").symlink_to(data / "lfw_eval" / "images")
    return tmp_path


@pytest.mark.zoo
@pytest.mark.data
def test_aligned_once_faces_are_told_apart_as_the_evaluation_does(zoo, few_pairs):
    pairs = read_pairs(few_pairs)
    with edgecv.load("mobilefacenet_fp32") as model, edgecv.load("yunet_n_320") as detector:
        wanted = verification.evaluate(model, pairs, detector=detector)
        for _ in range(2):  # found and aligned, then from the cache
            found = portraits(pairs)
            faces = [found.faces[i].image for i in range(len(found.faces))]
            got = found.measure(np.stack([embed_aligned(model, face) for face in faces]))
            np.testing.assert_allclose(got.similarity, wanted.similarity, atol=1e-4)
    assert got.figures["accuracy"] == wanted.figures["accuracy"] >= 0.9


@pytest.mark.zoo
@pytest.mark.data
def test_photos_without_a_face_are_told(zoo, tmp_path):
    files = [tmp_path / f"{k}.png" for k in range(4)]
    for file in files:
        cv2.imwrite(str(file), np.full((100, 100, 3), 90, np.uint8))
    pairs = [Pair(a, b, True) for a, b in pairwise(files)]
    with pytest.raises(DataError, match="no face in any of 4"):
        portraits(pairs)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_a_student_learns_a_real_teachers_view_of_a_few_people(zoo, data, few_pairs, tmp_path):
    source = data / "lfw_train_aligned"
    people = [p for p in sorted(source.iterdir()) if len(list(p.iterdir())) == 8][:8]
    for person in people:
        (tmp_path / "faces" / person.name).mkdir(parents=True)
        for file in person.iterdir():
            (tmp_path / "faces" / person.name / file.name).symlink_to(file)
    recipe = _recipe(
        tmp_path / "faces",
        data={"val": str(few_pairs)},
        model={"input_size": 64},
        head={"embedding": 128},
        loss={"name": "distill"},
        distill={"teacher": "mobilefacenet_fp32"},
        optimizer={"lr": 5e-3},
        run={"batch": 32, "epochs": 20, "measure_every": 20},
    )
    task = make(recipe)
    samples = [task.train[i] for i in range(len(task.train))]
    taught = task.encode(samples)["taught"]
    outcome = fit(recipe, tmp_path / "out")
    with edgecv.load(outcome.model) as student:
        vectors = np.stack([embed_aligned(student, s.image) for s in samples])
    assert (vectors * taught).sum(axis=1).mean() > 0.6  # of random vectors: 0
    theirs, ours = taught @ taught.T, vectors @ vectors.T
    apart = ~np.eye(len(samples), dtype=bool)
    assert np.corrcoef(theirs[apart], ours[apart])[0, 1] > 0.7


@pytest.mark.parametrize("name", ["mobilefacenet_arcface", "mobilefacenet_softmax"])
def test_the_recipes_that_come_along_build_the_papers_network(faces, name):
    changes = [f"data.train={faces}", "head.hold_out=0.3"]
    task = make(read_recipe(name, changes))
    assert task.export(task.model).output.shape == (None, 128)
    assert task.model.input_shape == (None, 112, 112, 3)
    assert task.spec.name == name


@pytest.mark.zoo
def test_the_recipe_with_a_teacher_has_its_embeddings_as_targets(zoo, faces):
    changes = [f"data.train={faces}", "head.hold_out=0.3", "model.alpha=0.25", "head.embedding=256"]
    task = make(read_recipe("mobilefacenet_distilled", changes))
    targets = task.encode([task.train[0], task.train[5]])
    assert targets["taught"].shape == (2, 256)
    np.testing.assert_allclose(np.linalg.norm(targets["taught"], axis=1), [1, 1], atol=1e-5)
    perfect = {"embedding": tf.constant(targets["taught"]) * 7}
    assert float(task.loss(targets, perfect)) == pytest.approx(0, abs=1e-5)
    assert float(task.loss(targets, {"embedding": -perfect["embedding"]})) == pytest.approx(2)
    assert task.train.names[5] == "person_0"


@pytest.mark.zoo
def test_a_teacher_of_another_length_gets_a_projection_that_is_dropped(zoo, faces):
    changes = {"teacher": "mobilefacenet_int8", "weight": 0.25}
    task = make(_recipe(faces, distill=changes, head={"embedding": 16}))
    assert set(task.model.output) == {"embedding", "cosines", "share", "projected"}
    images, targets = _batch(task)
    assert task.model(images)["projected"].shape == targets["taught"].shape
    assert np.isfinite(float(task.loss(targets, task.model(images))))
    assert task.export(task.model).output.shape == (None, 16)
