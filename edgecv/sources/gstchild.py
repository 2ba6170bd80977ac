"""A ``gst-launch-1.0`` that writes raw pictures into a pipe."""

from __future__ import annotations

import fcntl
import os
import re
import select
import shlex
import signal
import subprocess
from collections import deque
from contextlib import suppress
from threading import Event, Thread
from time import monotonic

import numpy as np

from edgecv.errors import SourceError
from edgecv.sources.addresses import hide_password
from edgecv.types import Image, Size

SECONDS = 10.0
"""How long a pipeline may take to its first picture, and from one to the next."""
PIPE_BYTES = 1 << 20
"""The most that Linux gives a pipe without further rights (pipe(7), pipe-max-size)."""

_CAPS = re.compile(r"/GstFdSink:edgecv\.GstPad:sink: caps = video/x-raw, (.*)")


class ChildReader:
    """A pipeline in a process of its own.

    Args:
        name: What to call it in errors.
        pipeline: Elements in the words of gst-launch-1.0; the last one gives video/x-raw in BGR.

    Raises:
        SourceError: It gives no pictures.
    """

    def __init__(self, name: str, pipeline: str) -> None:
        self._name = name
        self._said: deque[str] = deque(maxlen=30)
        self._sizes: list[Size] = []
        self._known = Event()
        self._pipe, self._process = _launch(name, pipeline)
        self._listener = Thread(target=self._listen, name="edgecv-gst", daemon=True)
        self._listener.start()
        try:
            self._known.wait(SECONDS)
            if not self._sizes:
                raise self._failed("gives no pictures")
        except BaseException:
            self.close()
            raise
        self._size = self._sizes[0]

    def read(self) -> tuple[Image, float]:
        """Return the next picture, and when it came.

        Raises:
            SourceError: The pipeline failed, hangs, or its pictures changed their size.
            StopIteration: It has come to its end.
        """
        height, width = self._size
        row = (3 * width + 3) // 4 * 4  # GStreamer rounds rows of BGR up to four bytes
        data = np.empty((height, row), np.uint8)
        rest = data.data.cast("B")
        while rest:
            rest = rest[self._read_some(rest) :]
        if self._sizes[-1] != self._size:
            raise SourceError(
                f"{self._name}: pictures changed to {self._sizes[-1]}; starting again"
            )
        return data[:, : 3 * width].reshape(height, width, 3), monotonic()

    def close(self) -> None:
        """End the process: gently, so that it gives its camera back."""
        os.close(self._pipe)
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._listener.join()

    def _read_some(self, into: memoryview) -> int:
        if not select.select([self._pipe], [], [], SECONDS)[0]:
            raise SourceError(f"{self._name} gave no picture within {SECONDS:.0f} s")
        count = os.readv(self._pipe, [into])
        if not count:
            self._process.wait()
            self._listener.join()
            if self._process.returncode:
                raise self._failed("has stopped")
            raise StopIteration
        return count

    def _listen(self) -> None:
        """Read what the process says: the size of its pictures, and what went wrong."""
        if self._process.stdout is None:
            raise TypeError("the process was started without a pipe for what it says")
        with self._process.stdout as lines:
            for line in lines:
                size = _size(line)
                if size:
                    self._sizes.append(size)
                    self._known.set()
                elif "caps = " not in line and line.strip():
                    self._said.append(line.strip())
        self._known.set()

    def _failed(self, what: str) -> SourceError:
        errors = [line for line in self._said if "ERROR" in line or "WARNING: erron" in line]
        why = (errors or [*self._said] or ["it said nothing"])[-1 if not errors else 0]
        return SourceError(f"{self._name} {what}: {hide_password(why)}")


def _launch(name: str, pipeline: str) -> tuple[int, subprocess.Popen[str]]:
    """Start gst-launch-1.0; return the end of the pipe that its pictures come from, and it."""
    try:
        words = shlex.split(pipeline)
    except ValueError as error:
        raise SourceError(f"{name}: {error}") from error
    reading, writing = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    command = ["gst-launch-1.0", "-v", *words, "!", "fdsink", "name=edgecv", f"fd={writing}"]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[writing],
            start_new_session=True,  # Ctrl-C is for us; we end it
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C", "GST_DEBUG_NO_COLOR": "1"},
        )
    except OSError as error:
        os.close(reading)
        raise SourceError(f"{name}: cannot start gst-launch-1.0: {error.strerror}") from error
    finally:
        os.close(writing)
    return reading, process


def _size(line: str) -> Size | None:
    """Return the size of the pictures, if this is the line in which gst-launch-1.0 says it."""
    caps = _CAPS.search(line)
    numbers = dict(re.findall(r"\b(width|height)=\(int\)(\d+)", caps[1])) if caps else {}
    return Size(int(numbers["height"]), int(numbers["width"])) if len(numbers) == 2 else None
