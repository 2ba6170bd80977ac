from __future__ import annotations

import logging
import os

import pytest

from edgecv.errors import DownloadError, UnknownNameError
from edgecv.zoo import store
from edgecv.zoo.checksums import sha256_of


def test_all_files_of_a_model_come_into_the_cache_together(server, entries, cache) -> None:
    path = store.fetch("pets")
    assert path == cache / "models" / "pets.tflite"
    assert path.read_bytes() == b"pets" * 500
    assert (cache / "models" / "classes.txt").read_bytes() == b"cat\ndog\n"


def test_what_is_in_the_cache_is_not_fetched_again(server, entries) -> None:
    assert store.fetch("pets") == store.fetch("pets")
    assert len(server.asked) == 2


def test_a_damaged_copy_in_the_cache_is_fetched_again(server, entries, caplog) -> None:
    path = store.fetch("boxes")
    path.write_bytes(b"x" * path.stat().st_size)
    os.utime(path, (1, 1))
    with caplog.at_level(logging.WARNING):
        assert store.fetch("boxes").read_bytes() == b"boxes" * 300
    assert "is damaged" in caplog.text


def test_an_unknown_model_names_the_nearest(entries) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'boxes'"):
        store.fetch("boxs")


def test_a_mirror_on_the_web_is_asked_instead_of_the_publisher(
    server, entries, cache, monkeypatch
) -> None:
    server.files["/mirror/boxes.onnx"] = server.files["/boxes.onnx"]
    monkeypatch.setenv(store.MIRROR, f"{server.url}/mirror/")
    assert store.fetch("boxes") == cache / "models" / "boxes.onnx"
    assert server.asked == [("/mirror/boxes.onnx", None)]


@pytest.fixture
def mirror(entries, tmp_path, monkeypatch):
    """A mirror that is a folder and has one of the made-up models."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "boxes.onnx").write_bytes(b"boxes" * 300)
    monkeypatch.setenv(store.MIRROR, str(folder))
    return folder


def test_a_mirror_folder_is_used_in_place(server, mirror, cache) -> None:
    assert store.fetch("boxes") == mirror / "boxes.onnx"
    assert not (cache / "models").exists()
    assert server.asked == []


def test_a_wrong_file_in_a_mirror_folder_is_refused_and_kept(mirror) -> None:
    (mirror / "boxes.onnx").write_bytes(b"y" * 1500)
    with pytest.raises(DownloadError, match=r"boxes.onnx is not the file that the list names"):
        store.fetch("boxes")
    assert (mirror / "boxes.onnx").read_bytes() == b"y" * 1500


def test_what_a_mirror_folder_lacks_is_not_fetched_from_elsewhere(server, mirror) -> None:
    with pytest.raises(DownloadError, match=r"which has no pets.tflite.*models pull"):
        store.fetch("pets")
    assert server.asked == []


def test_a_mirror_that_is_no_folder_is_reported(entries, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(store.MIRROR, str(tmp_path / "nowhere"))
    with pytest.raises(DownloadError, match="nowhere, which is no folder"):
        store.fetch("boxes")


def test_a_file_is_here_when_its_name_and_size_fit(server, entries) -> None:
    file = entries["boxes"].files[0]
    assert not store.is_here(file)
    store.fetch("boxes")
    assert store.is_here(file)


def test_a_checksum_is_computed_once(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    os.utime(file, ns=(5, 5))
    first = sha256_of(file)
    file.write_bytes(b"two")
    os.utime(file, ns=(5, 5))  # the same size and time of change: nothing tells the difference
    assert sha256_of(file) == first
    os.utime(file, ns=(6, 6))
    assert sha256_of(file) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


def test_checksums_need_no_cache_that_can_be_written(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"two")
    monkeypatch.setenv("EDGECV_CACHE", str(file / "below a file"))
    assert sha256_of(file) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"


@pytest.mark.parametrize("note", ["", "{", "[]", '{"path": 1}'])
def test_a_damaged_note_of_a_checksum_is_ignored(tmp_path, cache, note) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"two")
    sha256_of(file)
    (written,) = (cache / "checksums").iterdir()
    written.write_text(note)
    assert sha256_of(file) == "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
