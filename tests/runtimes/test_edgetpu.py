from __future__ import annotations

from pathlib import Path

import pytest
from edgecv.runtimes import coral, edgetpu
from edgecv.runtimes.edgetpu import LIBRARY_VARIABLE, plugged_in

from edgecv.errors import DeviceError


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def usb(root: Path, port: str, ids: tuple[str, str], place: tuple[int, int], *, node: bool) -> None:
    """What Linux shows of a USB device: its files end with a line feed."""
    folder, (bus, number) = root / "sys/bus/usb/devices" / port, place
    values = {"idVendor": ids[0], "idProduct": ids[1], "busnum": bus, "devnum": number}
    write(folder, **{name: f"{value}\n" for name, value in values.items()})
    (folder.with_name(f"{port}:1.0")).mkdir()  # its interface, without such files
    if node:
        write(root / "dev/bus/usb" / f"{bus:03}", **{f"{number:03}": ""})


def pci(root: Path, slot: str, ids: tuple[str, str] = ("0x1ac1", "0x089a")) -> None:
    write(root / "sys/bus/pci/devices" / slot, vendor=f"{ids[0]}\n", device=f"{ids[1]}\n")


def apex(root: Path, number: int, *, node: bool = True) -> None:
    (root / f"sys/class/apex/apex_{number}").mkdir(parents=True)
    if node:
        write(root / "dev", **{f"apex_{number}": ""})


def test_a_machine_without_one_lists_none(tmp_path: Path) -> None:
    assert plugged_in(tmp_path) == []
    usb(tmp_path, "1-1", ("046d", "c52b"), (1, 2), node=True)
    pci(tmp_path, "0000:00:02.0", ("0x8086", "0x9a49"))
    assert plugged_in(tmp_path) == []


@pytest.mark.parametrize("ids", [("1a6e", "089a"), ("18d1", "9302")], ids=["fresh", "once used"])
def test_a_usb_stick_is_known_by_its_ids(ids: tuple[str, str], tmp_path: Path) -> None:
    usb(tmp_path, "2-1.4", ids, (2, 13), node=True)
    (found,) = plugged_in(tmp_path)
    assert (found.name, found.problem) == ("usb:0", "")
    assert "002/013" in found.description


def test_a_card_is_known_by_its_driver_and_its_ids(tmp_path: Path) -> None:
    pci(tmp_path, "0000:01:00.0")
    apex(tmp_path, 0)
    (found,) = plugged_in(tmp_path)
    assert (found.name, found.problem) == ("pci:0", "")
    assert "0000:01:00.0" in found.description


def test_each_bus_counts_for_itself(tmp_path: Path) -> None:
    for number in range(2):
        pci(tmp_path, f"0000:0{number}:00.0")
        apex(tmp_path, number)
        usb(tmp_path, f"1-{number}", ("18d1", "9302"), (1, number + 5), node=True)
    names = [tpu.name for tpu in plugged_in(tmp_path)]
    assert names == ["pci:0", "pci:1", "usb:0", "usb:1"]


def test_a_card_without_its_driver_says_what_to_install(tmp_path: Path) -> None:
    pci(tmp_path, "0000:01:00.0")
    (found,) = plugged_in(tmp_path)
    assert "gasket-dkms" in found.problem


def test_a_stick_that_a_container_did_not_get_says_so(tmp_path: Path) -> None:
    usb(tmp_path, "1-1", ("1a6e", "089a"), (1, 7), node=False)
    (found,) = plugged_in(tmp_path)
    assert "dev/bus/usb/001/007 is not there: in a container" in found.problem


def test_a_node_without_permission_names_the_group(tmp_path: Path) -> None:
    usb(tmp_path, "1-1", ("1a6e", "089a"), (1, 7), node=True)
    node = tmp_path / "dev/bus/usb/001/007"
    node.chmod(0)
    if _may_open(node):
        pytest.skip("root may open anything")
    (found,) = plugged_in(tmp_path)
    assert "may not open" in found.problem
    assert "plugdev" in found.problem


def _may_open(node: Path) -> bool:
    try:
        node.open("rb").close()
    except PermissionError:
        return False
    return True


def test_a_device_without_the_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    monkeypatch.setattr(edgetpu, "_usual_places", lambda: ["libedgetpu-of-nowhere.so.1"])
    usb(tmp_path, "1-1", ("1a6e", "089a"), (1, 7), node=True)
    (device,) = coral.list_devices(tmp_path)
    assert device.name == "coral:usb:0"
    for hint in ("libedgetpu1-std", "feranick/libedgetpu", LIBRARY_VARIABLE):
        assert hint in device.problem


def test_without_a_device_the_library_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    assert coral.list_devices(tmp_path) == []


LIBRARIES = {"nowhere": None, "not a library": b"no ELF"}


@pytest.mark.parametrize("content", LIBRARIES.values(), ids=LIBRARIES.keys())
def test_a_library_that_does_not_load_is_told_with_its_variable(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "libedgetpu.so.1"
    if content:
        file.write_bytes(content)
    monkeypatch.setenv(LIBRARY_VARIABLE, str(file))
    with pytest.raises(DeviceError, match=f"{LIBRARY_VARIABLE} names .* does not load: .*edgetpu"):
        edgetpu.library()
    (device,) = coral.list_devices(tmp_path / "no sys here")
    assert "does not load" in device.problem


@pytest.mark.gcc
def test_the_library_of_the_variable_is_taken_for_a_device(
    edgetpu_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIBRARY_VARIABLE, str(edgetpu_library))
    (device,) = coral.list_devices(tmp_path)
    assert (device.name, device.problem) == ("coral", "")
    assert str(edgetpu_library) in device.description
