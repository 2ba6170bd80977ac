"""Results as lines of JSON, one a frame, into a file or to standard output."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from edgecv.errors import OutputError
from edgecv.results import Result
from edgecv.sinks import Event, Output


def record(source: str, index: int, result: Result, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the values of one line: where the frame comes from, what ran, and what was found."""
    height, width = result.frame
    values: dict[str, Any] = {"source": source, "frame": index, "width": width, "height": height}
    if result.run is not None:
        run = result.run
        values |= {"model": run.model, "runtime": run.runtime, "device": run.device}
        if run.fallback:
            values["fallback"] = run.fallback
        values["latency_ms"] = {k: round(v, 3) for k, v in run.latency_ms._asdict().items()}
    return {**values, **result.to_dict(), **extra}


class JsonLines:
    """A sink of JSON lines. Each line is flushed, so that whoever follows the file sees it at once.

    A line that does not fit on the disk is taken back: the file has whole lines alone.

    Args:
        path: The file, begun anew; "-" for standard output.

    Raises:
        OutputError: The file cannot be written.
    """

    buffer = 64

    def __init__(self, path: str) -> None:
        self._path = path
        self._whole = 0  # bytes of whole lines
        try:
            self._file: TextIO = sys.stdout if path == "-" else self._open(Path(path))
        except OSError as error:
            raise self._failed(error) from error

    @staticmethod
    def _open(path: Path) -> TextIO:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("w", encoding="utf-8")

    def write(self, output: Output) -> None:
        """Write one line.

        Raises:
            OutputError: The disk is full, or the reader has gone.
        """
        frame = output.frame
        position = {} if frame.position is None else {"position": round(frame.position, 3)}
        extra = {**position, **output.extra}
        self._line(record(frame.source, frame.index, output.result, extra))

    def event(self, event: Event) -> None:
        """Write an event as a line of its own, told from a result by its key "event"."""
        self._line(event.to_dict())

    def close(self) -> None:
        """Close the file; standard output stays open."""
        try:
            if self._file is not sys.stdout:
                self._file.close()
        except OSError as error:
            raise self._failed(error) from error

    def _line(self, values: dict[str, Any]) -> None:
        line = json.dumps(values) + "\n"
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            self._take_back()
            raise self._failed(error) from error
        self._whole += len(line)  # JSON is ASCII

    def _take_back(self) -> None:
        """Cut off what was written of a line; what cannot be cut, a pipe or a device, stays."""
        if self._file is not sys.stdout:
            with suppress(OSError):
                os.truncate(self._file.fileno(), self._whole)

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self._path}: {error.strerror or error}")


def open_jsonl(uri: str) -> JsonLines:
    """Open "jsonl:FILE" or "jsonl:-"."""
    path = uri.removeprefix("jsonl:").removeprefix("//")
    if not path:
        raise OutputError(
            "jsonl: wants a file, as in jsonl:results.jsonl, or jsonl:- for the screen"
        )
    return JsonLines(path)
