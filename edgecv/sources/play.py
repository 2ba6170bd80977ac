"""Recordings: video files and pictures, as fast as they are wanted, by the clock, or in a loop."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.errors import SourceError
from edgecv.imagefile import header_size
from edgecv.sources.clock import Clock
from edgecv.sources.files import SUFFIXES, Files, missing_text, open_files
from edgecv.sources.options import read_options, split_path
from edgecv.sources.video import SUFFIXES as VIDEO_SUFFIXES
from edgecv.sources.video import Video
from edgecv.types import Frame


@dataclass(frozen=True)
class PlayOptions:
    """Options of a recording.

    Attributes:
        loop: Whether it begins again when it ends.
        realtime: Whether it is played by the clock, as if a camera saw it.
        fps: Frames a second instead of the video's own; pictures have 1.
    """

    loop: bool = False
    realtime: bool = False
    fps: float = 0.0


class Player:
    """A source that plays a recording by the clock, or again and again.

    Args:
        reopen: Opens the recording from its beginning.
        options: How to play it.

    Attributes:
        live: Whether it is played by the clock.
    """

    def __init__(self, reopen: Callable[[], Video | Files], options: PlayOptions) -> None:
        self.live = options.realtime
        self._reopen, self._options = reopen, options
        self._source = reopen()
        self._rate = options.fps or getattr(self._source, "fps", 0.0) or 1.0
        self._clock = Clock()
        self._index = 0
        self._played = 0  # frames of this round
        self._begin = self._position = 0.0  # of this round, of the last frame
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Return the next frame when it is due.

        Raises:
            EdgeCVError: A picture cannot be read; the next call goes on behind it.
        """
        frame = self._following()
        self._position = self._begin + self._place(frame)
        index, self._index = self._index, self._index + 1
        self._played += 1
        time = self._clock.wait(self._position) if self.live else frame.time
        if self._closed:
            raise StopIteration
        return replace(frame, index=index, time=time, position=self._position)

    def close(self) -> None:
        """Give the recording back."""
        self._closed = True
        self._clock.stop()
        self._source.close()

    def _following(self) -> Frame:
        """Return the recording's next frame, from a new round if this one has ended."""
        try:
            return next(self._source)
        except StopIteration:
            if self._closed or not (self._options.loop and self._played):
                raise
        self._source.close()
        self._source = self._reopen()
        self._begin, self._played = self._position + 1 / self._rate, 0
        return next(self._source)

    def _place(self, frame: Frame) -> float:
        own = frame.position if not self._options.fps else None
        return frame.index / self._rate if own is None else own


def open_recording(uri: str) -> Video | Files | Player:
    """Open a video, a picture, a folder or a pattern, with `PlayOptions` behind a question mark.

    Raises:
        ImageError: There is no such file or picture.
        SourceError: There is no such video, or it cannot be read.
        UnknownNameError: There is no such option.
    """
    text, query = split_path(uri.removeprefix("file://"))
    options = read_options(query, PlayOptions)

    def reopen() -> Video | Files:
        path = Path(text).expanduser()
        return _open_video(path) if text and _is_video(path) else open_files(text)

    return reopen() if options == PlayOptions() else Player(reopen, options)


def _open_video(path: Path) -> Video:
    if not path.exists():
        raise SourceError(missing_text(path))
    return Video(str(path))


def _is_video(path: Path) -> bool:
    """Go by the suffix; look into files that have another one."""
    suffix = path.suffix.lower()
    if suffix in VIDEO_SUFFIXES and not path.is_dir():
        return path.exists() or not glob.has_magic(str(path))
    if suffix in SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(65536)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
    return header_size(head) is None and _looks_like_video(head)


def _looks_like_video(head: bytes) -> bool:
    """Know MP4 (ISO/IEC 14496-12), AVI and Matroska (RFC 8794) by their first bytes."""
    riff = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return riff or head[4:8] == b"ftyp" or head[:4] == b"\x1a\x45\xdf\xa3"
