"""GPUs and NPUs: whether a chip that is there has its driver."""

from __future__ import annotations

from collections.abc import Callable

from .facts import Facts, PciDevice
from .findings import Verdict, broken, ok, skipped, warning
from .remedies import open_node

INTEL, NVIDIA, HAILO = "0x8086", "0x10de", "0x1e60"
DISPLAY, PROCESSING = "0x03", "0x12"
"""How PCI classes of display controllers and of processing accelerators begin."""

RKNN_LIBRARIES = ("usr/lib/librknnrt.so", "usr/lib/aarch64-linux-gnu/librknnrt.so")
RKNPU = "sys/bus/platform/drivers/RKNPU"


def nvidia_driver(facts: Facts) -> Verdict:
    """Whether an NVIDIA card has its driver."""
    if not _pci(facts, lambda d: d.vendor == NVIDIA and d.kind.startswith(DISPLAY)):
        return skipped("no NVIDIA card")
    if "proc/driver/nvidia/version" in facts.files:
        return ok("the driver of the NVIDIA card is loaded")
    fix = "sudo apt install nvidia-driver && sudo reboot"
    if "Ubuntu" in facts.machine.os:
        fix = "sudo ubuntu-drivers install && sudo reboot"
    return warning("the NVIDIA card has no driver: --device cuda finds nothing", fix)


def onnxruntime_gpu(facts: Facts) -> Verdict:
    """Whether ONNX Runtime can use the NVIDIA GPU that is there."""
    jetson = facts.machine.family == "jetson"
    if not jetson and "proc/driver/nvidia/version" not in facts.files:
        return skipped("no NVIDIA GPU with a driver")
    if facts.installed("onnxruntime-gpu"):
        return ok(f"onnxruntime-gpu {facts.machine.packages['onnxruntime-gpu']}")
    if jetson:
        return warning(
            "no onnxruntime-gpu: the GPU stays unused",
            "pip uninstall -y onnxruntime; pip install onnxruntime-gpu --index-url "
            "https://pypi.jetson-ai-lab.io/jp6/cu126"
            "  # JetPack 6; for others: https://elinux.org/Jetson_Zoo#ONNX_Runtime",
        )
    return warning(
        "no onnxruntime-gpu: the NVIDIA GPU stays unused",
        "pip uninstall -y onnxruntime; pip install onnxruntime-gpu",
    )


def intel_npu(facts: Facts) -> Verdict:
    """Whether the NPU of an Intel processor has its driver, and is open to this user."""
    if not _pci(facts, lambda d: d.vendor == INTEL and d.kind.startswith(PROCESSING)):
        return skipped("no Intel NPU")
    nodes = facts.nodes_of("/dev/accel/")
    if not nodes:
        return warning(
            "the NPU has no driver: it wants a kernel with intel_vpu, and Intel's user-space part",
            "sudo modprobe intel_vpu  # and https://github.com/intel/linux-npu-driver/releases",
        )
    return _open(facts, "/dev/accel/")


def intel_gpu(facts: Facts) -> Verdict:
    """Whether OpenVINO can use the GPU of an Intel processor."""
    if not _pci(facts, lambda d: d.vendor == INTEL and d.kind.startswith(DISPLAY)):
        return skipped("no Intel GPU")
    if not facts.installed("openvino"):
        return skipped("OpenVINO, which uses it, is not installed")
    if "etc/OpenCL/vendors/intel.icd" not in facts.files:
        return warning(
            "OpenVINO does not see the Intel GPU: its OpenCL driver is not installed",
            "sudo apt install intel-opencl-icd",
        )
    return _open(facts, "/dev/dri/renderD")


def hailo(facts: Facts) -> Verdict:
    """Whether a Hailo has its driver, and library and driver are of one version."""
    if not _pci(facts, lambda d: d.vendor == HAILO):
        return skipped("no Hailo")
    install = "sudo apt update && sudo apt install hailo-all && sudo reboot"
    if "hailo_pci" not in facts.modules or not facts.nodes_of("/dev/hailo"):
        return broken("the Hailo has no driver: there is no /dev/hailo0", install)
    driver, library = facts.modules["hailo_pci"], facts.debs.get("hailort", "")
    if not library:
        return broken("the Hailo's library (HailoRT) is not installed", install)
    if driver and library.partition("-")[0] != driver:
        return broken(
            f"the Hailo's driver is {driver} and its library {library}: they must be the same",
            "sudo apt update && sudo apt full-upgrade && "
            "sudo apt install --reinstall hailo-all && sudo reboot",
        )
    return ok(f"HailoRT {library}")


def rockchip_npu(facts: Facts) -> Verdict:
    """Whether the NPU of a Rockchip board has its driver and its library."""
    if not facts.machine.soc.startswith("rk35"):
        return skipped("no RK35xx")
    if "rknpu" not in facts.modules and RKNPU not in facts.files:
        return warning(
            f"this kernel ({facts.machine.kernel}) has no driver for the NPU of the "
            f"{facts.machine.soc}",
            "write an image of the board's maker with Rockchip's own kernel (5.10 or 6.1)",
        )
    if not any(file in facts.files for file in RKNN_LIBRARIES):
        return warning(
            "the NPU's library librknnrt.so is not installed",
            "sudo cp rknpu2/runtime/Linux/librknn_api/aarch64/librknnrt.so /usr/lib/  "
            "# of https://github.com/airockchip/rknn-toolkit2",
        )
    return ok("driver and library of the NPU are there")


def _pci(facts: Facts, wanted: Callable[[PciDevice], bool]) -> bool:
    return any(wanted(device) for device in facts.pci)


def _open(facts: Facts, start: str) -> Verdict:
    nodes = facts.nodes_of(start)
    closed = [node for node in nodes if not node.usable]
    if not closed:
        return ok("open to this user" if nodes else "its driver is installed")
    return broken(f"this user may not open {closed[0].path}", open_node(facts, closed[0], "render"))
