"""The rules of the house that a tool can hold: which room may import what, what is listed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = {"edgecv": "edgecv"} | {
    room: f"edgecv.{room}" for room in ("apps", "converters", "quantize", "recipes", "runtimes")
}
CORE_MAY = {"edgecv", "numpy", "cv2"}
# Parts of the core that may import their one package: inside a function, or at the top of a file
# that a registry imports when it is asked for.
CORE_PARTS_MAY = {
    "evaluation": {"pycocotools", "matplotlib"},
    "models": {"keras", "tensorflow"},
    "results.py": {"supervision", "typing_extensions"},
    "sinks": {"paho", "starlette", "uvicorn"},
    "sources": {"mss", "picamera2"},
    "tflitegraph.py": {"ai_edge_litert", "flatbuffers"},  # not imported by the rest of the core
    "training": {"keras", "tensorflow", "matplotlib", "onnx", "tomli", "tomllib"},
}

pytestmark = pytest.mark.skipif(
    not (ROOT / "runtimes").is_dir(), reason="needs the source tree, not the installed package"
)


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def sources() -> list[Path]:
    return sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("file", sources(), ids=lambda f: str(f.relative_to(ROOT)))
def test_a_room_imports_the_core_and_itself_alone(file: Path) -> None:
    room, part = (*file.relative_to(ROOT).parts, "")[:2]
    for name in imports(file):
        top, *rest = name.split(".")
        assert top not in ROOMS or top == "edgecv", f"{name}: say edgecv.{name}"
        if room == "apps":
            continue
        other = top == "edgecv" and rest and rest[0] in ROOMS
        assert not other, f"{room} reaches into {name}"
        if room == "edgecv":
            allowed = CORE_MAY | CORE_PARTS_MAY.get(part, set()) | set(sys.stdlib_module_names)
            assert top in allowed, f"the core imports {name}"


def test_setup_cfg_lists_every_package() -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    found = set()
    for room, package in ROOMS.items():
        for init in (ROOT / room).rglob("__init__.py"):
            found.add(".".join((package, *init.parent.relative_to(ROOT / room).parts)))
    assert set(config["options"]["packages"].split()) == found


def test_no_extra_brings_two_opencv_wheels() -> None:
    extras = ConfigParser()
    extras.read(ROOT / "setup.cfg")
    table = {k: v.split("\n") for k, v in extras["options.extras_require"].items()}

    def packages(extra: str) -> set[str]:
        out = set()
        for line in filter(None, (line.strip() for line in table[extra])):
            if line.startswith("edgecv["):
                for inner in line[len("edgecv[") : -1].split(","):
                    out |= packages(inner)
            else:
                out.add(line)
        return out

    for extra in table:
        brought = {p for p in packages(extra) if p.startswith("opencv")}
        assert len(brought) <= 1, f"{extra} brings {brought}"
    assert not {p for p in packages("jetson") if p.startswith(("opencv", "onnxruntime"))}


def test_importing_edgecv_loads_numpy_opencv_and_the_standard_library_alone() -> None:
    code = "import sys, edgecv; print(*sorted({n.partition('.')[0] for n in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    before = subprocess.run(
        [sys.executable, "-I", "-c", code.replace("edgecv", "numpy, cv2")],
        capture_output=True,
        text=True,
        check=True,
    )
    new = set(done.stdout.split()) - set(before.stdout.split()) - set(sys.stdlib_module_names)
    assert new == {"edgecv"}


def test_public_names_are_sorted_and_real() -> None:
    import edgecv

    assert edgecv.__all__ == sorted(edgecv.__all__)
    assert all(hasattr(edgecv, name) for name in edgecv.__all__)


def test_without_opencv_the_error_names_both_lines_that_install_it() -> None:
    code = "import sys; sys.modules['cv2'] = None; import edgecv; edgecv.load"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'edgecv[cv]'" in done.stderr
    assert "pip install 'edgecv[gui]'" in done.stderr


def test_without_opencv_the_doctor_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file')"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from edgecv.apps.cli import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    doctor, detect = (
        subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        for words in (["doctor"], ["detect", "a.jpg"])
    )
    assert doctor.returncode == detect.returncode == 1
    assert "sudo apt install libgl1 libglib2.0-0" in doctor.stdout
    assert "`edgecv doctor` says more" in detect.stderr
    assert "Traceback" not in detect.stderr
