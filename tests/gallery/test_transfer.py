"""Exports: private, whole, checked line by line, and imported all or not at all."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery.conftest import DIMENSION, MODEL, directions

from edgecv.errors import GalleryError, OutputError
from edgecv.gallery import Added, Gallery, ModelId


@pytest.fixture
def export(gallery: Gallery, tmp_path: Path) -> Path:
    """The export of a gallery of two people, one with a thumbnail, and a threshold."""
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    gallery.enroll("Ada", directions(3), thumbnail=picture, source="ada.jpg")
    gallery.enroll("Zoë", directions(1, seed=1))
    gallery.set_threshold(0.42)
    gallery.export(tmp_path / "export.jsonl")
    return tmp_path / "export.jsonl"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery(tmp_path / "other.db", model_id=MODEL, dimension=DIMENSION) as opened:
        yield opened


def test_an_import_gives_the_same_gallery(export: Path, gallery: Gallery, other: Gallery) -> None:
    assert other.import_(export) == Added(people=2, embeddings=4, known=0)
    assert other.names() == gallery.names()
    assert other.threshold == 0.42
    for mine, theirs in zip(gallery.matrix(), other.matrix(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    mine, theirs = gallery.thumbnail("Ada"), other.thumbnail("Ada")
    assert mine is not None
    assert theirs is not None
    np.testing.assert_array_equal(mine, theirs)


def test_an_export_of_the_import_is_the_same_to_the_byte(
    export: Path, other: Gallery, tmp_path: Path
) -> None:
    other.import_(export)
    other.export(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == export.read_bytes()


def test_people_of_equal_names_get_the_embeddings_of_both(export: Path, other: Gallery) -> None:
    other.enroll("Ada", directions(5)[2:])  # the first of them is in the export too
    other.set_threshold(0.3)
    assert other.import_(export) == Added(people=1, embeddings=3, known=1)
    assert [(p.name, p.embeddings) for p in other.names()] == [("Ada", 5), ("Zoë", 1)]
    assert other.threshold == 0.3
    assert other.import_(export) == Added(people=0, embeddings=0, known=4)


def test_only_the_owner_can_read_an_export(gallery: Gallery, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        gallery.export(tmp_path / "export.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "export.jsonl").stat().st_mode) == 0o600


def test_an_export_never_replaces_a_file(export: Path, gallery: Gallery) -> None:
    before = export.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        gallery.export(export)
    assert export.read_bytes() == before


def test_an_export_holds_nothing_that_runs_code(export: Path) -> None:
    for line in export.read_text(encoding="ascii").splitlines():
        assert isinstance(json.loads(line), dict)


def changed(line: int, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def spoil(file: Path) -> None:
        lines = file.read_text().splitlines()
        values = json.loads(lines[line])
        change(values)
        lines[line] = json.dumps(values)
        file.write_text("\n".join(lines) + "\n")

    return spoil


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda file: file.write_text(""), "cut short in line 1"),
    "a picture": (lambda file: file.write_bytes(b"\xff\xd8\xff\xe0" * 50), "line 1"),
    "other text": (lambda file: file.write_text("Dear Ada,\nhow are you?\n"), "line 1"),
    "a JSON list": (lambda file: file.write_text("[1, 2]\n"), "wanted a JSON object"),
    "other JSON": (lambda file: file.write_text('{"a": 1}\n'), "no export"),
    "cut in a line": (lambda file: file.write_bytes(file.read_bytes()[:-9]), "cut short in line 3"),
    "cut after a line": (
        lambda file: file.write_text("\n".join(file.read_text().split("\n")[:2]) + "\n"),
        "cut short in line 3",
    ),
    "a line too many": (lambda file: file.write_text(file.read_text() + "{}\n"), "more lines"),
    "newer": (changed(0, lambda v: v.update(version=2)), "newer edgecv"),
    "another model": (
        changed(0, lambda v: v["model_id"].update(name="another", sha256="cd" * 32)),
        "was made with another",
    ),
    "another dimension": (changed(0, lambda v: v.update(dimension=8)), "line 2"),
    "no people": (changed(0, lambda v: v.pop("people")), "line 1"),
    "a wild threshold": (changed(0, lambda v: v.update(threshold=7)), "a cosine"),
    "no name": (changed(2, lambda v: v.pop("name")), "line 3"),
    "a name that is a number": (changed(2, lambda v: v.update(name=5)), "line 3"),
    "a name with an escape": (changed(2, lambda v: v.update(name="\x1b[2J")), "line 3"),
    "no embeddings": (changed(2, lambda v: v.update(embeddings=[])), "line 3: no embeddings"),
    "no time": (changed(2, lambda v: v.update(created="soon")), "line 3"),
    "a short vector": (changed(2, lambda v: v["embeddings"][0].update(vector="AAAA")), "line 3"),
    "no base64": (changed(2, lambda v: v["embeddings"][0].update(vector="?")), "line 3"),
    "a vector of zeros": (
        changed(2, lambda v: v["embeddings"][0].update(vector="A" * 85 + "A==")),
        "line 3: wanted embeddings of length 1",
    ),
}


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT)
def test_of_a_spoilt_export_nothing_is_imported(
    export: Path, other: Gallery, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(export)
    with pytest.raises(GalleryError, match=says):
        other.import_(export)
    assert other.names() == []
    assert other.threshold is None


def test_a_missing_export_is_a_gallery_error(other: Gallery, tmp_path: Path) -> None:
    with pytest.raises(GalleryError, match="cannot read"):
        other.import_(tmp_path / "missing.jsonl")


def test_another_models_export_says_whose_it_is(
    export: Path, tmp_path: Path, gallery: Gallery
) -> None:
    with (
        Gallery(tmp_path / "y.db", model_id=ModelId("y", "ee" * 32), dimension=DIMENSION) as third,
        pytest.raises(GalleryError, match=r"y.db was made with y .* made with made_up"),
    ):
        third.import_(export)
