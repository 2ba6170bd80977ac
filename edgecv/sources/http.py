"""Cameras and files behind a web address: MJPEG streams, pictures and videos."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from time import monotonic
from urllib.error import HTTPError, URLError
from urllib.parse import urlunsplit
from urllib.request import HTTPSHandler, Request, build_opener

import cv2
import numpy as np

from edgecv.errors import SourceError
from edgecv.image import MAX_PIXELS
from edgecv.imagefile import header_size
from edgecv.sources.addresses import (
    hide_password,
    refused,
    split_address,
    unreachable,
    user_and_password,
)
from edgecv.sources.authorization import authorization
from edgecv.sources.clock import Clock
from edgecv.sources.feed import Feed
from edgecv.sources.multipart import Parts
from edgecv.sources.options import read_options
from edgecv.sources.video import SUFFIXES as VIDEO_SUFFIXES
from edgecv.sources.video import Video
from edgecv.types import Image

MOST_BYTES = 64 << 20
"""The most that a picture may take."""
MOST_DAMAGED = 30
"""So many damaged pictures in a row, and the stream counts as lost."""


@dataclass(frozen=True)
class HttpOptions:
    """Options behind a ``#``: what stands before it, question mark and all, is the server's.

    Attributes:
        fps: For the address of a picture: how often a second it is fetched; 0 for only once.
        timeout: Seconds to wait for the server.
        verify: Whether its certificate has to be in order.
    """

    fps: float = 0.0
    timeout: float = 8.0
    verify: bool = True


class MjpegReader:
    """An answer that goes on for ever, a JPEG after a JPEG.

    Args:
        name: What to call it in errors.
        response: The answer.
        boundary: What stands between its parts.
    """

    def __init__(self, name: str, response: HTTPResponse, boundary: str) -> None:
        self._name, self._response = name, response
        self._parts = Parts(response, boundary)

    def read(self) -> tuple[Image, float]:
        """Return the next picture, and when it had come; damaged ones are passed over.

        Raises:
            SourceError: The stream ended, hangs or is no MJPEG.
        """
        try:
            for _ in range(MOST_DAMAGED):
                data = self._parts.next()
                time = monotonic()
                image = _decoded(data)
                if image is not None:
                    return image, time
        except TimeoutError as error:
            raise SourceError(f"{self._name} sends no more pictures") from error
        except EOFError as error:
            raise SourceError(f"{self._name} was ended by the server") from error
        except (OSError, HTTPException, ValueError) as error:
            raise SourceError(f"{self._name} has stopped: {error}") from error
        raise SourceError(f"{self._name}: {MOST_DAMAGED} pictures in a row are no JPEGs")

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


class PictureReader:
    """A picture that is fetched again and again.

    Args:
        url: Its address.
        options: How often, and how long to wait.
        response: The first answer.
    """

    def __init__(self, url: str, options: HttpOptions, response: HTTPResponse) -> None:
        self._url, self._options = url, options
        self._first: Image | None = self._picture(response)
        self._clock = Clock()
        self._index = 0

    def read(self) -> tuple[Image, float]:
        """Fetch the picture when it is time.

        Raises:
            SourceError: It cannot be had, or is no picture.
            StopIteration: It is wanted only once.
        """
        if self._index and not self._options.fps:
            raise StopIteration
        self._clock.wait(self._index / self._options.fps if self._options.fps else 0.0)
        self._index += 1
        image, self._first = self._first, None
        if image is None:
            image = self._picture(request(self._url, self._options))
        return image, monotonic()

    def close(self) -> None:
        """Wait for no further picture."""
        self._clock.stop()

    def _picture(self, response: HTTPResponse) -> Image:
        name = hide_password(self._url)
        try:
            with response:
                data = response.read(MOST_BYTES)
        except (OSError, HTTPException) as error:
            raise SourceError(f"{name} broke off: {error}") from error
        image = _decoded(data)
        if image is None:
            raise SourceError(f"what {name} gives is no picture that OpenCV reads")
        return image


def open_http(uri: str) -> Feed | Video:
    """Open the address of an MJPEG stream, a picture or a video file.

    `HttpOptions` may stand behind a ``#``: ``https://camera/video#verify=0``.

    Raises:
        SourceError: The server does not answer, refuses, or gives something else.
        UnknownNameError: There is no such option.
    """
    url, _, query = uri.partition("#")
    options = read_options(query, HttpOptions)
    response = request(url, options)
    kind, name = response.headers.get_content_type(), hide_password(url)
    if kind.startswith("video/") or split_address(url).path.lower().endswith(VIDEO_SUFFIXES):
        response.close()
        return Video(url)
    return Feed(name, lambda: _reader(url, options), _answered(url, options, response))


def _reader(url: str, options: HttpOptions) -> MjpegReader | PictureReader:
    return _answered(url, options, request(url, options))


def _answered(
    url: str, options: HttpOptions, response: HTTPResponse
) -> MjpegReader | PictureReader:
    name, kind = hide_password(url), response.headers.get_content_type()
    boundary = response.headers.get_boundary("")
    if kind.startswith("multipart/") and boundary:
        return MjpegReader(name, response, boundary)
    if kind.startswith("image/"):
        return PictureReader(url, options, response)
    response.close()
    raise SourceError(
        f"{name} gives {kind}: wanted an MJPEG stream (multipart/x-mixed-replace), a picture or "
        "a video; is this the address of the camera's page instead of its stream?"
    )


def request(url: str, options: HttpOptions) -> HTTPResponse:
    """Return a server's answer, its body still unread.

    Raises:
        SourceError: It does not answer, or refuses.
    """
    try:
        return _opened(url, options)
    except HTTPError as error:
        error.close()
        user, _ = user_and_password(split_address(url))
        if error.code in (401, 403):
            raise refused(url, user) from error
        text = f"{hide_password(url)}: the server says {error.code} {error.reason}"
        raise SourceError(text) from error
    except URLError as error:
        inner = error.reason if isinstance(error.reason, OSError) else error
        raise unreachable(url, inner) from error
    except OSError as error:
        raise unreachable(url, error) from error
    except (HTTPException, ValueError) as error:
        raise SourceError(
            f"{hide_password(url)}: what answers is no web server: {error}"
        ) from error


def _opened(url: str, options: HttpOptions) -> HTTPResponse:
    """Ask once, and again with the password if the server wants one."""
    parts = split_address(url)
    user, password = user_and_password(parts)
    wanted = Request(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    wanted.add_header("User-Agent", "edgecv")
    context = ssl.create_default_context()
    if not options.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    opener = build_opener(HTTPSHandler(context=context))
    try:
        response: HTTPResponse = opener.open(wanted, timeout=options.timeout)
    except HTTPError as error:
        if error.code != 401 or not user:
            raise
        error.close()
        challenges = error.headers.get_all("WWW-Authenticate", [])
        proof = authorization(challenges, "GET", wanted.selector, user, password)
        wanted.add_unredirected_header("Authorization", proof)
        response = opener.open(wanted, timeout=options.timeout)
    return response


def _decoded(data: bytes) -> Image | None:
    """Decode a picture, unless it is none or far too large."""
    size = header_size(data)
    if not data or size is None or size.height * size.width > MAX_PIXELS:
        return None
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else np.asarray(image, np.uint8)
