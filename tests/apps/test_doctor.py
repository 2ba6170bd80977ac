from __future__ import annotations

import json
import sys

import pytest
from doctor_facts import HEALTHY, state

from edgecv.doctor import CHECKS

COMMAND = "edgecv.apps.doctor"
FIX = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"


@pytest.fixture
def stated(monkeypatch: pytest.MonkeyPatch, edgecv):
    """Run the command on a machine of stated facts."""

    def run(facts, *words: str):
        edgecv("doctor", "--help")  # imports the command
        monkeypatch.setattr(sys.modules[COMMAND], "gather", lambda: facts)
        return edgecv("doctor", *words)

    return run


def test_this_machine_is_told_as_json(edgecv) -> None:
    ran = edgecv("doctor", "--json")
    told = json.loads(ran.out)
    assert set(told) == {"machine", "conditions", "findings"}
    assert [finding["name"] for finding in told["findings"]] == list(CHECKS)
    assert all(set(f) == {"name", "status", "what", "fix"} for f in told["findings"])
    statuses = {finding["status"] for finding in told["findings"]}
    assert statuses <= {"ok", "warning", "broken", "skipped"}
    assert ran.code == int("broken" in statuses)
    assert told["machine"]["python"].startswith("3.")
    assert ran.err == ""


def test_a_healthy_machine_exits_with_0(stated) -> None:
    ran = stated(HEALTHY)
    assert ran.code == 0
    first, _, last = ran.out.splitlines()
    assert first.startswith("Raspberry Pi 5 Model B Rev 1.0, 4x Cortex-A76 asimd asimdhp asimddp")
    assert last.startswith("0 broken, 0 warnings, ")


def test_a_warning_exits_with_0_and_gives_its_fix(stated) -> None:
    ran = stated(state(conditions={"governors": {"policy0": "powersave"}}))
    assert ran.code == 0
    assert "warning: the governor powersave keeps the processor at a low clock" in ran.out
    assert f"    {FIX}\n" in ran.out
    assert "0 broken, 1 warning, " in ran.out


def test_what_is_broken_exits_with_1_and_comes_first(stated) -> None:
    facts = state(
        conditions={"throttled": 0x50005, "governors": {"policy0": "powersave"}},
        machine={"board": "Raspberry Pi 4 Model B Rev 1.4"},
    )
    ran = stated(facts)
    assert ran.code == 1
    assert ran.out.index("broken: the supply's voltage") < ran.out.index("warning: the governor")
    assert "2 broken, 1 warning, " in ran.out
    assert stated(facts, "--json").code == 1


def test_all_shows_what_is_fine_and_what_does_not_matter(stated) -> None:
    lines = stated(HEALTHY, "--all").out.splitlines()
    rows = {line.split()[0]: line.split()[1] for line in lines if line.strip()}
    assert {name: rows[name] for name in ("clock", "memory", "hailo")} == {
        "clock": "ok",
        "memory": "ok",
        "hailo": "skipped",
    }
    assert set(CHECKS) <= set(rows)


def test_help_says_what_the_exit_codes_mean(edgecv) -> None:
    ran = edgecv("doctor", "--help")
    assert ran.code == 0
    assert "exit codes: 0 nothing is broken" in ran.out
