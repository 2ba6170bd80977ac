"""Where results go: what the command line asks for, and lines for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edgecv.controls import Controls
from edgecv.errors import OutputError
from edgecv.sinks import SINKS, Event, Output, Sink, open_sink, sink_kind

from .describe import describe
from .snapshots import Snapshots

_WRITES_OVER = {"images": "--out", "video": "--out", "jsonl": "--json"}


def open_outputs(
    args: argparse.Namespace, *, inputs: Sequence[Path], controls: Controls | None = None
) -> list[Sink]:
    """Open what the command line asks for; lines for people where it asks for nothing.

    Args:
        args: What `edgecv.apps.options.add_output_options` parsed.
        inputs: The files that are going to be read, none of which may be written.
        controls: What a page may change.

    Raises:
        OutputError: One of them cannot be written, or would write over an input.
        UnknownNameError: There is no such kind of output.
    """
    sinks: list[Sink] = []
    try:
        for uri in wanted(args):
            refuse_inputs(uri, inputs)
            sinks.append(_open(uri, controls))
        if args.snapshot is not None:
            sinks.append(Snapshots(args.snapshot))
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return sinks or [Lines()]


def wanted(args: argparse.Namespace) -> list[str]:
    """Return the URIs of all sinks that the command line asks for."""
    uris = [*(args.out or ())]
    if args.json is not None:
        uris.append(f"jsonl:{args.json}")
    if args.web is not None:
        uris.append(args.web)
    if args.show:
        uris.append("display")
    return uris


def has_page(args: argparse.Namespace) -> bool:
    """Say whether somebody can change settings while the run goes on."""
    uris = [*(getattr(args, "out", None) or ()), getattr(args, "web", None) or ""]
    return any(sink_kind(uri) == "web" for uri in uris)


def uses_stdout(args: argparse.Namespace) -> bool:
    """Say whether standard output is for JSON lines."""
    return "jsonl:-" in (uri.replace("//", "") for uri in wanted(args))


def refuse_inputs(uri: str, inputs: Sequence[Path]) -> None:
    """Refuse to write over what is going to be read; pictures keep their names in a folder.

    Raises:
        OutputError: It would be written over.
    """
    kind = sink_kind(uri)
    if kind not in _WRITES_OVER:
        return
    target = Path(uri.removeprefix(f"{kind}:").removeprefix("//")).expanduser().resolve()
    files = {file.resolve() for file in inputs}
    if kind == "images" and target in {file.parent for file in files}:
        raise OutputError(
            f"{uri} is where the pictures come from, and they would be written over: give another "
            "folder to --out"
        )
    if target in files:
        what = "videos" if kind == "video" else "pictures"
        raise OutputError(
            f"{target} is one of the {what}: give another file to {_WRITES_OVER[kind]}"
        )


def _open(uri: str, controls: Controls | None) -> Sink:
    if sink_kind(uri) != "web":
        return open_sink(uri)
    sink: Sink = SINKS.load("web")(uri, controls=controls)
    address = str(getattr(sink, "url", uri))
    if "token=" not in address:  # else the log has said it
        print(f"edgecv: watch at {address}", file=sys.stderr)
    return sink


class Lines:
    """A sink of one line a picture on stdout, for people."""

    buffer = 64

    def write(self, output: Output) -> None:
        """Write a line that says what was found.

        Raises:
            OutputError: The disk is full, or the reader has gone.
        """
        frame = output.frame
        number = "" if frame.position is None else f" {frame.position:.2f} s"
        try:
            print(f"{frame.source}{number}: {describe(output.result)}", flush=True)
        except OSError as error:
            raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error

    def event(self, event: Event) -> None:
        """Leave events to others."""

    def close(self) -> None:
        """Leave stdout open."""
