"""Cameras: whether this user may open them, and whether libcamera is in reach."""

from __future__ import annotations

from .facts import Facts
from .findings import Verdict, broken, ok, skipped, warning
from .remedies import open_node, paths

PICAMERA2 = "usr/lib/python3/dist-packages/picamera2"
VENV = "python3 -m venv --system-site-packages .venv"
APT = "sudo apt install python3-picamera2"


def camera_access(facts: Facts) -> Verdict:
    """Whether this user may open the cameras."""
    cameras = facts.nodes_of("/dev/video")
    closed = [node for node in cameras if not node.usable]
    if not cameras:
        return skipped("no camera: there is no /dev/video*")
    if not closed:
        return ok(f"{len(cameras)} video devices, all open to this user")
    return broken(
        f"this user may not open {paths(closed)} (group {closed[0].group or 'unknown'})",
        open_node(facts, closed[0], "video"),
    )


def libcamera(facts: Facts) -> Verdict:
    """Whether picamera2 and libcamera, which come with the system, are in reach of this Python."""
    if facts.machine.family != "raspberrypi":
        return skipped("no Raspberry Pi: no ribbon-cable cameras by libcamera")
    python, system = facts.python, facts.python.system_version
    if PICAMERA2 not in facts.files:
        if not facts.picamera2.error and facts.picamera2.tried:
            return ok("picamera2 imports")
        fix = APT + (f" && {VENV}" if python.venv and not python.sees_system else "")
        return warning("picamera2 is not installed: csi cameras need it (USB ones do not)", fix)
    if not python.sees_system:
        return broken(
            "this virtual environment does not see the system's libcamera and picamera2", VENV
        )
    if system and system != python.version:
        mine, theirs = (".".join(map(str, version)) for version in (python.version, system))
        return broken(
            f"the system's libcamera is for its own Python {theirs}, and this is {mine}",
            f"/usr/bin/{VENV}",
        )
    return _imports(facts)


def _imports(facts: Facts) -> Verdict:
    error = facts.picamera2.error
    if not error:
        return ok("picamera2 imports")
    if "size changed" in error:
        for_numpy_2 = "Expected 96" in error  # bytes of a dtype there; numpy 1 has 88
        fix = "pip install --force-reinstall --no-deps simplejpeg"
        return broken(
            f"picamera2's simplejpeg was built for another numpy: {error}",
            'pip install --upgrade "numpy>=2"' if for_numpy_2 else fix,
        )
    return broken(
        f"picamera2 cannot be imported: {error}", "sudo apt install --reinstall python3-picamera2"
    )
