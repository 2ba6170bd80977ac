"""One URL to one checked file: resumed where a connection broke, and never half-written."""

from __future__ import annotations

import errno
import fcntl
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from edgecv.errors import DownloadError
from edgecv.progress import bar
from edgecv.zoo.checksums import compute, matches
from edgecv.zoo.manifest import File
from edgecv.zoo.store import TIMEOUT

log = logging.getLogger(__name__)

WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new attempt, after a connection broke or a server was overloaded."""

_CHUNK = 1 << 16
_OVERLOADED = (408, 429, 500, 502, 503, 504)
_WAYS_OUT = (
    "`edgecv models pull` fetches it where there is a network; without one, set EDGECV_ZOO_MIRROR "
    "to a folder or a web address that has the files"
)


class _TransferError(Exception):
    """A transfer that broke off and may go on where it stopped."""


def download(file: File, url: str, target: Path, *, timeout: float = TIMEOUT) -> None:
    """Fetch a file unless another process has done so by the time that it is our turn.

    What has come when a connection breaks stays in `<target>.part`, and is where the next attempt
    goes on, be it in this process or in a later one.

    Args:
        file: What is wanted: its checksum and its size.
        url: Where from.
        target: Where to. Nothing is ever there but the whole, checked file.
        timeout: Seconds that the server may stay silent.

    Raises:
        DownloadError: There is no network, no such file, no room on the disk; or the wrong file.
    """
    part = target.with_name(target.name + ".part")
    with _one_at_a_time(target), _disk_errors(target):
        if target.is_file() and matches(target, file):
            return
        resumed = part.is_file()
        _transfer(file, url, part, timeout)
        if resumed and not _right(part, file):  # the beginning may be that of another version
            _transfer(file, url, part, timeout)
        if not _right(part, file):
            raise DownloadError(
                f"what {url} gave is not {file.file}: the SHA-256 differs, so it "
                f"was deleted. A proxy or a mirror may have answered instead; {_WAYS_OUT}"
            )
        part.replace(target)


def _right(part: Path, file: File) -> bool:
    """Tell whether all of a file came; delete what is not it."""
    if part.is_file() and compute(part) == file.sha256:
        return True
    part.unlink(missing_ok=True)
    return False


def _transfer(file: File, url: str, part: Path, timeout: float) -> None:
    """Fetch what `part` lacks, in several attempts where the server breaks off."""
    for wait in (*WAITS, None):
        try:
            return _attempt(file, url, part, timeout)
        except _TransferError as error:
            if wait is None:
                raise _failed(file, url, str(error)) from error
            log.info("%s: %s; trying again in %g s", url, error, wait)
            time.sleep(wait)
    return None


def _attempt(file: File, url: str, part: Path, timeout: float) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if have == file.bytes:
        return
    if have > file.bytes:
        part.unlink()
        have = 0
    with _ask(file, url, part, have, timeout) as answer:
        start = have if _goes_on(answer, have) else 0
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and start + int(length) != file.bytes:
            part.unlink(missing_ok=True)
            raise _failed(
                file, url, f"it has {start + int(length)} bytes there instead of {file.bytes}"
            )
        with part.open("ab" if start else "wb") as out:
            _copy(answer, out, file, start)


def _ask(file: File, url: str, part: Path, have: int, timeout: float) -> http.client.HTTPResponse:
    """Send the request for a file, or for its rest after the first `have` bytes."""
    headers = {"User-Agent": "edgecv", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        request = urllib.request.Request(url, headers=headers)
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        why = f"HTTP {error.code} {error.reason}"
        error.close()
        if error.code == 416 and have:  # nothing behind what is there: it is not the same file
            part.unlink()
            raise _TransferError(why) from error
        raise (
            _TransferError(why) if error.code in _OVERLOADED else _failed(file, url, why)
        ) from error
    except (urllib.error.URLError, TimeoutError, ValueError) as error:  # no network; no address
        reason = getattr(error, "reason", error)
        raise _failed(file, url, str(getattr(reason, "strerror", None) or reason)) from error
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"the connection broke: {error}") from error
    return answer


def _goes_on(answer: http.client.HTTPResponse, have: int) -> bool:
    """Tell whether a server took the request for the rest of a file."""
    given = answer.headers.get("Content-Range", "")
    return answer.status == 206 and given.startswith(f"bytes {have}-")


def _copy(answer: http.client.HTTPResponse, out: BinaryIO, file: File, start: int) -> None:
    done = start
    with bar(file.file, unit="MB", start=start) as report:
        while chunk := _read(answer):
            out.write(chunk)
            done += len(chunk)
            report(done, file.bytes)
            if done > file.bytes:
                return  # not the file: its checksum will say so
    if done < file.bytes:
        raise _TransferError(f"the connection broke after {done} of {file.bytes} bytes")


def _read(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"the connection broke: {error}") from error


def _failed(file: File, url: str, why: str) -> DownloadError:
    return DownloadError(f"cannot fetch {file.file} from {url}: {why}. {_WAYS_OUT}")


@contextmanager
def _one_at_a_time(target: Path) -> Iterator[None]:
    """Hold the lock of one file of the cache; whoever else wants it waits."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = target.with_name(f".{target.name}.lock").open("w")
    except OSError as error:
        raise _unwritable(target, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("another process is fetching %s: waiting for it", target.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    """Turn the disk's errors into ours; a full disk gets back what the part took."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            with suppress(OSError):
                target.with_name(target.name + ".part").unlink(missing_ok=True)
        raise _unwritable(target, error) from error


def _unwritable(target: Path, error: OSError) -> DownloadError:
    return DownloadError(
        f"cannot write {target.name} into the cache {target.parent}: {error.strerror or error}. "
        "Set EDGECV_CACHE to a folder with room that can be written, or EDGECV_ZOO_MIRROR to one "
        "that has the file"
    )
