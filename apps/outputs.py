"""Where the commands for pictures send results: lines for people, JSON lines, pictures drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecv.errors import OutputError
from edgecv.sinks import Event, Output, Sink
from edgecv.sinks.images import Images
from edgecv.sinks.jsonl import JsonLines

from .describe import describe


def open_outputs(json_to: str | None, out: Path | None, *, inputs: Sequence[Path]) -> list[Sink]:
    """Open what the command line asks for; lines for people where it asks for nothing.

    Args:
        json_to: A file for JSON lines, "-" for stdout.
        out: A folder for pictures.
        inputs: The files that are going to be read, none of which may be written.

    Raises:
        OutputError: One of them cannot be written, or would write over an input.
    """
    sinks: list[Sink] = []
    if out is not None:
        sinks.append(Images(_folder(out, inputs)))
    if json_to is not None:
        if any(Path(json_to).resolve() == file.resolve() for file in inputs):
            raise OutputError(f"{json_to} is one of the pictures: give another file to --json")
        sinks.append(JsonLines(json_to))
    return sinks or [Lines()]


def _folder(out: Path, inputs: Sequence[Path]) -> Path:
    """Make the folder for pictures, unless it is that of an input: they keep their names."""
    if out.resolve() in {file.resolve().parent for file in inputs}:
        raise OutputError(
            f"{out} is where the pictures come from, and they would be written over: give another "
            "folder to --out"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror or error}") from error
    return out


class Lines:
    """A sink of one line a picture on stdout, for people."""

    buffer = 64

    def write(self, output: Output) -> None:
        """Write a line that says what was found.

        Raises:
            OutputError: The disk is full, or the reader has gone.
        """
        try:
            print(f"{output.frame.source}: {describe(output.result)}", flush=True)
        except OSError as error:
            raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error

    def event(self, event: Event) -> None:
        """Leave events to others."""

    def close(self) -> None:
        """Leave stdout open."""
