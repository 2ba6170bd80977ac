"""Addresses of cameras in a network: said without their passwords, and why none answers."""

from __future__ import annotations

import re
import socket
import ssl
from urllib.parse import SplitResult, unquote, urlsplit

from edgecv.errors import SourceError

_PASSWORD = re.compile(r"(://[^/:@\s]*):[^/\s]*@")


def hide_password(text: str) -> str:
    """Return a text with ``***`` for the passwords of the addresses in it."""
    return _PASSWORD.sub(r"\1:***@", text)


def split_address(url: str) -> SplitResult:
    """Return the parts of an address that names a host.

    Raises:
        SourceError: It names none, or its port is no port.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # looking at the port is what checks it
    except ValueError as error:
        raise SourceError(f"{hide_password(url)}: {error}") from error
    if not host:
        raise SourceError(f"{hide_password(url)} names no host: {parts.scheme}://HOST/PATH")
    return parts


def user_and_password(parts: SplitResult) -> tuple[str, str]:
    """Return the user and password in an address, decoded; empty where there are none."""
    return unquote(parts.username or ""), unquote(parts.password or "")


def unreachable(url: str, error: OSError) -> SourceError:
    """Return the error for a host that could not be talked to, with what to look at."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port
    where = f"{host}:{port}" if port else f"{host}"
    if isinstance(error, socket.gaierror):
        why = f"no host {host!r} is known; is its name right, and is this machine in its network?"
    elif isinstance(error, ConnectionRefusedError):
        why = f"{where} is there, but nothing listens on that port; is the camera's server on?"
    elif isinstance(error, TimeoutError):
        why = f"{where} does not answer; is it switched on, and in this machine's network?"
    elif isinstance(error, ssl.SSLCertVerificationError):
        why = (
            f"the certificate of {where} cannot be trusted ({error.verify_message}); "
            "for a camera that signed its own, give the address with '#verify=0'"
        )
    else:
        why = f"{where} cannot be reached: {error.strerror or error}"
    return SourceError(f"{hide_password(url)}: {why}")


def refused(url: str, user: str) -> SourceError:
    """Return the error for a server that asks for a password, or did not like the one it got."""
    if user:
        why = f"the user {user!r} or the password was refused (@ : / in either are %40 %3A %2F)"
    else:
        why = "it wants a user and a password: " + re.sub("://", "://USER:PASSWORD@", url, count=1)
    return SourceError(f"{hide_password(url)}: {why}")
