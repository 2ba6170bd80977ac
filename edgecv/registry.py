"""Names to code, without importing the code until it is asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from edgecv.errors import PackageMissingError, unknown_name


class Registry(Mapping[str, str]):
    """A table of ``name -> "module:attribute"``; `load` imports one entry.

    Args:
        kind: What the names are, for error messages: "runtime", "decoder".
        table: The entries. Keep it literal: the table is the documentation.
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._table = dict(table)

    def __getitem__(self, name: str) -> str:
        try:
            return self._table[name]
        except KeyError:
            raise unknown_name(self.kind, name, self._table) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)

    def load(self, name: str) -> Any:
        """Import the entry `name` and return what it names: a module, or an attribute of one.

        Raises:
            UnknownNameError: There is no such entry.
            PackageMissingError: The entry needs a package that is not installed.
        """
        module, _, attribute = self[name].partition(":")
        try:
            found = import_module(module)
        except ModuleNotFoundError as error:
            package = (error.name or name).partition(".")[0]
            if package == "edgecv":
                raise
            raise package_missing(package, name) from error
        return getattr(found, attribute) if attribute else found


def check_options(kind: str, function: Callable[..., Any], options: Iterable[str]) -> None:
    """Refuse options that are no keyword-only arguments of a function.

    Args:
        kind: What the options are, for error messages: "option of yolox".
        function: What is to be called with them.
        options: Their names.

    Raises:
        UnknownNameError: The function has no such option; the text names the nearest.
    """
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise unknown_name(kind, option, known)


def package_missing(package: str, extra: str) -> PackageMissingError:
    """Return the error for a missing `package`, with the line that installs it."""
    return PackageMissingError(
        f"the package {package!r} is not installed: pip install 'edgecv[{extra}]'", name=package
    )
