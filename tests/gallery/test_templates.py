"""The search is exact, and the scores are those that identifying people would give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gallery.conftest import DIMENSION, directions

from edgecv.errors import GalleryError
from edgecv.gallery import Gallery
from edgecv.gallery.templates import Stored, nearest, scores, templates
from edgecv.types import FloatArray


def stored(counts: list[int], seed: int = 0) -> Stored:
    """Return people with so many embeddings each."""
    owners = np.repeat(np.arange(len(counts)), counts)
    names = tuple(f"Person {at}" for at in range(len(counts)))
    return Stored(names, directions(len(owners), seed), owners)


def unit(values: FloatArray) -> FloatArray:
    return values / np.linalg.norm(values)


@pytest.mark.parametrize("counts", [[1], [1, 1, 1], [3], [2, 1, 4, 1], [5] * 30], ids=str)
def test_templates_are_normalised_means(counts: list[int]) -> None:
    given = stored(counts)
    wanted = [unit(given.vectors[given.owners == at].mean(axis=0)) for at in range(len(counts))]
    found = templates(given)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert found.dtype == np.float32


def test_embeddings_that_cancel_out_are_near_nobody_and_never_nan() -> None:
    row = directions(1)[0]
    given = Stored(("Ada",), np.stack([row, -row]), np.array([0, 0]))
    assert (templates(given) == 0).all()


@pytest.mark.parametrize("k", [1, 2, 7, 499, 500, 900])
def test_the_search_gives_what_sorting_everything_gives(k: int) -> None:
    matrix = templates(stored([1] * 500))
    names = tuple(map(str, range(500)))
    for probe in directions(20, seed=1):
        cosines = probe @ matrix.T
        order = np.argsort(-cosines, kind="stable")[:k]
        found = nearest(names, matrix, probe, k)
        assert [match.name for match in found] == [str(at) for at in order]
        assert [match.similarity for match in found] == cosines[order].tolist()


def test_of_equals_the_search_gives_those_enrolled_first() -> None:
    matrix = np.repeat(directions(2), 5, axis=0)
    found = nearest(tuple("abcdefghij"), matrix, matrix[5], 3)
    assert [match.name for match in found] == ["f", "g", "h"]


def test_the_search_agrees_with_identify(gallery: Gallery) -> None:
    for at in range(30):
        gallery.enroll(f"Person {at}", directions(2, seed=at))
    probes = directions(25, seed=99)
    names, similarity = gallery.identify(probes, -1.0)
    found = [gallery.search(probe, 1)[0] for probe in probes]
    assert [match.name for match in found] == list(names)
    np.testing.assert_allclose([match.similarity for match in found], similarity, atol=1e-6)


def test_a_search_for_no_match_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one match"):
        nearest(("Ada",), directions(1), directions(1)[0], 0)


def by_hand(given: Stored) -> tuple[list[float], list[float]]:
    """Return genuine and impostor cosines by plain loops over embeddings and people."""
    genuine, impostor = [], []
    people = range(len(given.names))
    count = [int((given.owners == person).sum()) for person in people]
    for at, owner in enumerate(given.owners.tolist()):
        for person in people:
            rows = given.owners == person
            if person == owner:
                rows[at] = False
                if rows.any():
                    genuine.append(given.vectors[at] @ unit(given.vectors[rows].mean(axis=0)))
            elif count[owner] > 1 or count[person] > 1 or owner < person:
                impostor.append(given.vectors[at] @ unit(given.vectors[rows].mean(axis=0)))
    return genuine, impostor


@pytest.mark.parametrize("counts", [[1], [1, 1], [1, 1, 1, 1], [3, 2], [2, 1, 4, 1]], ids=str)
def test_scores_are_each_embedding_against_every_person(counts: list[int]) -> None:
    given = stored(counts)
    genuine, impostor = by_hand(given)
    found = scores(given, limit=10_000)
    np.testing.assert_allclose(np.sort(found.genuine), np.sort(genuine), atol=1e-5)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort(impostor), atol=1e-5)
    assert found.people == len(counts)


def test_two_people_of_one_embedding_are_compared_once() -> None:
    assert len(scores(stored([1] * 10), limit=1000).impostor) == 45


def test_large_galleries_are_drawn_from_by_person_and_alike_every_time() -> None:
    given = stored([1, 3] * 200)
    found = scores(given, limit=10_000)
    assert 5_000 < len(found.impostor) < 15_000
    assert 60 < found.people < 80
    again = scores(given, limit=10_000)
    np.testing.assert_array_equal(found.impostor, again.impostor)


def test_an_empty_gallery_has_no_scores(gallery: Gallery) -> None:
    found = gallery.scores()
    assert (len(found.genuine), len(found.impostor), found.people) == (0, 0, 0)


@pytest.mark.parametrize("change", ["vector", "crc", "size", "person without embeddings"])
def test_an_embedding_that_was_tampered_with_is_told(
    gallery: Gallery, path: Path, change: str
) -> None:
    gallery.enroll("Ada", directions(1))
    gallery.enroll("Grace", directions(1, seed=1))
    wrong = {
        "vector": ("UPDATE embeddings SET vector = ? WHERE id = 2", directions(1, seed=2)),
        "crc": ("UPDATE embeddings SET crc = crc + 1 WHERE id = ?", 2),
        "size": ("UPDATE embeddings SET vector = ? WHERE id = 2", directions(1, seed=1)[0, :-1]),
        "person without embeddings": ("DELETE FROM embeddings WHERE id = ?", 2),
    }
    statement, value = wrong[change]
    with gallery._file.writing() as connection:
        connection.execute(statement, (value if isinstance(value, int) else value.tobytes(),))
    with pytest.raises(GalleryError, match="damaged"):
        gallery.matrix()


def test_people_enrolled_in_turns_are_kept_apart(gallery: Gallery) -> None:
    rows = directions(6)
    for at, row in enumerate(rows):
        gallery.enroll(("Ada", "Grace")[at % 2], row)
    _, matrix = gallery.matrix()
    wanted = [unit(rows[0::2].mean(axis=0)), unit(rows[1::2].mean(axis=0))]
    np.testing.assert_allclose(matrix, wanted, atol=1e-6)
    assert matrix.shape == (2, DIMENSION)
