"""Options behind a source's name: ``0?width=1280&fps=30``."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from edgecv.errors import SourceError, unknown_name

T = TypeVar("T")

_OPTIONS = re.compile(r"\?([A-Za-z_]+=[^?/]*)$")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def split_path(text: str) -> tuple[str, str]:
    """Split a path from its options.

    Paths may hold question marks too: in patterns such as ``photo?.jpg``, and in a file's name.
    """
    found = _OPTIONS.search(text)
    if found is None or Path(text).expanduser().exists():
        return text, ""
    return text[: found.start()], found[1]


def read_options(query: str, kind: type[T]) -> T:
    """Return the options of a query as a `kind`.

    Args:
        query: "width=1280&loop=1", say.
        kind: A dataclass whose fields are the options; their defaults say of which type they are.

    Raises:
        UnknownNameError: There is no such option.
        SourceError: Its value is missing, not of the right type, or less than 0.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for part in filter(None, query.split("&")):
        name, equals, text = part.partition("=")
        if name not in defaults:
            raise unknown_name("option", name, defaults)
        if not equals:
            raise SourceError(f"the option {name} wants a value: {name}=...")
        given[name] = _value(name, text, type(defaults[name]))
    return kind(**given)


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool and text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    if kind is str:
        return text
    try:
        if kind is not bool and 0 <= (value := kind(text)) < float("inf"):
            return value
    except ValueError:
        pass
    wanted = {bool: "1 or 0", int: "a whole number from 0", float: "a number from 0"}[kind]
    raise SourceError(f"the option {name} wants {wanted}, got {text!r}")
