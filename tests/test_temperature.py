from __future__ import annotations

from pathlib import Path

import pytest

from edgecv.temperature import temperature


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        pytest.param([], None, id="no sensor"),
        pytest.param(["48312"], 48.312, id="one"),
        pytest.param(["48312", "61000", "20000"], 61.0, id="the hottest counts"),
        pytest.param(["-273150", "255000", "-5000"], -5.0, id="implausible ones are left out"),
        pytest.param(["", "unknown", "35000"], 35.0, id="unreadable ones are left out"),
        pytest.param(["", "0x10"], None, id="none is readable"),
    ],
)
def test_the_hottest_readable_zone_counts(zones, expected, tmp_path: Path) -> None:
    for number, text in enumerate(zones):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "temp").write_text(f"{text}\n")
    (tmp_path / "cooling_device0").mkdir()
    (tmp_path / "thermal_zone99").mkdir()
    assert temperature(tmp_path) == expected


def test_a_machine_without_the_folder_has_none(tmp_path: Path) -> None:
    assert temperature(tmp_path / "nowhere") is None
