"""All checks, in the order in which they are told, and what they find."""

from __future__ import annotations

from collections.abc import Callable

from . import (
    accelerator_checks,
    camera_checks,
    coral_checks,
    memory_checks,
    opencv_checks,
    power_checks,
    python_checks,
)
from .facts import Facts
from .findings import Finding, Verdict

Check = Callable[[Facts], Verdict]

CHECKS: dict[str, Check] = {
    "python-version": python_checks.python_version,
    "64-bit": python_checks.bits,
    "c-library": python_checks.c_library,
    "runtimes": python_checks.runtimes,
    "tflite-runtime": python_checks.tflite_runtime,
    "one-onnxruntime": python_checks.one_onnxruntime,
    "one-opencv": opencv_checks.one_opencv,
    "opencv-imports": opencv_checks.opencv_imports,
    "windows": opencv_checks.windows,
    "camera-access": camera_checks.camera_access,
    "libcamera": camera_checks.libcamera,
    "coral-usb-speed": coral_checks.coral_usb_speed,
    "coral-usb-access": coral_checks.coral_usb_access,
    "coral-pcie-driver": coral_checks.coral_pcie_driver,
    "coral-page-size": coral_checks.coral_page_size,
    "coral-library": coral_checks.coral_library,
    "coral-library-version": coral_checks.coral_library_version,
    "pycoral": coral_checks.pycoral,
    "nvidia-driver": accelerator_checks.nvidia_driver,
    "onnxruntime-gpu": accelerator_checks.onnxruntime_gpu,
    "intel-npu": accelerator_checks.intel_npu,
    "intel-gpu": accelerator_checks.intel_gpu,
    "hailo": accelerator_checks.hailo,
    "rockchip-npu": accelerator_checks.rockchip_npu,
    "undervoltage": power_checks.undervoltage,
    "throttling": power_checks.throttling,
    "temperature": power_checks.temperature,
    "governor": power_checks.governor,
    "clock": power_checks.clock,
    "memory": memory_checks.available_memory,
    "swap": memory_checks.swap,
}
"""Each check by its name: a function over facts."""


def diagnose(facts: Facts) -> list[Finding]:
    """Return what every check finds, in the order of `CHECKS`."""
    return [Finding(name, *check(facts)) for name, check in CHECKS.items()]
