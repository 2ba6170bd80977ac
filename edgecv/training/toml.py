"""TOML, and single values of it as they are typed at a prompt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edgecv.registry import package_missing


def toml_value(text: str) -> Any:
    """Return the value that TOML reads in `text`, or the text itself where it reads none."""
    try:
        return toml(f"value = {text}")["value"]
    except ValueError:
        with suppress(ValueError):  # ".5", which is no number of TOML's
            return float(text)
        return str(text)


def toml(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        ValueError: It is not TOML.
        PackageMissingError: Python is older than 3.11 and tomli is not installed.
    """
    return _reader()(text)


def _reader() -> Callable[[str], dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads
    try:
        import tomli
    except ModuleNotFoundError as error:
        raise package_missing("tomli", "train") from error
    loads: Callable[[str], dict[str, Any]] = tomli.loads
    return loads
