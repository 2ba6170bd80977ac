"""The addresses of sinks that listen or connect: ``mqtt://user:password@host:port/path?options``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from edgecv.errors import OutputError, SourceError
from edgecv.sources.options import read_options

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """What a URI says.

    Attributes:
        host: Empty where none is named.
        port: None where none is named.
        user: Empty where none is named.
        password: Empty where none is named; never in a message or a log.
        path: Without the slashes around it.
        query: The options.
    """

    host: str
    port: int | None
    user: str
    password: str = field(repr=False)
    path: str
    query: str


def read_address(uri: str, example: str) -> Address:
    """Take a URI apart.

    Args:
        uri: It may hold a password, and is therefore not part of any message.
        example: A good one, for the message.

    Raises:
        OutputError: It makes no sense.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port
    except ValueError:
        raise OutputError(f"a port is a number from 1 to 65535, as in {example}") from None
    if uri != parts.scheme + ":" and not uri.startswith(f"{parts.scheme}://"):
        raise OutputError(f"two slashes are missing behind {parts.scheme}:, as in {example}")
    return Address(
        parts.hostname or "",
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")),
        parts.query,
    )


def read_sink_options(query: str, kind: type[T]) -> T:
    """Return the options of a URI as a `kind`, a dataclass whose fields are the options.

    Raises:
        UnknownNameError: There is no such option.
        OutputError: Its value makes no sense.
    """
    try:
        return read_options(query, kind)
    except SourceError as error:
        raise OutputError(str(error)) from error
