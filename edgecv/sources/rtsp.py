"""RTSP cameras, through OpenCV's FFmpeg.

While OpenCV waits for a camera that does not answer, no other can be opened: so it is asked whether
it is there first. And OpenCV says of a stream only that it did not open: so the camera is asked for
the reason afterwards (RFC 2326, 10.1 and 10.2).
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import NamedTuple
from urllib.parse import SplitResult, urlunsplit

import cv2

from edgecv.errors import SourceError
from edgecv.sources.addresses import (
    hide_password,
    refused,
    split_address,
    unreachable,
    user_and_password,
)
from edgecv.sources.authorization import authorization
from edgecv.sources.capture import CaptureReader, open_capture
from edgecv.sources.feed import Feed
from edgecv.sources.options import read_options

PORT = 554
MOST_HEADERS = 65536


class _Answer(NamedTuple):
    status: int
    text: str
    headers: Message


@dataclass(frozen=True)
class RtspOptions:
    """Options behind a ``#``: what stands before it, question mark and all, is the camera's.

    Attributes:
        threads: That decode it, each beyond the first for one frame of delay.
        timeout: Seconds to wait for the stream to begin, and to go on.
    """

    threads: int = 1
    timeout: float = 8.0


def open_rtsp(uri: str) -> Feed:
    """Open ``rtsp://USER:PASSWORD@HOST:PORT/PATH``, with `RtspOptions` behind a ``#``.

    Raises:
        SourceError: The camera does not answer, has no such stream or refuses the password, or
            its stream cannot be read.
        UnknownNameError: There is no such option.
    """
    url, _, query = uri.partition("#")
    options = read_options(query, RtspOptions)
    return Feed(hide_password(url), lambda: _connect(url, options))


def _connect(url: str, options: RtspOptions) -> CaptureReader:
    check_server(url, seconds=options.timeout)
    wait = int(1000 * options.timeout)
    settings = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, wait),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, wait),
    ]
    if hasattr(cv2, "CAP_PROP_N_THREADS"):  # OpenCV 4.8; before, as many as there are cores
        settings += [cv2.CAP_PROP_N_THREADS, max(options.threads, 1)]
    capture = open_capture(url, cv2.CAP_FFMPEG, settings, stream=True)
    name = hide_password(url)
    if capture is None:
        check_stream(url, seconds=options.timeout)
        raise SourceError(
            f"{name}: the camera answers, but within {options.timeout:g} s came no video that "
            "OpenCV's FFmpeg can read; try another of its streams (H.264, if it can be set)"
        )
    lost = f"{name} has stopped, or sent nothing for {options.timeout:g} s"
    return CaptureReader(capture, lost)


def check_server(url: str, *, seconds: float = 8.0) -> None:
    """Ask a camera whether it is there.

    Args:
        url: A stream's address.
        seconds: How long the camera may take to answer.

    Raises:
        SourceError: It does not answer, or is no RTSP server.
    """
    parts = split_address(url)
    try:
        with socket.create_connection((parts.hostname, parts.port or PORT), seconds) as connection:
            _ask(connection, "OPTIONS", _without_user(parts), 1)
    except OSError as error:
        raise unreachable(url, error) from error


def check_stream(url: str, *, seconds: float = 8.0) -> None:
    """Ask a camera to describe its stream.

    Args:
        url: The stream's address, with user and password where they are needed.
        seconds: How long the camera may take for each answer.

    Raises:
        SourceError: It does not answer, refuses the password or has no such stream.
    """
    parts = split_address(url)
    user, password = user_and_password(parts)
    plain = _without_user(parts)
    try:
        with socket.create_connection((parts.hostname, parts.port or PORT), seconds) as connection:
            answer = _ask(connection, "DESCRIBE", plain, 1)
            if answer.status == 401 and user:
                challenges = answer.headers.get_all("WWW-Authenticate", [])
                proof = authorization(challenges, "DESCRIBE", plain, user, password)
                answer = _ask(connection, "DESCRIBE", plain, 2, proof)
    except OSError as error:
        raise unreachable(url, error) from error
    if answer.status in (401, 403):
        raise refused(url, user)
    if answer.status == 404:
        raise SourceError(f"{hide_password(url)}: the camera has no stream {parts.path or '/'!r}")
    if answer.status >= 400:
        raise SourceError(f"{hide_password(url)}: the camera says {answer.status} {answer.text}")


def _ask(connection: socket.socket, method: str, url: str, number: int, proof: str = "") -> _Answer:
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {number}", "Accept: application/sdp"]
    lines += [f"Authorization: {proof}"] if proof else []
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    data = b""
    while b"\r\n\r\n" not in data and len(data) < MOST_HEADERS:
        more = connection.recv(4096)
        if not more:
            break
        data += more
    first, _, rest = data.partition(b"\r\n")
    words = first.decode("latin-1").split(" ", 2)
    if len(words) < 2 or not words[0].startswith("RTSP/") or not words[1].isdigit():
        raise SourceError(f"{url}: what answers there is no RTSP server")
    return _Answer(int(words[1]), "".join(words[2:]), message_from_bytes(rest))


def _without_user(parts: SplitResult) -> str:
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
