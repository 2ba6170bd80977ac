"""The gallery's file: private, whole after any crash, and left alone when it is no gallery."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from gallery.conftest import DIMENSION, MODEL, directions, everything

from edgecv.errors import GalleryError
from edgecv.gallery import Gallery, default_path


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def filled(path: Path) -> Path:
    """A closed gallery of 40 people."""
    with Gallery(path, model_id=MODEL, dimension=DIMENSION) as gallery:
        for at, row in enumerate(directions(40)):
            gallery.enroll(f"Person {at:02}", row)
    return path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_only_the_owner_can_read_any_of_its_files(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Gallery(path, model_id=MODEL, dimension=DIMENSION) as gallery:
            gallery.enroll("Ada", directions(1))
            modes = {file.name: mode_of(file) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    names = {"gallery.db", "gallery.db-wal", "gallery.db-shm"}
    assert modes == dict.fromkeys(names, 0o600)
    assert mode_of(path.parent) & 0o077 == 0


def test_a_new_gallery_is_private_before_it_has_its_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    link = Path.hardlink_to

    def watching(self: Path, target: Path) -> None:
        seen.extend(mode_of(file) for file in target.parent.iterdir())
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", watching)
    Gallery(path, model_id=MODEL, dimension=DIMENSION).close()
    assert seen == [0o600]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_without_hard_links_it_is_made_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    with Gallery(path, model_id=MODEL, dimension=DIMENSION) as gallery:
        assert len(gallery) == 0
    assert mode_of(path) == 0o600


def test_of_two_that_make_it_at_once_the_first_one_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to

    def late(self: Path, target: Path) -> None:
        monkeypatch.setattr(Path, "hardlink_to", link)
        with Gallery(path, model_id=MODEL, dimension=DIMENSION) as first:
            first.enroll("Ada", directions(1))
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", late)
    with Gallery(path, model_id=MODEL, dimension=DIMENSION) as second:
        assert [person.name for person in second.names()] == ["Ada"]


def test_a_file_that_others_may_read_is_warned_of(
    filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled.chmod(0o644)
    Gallery(filled).close()
    assert "chmod 600" in caplog.text


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5000])


def scratched(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096 * 2 : 4096 * 2 + 200] = b"\xff" * 200
    file.write_bytes(data)


def name_changed(file: Path) -> None:
    data = file.read_bytes()
    at = data.index(b"Person 07")
    file.write_bytes(data[:at] + b"Q" + data[at + 1 :])


def text(file: Path) -> None:
    file.write_text("These are my holiday notes.\n" * 300)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def other_database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE people (name TEXT)")
        connection.commit()


def newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")


def table_missing(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE embeddings")
        connection.commit()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_short, "is damaged"),
        (scratched, "is damaged"),
        (name_changed, "is damaged"),
        (table_missing, "is damaged"),
        (text, "is no face gallery"),
        (empty, "is empty"),
        (other_database, "a database of another program"),
        (newer, "newer edgecv"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_sound_gallery_is_refused_untouched(
    filled: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(filled)
    before = {file: file.read_bytes() for file in filled.parent.iterdir()}
    with pytest.raises(GalleryError, match=says):
        Gallery(filled, model_id=MODEL, dimension=DIMENSION)
    assert {file: file.read_bytes() for file in filled.parent.iterdir()} == before


def test_a_damaged_gallery_in_use_is_refused_untouched(filled: Path) -> None:
    with Gallery(filled) as gallery:  # a write-ahead log is there
        gallery.enroll("Ada", directions(1, seed=5))
        log = filled.with_name(f"{filled.name}-wal")
        cut_short(filled)
        before = filled.read_bytes(), log.read_bytes()
        with pytest.raises(GalleryError, match="is damaged"):
            Gallery(filled)
        assert (filled.read_bytes(), log.read_bytes()) == before


@pytest.mark.parametrize("kind", ["folder", "missing", "below a file"])
def test_a_path_where_no_gallery_can_be_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_text("")
    where = {"folder": tmp_path, "missing": tmp_path / "x", "below a file": tmp_path / "file" / "x"}
    if kind == "missing":
        with pytest.raises(GalleryError, match="enrol somebody first"):
            Gallery(where[kind])
    else:
        with pytest.raises(GalleryError, match=r"cannot (open|make)"):
            Gallery(where[kind], model_id=MODEL, dimension=DIMENSION)


def test_waiting_for_another_writer_ends_with_advice(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            Gallery(filled, timeout=0.05) as gallery,
            pytest.raises(GalleryError, match="Another program is writing"),
        ):
            gallery.enroll("Ada", directions(1))


def test_a_full_disk_keeps_what_was_there(filled: Path) -> None:
    with Gallery(filled) as gallery:
        with gallery._file.reading() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        gallery._file._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(GalleryError, match="Make room"):
            gallery.enroll("Ada", directions(500, seed=1))
        assert len(gallery) == len(gallery.matrix()[0]) == 40


WRITER = f"""
import os, sys
import numpy as np
from gallery.conftest import MODEL, directions
from edgecv.gallery import Gallery

gallery = Gallery(sys.argv[1], model_id=MODEL, dimension={DIMENSION})
at = int(sys.argv[2])
while True:
    gallery.enroll(f"Person {{at}}", directions(3, seed=at))
    print("+", at, flush=True)
    if at % 5 == 4:
        gallery.delete(f"Person {{at - 2}}")
        print("-", at - 2, flush=True)
    at += 1
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    tests = str(Path(__file__).parent.parent)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": tests},
    )


@pytest.mark.slow
def test_being_killed_at_any_moment_loses_nothing_that_was_done(path: Path) -> None:
    chance = random.Random(7)
    before: set[int] = set()
    deleted = 0
    for turn in range(8):
        with start(WRITER, path, turn * 10_000) as process:
            assert process.stdout is not None
            lines = [process.stdout.readline()]
            time.sleep(chance.uniform(0.0, 0.1))
            process.send_signal(signal.SIGKILL)
            lines += process.stdout.readlines()
        done = [line.split() for line in lines if line.endswith("\n")]
        enrolled = {int(at) for sign, at in done if sign == "+"}
        gone = {int(at) for sign, at in done if sign == "-"}
        deleted += len(gone)
        unsure = {max(enrolled) + 1, max(enrolled) - 2}  # what it was doing when it was killed
        with Gallery(path) as gallery:  # opening checks the integrity
            people = {int(p.name.split()[1]): p.embeddings for p in gallery.names()}
            names, matrix = gallery.matrix()
        assert set(people) - unsure == (before | enrolled) - gone - unsure
        assert set(people.values()) == {3}
        for name, row in zip(names, matrix, strict=True):
            mean = directions(3, seed=int(name.split()[1])).mean(axis=0)
            np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-6)
        before = set(people)
    assert deleted


KILLED = """
import os, signal, sys
from edgecv.gallery import Gallery
from edgecv.gallery.database import Database

Database.purge = lambda self: os.kill(os.getpid(), signal.SIGKILL)
Gallery(sys.argv[1]).delete("Person 07")
"""


def test_a_deletion_that_was_interrupted_is_finished_when_next_opened(filled: Path) -> None:
    with start(KILLED, filled) as process:
        assert process.wait() == -signal.SIGKILL
    secrets = [b"Person 07", directions(40)[7].tobytes()]
    assert all(secret in everything(filled) for secret in secrets)
    Gallery(filled).close()
    assert not any(secret in everything(filled) for secret in secrets)


def test_a_reader_that_delays_overwriting_is_told_of_and_then_made_up_for(
    filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    secret = directions(40)[7].tobytes()
    with closing(sqlite3.connect(filled, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM people").fetchone()
        with (
            Gallery(filled, timeout=0.05) as gallery,
            pytest.raises(GalleryError, match="another program keeps"),
        ):
            gallery.delete("Person 07")
        Gallery(filled, timeout=0.05).close()
        assert "another program keeps" in caplog.text
        reader.execute("COMMIT")
    with Gallery(filled) as gallery:
        assert secret not in everything(filled)
        assert len(gallery) == 39


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"EDGECV_GALLERY": "/somewhere/mine.db"}, "/somewhere/mine.db"),
        ({"XDG_DATA_HOME": "/data"}, "/data/edgecv/gallery.db"),
        ({"HOME": "/home/ada"}, "/home/ada/.local/share/edgecv/gallery.db"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_default_path_follows_the_environment(
    variables: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("EDGECV_GALLERY", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default_path() == Path(wanted)
