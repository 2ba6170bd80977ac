"""Python itself: whether there are wheels for it, and for this system."""

from __future__ import annotations

from .facts import Facts
from .findings import Verdict, broken, ok, warning

OLDEST, NEWEST = (3, 10), (3, 13)
"""The versions of Python that edgecv supports."""

ARCHITECTURES = ("x86_64", "aarch64", "arm64", "AMD64")

RUNTIMES = (
    "ai-edge-litert",
    "tflite-runtime",
    "openvino",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "tensorflow",
)

ONNXRUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")
"""These put their files into the same folder."""

GLIBC = {
    "ai-edge-litert": (2, 27),
    "onnxruntime": (2, 28),
    "opencv-python-headless": (2, 28),
}
"""The oldest glibc that the wheels of x86-64 and aarch64 run on, as their names say."""

GLIBC_AARCH64 = {**GLIBC, "openvino": (2, 35)}

NEWER_SYSTEM = (
    "write a newer 64-bit system on the card: Raspberry Pi OS (64-bit) Bookworm, Debian 12, "
    "Ubuntu 22.04, or later"
)


def python_version(facts: Facts) -> Verdict:
    """Whether the packages have wheels for this version of Python."""
    python = facts.python
    name = ".".join(map(str, python.version)) + ("t" if python.free_threaded else "")
    supported = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    if OLDEST <= python.version <= NEWEST and not python.free_threaded:
        return ok(f"Python {name}")
    what = f"edgecv supports Python {supported}, and this is {name}"
    fix = (
        "pip install uv && uv venv --seed --python 3.12 .venv && "
        ". .venv/bin/activate && pip install edgecv"
    )
    if facts.installed(*RUNTIMES) and not facts.opencv.error:
        return warning(f"{what}: its packages are installed, but nobody tests that", fix)
    return broken(f"{what}: there are no wheels of its packages for it", fix)


def bits(facts: Facts) -> Verdict:
    """Whether system and Python are 64-bit."""
    kernel, python = facts.machine.architecture, facts.python.bits
    if kernel in ARCHITECTURES and python == 64:
        return ok(f"64-bit {kernel}")
    is_64 = kernel in ARCHITECTURES
    what = (
        f"the kernel is 64-bit ({kernel}), but Python and the system around it are 32-bit"
        if is_64
        else f"{kernel} is no 64-bit x86 or ARM"
    )
    return broken(
        f"{what}: PyPI has no wheels of the runtimes for it",
        "write Raspberry Pi OS (64-bit) on the card with Raspberry Pi Imager: "
        "https://www.raspberrypi.com/software/ (Pi 3, 4, 5 and Zero 2 run it)",
    )


def c_library(facts: Facts) -> Verdict:
    """Whether the wheels run on this C library."""
    name, _, number = facts.python.libc.partition(" ")
    if name == "musl":
        return broken(
            "this system has musl for a C library (Alpine), and the runtimes' wheels want glibc",
            "take an image with glibc, such as: FROM python:3.12-slim-bookworm",
        )
    if name != "glibc":
        return ok("not Linux" if not name else facts.python.libc)
    here = tuple(int(part) for part in number.split(".")[:2] if part.isdecimal())
    table = GLIBC_AARCH64 if facts.machine.architecture == "aarch64" else GLIBC
    lacking = [name for name, oldest in table.items() if here < oldest]
    lacking = [name for name in lacking if not facts.installed(name)]
    if not lacking:
        return ok(facts.python.libc)
    what = f"{facts.python.libc} is older than the wheels of {', '.join(lacking)} want"
    if lacking == ["openvino"]:
        return warning(f"{what}: the other runtimes work", NEWER_SYSTEM)
    return broken(what, NEWER_SYSTEM)


def runtimes(facts: Facts) -> Verdict:
    """Whether any package that runs models is installed."""
    found = facts.installed(*RUNTIMES)
    if found:
        return ok(", ".join(f"{name} {facts.machine.packages[name]}" for name in found))
    extra = {"raspberrypi": "pi", "jetson": "jetson", "x86": "desktop"}
    kind = extra.get(facts.machine.family, "tflite")
    if kind == "desktop":
        kind = "tflite,openvino,onnx"
    if kind == "jetson":  # JetPack's own onnxruntime-gpu, or LiteRT
        kind = "jetson,tflite"
    return broken(
        "no package that runs models is installed (ai-edge-litert, openvino, onnxruntime)",
        f'pip install "edgecv[{kind}]"',
    )


def tflite_runtime(facts: Facts) -> Verdict:
    """Whether tflite-runtime, which is no longer made, stands in the way."""
    packages = facts.machine.packages
    fix = "pip uninstall -y tflite-runtime && pip install ai-edge-litert"
    if "tflite-runtime" not in packages:
        return ok("tflite-runtime is not installed")
    if "ai-edge-litert" in packages:
        return ok("tflite-runtime is installed, and ai-edge-litert is used in its place")
    if int(packages.get("numpy", "0").partition(".")[0]) >= 2:
        return broken(
            f"tflite-runtime {packages['tflite-runtime']} was built for numpy 1 and fails with "
            f"numpy {packages['numpy']}",
            fix,
        )
    return warning(
        f"tflite-runtime {packages['tflite-runtime']} is no longer made: slow with INT8 models, "
        "and the next package that wants numpy 2 breaks it",
        fix,
    )


def one_onnxruntime(facts: Facts) -> Verdict:
    """Whether wheels of ONNX Runtime have overwritten each other."""
    found = facts.installed(*ONNXRUNTIMES)
    if len(found) < 2:
        return ok("no two packages of ONNX Runtime")
    wanted = next(name for name in reversed(ONNXRUNTIMES) if name in found)
    return warning(
        f"{' and '.join(found)} overwrite each other's files: which of them runs is chance",
        f"pip uninstall -y {' '.join(found)} && pip install {wanted}",
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
