import csv

import numpy as np
import pytest

import edgecv
from edgecv.faces import embed_faces, identify, with_identity
from edgecv.model import Model
from edgecv.results import Faces
from edgecv.spec import InputSpec, ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

TEMPLATE = tuple((float(x), float(y)) for x, y in edgecv.align.ARCFACE_112)
SPEC = ModelSpec(
    name="m", task="face_embedding", decoder="embedding", input=InputSpec(landmarks=TEMPLATE)
)
KNOWN = np.array([(1, 0), (0, 1), (0.6, 0.8)], np.float32)
NAMES = ("Ada", "Grace", "Ada")


def faces_of(count, points=5, frame=Size(120, 160), names=()):
    landmarks = np.tile(np.array(TEMPLATE, np.float32)[:points], (count, 1, 1))
    if points > 5:
        landmarks = np.zeros((count, points, 2), np.float32)
    return Faces(
        frame=frame,
        boxes=np.tile(np.array([10, 10, 100, 110], np.float32), (count, 1)),
        scores=np.full(count, 0.9, np.float32),
        landmarks=landmarks,
        points=names,
    )


def embedder(spec=SPEC, shape=(1, 112, 112, 3)):
    session = FakeSession({"v": np.array([[3.0, 4.0]], np.float32)}, shape=shape)
    return session, Model(session, spec)


def test_every_face_is_embedded_by_its_aligned_crop():
    session, model = embedder()
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    vectors = embed_faces(image, faces_of(2), model)
    np.testing.assert_allclose(vectors, [(0.6, 0.8)] * 2)
    assert vectors.dtype == np.float32
    # The landmarks are the template's: the crop is the picture's corner, in the spec's RGB.
    np.testing.assert_array_equal(session.seen[0][0], image[:112, :112, ::-1])


def test_the_crop_has_the_size_of_the_models_input():
    session, model = embedder(shape=(1, 112, 96, 3))
    embed_faces(np.zeros((120, 160, 3), np.uint8), faces_of(1), model)
    assert session.seen[0].shape == (1, 112, 96, 3)


def test_no_faces_give_no_embeddings():
    session, model = embedder()
    vectors = embed_faces(np.zeros((120, 160, 3), np.uint8), faces_of(0), model)
    assert len(vectors) == 0
    assert session.seen == []
    result = with_identity(faces_of(0), vectors, KNOWN, NAMES, threshold=0.5)
    assert (len(result), result.names) == (0, ())


@pytest.mark.parametrize(
    ("points", "names"),
    [(0, ()), (4, ()), (6, ()), (6, ("right_eye", "left_eye", "nose", "mouth", "ear", "ear"))],
    ids=["none", "four", "six unnamed", "six others"],
)
def test_faces_without_the_five_points_are_refused_with_a_way_out(points, names):
    with pytest.raises(ValueError, match=r"five points .* yunet_n_320"):
        embed_faces(np.zeros((120, 160, 3), np.uint8), faces_of(1, points, names=names),
                    embedder()[1])  # fmt: skip


def test_points_that_coincide_are_refused():
    faces = faces_of(1)
    faces.landmarks[:] = 7
    with pytest.raises(ValueError, match="coincide"):
        embed_faces(np.zeros((120, 160, 3), np.uint8), faces, embedder()[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "classification", "decoder": "classifier"},
        {"input": InputSpec()},
    ],
    ids=["another task", "no template"],
)
def test_a_model_that_does_not_embed_aligned_faces_is_refused(changes):
    with pytest.raises(ValueError, match="does not embed aligned faces"):
        embed_faces(np.zeros((120, 160, 3), np.uint8), faces_of(1),
                    embedder(SPEC.with_changes(**changes))[1])  # fmt: skip


@pytest.mark.parametrize(
    ("threshold", "wanted"),
    [(0.5, ("Ada", "Grace", "Ada", None)), (0.998, ("Ada", None, None, None)), (-1, None)],
    ids=["usual", "strict", "everybody"],
)
def test_a_face_has_the_nearest_known_name_or_none(threshold, wanted):
    faces = np.array([(1, 0), (0.1, 0.995), (0.7071, 0.7071), (-1, 0)], np.float32)
    names, similarity = identify(faces, KNOWN, NAMES, threshold=threshold)
    np.testing.assert_allclose(similarity, [1, 0.995, 0.98994, 0], atol=1e-4)
    assert similarity.dtype == np.float32
    assert names == (wanted or ("Ada", "Grace", "Ada", "Grace"))


def test_a_similarity_at_the_threshold_is_enough():
    names, _ = identify(KNOWN[2:], KNOWN[:1], ("Ada",), threshold=float(KNOWN[2, 0]))
    assert names == ("Ada",)


def test_where_nobody_is_known_nobody_is_recognised():
    names, similarity = identify(KNOWN, np.zeros((0, 2), np.float32), (), threshold=0.3)
    assert names == (None, None, None)
    assert np.isnan(similarity).all()


@pytest.mark.parametrize(
    ("known", "names", "threshold", "message"),
    [
        (KNOWN, ("Ada",), 0.5, "a name for each known face"),
        (KNOWN, NAMES, 1.5, "-1..1"),
        (np.ones((3, 5), np.float32), NAMES, 0.5, "of one model"),
        (KNOWN[0], ("Ada", "Grace"), 0.5, "of one model"),
    ],
    ids=["names", "threshold", "another model", "not rows"],
)
def test_arguments_that_do_not_fit_are_refused(known, names, threshold, message):
    with pytest.raises(ValueError, match=message):
        identify(KNOWN, known, names, threshold=threshold)


def test_names_and_similarities_are_filled_in():
    faces = faces_of(2)
    result = with_identity(
        faces, np.array([(1, 0), (-1, 0)], np.float32), KNOWN, NAMES, threshold=0.5
    )
    assert result.names == ("Ada", None)
    np.testing.assert_allclose(result.similarity, [1, 0])
    assert result.boxes is faces.boxes
    assert [face["name"] for face in result.to_dict()["faces"]] == ["Ada", None]
    assert faces.names == (None, None)


def test_an_embedding_is_wanted_for_each_face():
    with pytest.raises(ValueError, match="got 3 for 2"):
        with_identity(faces_of(2), KNOWN, KNOWN, NAMES, threshold=0.5)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["mobilefacenet_int8", "mobilefacenet_fp32", "face-reidentification-retail-0095_int8"],
)
def test_faces_of_one_person_are_told_from_those_of_strangers(zoo, data, name):
    folder = data / "lfw_eval"
    rows = list(csv.DictReader((folder / "pairs.csv").read_text().splitlines()))
    pairs = [row for same in "10" for row in [r for r in rows if r["same"] == same][:60]]
    with (
        edgecv.load("yunet_n_320", device="cpu", score=0.5) as detector,
        edgecv.load(name, device="cpu") as model,
    ):

        def vector(file):
            image = edgecv.read_image(folder / "images" / file)
            faces = detector(image)
            middle = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(
                image.shape[1::-1]
            ) / 2
            return embed_faces(image, faces[int(np.abs(middle).sum(axis=1).argmin())], model)[0]

        right = [
            (vector(row["img1"]) @ vector(row["img2"]) >= model.spec.score) == (row["same"] == "1")
            for row in pairs
        ]
    assert np.mean(right) >= 0.95
