from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from labelled import picture

from edgecv.cache import cache_dir
from edgecv.errors import DataError, OutputError
from edgecv.training.data import archives
from edgecv.training.data.archives import unpacked
from edgecv.training.data.formats import open_samples


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Write a zip file of class folders below one folder."""
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for number, name in enumerate(("a", "b")):
            file = picture(tmp_path / f"{name}.png", byte=number)
            archive.write(file, f"train/{name}/0.png")
        archive.writestr("__MACOSX/junk", b"")
    return tmp_path / "set.zip"


def test_a_zip_file_is_a_dataset(packed: Path) -> None:
    samples = open_samples(packed, task="classify")
    assert samples.names == ("a", "b")
    assert samples[1].image.mean() == 1


def test_it_is_unpacked_once_and_anew_after_a_change(packed: Path) -> None:
    first = unpacked(packed)
    (first / "a" / "0.png").unlink()
    assert unpacked(packed) == first
    assert not (first / "a" / "0.png").exists()
    os.utime(packed, ns=(1, 1))
    assert (unpacked(packed) / "a" / "0.png").exists()


DAMAGE = {
    "no zip file": lambda f: f.write_bytes(b"PK but no more"),
    "cut short": lambda f: f.write_bytes(f.read_bytes()[:-30]),
    "other bytes": lambda f: f.write_bytes(f.read_bytes().replace(b"IDAT", b"IDAX")),
    "missing": lambda f: f.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused_and_leaves_nothing(packed: Path, damage) -> None:
    damage(packed)
    with pytest.raises(DataError, match=r"set\.zip"):
        unpacked(packed)
    assert not list((cache_dir() / "datasets").glob(".unpacking*"))


def test_what_the_disk_has_no_room_for_is_refused(
    packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 10

    os.utime(packed, ns=(2, 2))
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: Full)
    with pytest.raises(OutputError, match="has room for"):
        unpacked(packed)


def test_entries_cannot_leave_the_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../escaped.txt", b"x")
        archive.writestr("/absolute.txt", b"x")
    folder = unpacked(tmp_path / "evil.zip")
    assert sorted(p.name for p in folder.iterdir()) == ["absolute.txt", "escaped.txt"]
    assert not (cache_dir() / "escaped.txt").exists()
    assert not (cache_dir().parent / "escaped.txt").exists()


@pytest.mark.data
def test_the_pictures_of_cifar_are_read_from_their_zip_file(data: Path) -> None:
    samples = open_samples(data / "cifar10" / "cifar10_test_1000.zip", task="classify")
    assert (len(samples), len(samples.names)) == (1000, 10)
    assert samples[0].image.shape == (32, 32, 3)
