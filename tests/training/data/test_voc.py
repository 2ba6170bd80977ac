from __future__ import annotations

from pathlib import Path

import pytest
from labelled import picture

from edgecv.errors import DataError
from edgecv.training.data.stored import Reading
from edgecv.training.data.voc import voc

OBJECT = (
    "<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>11</xmin>"
    "<ymin>21</ymin><xmax>{xmax}</xmax><ymax>40</ymax></bndbox></object>"
)


def thing(name: str = "cat", *, difficult: int = 0, xmax: object = 30) -> str:
    return OBJECT.format(name=name, difficult=difficult, xmax=xmax)


def annotate(file: Path, *objects: str, size: tuple[int, int] = (60, 40)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        f"<annotation><filename>{file.stem}.png</filename><size><width>{size[0]}</width>"
        f"<height>{size[1]}</height><depth>3</depth></size>{''.join(objects)}</annotation>"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        picture(tmp_path / "JPEGImages" / f"{name}.png", 40, 60)
    annotate(tmp_path / "Annotations" / "a.xml", thing(), thing("dog", difficult=1))
    annotate(tmp_path / "Annotations" / "b.xml", thing("dog"))
    return tmp_path


def test_corners_count_from_zero_and_names_are_sorted(folder: Path) -> None:
    samples = voc(folder)
    assert samples.names == ("cat", "dog")
    assert samples[0].boxes.tolist() == [[10, 20, 30, 40]] * 2
    assert samples[0].classes.tolist() == [0, 1]
    assert samples[1].classes.tolist() == [1]


def test_classes_difficult_objects_and_splits_are_chosen(folder: Path) -> None:
    assert len(voc(folder, difficult=False)[0].boxes) == 1
    assert voc(folder, only=("dog",))[1].classes.tolist() == [0]
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    (folder / "ImageSets" / "Main" / "val.txt").write_text("b  1\n\n")
    assert len(voc(folder, split="val")) == 1
    with pytest.raises(DataError, match="cannot read the split 'test'"):
        voc(folder, split="test")


def test_pictures_may_lie_beside_their_files(tmp_path: Path) -> None:
    picture(tmp_path / "x.png", 40, 60)
    annotate(tmp_path / "x.xml", thing())
    assert len(voc(tmp_path)) == 1


BAD = {
    "no XML": (lambda f: f.write_text("<annotation>"), "cannot be read"),
    "another root": (lambda f: f.write_text("<html/>"), "holds <html>"),
    "a word for a number": (lambda f: annotate(f, thing(xmax="wide")), "xmax is 'wide'"),
    "no number": (lambda f: annotate(f, thing(xmax="nan")), "xmax is 'nan'"),
    "no name": (lambda f: annotate(f, thing("")), "an object has no name"),
    "no picture": (lambda f: annotate(f.with_name("c.xml"), thing()), "picture c.png is not there"),
    "another size": (lambda f: annotate(f, thing(), size=(40, 60)), "it has 60x40"),
}


@pytest.mark.parametrize(("spoil", "what"), BAD.values(), ids=BAD)
def test_a_bad_file_is_listed_and_skipped(folder: Path, spoil, what: str) -> None:
    spoil(folder / "Annotations" / "b.xml")
    samples = voc(folder, reading=Reading(max_bad=0.5))
    assert what in samples.problems.skipped[0].what
    with pytest.raises(DataError, match="pictures cannot be used"):
        voc(folder)


def test_a_class_without_boxes_is_refused_where_it_was_asked_for(folder: Path) -> None:
    with pytest.raises(DataError, match="no class 'cow'"):
        voc(folder, only=("cow",))
    for only in (None, ("cat", "dog", "cow")):
        listed = voc(folder, only=only, reading=Reading(names=("cat", "dog", "cow"))).problems.noted
        assert [item.what for item in listed] == ["no box of the class 'cow'"]


def test_objects_of_unknown_classes_are_said_once_but_not_those_that_nobody_wants(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    samples = voc(folder, reading=Reading(names=("cat", "dogs")))
    assert "2 boxes left out: no class 'dog'; did you mean 'dogs'?" in caplog.text
    assert caplog.text.count("'dog'") == 1
    assert [len(entry.boxes) for entry in samples.entries] == [1, 0]
    caplog.clear()
    voc(folder, only=("cat",))
    voc(folder, only=("cat",), reading=Reading(names=("cat",)))
    assert not caplog.text


def test_a_set_without_a_box_that_counts_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"boxes of 'Cat', got none .*2 are of the class 'dog'"):
        voc(folder, reading=Reading(names=("Cat",)))
    annotate(folder / "Annotations" / "a.xml")
    annotate(folder / "Annotations" / "b.xml", thing(xmax=10))
    with pytest.raises(DataError, match=r"got none that counts .*is empty or outside: dropped"):
        voc(folder)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_a_folder_without_xml_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="Wanted a folder of Pascal VOC"):
        voc(tmp_path / name)
