"""A gallery's file: SQLite, readable by its owner alone, checked before it is touched."""

from __future__ import annotations

import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from threading import RLock

from edgecv.errors import GalleryError

log = logging.getLogger(__name__)

MAGIC = b"SQLite format 3\x00"
APPLICATION_ID = 0x65635647
"""What makes an SQLite file a gallery: "ecVG" in bytes 68 to 72 of its header."""
SCHEMA_VERSION = 1
TABLES = {"metadata", "people", "embeddings"}
SCHEMA = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE metadata (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL
);
CREATE TABLE embeddings (
    id INTEGER PRIMARY KEY,
    person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,
    crc INTEGER NOT NULL,
    created TEXT NOT NULL,
    source TEXT NOT NULL,
    thumbnail BLOB
);
CREATE INDEX embeddings_person ON embeddings (person);
COMMIT;
"""
PRAGMAS = (
    "foreign_keys = ON",
    "secure_delete = ON",
    "synchronous = FULL",  # what was enrolled outlives a power cut
    "temp_store = MEMORY",  # VACUUM would otherwise copy the faces into /tmp
    "trusted_schema = OFF",
)


def default_path() -> Path:
    """Return where the gallery lies that no path was given for: $EDGECV_GALLERY, or user data."""
    if given := os.environ.get("EDGECV_GALLERY"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "edgecv" / "gallery.db"


def create(path: Path, metadata: Mapping[str, str]) -> None:
    """Make an empty gallery that nobody else may read, whole or not at all.

    Where another process makes the same file at the same time, the first one's stays.

    Raises:
        GalleryError: The folder cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
        os.close(handle)
        temporary = Path(name)
        try:
            _fill(temporary, metadata)
            _publish(temporary, path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise GalleryError(f"cannot make {path}: {error.strerror or error}") from error


def _fill(path: Path, metadata: Mapping[str, str]) -> None:
    with (
        translated(path),
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.executescript(SCHEMA)
        connection.executemany("INSERT INTO metadata VALUES (?, ?)", metadata.items())
        connection.execute("PRAGMA journal_mode = WAL")


def _publish(temporary: Path, path: Path) -> None:
    """Give a finished file its name, unless something already has that name."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links, such as FAT
        if not path.exists():
            temporary.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Database:
    """A checked and opened gallery file, and the transactions on it; threads take turns.

    Args:
        path: The file.
        timeout: Seconds to wait for another process that is writing.

    Raises:
        GalleryError: The file is missing, damaged, no gallery, or of a newer version; it was not
            written to.
    """

    def __init__(self, path: Path, *, timeout: float) -> None:
        check(path)
        self.path = path
        self._lock = RLock()
        self._changes = 0
        with translated(path):
            self._connection = sqlite3.connect(
                f"{path.as_uri()}?mode=rw", uri=True, timeout=timeout,
                isolation_level=None, check_same_thread=False,
            )  # fmt: skip
            try:
                for pragma in PRAGMAS:
                    self._connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file, once or again."""
        with self._lock:
            self._connection.close()

    def version(self) -> tuple[int, int]:
        """Return what changes whenever the file does, by this process or another."""
        with self._lock, translated(self.path):
            (others,) = self._connection.execute("PRAGMA data_version").fetchone()
            return int(others), self._changes

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """Give the connection inside a transaction that sees one state of the file.

        Raises:
            GalleryError: SQLite failed.
        """
        return self._transaction("DEFERRED")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection inside a transaction: all that the block does, or nothing.

        Raises:
            GalleryError: Another process writes for too long, or SQLite failed.
        """
        with self._lock, self._transaction("IMMEDIATE") as connection:
            self._changes += 1
            yield connection

    def purge(self) -> None:
        """Rewrite the file without what was deleted, and empty its write-ahead log.

        `secure_delete` overwrites deleted rows; copies of them may remain in pages that were
        rearranged and in the log: VACUUM and the checkpoint remove these.

        Raises:
            GalleryError: Another process is reading or writing.
        """
        with self._lock, translated(self.path):
            try:
                self._connection.execute("VACUUM")
                query = "PRAGMA wal_checkpoint(TRUNCATE)"
                (busy, *_) = self._connection.execute(query).fetchone()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                busy = True
        if busy:
            raise GalleryError(
                f"{self.path}: what was deleted is not used any more, but another program keeps "
                "its bytes from being overwritten: close that program, and open the gallery again"
            )

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[sqlite3.Connection]:
        with self._lock, translated(self.path):
            connection = self._connection
            connection.execute(f"BEGIN {kind}")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


def check(path: Path) -> None:
    """Refuse a file that is no sound gallery, without writing a byte.

    Raises:
        GalleryError: It is missing, empty, no gallery, damaged, or of a newer version.
    """
    try:
        with path.open("rb") as file:
            head = file.read(100)
        readable_by_others = path.stat().st_mode & 0o077
    except OSError as error:
        raise GalleryError(f"cannot open {path}: {error.strerror or error}") from error
    if not head:
        raise GalleryError(
            f"{path} is empty, so it is no face gallery: remove it to make a new one"
        )
    if not head.startswith(MAGIC):
        raise GalleryError(f"{path} is no face gallery: it is left as it is, give another path")
    if int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        raise GalleryError(
            f"{path} is a database of another program, no face gallery: it is left as it is, "
            "give another path"
        )
    if problem := _problem(path):
        raise GalleryError(
            f"{path} is damaged ({problem}). It is left as it is: restore a copy, or move it away "
            "and import an export into a new gallery"
        )
    if readable_by_others:
        log.warning("%s holds faces and others may read it: chmod 600 %s", path, path)


def _problem(path: Path) -> str:
    """Return what is wrong inside the file; empty when it is sound.

    Without a write-ahead log nobody has the file open, and it is read as one that cannot change:
    then SQLite makes no files beside it. Somebody may open it just then, hence the second look.
    """
    problem = ""
    for _ in range(2):
        logged = path.with_name(f"{path.name}-wal").exists()
        mode = "mode=ro" if logged else "immutable=1"
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)) as connection:
                problem = _problem_inside(connection, path)
        except sqlite3.Error as error:
            problem = str(error)
        if not problem:
            break
    return problem


def _problem_inside(connection: sqlite3.Connection, path: Path) -> str:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise GalleryError(
            f"{path} was written by a newer edgecv (its version is {version}, this edgecv reads "
            f"{SCHEMA_VERSION}): upgrade edgecv"
        )
    tables = {name for (name,) in connection.execute("SELECT tbl_name FROM sqlite_master")}
    if tables != TABLES:
        return f"its tables are {', '.join(sorted(tables)) or 'missing'}"
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return "" if found == "ok" else str(found).replace("\n", " ")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ones that say what to do.

    Raises:
        GalleryError: SQLite failed.
        ValueError: The gallery was closed before.
    """
    try:
        yield
    except sqlite3.ProgrammingError as error:
        raise ValueError(f"{path}: {error}") from error
    except sqlite3.Error as error:
        text = str(error)
        advice = next((advice for key, advice in _ADVICE.items() if key in text), "")
        raise GalleryError(f"{path}: {text}{advice}") from error


_ADVICE = {
    "locked": ". Another program is writing to it: wait until it has finished, and try again",
    "full": ". Make room on the disk, and try again; what was there before is kept",
    "readonly": ". It cannot be written: see who owns it and its folder",
    "malformed": ". It is damaged: restore a copy, or import an export into a new gallery",
}
