"""The sink that serves a page."""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from time import monotonic

from edgecv.controls import Controls
from edgecv.errors import OutputError
from edgecv.sinks import Event, Output
from edgecv.sinks.rate import Rate
from edgecv.sinks.uri import read_address, read_sink_options
from edgecv.sinks.web.guard import Guard
from edgecv.sinks.web.pictures import Encoding, Live, Picture
from edgecv.sinks.web.routes import Routes
from edgecv.sinks.web.server import Server, is_loopback, listen, reachable_name
from edgecv.sinks.web.status import Status

log = logging.getLogger(__name__)

EXAMPLE = "web://127.0.0.1:8080"
HOST, PORT = "127.0.0.1", 8080
TOKEN = re.compile(r"[A-Za-z0-9_-]{12,}")
"""What needs no quoting, neither in an address nor in a cookie."""


@dataclass(frozen=True)
class WebOptions:
    """Options of ``web://``.

    Attributes:
        fps: The most pictures a second that a viewer is sent; 0 for all.
        quality: Of the pictures, as JPEG, 1..100.
        width: Wider pictures are made smaller, to this many pixels; 0 for as they are.
        token: What a viewer has to know; without, one is made up where others could watch.
    """

    fps: float = 15.0
    quality: int = 80
    width: int = 1280
    token: str = ""


class WebSink:
    """A page with the live picture, the run's figures and what may be changed.

    Args:
        host: The interface: 127.0.0.1 for this machine alone, 0.0.0.0 for all others as well, who
            then need the token.
        port: The port; 0 for any.
        options: How pictures are sent, and the token.
        controls: What the page may change; without, it shows and changes nothing.

    Attributes:
        url: The page's address, with its token.

    Raises:
        OutputError: The port is in use, or the options make no sense.
    """

    buffer = 8

    def __init__(
        self,
        host: str = HOST,
        port: int = PORT,
        options: WebOptions | None = None,
        *,
        controls: Controls | None = None,
    ) -> None:
        given = options or WebOptions()
        _check(given)
        self._encoding = Encoding(given.quality, given.width)
        self._rate = Rate(given.fps)
        self._live, self._status = Live(), Status()
        bound = listen(host, port)
        port = bound.getsockname()[1]
        token = given.token
        if not is_loopback(bound):
            token = token or secrets.token_urlsafe(16)
        self.url = f"http://{reachable_name(bound)}:{port}/" + (f"?token={token}" if token else "")
        routes = Routes(self._live, self._status, controls or Controls())
        self._server = Server(Guard(routes.app(), token=token, port=port), bound, self._live)
        if token:
            log.warning("whoever has this address can watch: %s", self.url)
        else:
            log.info("watch at %s", self.url)

    def write(self, output: Output) -> None:
        """Show one result."""
        self._status.add(output)
        if self._rate.allows(monotonic()):
            self._live.show(Picture(output, self._encoding))

    def event(self, event: Event) -> None:
        """Show an event."""
        self._status.add_event(event)

    def close(self) -> None:
        """Stop the server, whoever is watching."""
        self._server.close()


def _check(options: WebOptions) -> None:
    if not 1 <= options.quality <= 100:
        raise OutputError(f"the option quality wants 1 to 100, got {options.quality}")
    if options.token and not TOKEN.fullmatch(options.token):
        raise OutputError(
            "the option token wants at least 12 letters, digits, - or _; leave it out, and one "
            "is made up"
        )


def open_web(uri: str, *, controls: Controls | None = None) -> WebSink:
    """Open ``web://HOST:PORT``, with the options of `WebOptions` behind a question mark.

    Args:
        uri: What is left out is 127.0.0.1 and 8080.
        controls: What the page may change. An app that has some opens the sink with
            ``SINKS.load("web")(uri, controls=controls)``.

    Raises:
        OutputError: The port is in use, or the URI makes no sense.
        UnknownNameError: There is no such option.
    """
    address = read_address(uri, EXAMPLE)
    if address.path or address.user or address.password:
        raise OutputError(f"wanted a host and a port alone, as in {EXAMPLE}")
    options = read_sink_options(address.query, WebOptions)
    port = PORT if address.port is None else address.port
    return WebSink(address.host or HOST, port, options, controls=controls)
