from __future__ import annotations

import pytest
from doctor_facts import state

from edgecv.doctor import accelerator_checks
from edgecv.doctor.facts import Node, PciDevice, User

NVIDIA = (PciDevice("0000:01:00.0", "0x10de", "0x2684", "0x030000", ""),)
INTEL_GPU = (PciDevice("0000:00:02.0", "0x8086", "0x46a6", "0x030000", "i915"),)
INTEL_NPU = (PciDevice("0000:00:0b.0", "0x8086", "0x7d1d", "0x120000", ""),)
HAILO = (PciDevice("0001:01:00.0", "0x1e60", "0x2864", "0x120000", "hailo"),)
DRIVER = frozenset({"proc/driver/nvidia/version"})
RK = {"family": "rockchip", "soc": "rk3588"}
OPENVINO = {"openvino": "2026.4.1"}
OPENCL = frozenset({"etc/OpenCL/vendors/intel.icd"})
STRANGER = User(False, frozenset({"pi"}), frozenset())


@pytest.mark.parametrize(
    "check",
    [
        accelerator_checks.nvidia_driver,
        accelerator_checks.onnxruntime_gpu,
        accelerator_checks.intel_npu,
        accelerator_checks.intel_gpu,
        accelerator_checks.hailo,
        accelerator_checks.rockchip_npu,
    ],
    ids=lambda check: check.__name__,
)
def test_without_the_chip_it_does_not_matter(check) -> None:
    assert check(state()).status == "skipped"


@pytest.mark.parametrize(
    ("os", "files", "status", "fix"),
    [
        pytest.param("Debian", DRIVER, "ok", "", id="fine"),
        pytest.param(
            "Debian", frozenset(), "warning", "sudo apt install nvidia-driver", id="Debian"
        ),
        pytest.param(
            "Ubuntu 24.04", frozenset(), "warning", "sudo ubuntu-drivers install", id="Ubuntu"
        ),
    ],
)
def test_an_nvidia_card_without_driver_is_told_of(os, files, status, fix) -> None:
    facts = state(pci=NVIDIA, files=files, machine={"os": os})
    verdict = accelerator_checks.nvidia_driver(facts)
    assert verdict.status == status
    assert verdict.fix.startswith(fix)


@pytest.mark.parametrize(
    ("facts", "status", "fix"),
    [
        pytest.param(state(files=DRIVER, packages={"onnxruntime-gpu": "1.31"}), "ok", "", id="ok"),
        pytest.param(
            state(files=DRIVER), "warning", "pip install onnxruntime-gpu", id="a card alone"
        ),
        pytest.param(
            state(machine={"family": "jetson"}), "warning", "jetson-ai-lab", id="a Jetson"
        ),
        pytest.param(
            state(machine={"family": "jetson"}, packages={"onnxruntime-gpu": "1.23"}),
            "ok",
            "",
            id="a Jetson with it",
        ),
    ],
)
def test_a_gpu_without_its_onnx_runtime_is_told_of(facts, status, fix) -> None:
    verdict = accelerator_checks.onnxruntime_gpu(facts)
    assert verdict.status == status
    assert fix in verdict.fix


@pytest.mark.parametrize(
    ("nodes", "status", "fix"),
    [
        pytest.param((Node("/dev/accel/accel0", "render", True),), "ok", "", id="fine"),
        pytest.param((), "warning", "sudo modprobe intel_vpu", id="no driver"),
        pytest.param(
            (Node("/dev/accel/accel0", "render", False),),
            "broken",
            "sudo usermod -aG render $USER",
            id="no member",
        ),
    ],
)
def test_an_intel_npu_without_driver_is_told_of(nodes, status, fix) -> None:
    verdict = accelerator_checks.intel_npu(state(pci=INTEL_NPU, nodes=nodes, user=STRANGER))
    assert verdict.status == status
    assert verdict.fix.startswith(fix)


@pytest.mark.parametrize(
    ("packages", "files", "nodes", "status", "fix"),
    [
        pytest.param({}, frozenset(), (), "skipped", "", id="no OpenVINO"),
        pytest.param(
            OPENVINO, frozenset(), (), "warning", "sudo apt install intel-opencl-icd", id="no ICD"
        ),
        pytest.param(
            OPENVINO,
            OPENCL,
            (Node("/dev/dri/renderD128", "render", False),),
            "broken",
            "sudo usermod -aG render $USER",
            id="no member",
        ),
        pytest.param(
            OPENVINO, OPENCL, (Node("/dev/dri/renderD128", "render", True),), "ok", "", id="fine"
        ),
    ],
)
def test_an_intel_gpu_that_openvino_cannot_use_is_told_of(
    packages, files, nodes, status, fix
) -> None:
    facts = state(pci=INTEL_GPU, packages=packages, files=files, nodes=nodes, user=STRANGER)
    verdict = accelerator_checks.intel_gpu(facts)
    assert verdict.status == status
    assert verdict.fix.startswith(fix)


@pytest.mark.parametrize(
    ("modules", "debs", "status", "says"),
    [
        pytest.param(
            {"hailo_pci": "4.20.0"}, {"hailort": "4.20.0"}, "ok", "HailoRT 4.20.0", id="fine"
        ),
        pytest.param(
            {"hailo_pci": "4.20.0"}, {"hailort": "4.20.0-1"}, "ok", "4.20.0-1", id="a revision"
        ),
        pytest.param(
            {"hailo_pci": "4.19.0"}, {"hailort": "4.20.0"}, "broken", "must be the same", id="two"
        ),
        pytest.param({"hailo_pci": "4.20.0"}, {}, "broken", "HailoRT", id="no library"),
        pytest.param({}, {"hailort": "4.20.0"}, "broken", "no driver", id="no driver"),
    ],
)
def test_a_hailo_of_two_versions_is_told_of(modules, debs, status, says) -> None:
    nodes = (Node("/dev/hailo0", "root", True),)
    verdict = accelerator_checks.hailo(state(pci=HAILO, modules=modules, debs=debs, nodes=nodes))
    assert verdict.status == status
    assert says in verdict.what
    assert ("hailo-all" in verdict.fix) == (status == "broken")


@pytest.mark.parametrize(
    ("modules", "files", "status", "says"),
    [
        pytest.param({}, frozenset(), "warning", "no driver", id="a kernel of Debian"),
        pytest.param({"rknpu": "0.9.8"}, frozenset(), "warning", "librknnrt.so", id="no library"),
        pytest.param(
            {},
            frozenset({"sys/bus/platform/drivers/RKNPU", "usr/lib/librknnrt.so"}),
            "ok",
            "are there",
            id="fine",
        ),
    ],
)
def test_a_rockchip_npu_without_driver_is_told_of(modules, files, status, says) -> None:
    verdict = accelerator_checks.rockchip_npu(state(machine=RK, modules=modules, files=files))
    assert verdict.status == status
    assert says in verdict.what
    assert bool(verdict.fix) == (status == "warning")
