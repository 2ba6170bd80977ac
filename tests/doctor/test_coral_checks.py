from __future__ import annotations

import pytest
from doctor_facts import HEALTHY, state

from edgecv.doctor import coral_checks
from edgecv.doctor.facts import Facts, Node, PciDevice, UsbDevice, User

NEW, USED = ("1a6e", "089a"), ("18d1", "9302")
OPEN = Node("/dev/bus/usb/002/003", "plugdev", True)
CLOSED = Node("/dev/bus/usb/002/003", "plugdev", False)
ROOTS = Node("/dev/bus/usb/002/003", "root", False)
RULES = frozenset({"lib/udev/rules.d/60-libedgetpu1-std.rules"})
STRANGER = User(False, frozenset({"pi"}), frozenset())
CARD = PciDevice("0000:01:00.0", "0x1ac1", "0x089a", "0x088000", "")
APEX = Node("/dev/apex_0", "apex", True)


def stick(ids=USED, mbits: float | None = 5000, node: Node | None = OPEN, **changes) -> Facts:
    return state(usb=(UsbDevice(*ids, mbits, node),), **changes)


def card(**changes) -> Facts:
    return state(pci=(CARD,), **changes)


@pytest.mark.parametrize(
    "check",
    [
        coral_checks.coral_usb_speed,
        coral_checks.coral_usb_access,
        coral_checks.coral_pcie_driver,
        coral_checks.coral_page_size,
        coral_checks.coral_library,
        coral_checks.coral_library_version,
    ],
    ids=lambda check: check.__name__,
)
def test_without_a_coral_it_does_not_matter(check) -> None:
    other = UsbDevice("2109", "3431", 480, OPEN)
    assert check(state(usb=(other,))).status == "skipped"


@pytest.mark.parametrize("ids", [NEW, USED], ids=["before its first use", "after it"])
@pytest.mark.parametrize(
    ("mbits", "board", "status", "says"),
    [
        pytest.param(5000, "Raspberry Pi 5", "ok", "USB 3", id="USB 3"),
        pytest.param(10000, "Raspberry Pi 5", "ok", "USB 3", id="faster"),
        pytest.param(None, "Raspberry Pi 5", "ok", "unknown", id="unknown"),
        pytest.param(480, "Raspberry Pi 5", "warning", "480 Mbit/s", id="USB 2"),
        pytest.param(480, "Raspberry Pi 3 Model B", "warning", "no USB 3", id="a board of USB 2"),
    ],
)
def test_a_coral_on_usb_2_is_told_of(ids, mbits, board, status, says) -> None:
    verdict = coral_checks.coral_usb_speed(stick(ids, mbits, machine={"board": board}))
    assert verdict.status == status
    assert says in verdict.what
    assert bool(verdict.fix) == (status == "warning")


@pytest.mark.parametrize("ids", [NEW, USED], ids=["before its first use", "after it"])
@pytest.mark.parametrize(
    ("node", "files", "user", "status", "fix"),
    [
        pytest.param(OPEN, RULES, HEALTHY.user, "ok", "", id="a member, with rules"),
        pytest.param(OPEN, frozenset(), HEALTHY.user, "ok", "", id="open by other means"),
        pytest.param(
            ROOTS, frozenset(), STRANGER, "broken", "/etc/udev/rules.d/99-edgetpu", id="no rules"
        ),
        pytest.param(
            ROOTS, RULES, STRANGER, "broken", "udevadm control --reload-rules", id="not applied"
        ),
        pytest.param(
            CLOSED, RULES, STRANGER, "broken", "sudo usermod -aG plugdev $USER", id="no member"
        ),
        pytest.param(None, RULES, STRANGER, "broken", "docker run", id="a container"),
    ],
)
def test_a_coral_that_the_user_may_not_open_is_told_of(ids, node, files, user, status, fix) -> None:
    verdict = coral_checks.coral_usb_access(stick(ids, node=node, files=files, user=user))
    assert verdict.status == status
    assert fix in verdict.fix


def test_the_rules_that_are_written_name_both_pairs_of_numbers() -> None:
    fix = coral_checks.coral_usb_access(stick(node=ROOTS, files=frozenset())).fix
    for vendor, product in (NEW, USED):
        assert f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"' in fix
    assert "usermod" not in fix  # a member already
    stranger = stick(node=ROOTS, files=frozenset(), user=STRANGER)
    assert "sudo usermod -aG plugdev $USER" in coral_checks.coral_usb_access(stranger).fix


@pytest.mark.parametrize(
    ("facts", "status", "fix"),
    [
        pytest.param(card(nodes=(APEX,)), "ok", "", id="fine"),
        pytest.param(
            card(machine={"kernel": "6.1.0-rpi"}),
            "broken",
            "sudo apt install gasket-dkms && sudo modprobe apex",
            id="no driver",
        ),
        pytest.param(card(), "broken", "feranick/gasket-driver", id="no driver, a new kernel"),
        pytest.param(
            card(debs={"gasket-dkms": "1.0-18"}), "broken", "sudo modprobe apex", id="not loaded"
        ),
        pytest.param(card(modules={"apex": "1.2"}), "broken", "dmesg", id="loaded in vain"),
        pytest.param(
            card(nodes=(Node("/dev/apex_0", "root", False),)),
            "broken",
            "sudo groupadd -f apex",
            id="root's alone",
        ),
        pytest.param(
            card(nodes=(Node("/dev/apex_0", "apex", False),)),
            "broken",
            "sudo usermod -aG apex $USER",
            id="no member",
        ),
    ],
)
def test_a_card_without_driver_is_told_of(facts, status, fix) -> None:
    verdict = coral_checks.coral_pcie_driver(facts)
    assert verdict.status == status
    assert fix in verdict.fix


@pytest.mark.parametrize(("size", "status"), [(4096, "ok"), (16384, "broken")])
def test_a_card_wants_pages_of_4_kib(size, status) -> None:
    verdict = coral_checks.coral_page_size(card(page_bytes=size))
    assert verdict.status == status
    assert ("kernel=kernel8.img" in verdict.fix) == (status == "broken")


@pytest.mark.parametrize(
    ("library", "status"), [("/usr/lib/aarch64-linux-gnu/libedgetpu.so.1", "ok"), ("", "broken")]
)
@pytest.mark.parametrize("plugged", [stick, card], ids=["stick", "card"])
def test_a_coral_without_library_is_told_of(plugged, library, status) -> None:
    verdict = coral_checks.coral_library(plugged(edgetpu_library=library))
    assert verdict.status == status
    assert ("libedgetpu1-std_*_arm64.deb" in verdict.fix) == (status == "broken")


@pytest.mark.parametrize(
    ("debs", "packages", "status"),
    [
        pytest.param({"libedgetpu1-std": "16.0"}, {"tflite-runtime": "2.14.0"}, "broken", id="16"),
        pytest.param({"libedgetpu1-max": "16.0"}, {"ai-edge-litert": "2.3.0"}, "broken", id="max"),
        pytest.param({"libedgetpu1-std": "16.0"}, {"tensorflow": "2.21.0"}, "broken", id="TF"),
        pytest.param({"libedgetpu1-std": "16.0"}, {"tflite-runtime": "2.11.0"}, "ok", id="old"),
        pytest.param(
            {"libedgetpu1-std": "16.0tf2.17.1-1.bookworm"},
            {"ai-edge-litert": "2.3.0"},
            "ok",
            id="built for a new one",
        ),
        pytest.param({}, {"ai-edge-litert": "2.3.0"}, "skipped", id="no Debian package"),
        pytest.param({"libedgetpu1-std": "16.0"}, {}, "skipped", id="no TFLite"),
    ],
)
def test_a_library_older_than_tflite_is_told_of(debs, packages, status) -> None:
    verdict = coral_checks.coral_library_version(stick(debs=debs, packages=packages))
    assert verdict.status == status
    assert ("feranick/libedgetpu" in verdict.fix) == (status == "broken")


@pytest.mark.parametrize(
    ("packages", "status"),
    [({}, "ok"), ({"pycoral": "2.0.0"}, "ok"), ({"pycoral": "0.2.0"}, "warning")],
    ids=["none", "Google's", "another of that name"],
)
def test_a_pycoral_of_others_is_told_of(packages, status) -> None:
    verdict = coral_checks.pycoral(state(packages=packages))
    assert verdict.status == status
    assert ("pip uninstall -y pycoral" in verdict.fix) == (status == "warning")
