"""Names to code, without importing the code until it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def package_missing(package: str, extra: str) -> PackageMissingError:
    """Return the error for a missing `package`, with the line that installs it."""
    return PackageMissingError(
        f"the package {package!r} is not installed: pip install 'edgecv[{extra}]'", name=package
    )
