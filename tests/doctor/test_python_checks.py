from __future__ import annotations

import pytest
from doctor_facts import PACKAGES, state

from edgecv.doctor import python_checks
from edgecv.doctor.facts import Import

BARE = {"numpy": "2.4.6"}
LITERT = "pip uninstall -y tflite-runtime && pip install ai-edge-litert"


@pytest.mark.parametrize(
    ("facts", "status", "says"),
    [
        pytest.param(state(python={"version": (3, 10)}), "ok", "3.10", id="the oldest"),
        pytest.param(state(python={"version": (3, 13)}), "ok", "3.13", id="the newest"),
        pytest.param(
            state(python={"version": (3, 15)}, packages=BARE), "broken", "no wheels", id="too new"
        ),
        pytest.param(
            state(python={"version": (3, 9)}, packages=BARE), "broken", "this is 3.9", id="too old"
        ),
        pytest.param(
            state(python={"version": (3, 13), "free_threaded": True}, packages=BARE),
            "broken",
            "3.13t",
            id="free-threaded",
        ),
        pytest.param(
            state(python={"version": (3, 14)}), "warning", "nobody tests", id="new, and it works"
        ),
        pytest.param(
            state(python={"version": (3, 14)}, opencv=Import(True, "ImportError: x")),
            "broken",
            "no wheels",
            id="new, and OpenCV fails",
        ),
    ],
)
def test_a_python_without_wheels_is_told_of(facts, status, says) -> None:
    verdict = python_checks.python_version(facts)
    assert verdict.status == status
    assert says in verdict.what
    assert ("--python 3.12" in verdict.fix) == (status != "ok")


@pytest.mark.parametrize(
    ("architecture", "bits", "status", "says"),
    [
        ("aarch64", 64, "ok", "64-bit aarch64"),
        ("x86_64", 64, "ok", "64-bit x86_64"),
        ("aarch64", 32, "broken", "the kernel is 64-bit (aarch64), but Python"),
        ("armv7l", 32, "broken", "armv7l is no 64-bit"),
        ("i686", 32, "broken", "i686 is no 64-bit"),
    ],
)
def test_32_bits_are_told_of(architecture, bits, status, says) -> None:
    facts = state(machine={"architecture": architecture}, python={"bits": bits})
    verdict = python_checks.bits(facts)
    assert verdict.status == status
    assert says in verdict.what
    assert ("Raspberry Pi OS (64-bit)" in verdict.fix) == (status == "broken")


@pytest.mark.parametrize(
    ("libc", "architecture", "packages", "status", "says"),
    [
        pytest.param("glibc 2.36", "aarch64", {}, "ok", "glibc 2.36", id="Bookworm"),
        pytest.param("glibc 2.31", "aarch64", {}, "warning", "of openvino want", id="Bullseye"),
        pytest.param(
            "glibc 2.31", "aarch64", {"openvino": "2026.4.1"}, "ok", "2.31", id="built for it"
        ),
        pytest.param("glibc 2.31", "x86_64", {}, "ok", "2.31", id="Bullseye on x86"),
        pytest.param("glibc 2.27", "aarch64", {}, "broken", "onnxruntime", id="Ubuntu 18.04"),
        pytest.param("glibc 2.27", "x86_64", {}, "broken", "opencv", id="the same on x86"),
        pytest.param("musl", "x86_64", {}, "broken", "Alpine", id="musl"),
        pytest.param("", "arm64", {}, "ok", "not Linux", id="another system"),
    ],
)
def test_an_old_c_library_is_told_of(libc, architecture, packages, status, says) -> None:
    facts = state(machine={"architecture": architecture}, python={"libc": libc}, packages=packages)
    verdict = python_checks.c_library(facts)
    assert verdict.status == status
    assert says in verdict.what
    assert bool(verdict.fix) == (status != "ok")


@pytest.mark.parametrize(
    ("family", "fix"),
    [
        ("raspberrypi", 'pip install "edgecv[pi]"'),
        ("jetson", 'pip install "edgecv[jetson,tflite]"'),
        ("x86", 'pip install "edgecv[tflite,openvino,onnx]"'),
        ("", 'pip install "edgecv[tflite]"'),
    ],
)
def test_a_machine_without_runtimes_gets_the_extra_for_it(family, fix) -> None:
    facts = state(machine={"family": family}, packages=BARE)
    assert python_checks.runtimes(facts)[::2] == ("broken", fix)


def test_one_runtime_is_enough() -> None:
    assert python_checks.runtimes(state()) == ("ok", "ai-edge-litert 2.3.0", "")


@pytest.mark.parametrize(
    ("packages", "status", "fix"),
    [
        pytest.param(PACKAGES, "ok", "", id="none"),
        pytest.param({"tflite-runtime": "2.14.0", **BARE}, "broken", LITERT, id="numpy 2"),
        pytest.param(
            {"tflite-runtime": "2.14.0", "numpy": "1.26.4"}, "warning", LITERT, id="numpy 1"
        ),
        pytest.param({"tflite-runtime": "2.14.0", **PACKAGES}, "ok", "", id="LiteRT beside it"),
    ],
)
def test_tflite_runtime_with_numpy_2_is_told_of(packages, status, fix) -> None:
    assert python_checks.tflite_runtime(state(packages=packages))[::2] == (status, fix)


@pytest.mark.parametrize(
    ("packages", "status", "fix"),
    [
        pytest.param(["onnxruntime"], "ok", "", id="one"),
        pytest.param(["onnxruntime", "onnxruntime-qnn"], "ok", "", id="a plugin beside it"),
        pytest.param(
            ["onnxruntime", "onnxruntime-gpu"],
            "warning",
            "pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime-gpu",
            id="two",
        ),
    ],
)
def test_two_packages_of_onnx_runtime_are_told_of(packages, status, fix) -> None:
    facts = state(packages=dict.fromkeys(packages, "1.31.1"))
    assert python_checks.one_onnxruntime(facts)[::2] == (status, fix)
