"""The HTTP server of a page, in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from contextlib import suppress
from threading import Thread

import uvicorn
from starlette.types import ASGIApp

from edgecv.errors import OutputError
from edgecv.sinks.web.pictures import Live

SEND_BUFFER = 256 * 1024
"""Bytes that may wait in the kernel for a viewer: a few pictures, not seconds of them."""
MOST_CONNECTIONS = 100
GRACE, PATIENCE = 0.2, 1.0
"""Seconds: viewers who do not read are cut off after the first; the end is waited for no longer
than the second."""


class Server:
    """A server that has begun to answer.

    Args:
        app: What answers.
        bound: The socket that it listens on.
        live: The pictures, whose viewers live in the server's event loop.
    """

    def __init__(self, app: ASGIApp, bound: socket.socket, live: Live) -> None:
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", loop="asyncio", http="h11",
            ws="none", server_header=False, limit_concurrency=MOST_CONNECTIONS,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._bound, self._live = bound, live
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = Thread(target=self._run, name="edgecv-web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, whoever is watching; once or again."""
        self._live.end()
        self._server.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has stopped already
                self._loop.call_soon_threadsafe(self._loop.call_later, GRACE, self._cut_off)
        self._thread.join(PATIENCE)
        self._bound.close()  # which uvicorn leaves open when it is stopped while it starts

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._live.start()
        await self._server.serve(sockets=[self._bound])

    def _cut_off(self) -> None:
        for connection in list(self._server.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OutputError: The port is in use, or the interface or the right to it is missing.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise OutputError(f"cannot listen on {host}: {error.strerror or error}") from error
    try:
        return _bound(family, address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = _free_port(family, address)
            raise OutputError(
                f"port {port} of {host} is in use; free is web://{_bracketed(host)}:{free}"
            ) from error
        raise OutputError(
            f"cannot listen on port {port} of {host}: {error.strerror or error}"
        ) from error


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # viewers inherit it
        bound.bind(address)
        bound.listen(64)
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound


def _free_port(family: int, address: tuple[object, ...]) -> int:
    """Return the next free port, or any."""
    host, port, *rest = address
    for candidate in (*range(int(str(port)) + 1, min(int(str(port)) + 20, 65536)), 0):
        with suppress(OSError), _bound(family, (host, candidate, *rest)) as bound:
            return int(bound.getsockname()[1])
    return 0


def is_loopback(bound: socket.socket) -> bool:
    """Say whether only this machine can reach a socket."""
    return ipaddress.ip_address(bound.getsockname()[0]).is_loopback


def reachable_name(bound: socket.socket) -> str:
    """Return what to call a socket's interface in an address that others open."""
    host = str(bound.getsockname()[0])
    if not ipaddress.ip_address(host).is_unspecified:
        return _bracketed(host)
    with suppress(OSError), socket.socket(bound.family, socket.SOCK_DGRAM) as probe:
        # nothing is sent: it only finds the interface that leads out; addresses of RFC 5737, 3849
        probe.connect(("2001:db8::1" if ":" in host else "192.0.2.1", 9))
        return _bracketed(str(probe.getsockname()[0]))
    return socket.gethostname()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
