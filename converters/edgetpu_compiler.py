"""Files compiled for the Edge TPU, by Coral's own compiler where it is installed.

The compiler, `edgetpu_compiler`, is for 64-bit x86 Debian and its relatives; its last version is
16.0, of 2021 (https://coral.ai/docs/edgetpu/compiler). It is run as that page describes, and what
it says is read in the form that the page and users' logs show. It has been tried here with a
stand-in that writes such a log, and not with the compiler itself: that is unverified.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgecv.cache import atomic_path
from edgecv.errors import InferenceError, ModelFileError, PackageMissingError
from edgecv.modelfile import needs_edgetpu

COMMAND = "edgetpu_compiler"
OLDEST = 14
"""Versions before, of early 2020 and older, refuse what today's converters write
(github.com/google-coral/edgetpu, issues 114 and 147)."""
TIMEOUT = 600.0
MAPPED = "Mapped to Edge TPU"

VERSION = re.compile(r"Edge TPU Compiler version (\d+)\.([\d.]+)")
ROW = re.compile(r"^([A-Za-z][\w-]*)\s+(\d+)\s+(\S.*)$", re.MULTILINE)
MEMORY = re.compile(r"^(O(?:n|ff)-chip memory [^:]+): ([\d.]+)(B|KiB|MiB|GiB)$", re.MULTILINE)
FAULT = re.compile("ERROR|Invalid|Internal|Compilation failed: ")
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
USED, FREE = "On-chip memory used", "On-chip memory remaining"
STREAMED = "Off-chip memory used"


class Status(NamedTuple):
    """What became of operators of one kind.

    Attributes:
        kind: "CONV_2D".
        number: How many.
        status: The compiler's own words, as "Mapped to Edge TPU".
    """

    kind: str
    number: int
    status: str


class CompileReport(NamedTuple):
    """What the compiler said.

    Attributes:
        version: Its own, as "16.0.384591198".
        operators: All that the file has.
        cached_bytes: Parameters that stay on the chip; None where the compiler does not say.
        free_bytes: What is left there.
        streamed_bytes: Parameters that are sent anew for every picture.
    """

    version: str
    operators: tuple[Status, ...]
    cached_bytes: int | None = None
    free_bytes: int | None = None
    streamed_bytes: int | None = None

    @property
    def mapped(self) -> int:
        """How many operators the Edge TPU runs."""
        return sum(row.number for row in self.operators if row.status == MAPPED)

    @property
    def left(self) -> tuple[Status, ...]:
        """The operators that the CPU runs, and why."""
        return tuple(row for row in self.operators if row.status != MAPPED)


def compile_file(
    source: Path,
    target: Path,
    *,
    min_runtime: int | None = None,
    files: Mapping[str, bytes] | None = None,
) -> CompileReport:
    """Compile a TFLite file for the Edge TPU, and keep the files that are packed into it.

    What the compiler wrote stays as it is, byte for byte: files are appended.

    Args:
        source: A .tflite file in 8 bits.
        target: The file to be; one that is there is replaced.
        min_runtime: The oldest Edge TPU runtime that has to run it; None leaves it to the compiler.
        files: What else to pack in, by name; it takes the place of the source's of that name.

    Raises:
        PackageMissingError: The compiler is not here; the text says what to run where.
        ModelFileError: The compiler refuses the file, or the file is compiled already.
        InferenceError: The compiler is too old, ends without a file, or does not end.
        OutputError: The target cannot be written.
    """
    if needs_edgetpu(source):
        raise ModelFileError(f"{source.name} is compiled for the Edge TPU already")
    command = find_compiler(source, target)
    version = compiler_version(command)
    options = [] if min_runtime is None else ["--min_runtime_version", str(min_runtime)]
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory(prefix="edgecv-") as folder:
        made, log = _compile(command, options, source, Path(folder))
        temporary.write_bytes(made.read_bytes())
        _carry_over(source, temporary, files or {})
        report = read_log(log, version)
        if not needs_edgetpu(temporary):
            raise ModelFileError(
                f"{source.name}: the compiler mapped no operator to the Edge TPU: "
                f"{_reasons(report)}; `edgecv check {source} --target coral` says more"
            )
    return report


def find_compiler(source: Path, target: Path) -> str:
    """Return where the compiler is.

    Raises:
        PackageMissingError: It is not on the PATH; the text says what to run where.
    """
    if found := shutil.which(COMMAND):
        return found
    raise PackageMissingError(
        f"{COMMAND} is not on the PATH. It runs on 64-bit x86 Linux alone (coral.ai/software has "
        f"it, for Debian and Ubuntu). Copy {source} to such a machine, run there `{COMMAND} "
        f"--show_operations {source.name}`, and bring {source.stem}_edgetpu.tflite back as "
        f"{target}; or run this same command there. `edgecv check {source} --target coral` tells "
        "here and now what will be mapped",
        name=COMMAND,
    )


def compiler_version(command: str) -> str:
    """Return the compiler's version.

    Raises:
        InferenceError: It does not say one, or is too old.
    """
    said = _run([command, "--version"], Path.cwd())
    found = VERSION.search(said.stdout + said.stderr)
    if not found:
        raise InferenceError(f"{command} --version does not say a version: {_end(said.stdout)}")
    version = f"{found[1]}.{found[2]}"
    if int(found[1]) < OLDEST:
        raise InferenceError(
            f"{command} is version {version}, which cannot read the files of today's converters: "
            f"{OLDEST} at least is wanted, and 16.0 is the last"
        )
    return version


def _compile(command: str, options: list[str], source: Path, folder: Path) -> tuple[Path, str]:
    """Run the compiler on a copy, and return the file that it made and what it said."""
    given = folder / "model.tflite"
    shutil.copyfile(source, given)
    words = [command, "--show_operations", *options, "--out_dir", str(folder), str(given)]
    done = _run(words, folder)
    made = folder / "model_edgetpu.tflite"
    said = done.stdout + done.stderr
    if done.returncode or not made.is_file():
        raise ModelFileError(f"{source.name}: {COMMAND} refuses it: {_end(said)}")
    logged = folder / "model_edgetpu.log"
    return made, said + (logged.read_text(errors="replace") if logged.is_file() else "")


def _run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            words,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise InferenceError(f"{COMMAND} did not end within {TIMEOUT:.0f} s") from error
    except OSError as error:
        raise InferenceError(f"cannot run {words[0]}: {error.strerror or error}") from error


def _end(said: str) -> str:
    """Return the lines of a log that say what went wrong, or else its last ones."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [
        line for line in lines if re.match(r"ERROR|Invalid|Compilation failed: |Internal", line)
    ]
    return " ".join((errors or lines)[-3:]) or "without a word"


def read_log(said: str, version: str) -> CompileReport:
    """Return what the compiler's output says.

    Args:
        said: What it printed, with its log file or without: rows that are there twice count once.
        version: The compiler's version.
    """
    rows = dict.fromkeys(
        Status(kind, int(number), status.strip()) for kind, number, status in ROW.findall(said)
    )
    memory = {what: float(size) * UNITS[unit] for what, size, unit in MEMORY.findall(said)}

    def size(kind: str) -> int | None:
        return next((int(value) for what, value in memory.items() if what.startswith(kind)), None)

    return CompileReport(version, tuple(rows), size(USED), size(FREE), size(STREAMED))


def _reasons(report: CompileReport) -> str:
    return ", ".join(f"{row.number} {row.kind}: {row.status}" for row in report.left) or "no reason"


def _carry_over(source: Path, target: Path, more: Mapping[str, bytes]) -> None:
    """Append to a compiled file the labels, spec and card that its source had packed in."""
    files: dict[str, bytes] = {}
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
    files |= more
    if not files:
        return
    have: set[str] = set()
    if zipfile.is_zipfile(target):
        with zipfile.ZipFile(target) as archive:
            have = set(archive.namelist())
    with zipfile.ZipFile(target, "a") as archive:
        for name, content in files.items():
            if name not in have:
                archive.writestr(zipfile.ZipInfo(name), content)
