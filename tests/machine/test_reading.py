from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from edgecv.machine import reading
from edgecv.machine.reading import names, number, run_command, text


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        pytest.param("print('so')", "so\n", id="its output"),
        pytest.param("print('so'); raise SystemExit(1)", "", id="a failure"),
        pytest.param("import sys; sys.stdout.buffer.write(b'\\xff')", "\ufffd", id="no UTF-8"),
    ],
)
def test_a_command_gives_what_it_writes(code, expected) -> None:
    assert run_command([sys.executable, "-S", "-c", code]) == expected


def test_a_command_that_is_not_there_gives_nothing() -> None:
    assert run_command(["edgecv-no-such-command"]) == ""


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TIMEOUT", 0.1)
    start = time.monotonic()
    assert run_command(["sleep", "30"]) == ""
    assert time.monotonic() - start < 10


def test_files_give_text_and_numbers(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"Board\xff\0\n")
    (tmp_path / "speed").write_text("480\n")
    assert text(tmp_path / "model") == "Board\ufffd"
    assert number(tmp_path / "speed") == 480
    assert number(tmp_path / "model") is None
    assert text(tmp_path / "nowhere") == text(tmp_path) == ""
    assert names(tmp_path, "s*") == [tmp_path / "speed"]
    assert names(tmp_path / "nowhere", "*") == []
