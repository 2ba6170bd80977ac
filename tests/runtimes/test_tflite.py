from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edgecv.runtimes import tflite
from tiny_models import QUANT, SHAPE, compiled_tflite, relu_tflite

from edgecv.errors import InferenceError, ModelFileError, PackageMissingError
from edgecv.types import Quant

OPEN_EVERY_LENGTH = """
import sys
from pathlib import Path
from edgecv.errors import ModelFileError
from edgecv.runtimes.tflite import open_session

source, cut = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
for length in map(int, sys.argv[3:]):
    cut.write_bytes(source[:length])
    try:
        open_session(cut, "cpu", threads=1)
    except ModelFileError as error:
        assert str(cut) in str(error)
    else:
        print("opened", length)
"""


def open_cut(path: Path, cut: Path, lengths: list[int]) -> subprocess.CompletedProcess[str]:
    """Open a file cut to many lengths, in another process: native code may take it down."""
    command = [sys.executable, "-c", OPEN_EVERY_LENGTH, str(path), str(cut), *map(str, lengths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_a_file_cut_anywhere_is_refused_and_does_not_crash(tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "whole.tflite")
    done = open_cut(path, tmp_path / "cut.tflite", list(range(path.stat().st_size)))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.zoo
def test_a_public_model_cut_anywhere_is_refused(zoo: Path, tmp_path: Path) -> None:
    path = zoo / "vww_mobilenet_v1_0.25_96_int8.tflite"
    size = path.stat().st_size
    lengths = [*range(8, 400, 7), *(size * i // 40 for i in range(1, 40)), size - 16]
    done = open_cut(path, tmp_path / "cut.tflite", lengths)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integers_come_with_what_they_stand_for(dtype: str, tmp_path: Path) -> None:
    session = tflite.open_session(relu_tflite(tmp_path / "m.tflite", dtype=dtype), "cpu", threads=1)
    for spec in (*session.inputs, *session.outputs):
        assert (spec.dtype, spec.quant) == (np.dtype(dtype), Quant(*QUANT))


def test_floats_have_no_quantization(tmp_path: Path) -> None:
    session = tflite.open_session(relu_tflite(tmp_path / "m.tflite"), "cpu", threads=1)
    assert session.inputs[0].quant is None


def test_a_batch_that_the_file_leaves_open_follows_the_tensor(tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite", open_batch=True)
    session = tflite.open_session(path, "cpu", threads=1)
    assert session.inputs[0].shape == (None, *SHAPE[1:])
    for batch in (1, 3, 1):
        x = np.full((batch, *SHAPE[1:]), batch, np.float32)
        np.testing.assert_array_equal(session.run({"x": x})["y"], x)


def test_an_operator_that_litert_lacks_is_named(tmp_path: Path) -> None:
    path = compiled_tflite(tmp_path / "m.tflite", operator="my-own-op")
    with pytest.raises(InferenceError, match=r"m\.tflite: .*my-own-op"):
        tflite.open_session(path, "cpu", threads=1)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(4) + b"TFL3" + bytes(500))
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        tflite.open_session(path, "cpu", threads=1)


def test_the_cpu_is_listed_with_the_package_that_drives_it() -> None:
    (device,) = tflite.list_devices()
    assert (device.name, device.runtime, device.problem) == ("cpu", "tflite", "")
    assert tflite.package() in device.description
    assert tflite.package().split()[1][0].isdecimal()


@pytest.fixture
def other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Look for the interpreter in packages that the test writes."""

    def look(*sources: str) -> None:
        names = [f"interpreter_{i}_of_{tmp_path.name}" for i in range(len(sources))]
        for name, source in zip(names, sources, strict=True):
            if source:
                (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.setattr(tflite, "PACKAGES", {name: f"dist-{name[12]}" for name in names})
        tflite.interpreter_module.cache_clear()

    monkeypatch.syspath_prepend(tmp_path)
    yield look
    tflite.interpreter_module.cache_clear()


def test_the_first_package_that_is_there_is_taken(other_packages) -> None:
    other_packages("", "Interpreter = 1", "Interpreter = 2")
    assert tflite.interpreter_module().Interpreter == 1


def test_without_a_package_the_line_that_installs_one_is_given(other_packages) -> None:
    other_packages("", "")
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[tflite\]'"):
        tflite.interpreter_module()


def test_a_package_that_cannot_be_imported_is_named(other_packages) -> None:
    other_packages("", "raise ImportError('numpy.core.multiarray failed to import')")
    with pytest.raises(
        PackageMissingError, match=r"dist-1 is installed but .*multiarray.*edgecv\["
    ):
        tflite.interpreter_module()


def test_a_broken_package_gives_way_to_the_next(other_packages) -> None:
    other_packages("import a_module_that_nobody_has", "Interpreter = 2")
    assert tflite.interpreter_module().Interpreter == 2


@pytest.mark.parametrize("error", ["SystemError", "ImportError"])
def test_an_interpreter_of_another_numpy_is_one_clear_error(
    error: str, other_packages, tmp_path: Path
) -> None:
    # What tflite_runtime 2.14 does under numpy 2: it is imported, and fails when it is used.
    other_packages(
        f"def Interpreter(**_): raise {error}('returned a result with an exception set')"
    )
    path = relu_tflite(tmp_path / "m.tflite")
    with pytest.raises(PackageMissingError, match=r"does not work with numpy .*edgecv\[tflite\]"):
        tflite.open_session(path, "cpu", threads=1)
