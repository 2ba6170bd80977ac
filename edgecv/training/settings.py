"""Tables of plain values read into frozen dataclasses: unknown keys, wrong types, ranges."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from edgecv.errors import unknown_name
from edgecv.training.errors import RecipeError

_Kind = TypeVar("_Kind")


class Text(str):
    """A value as somebody typed it, which is read only when it is known what it has to be.

    Args:
        text: What was typed.
        read: Turns it into a number, a list or whatever it looks like.
    """

    __slots__ = ("read",)
    read: Callable[[str], Any]

    def __new__(cls, text: str, read: Callable[[str], Any]) -> Text:
        made = super().__new__(cls, text)
        made.read = read
        return made


def build(kind: type[_Kind], values: Mapping[str, Any], where: str) -> _Kind:
    """Build a dataclass from a table.

    A dataclass with a field `options` takes the keys that it does not know into it, unless they
    look like one of its own fields misspelt.

    Args:
        kind: The dataclass.
        values: The table.
        where: The table's name, for errors; empty for the whole file.

    Raises:
        RecipeError: A key is unknown or missing, or a value has a wrong type or range.
    """
    hints = get_type_hints(kind)
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]  # it is a dataclass
    given: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for key, value in values.items():
        if key in names and key != "options":
            given[key] = fitted(value, hints[key], _join(where, key))
        elif "options" in names and not get_close_matches(key, names, n=1, cutoff=0.8):
            options[key] = plain(value)
        else:
            table = f" in [{where}]" if where else ""
            raise RecipeError(str(unknown_name(f"key{table}", key, names)))
    if "options" in names:
        given["options"] = options
    for f in fields(kind):  # type: ignore[arg-type]
        if f.name not in given and f.default is MISSING and f.default_factory is MISSING:
            raise RecipeError(f"{_join(where, f.name)} is missing: wanted {_wanted(hints[f.name])}")
    try:
        return kind(**given)
    except (ValueError, TypeError) as error:
        raise RecipeError(str(error)) from error


def fitted(value: Any, kind: Any, where: str) -> Any:
    """Return a value as the type that was wanted.

    Raises:
        RecipeError: It is of another type.
    """
    if isinstance(value, Text) and kind is not str:
        value = value.read(value)
    if is_dataclass(kind) and isinstance(value, Mapping):
        return build(kind, value, where)  # type: ignore[arg-type]  # a class, not an instance
    if get_origin(kind) in (Union, UnionType):
        for choice in get_args(kind):
            if _is(value, choice):
                return fitted(value, choice, where)
    elif get_origin(kind) is tuple and isinstance(value, (str, list, tuple)):
        return _tuple(value, kind, where)
    elif _is(value, kind):
        return kind(value) if kind in (str, float) else plain(value)
    raise RecipeError(f"{where} is {_shown(value)}: wanted {_wanted(kind)}")


def plain(value: Any) -> Any:
    """Return a value without a trace of where it was read."""
    if isinstance(value, Text):
        value = value.read(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(plain(item) for item in value)
    return value


def at_least(where: str, value: float, least: float) -> None:
    """Refuse a value below `least`.

    Raises:
        RecipeError: It is.
    """
    if not value >= least:
        raise RecipeError(f"{where} is {value:g}: wanted {least:g} or more")


def within(where: str, value: float, least: float, most: float) -> None:
    """Refuse a value outside of `least` to `most`.

    Raises:
        RecipeError: It is.
    """
    if not least <= value <= most:
        raise RecipeError(f"{where} is {value:g}: wanted {least:g} to {most:g}")


def _tuple(value: Any, kind: Any, where: str) -> tuple[Any, ...]:
    items = [part.strip() for part in value.split(",")] if isinstance(value, str) else list(value)
    items = [item for item in items if item != ""]
    kinds = get_args(kind)
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(items)
    if len(kinds) != len(items):
        raise RecipeError(f"{where} is {_shown(value)}: wanted {_wanted(kind)}")
    return tuple(fitted(item, want, where) for item, want in zip(items, kinds, strict=True))


def _is(value: Any, kind: Any) -> bool:
    if kind is type(None):
        return value is None
    origin = get_origin(kind) or kind
    if origin is Any:
        return True
    if origin in (int, float):
        number = isinstance(value, (int, origin)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return isinstance(value, (list, tuple) if origin is tuple else origin)


_WORDS = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "text",
    type(None): "nothing",
}


def _wanted(kind: Any) -> str:
    """Return what a type is called by people."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_wanted(choice) for choice in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return f"a list, each item {_wanted(inner[0])}"
    if origin is tuple:
        return f"a list of {len(inner)}, each item {_wanted(inner[0])}"
    return _WORDS.get(kind, "a table")


def _shown(value: Any) -> str:
    return repr(str(value) if isinstance(value, str) else value)


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
