from __future__ import annotations

import pytest

from edgecv.errors import PackageMissingError, UnknownNameError
from edgecv.registry import Registry

TABLE = Registry(
    "tool",
    {
        "join": "posixpath:join",
        "module": "posixpath",
        "absent": "no_such_package_at_all.inner:thing",
        "broken": "edgecv.no_such_file:thing",
    },
)


def test_an_entry_is_an_attribute_or_a_module() -> None:
    import posixpath

    assert TABLE.load("join") is posixpath.join
    assert TABLE.load("module") is posixpath


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no tool 'jion'; did you mean 'join'"):
        TABLE.load("jion")
    with pytest.raises(KeyError, match="there are: absent, broken, join, module"):
        TABLE.load("xyz")


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[absent\]'") as caught:
        TABLE.load("absent")
    assert isinstance(caught.value, ImportError)
    assert caught.value.name == "no_such_package_at_all"


def test_a_hole_in_edgecv_itself_is_no_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        TABLE.load("broken")
    assert not isinstance(caught.value, PackageMissingError)


def test_a_registry_is_a_mapping() -> None:
    assert set(TABLE) == {"join", "module", "absent", "broken"}
    assert len(TABLE) == 4
