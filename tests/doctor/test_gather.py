from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from boards import BOARDS, LSUSB, PC, PI5, ZERO2, answering, plant, usb

from edgecv.doctor import diagnose, gather
from edgecv.doctor import gather as gather_package
from edgecv.doctor.facts import Facts, Import, PciDevice, UsbDevice

DPKG = """\
Package: libedgetpu1-std
Status: install ok installed
Architecture: arm64
Version: 16.0

Package: hailort
Status: deinstall ok config-files
Version: 4.20.0

Package: unrelated
Status: install ok installed
Version: 1.0
"""
STICK = {
    **usb("2-1", "18d1", "9302", 5000),
    "sys/bus/usb/devices/2-1:1.0/bInterfaceClass": "ff\n",  # interfaces have no numbers
}


@pytest.fixture(autouse=True)
def no_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Import nothing in processes of their own."""
    module = sys.modules[gather_package.__module__]
    monkeypatch.setattr(module, "opencv", lambda: Import(True, version="5.0.0", gui="NONE"))
    monkeypatch.setattr(module, "try_import", lambda package: Import(True, f"no {package} here"))


@pytest.fixture
def facts_of(tmp_path: Path):
    """Gather the facts of a tree of files."""

    def gathered(files=None, commands=None, **variables: str) -> Facts:
        root = plant(tmp_path, {**PI5.files, **(files or {})})
        return gather(root, answering(PI5.commands | (commands or {})), variables)

    return gathered


def test_usb_devices_are_read_with_speed_and_file(facts_of) -> None:
    (found,) = facts_of(STICK).usb
    assert found[:3] == ("18d1", "9302", 5000.0)
    assert found.node is not None
    assert found.node.path == "/dev/bus/usb/002/003"
    assert found.node.usable


def test_a_usb_device_without_file_is_read_all_the_same(facts_of) -> None:
    files = {name: text for name, text in STICK.items() if not name.startswith("dev/")}
    assert facts_of(files).usb == (UsbDevice("18d1", "9302", 5000.0, None),)


def test_lsusb_counts_where_sysfs_has_no_usb(facts_of) -> None:
    facts = facts_of({"dev/bus/usb/002/003": ""}, {"lsusb": LSUSB})
    assert [device[:3] for device in facts.usb][:2] == [
        ("18d1", "9302", None),
        ("1d6b", "0003", None),
    ]
    assert facts.usb[0].node is not None
    assert facts.usb[1].node is None


def test_pci_devices_are_read_with_their_driver(facts_of, tmp_path: Path) -> None:
    folder = "sys/bus/pci/devices/0000:01:00.0"
    files = {
        f"{folder}/vendor": "0x1ac1\n",
        f"{folder}/device": "0x089a\n",
        f"{folder}/class": "0x088000\n",
        "sys/bus/pci/drivers/apex/bind": "",
    }
    plant(tmp_path, files)
    (tmp_path / folder / "driver").symlink_to(tmp_path / "sys/bus/pci/drivers/apex")
    assert facts_of().pci == (PciDevice("0000:01:00.0", "0x1ac1", "0x089a", "0x088000", "apex"),)


def test_device_files_of_cameras_and_accelerators_are_listed(facts_of) -> None:
    files = dict.fromkeys(["dev/video0", "dev/apex_0", "dev/dri/renderD128", "dev/tty0"], "")
    nodes = facts_of(files).nodes
    assert [node.path for node in nodes] == ["/dev/video0", "/dev/apex_0", "/dev/dri/renderD128"]
    assert all(node.usable and node.group for node in nodes)


def test_debian_packages_count_when_they_are_installed(facts_of) -> None:
    assert facts_of({"var/lib/dpkg/status": DPKG}).debs == {"libedgetpu1-std": "16.0"}


def test_modules_are_those_loaded(facts_of) -> None:
    files = {"sys/module/hailo_pci/version": "4.20.0\n", "sys/module/apex/refcnt": "0\n"}
    assert facts_of(files).modules == {"apex": "", "hailo_pci": "4.20.0"}


def test_the_system_python_is_what_its_link_says(facts_of, tmp_path: Path) -> None:
    plant(tmp_path, {"usr/bin/python3.11": ""})
    (tmp_path / "usr/bin/python3").symlink_to("python3.11")
    assert facts_of().python.system_version == (3, 11)
    assert facts_of().python.version == sys.version_info[:2]


def test_the_users_listed_groups_are_read(facts_of) -> None:
    files = {
        "etc/passwd": f"root:x:99999:0::/:/bin/sh\nann:x:{os.geteuid()}:1000::/home/ann:/bin/sh\n",
        "etc/group": "video:x:44:bob,ann\nplugdev:x:46:\nannex:x:47:joann\n",
    }
    assert facts_of(files).user.listed == {"video"}


def test_displays_are_what_the_environment_says(facts_of) -> None:
    assert facts_of().screen == (False, False)
    assert facts_of(DISPLAY=":0").screen == (True, False)
    assert facts_of(WAYLAND_DISPLAY="wayland-0", DISPLAY="").screen == (False, True)


@pytest.mark.parametrize(
    ("file", "given", "expected"),
    [
        pytest.param("", "", "", id="nowhere"),
        pytest.param(
            "usr/lib/aarch64-linux-gnu/libedgetpu.so.1",
            "",
            "/usr/lib/aarch64-linux-gnu/libedgetpu.so.1",
            id="Debian's place",
        ),
        pytest.param(
            "usr/local/lib/libedgetpu.so.1", "", "/usr/local/lib/libedgetpu.so.1", id="by hand"
        ),
        pytest.param("usr/lib/libmine.so", "libmine.so", "/usr/lib/libmine.so", id="by name"),
        pytest.param("usr/lib/libedgetpu.so.1", "/no/such.so", "", id="named, and not there"),
        pytest.param("", __file__, __file__, id="named"),
    ],
)
def test_libedgetpu_is_found_where_the_runtime_looks(file, given, expected, facts_of) -> None:
    facts = facts_of({file: ""} if file else {}, EDGECV_EDGETPU_LIB=given)
    assert facts.edgetpu_library == expected


@pytest.mark.parametrize(
    ("answer", "expected"), [("yes\n", True), ("no\n", False), ("", None), ("n/a\n", None)]
)
def test_the_clock_is_as_synchronized_as_systemd_says(answer, expected, facts_of) -> None:
    command = "timedatectl show --property=NTPSynchronized --value"
    assert facts_of(commands={command: answer}).clock.synchronized is expected


def test_picamera2_is_tried_on_raspberry_pis_alone(facts_of) -> None:
    assert facts_of().picamera2 == Import(True, "no picamera2 here")
    assert not facts_of({**PC.files, "proc/device-tree/model": ""}).picamera2.tried


@pytest.mark.parametrize("name", BOARDS)
def test_every_board_is_diagnosed(name, tmp_path: Path) -> None:
    board = BOARDS[name]
    facts = gather(plant(tmp_path, board.files), answering(board.commands), {})
    assert all(finding.what for finding in diagnose(facts))


def status_of(board, tmp_path: Path, *names: str) -> list[str]:
    facts = gather(plant(tmp_path, board.files), answering(board.commands), {})
    found = {finding.name: finding.status for finding in diagnose(facts)}
    return [found[name] for name in names]


def test_a_pi_5_without_faults_is_fine(tmp_path: Path) -> None:
    names = ("undervoltage", "throttling", "temperature", "governor", "memory", "swap")
    assert set(status_of(PI5, tmp_path, *names)) == {"ok"}


def test_a_pi_4_on_a_weak_supply_is_broken(tmp_path: Path) -> None:
    names = ("undervoltage", "throttling", "memory")
    assert status_of(BOARDS["Pi 4"], tmp_path, *names) == ["broken", "broken", "ok"]


def test_a_zero_2_with_little_memory_left_is_broken(tmp_path: Path) -> None:
    assert status_of(ZERO2, tmp_path, "memory", "swap") == ["broken", "warning"]


def test_a_rock_5_with_debians_kernel_lacks_its_npu(tmp_path: Path) -> None:
    assert status_of(BOARDS["ROCK 5B"], tmp_path, "rockchip-npu") == ["warning"]


def test_an_orin_has_no_firmware_of_raspberry_pis(tmp_path: Path) -> None:
    names = ("undervoltage", "throttling", "governor", "temperature")
    assert status_of(BOARDS["Orin Nano"], tmp_path, *names) == ["skipped", "skipped", "ok", "ok"]


@pytest.mark.parametrize(
    ("ids", "mbits", "expected"),
    [
        (("1a6e", "089a"), 5000, ["ok", "ok", "broken"]),
        (("1a6e", "089a"), 480, ["warning", "ok", "broken"]),
        (("18d1", "9302"), 5000, ["ok", "ok", "broken"]),
        (("18d1", "9302"), 480, ["warning", "ok", "broken"]),
    ],
)
def test_a_coral_on_a_pi_is_diagnosed(ids, mbits, expected, tmp_path: Path) -> None:
    board = PI5._replace(files={**PI5.files, **usb("2-1", *ids, mbits)})
    names = ("coral-usb-speed", "coral-usb-access", "coral-library")
    assert status_of(board, tmp_path, *names) == expected


def test_a_root_without_anything_is_diagnosed(tmp_path: Path) -> None:
    facts = gather(tmp_path, answering({}), {})
    assert facts.machine.board == ""
    assert len(diagnose(facts)) > 20
