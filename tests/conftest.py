"""What the tests share: the public models and photographs, where they are to be had."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_configure() -> None:
    try:
        import edgecv.runtimes  # noqa: F401
    except ModuleNotFoundError:
        pytest.exit(
            "edgecv is not installed: run `pip install -e .` (or `make test`)", returncode=4
        )


def _folder(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable) or default).resolve()
    if folder.is_dir():
        return folder
    message = f"{what} are not here: set {variable} to their folder"
    if os.environ.get("EDGECV_TESTS_SKIP_NOTHING"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def zoo_folder() -> Path:
    """The folder of public models; the test is skipped where there is none."""
    return _folder("EDGECV_ZOO_MIRROR", ROOT.parent / "shared" / "zoo", "the public models")


@pytest.fixture
def zoo(zoo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of public models, also set as the mirror that `load` takes them from."""
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", str(zoo_folder))
    return zoo_folder


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of evaluation photographs; the test is skipped where there is none."""
    return _folder("EDGECV_DATA", ROOT.parent / "shared" / "data", "the evaluation photographs")


@pytest.fixture(scope="session")
def edgetpu_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of the virtual Edge TPU; the test is skipped where no C compiler is."""
    import virtual_edgetpu

    if virtual_edgetpu.compiler() is None:
        pytest.skip("no C compiler (gcc) to build the virtual Edge TPU with")
    return virtual_edgetpu.build(tmp_path_factory.mktemp("edgetpu"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own cache out of the tests, and one cache for all of them."""
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a small disk: give a function that takes the mount options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if os.geteuid() or subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip("mounting a file system needs root")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)
