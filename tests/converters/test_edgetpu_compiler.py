"""The compiler itself is not to be had here: a stand-in says what users' logs show that it says."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_uint8
from edgecv.converters import edgetpu_compiler
from edgecv.converters.edgetpu_compiler import CompileReport, Status, compile_file, read_log
from tiny_models import compiled_tflite, relu_tflite

from edgecv.errors import InferenceError, ModelFileError, PackageMissingError
from edgecv.modelfile import needs_edgetpu

VERSION = "Edge TPU Compiler version 16.0.384591198"
LOG = f"""\
{VERSION}
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 2653 ms.

Input model: model.tflite
Input size: 4.17MiB
Output model: model_edgetpu.tflite
Output size: 4.75MiB
On-chip memory used for caching model parameters: 3.25MiB
On-chip memory remaining for caching model parameters: 4.50KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 64
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU.
Number of operations that will run on Edge TPU: 63
Number of operations that will run on CPU: 1

Operator                       Count      Status

CONV_2D                        34         Mapped to Edge TPU
RESHAPE                        13         Mapped to Edge TPU
RESHAPE                        1          More than one subgraph is not supported
CUSTOM                         1          Operation is working on an unsupported data type
Compilation child process completed within timeout period.
Compilation succeeded!
"""
REPORT = CompileReport(
    "16.0.384591198",
    (
        Status("CONV_2D", 34, "Mapped to Edge TPU"),
        Status("RESHAPE", 13, "Mapped to Edge TPU"),
        Status("RESHAPE", 1, "More than one subgraph is not supported"),
        Status("CUSTOM", 1, "Operation is working on an unsupported data type"),
    ),
    int(3.25 * 2**20),
    4608,
    0,
)
STAND_IN = """\
#!/bin/sh
PATH=/usr/bin:/bin
if [ "$1" = --version ]; then echo "{version}"; exit; fi
echo "$@" > "{seen}"
{then}
while [ "$1" != --out_dir ]; do shift; done
if [ -f "{gives}" ]; then
    cp "{gives}" "$2/model_edgetpu.tflite"
    cp "{log}" "$2/model_edgetpu.log"
fi
cat "{log}"
exit {code}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A classifier with labels and a spec packed in."""
    path = tmp_path / "mine.tflite"
    path.write_bytes(tiny_uint8.classifier())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "a\nb")
        archive.writestr("edgecv.json", "{}")
    return path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Put a stand-in for the compiler on the PATH; return where it keeps what it was told."""

    def write(
        *,
        gives: Path | None = None,
        log: str = LOG,
        code: int = 0,
        version: str = VERSION,
        then: str = "",
    ) -> Path:
        folder, seen, said = tmp_path / "bin", tmp_path / "seen.txt", tmp_path / "said.txt"
        folder.mkdir()
        said.write_text(log)
        script = folder / "edgetpu_compiler"
        words = {"version": version, "seen": seen, "then": then, "log": said, "code": code}
        script.write_text(STAND_IN.format(gives=gives or "", **words))
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return seen

    return write


def test_a_log_is_read() -> None:
    report = read_log(LOG, REPORT.version)
    assert report == REPORT
    assert (report.mapped, [row.number for row in report.left]) == (47, [1, 1])


def test_what_is_printed_and_logged_counts_once() -> None:
    assert read_log(LOG + LOG, REPORT.version) == REPORT


def test_a_log_without_figures_is_read_as_far_as_it_goes() -> None:
    assert read_log("", "16.0") == CompileReport("16.0", ())


def test_a_file_is_compiled_and_keeps_what_was_packed_in(source, install, tmp_path) -> None:
    seen = install(gives=compiled_tflite(tmp_path / "made.tflite"))
    target = tmp_path / "out" / "mine_edgetpu.tflite"
    assert compile_file(source, target, min_runtime=13) == REPORT
    assert needs_edgetpu(target)
    with zipfile.ZipFile(target) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "labels.txt": b"a\nb",
            "edgecv.json": b"{}",
        }
    words = seen.read_text().split()
    assert words[:3] == ["--show_operations", "--min_runtime_version", "13"]
    assert [file.name for file in target.parent.iterdir()] == [target.name]


def test_without_the_compiler_it_is_told_what_to_run_where(source, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PackageMissingError) as caught:
        compile_file(source, tmp_path / "out.tflite")
    text = str(caught.value)
    assert "64-bit x86 Linux" in text
    assert "`edgetpu_compiler --show_operations mine.tflite`" in text
    assert f"bring mine_edgetpu.tflite back as {tmp_path / 'out.tflite'}" in text
    assert "://" not in text


FAILS = {
    "refused": (
        {"code": 1, "log": "ERROR: Didn't find op\n\nERROR: Registration failed.\n\nInvalid model"},
        (ModelFileError, "mine.tflite: edgetpu_compiler refuses it: ERROR: Didn't find op ERROR"),
    ),
    "too large": (
        {"code": 1, "log": f"{VERSION}\nCompilation failed: large activation tensors\nThe end."},
        (ModelFileError, "refuses it: Compilation failed: large activation tensors$"),
    ),
    "no file": ({"log": "Hm."}, (ModelFileError, "refuses it: Hm.")),
    "old": (
        {"version": "Edge TPU Compiler version 2.1.302470888"},
        (InferenceError, "version 2.1"),
    ),
    "another": ({"version": "GNU"}, (InferenceError, "does not say a version: GNU")),
}


@pytest.mark.parametrize(("stand_in", "wanted"), FAILS.values(), ids=FAILS.keys())
def test_what_goes_wrong_is_told_and_nothing_is_written(
    stand_in, wanted, source, install, tmp_path
) -> None:
    install(**stand_in)
    target = tmp_path / "out" / "kept.tflite"
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(wanted[0], match=wanted[1]):
        compile_file(source, target)
    assert [file.name for file in target.parent.iterdir()] == ["kept.tflite"]
    assert target.read_bytes() == b"mine"


def test_a_file_of_which_nothing_is_mapped_is_refused_with_the_reasons(
    source, install, tmp_path
) -> None:
    rows = "CONV_2D   3   Operation is working on an unsupported data type\n"
    install(gives=relu_tflite(tmp_path / "same.tflite"), log=rows)
    with pytest.raises(ModelFileError, match=r"mapped no operator.*3 CONV_2D: Operation"):
        compile_file(source, tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()


def test_a_compiler_that_does_not_end_is_ended(source, install, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(edgetpu_compiler, "TIMEOUT", 2.0)
    install(then="exec sleep 60")
    with pytest.raises(InferenceError, match="did not end within 2 s"):
        compile_file(source, tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()


def test_a_compiled_file_is_not_compiled_again(tmp_path) -> None:
    with pytest.raises(ModelFileError, match="is compiled for the Edge TPU already"):
        compile_file(compiled_tflite(tmp_path / "a.tflite"), tmp_path / "b.tflite")
