from __future__ import annotations

from pathlib import Path

import pytest
from boards import answering, plant

from edgecv.machine.throttle import SYSFS, now, since_start, throttled


@pytest.mark.parametrize(
    ("answer", "file", "expected"),
    [
        pytest.param("throttled=0x0\n", None, 0, id="fine"),
        pytest.param("throttled=0x50005\n", None, 0x50005, id="by the command"),
        pytest.param("", "50005\n", 0x50005, id="by the file, which has no 0x"),
        pytest.param("throttled=0x50000\n", "0\n", 0x50000, id="a file stuck at 0"),
        pytest.param("throttled=0x1\n", "10000\n", 0x10001, id="both count"),
        pytest.param("VCHI initialization failed\n", None, None, id="no rights"),
        pytest.param("", None, None, id="no Raspberry Pi"),
    ],
)
def test_bits_come_from_the_command_and_the_file(answer, file, expected, tmp_path: Path) -> None:
    if file is not None:
        plant(tmp_path, {SYSFS: file})
    assert throttled(tmp_path, answering({"vcgencmd get_throttled": answer})) == expected


@pytest.mark.parametrize(
    ("bits", "held", "has_held"),
    [
        (0x0, (), ()),
        (0x1, ("undervoltage",), ()),
        (0x2, ("frequency capped",), ()),
        (0x4, ("throttled",), ()),
        (0x8, ("soft temperature limit",), ()),
        (0x10000, (), ("undervoltage",)),
        (0x80008, ("soft temperature limit",), ("soft temperature limit",)),
        (0x60000, (), ("frequency capped", "throttled")),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else None,
)
def test_bits_have_names(bits, held, has_held) -> None:
    assert (now(bits), since_start(bits)) == (held, has_held)
