from __future__ import annotations

from pathlib import Path

import pytest
from edgecv.apps.together import check_free, publish, work_folder

from edgecv.errors import OutputError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A folder with two finished files."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "a").write_text("new a")
    (folder / "b").write_text("new b")
    return folder


def everything(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_files_appear_together_with_their_folders(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "x" / "y"
    publish({work / "a": out / "one", work / "b": out / "z" / "two"})
    assert everything(tmp_path / "x") == {"y/one": "new a", "y/z/two": "new b"}
    assert everything(work) == {}


def test_what_is_there_is_replaced(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "one").write_text("old")
    publish({work / "a": out / "one", work / "b": out / "two"})
    assert everything(out) == {"one": "new a", "two": "new b"}


def test_when_one_cannot_be_written_all_stay_as_they_were(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "folder").mkdir(parents=True)
    (out / "one").write_text("old")
    (out / "file").write_text("in the way")
    before = everything(out)
    for blocked in (out / "file" / "two", out / "folder"):
        (work / "a").write_text("new a")
        (work / "b").write_text("new b")
        with pytest.raises(OutputError, match="cannot write"):
            publish({work / "a": out / "one", work / "b": blocked})
        assert everything(out) == before
        assert (out / "folder").is_dir()


def test_folders_made_in_vain_are_gone_again(work: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        publish({work / "a": tmp_path / "new" / "er" / "one", work / "none": tmp_path / "two"})
    assert not (tmp_path / "new").exists()


def test_another_disk_is_no_hindrance(work: Path, mounted) -> None:
    disk = mounted("size=1M")
    publish({work / "a": disk / "one", work / "b": work / "two"})
    assert (disk / "one").read_text() == "new a"
    assert everything(work)["two"] == "new b"
    (work / "big").write_bytes(bytes(2 << 20))
    (work / "a").write_text("newer")
    with pytest.raises(OutputError, match="No space left"):
        publish({work / "a": disk / "one", work / "big": disk / "two"})
    assert everything(disk) == {"one": "new a"}


def test_what_is_there_is_named_unless_it_may_go(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    check_free(files, force=False)
    files[0].write_text("")
    with pytest.raises(OutputError, match=r"/a is there already: --force replaces"):
        check_free(files, force=False)
    files[2].write_text("")
    with pytest.raises(OutputError, match=r"/a, .*/c are there already"):
        check_free(files, force=False)
    check_free(files, force=True)


def test_the_folder_to_work_in_lies_near_the_end_and_goes(tmp_path: Path) -> None:
    with work_folder(tmp_path / "not" / "yet" / "out") as folder:
        assert folder.parent == tmp_path
        (folder / "inner").mkdir()
        (folder / "inner" / "file").write_text("half")
    with pytest.raises(KeyboardInterrupt), work_folder(tmp_path / "out"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_worked_in(tmp_path: Path) -> None:
    """Its parent may be one that cannot be written, as /home is."""
    out = tmp_path / "home"
    out.mkdir()
    with work_folder(out) as folder:
        assert folder.parent == out
    assert list(out.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(OutputError, match=r"cannot write into .*/out: Not a directory"),
        work_folder(tmp_path / "out"),
    ):
        pytest.fail("the work has begun")


def test_the_name_that_could_not_be_given_is_told(work: Path, mounted) -> None:
    disk = mounted("size=1M")
    (work / "big").write_bytes(bytes(2 << 20))
    with pytest.raises(OutputError, match=rf"cannot write {disk}/two: No space left"):
        publish({work / "big": disk / "two"})


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="cannot write into"),
        work_folder(tmp_path / "file" / "out"),
    ):
        pass
