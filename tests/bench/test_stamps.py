from __future__ import annotations

import pytest
from made_rounds import QUIET, made_round, made_run

from edgecv.bench.loop import WarmUp
from edgecv.bench.stamps import stamps
from edgecv.machine import conditions

SHARE = {"own": 0.5, "others": 0.0, "steal": 0.0, "idle": 0.5, "seconds": 1.2}


def after(**changes):
    return {"after": {**QUIET, **changes}}


def both(before, later):
    return {"before": {**QUIET, **before}, "after": {**QUIET, **later}}


def test_a_quiet_machine_has_no_stamps() -> None:
    assert stamps(made_run(made_round(), made_round())) == []


SPOILED = {
    "undervoltage at the end": (after(throttled=0x1), "undervoltage"),
    "throttled meanwhile": (after(throttled=0x40000), "throttled"),
    "capped at the start": (both({"throttled": 0x2}, {}), "frequency capped"),
    "hot": (after(temperature_c=83.4), "83 degrees C"),
    "another governor": (
        after(governors={"policy0": "performance", "policy4": "ondemand"}),
        "the clock's governor is ondemand",
    ),
    "falling clock": (both({"mhz": 2400.0}, {"mhz": 1500.0}), "fell from 2400 to 1500 MHz"),
    "others": ({"share": {**SHARE, "others": 0.15}}, "other processes took 0.60 of a core"),
    "stolen": ({"share": {**SHARE, "steal": 0.05}}, "this virtual machine waiting 5% of the time"),
    "little memory": (after(available_mb=80.0), "80 MB of memory were left"),
    "swapping": (after(swap_used_mb=12.0), "12 MB were swapped out meanwhile"),
    "unsteady": ({"warmup": WarmUp(40, 3.1, steady=False)}, "not settled after 3.1 s of warm-up"),
    "claims": (
        {"claimed_ms": 5.0, "clocked_ms": 10.0},
        "5.00 ms by the model's account are 10.00 ms by the wall clock",
    ),
    "claims of nothing": ({"claimed_ms": 0.0}, "0.00 ms by the model's account"),
    "fallback": ({"fallback": "coral: unplugged"}, "ran on cpu: coral: unplugged"),
    "failed": ({"error": "the device is gone"}, "failed after 30 passes: the device is gone"),
}


@pytest.mark.parametrize(("changes", "said"), SPOILED.values(), ids=SPOILED.keys())
def test_what_spoiled_a_round_is_told(changes, said) -> None:
    found = stamps(made_run(made_round(**changes)))
    assert len(found) == 1
    assert said in found[0]


HARMLESS = {
    "throttled long ago": both({"throttled": 0x40000}, {"throttled": 0x40000}),
    "warm": after(temperature_c=79.9),
    "a clock that rises": both({"mhz": 600.0}, {"mhz": 2400.0}),
    "a clock that falls a little": both({"mhz": 2400.0}, {"mhz": 2200.0}),
    "few others": {"share": {**SHARE, "others": 0.02}},
    "little stolen": {"share": {**SHARE, "steal": 0.01}},
    "swap that was used before": both({"swap_used_mb": 90.0}, {"swap_used_mb": 90.0}),
    "a model that claims a little less": {"claimed_ms": 9.7},
    "a fast model within the clock's reach": {"claimed_ms": 0.10, "clocked_ms": 0.14},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_does_no_harm_is_no_stamp(changes) -> None:
    assert stamps(made_run(made_round(**changes))) == []


def test_a_machine_that_tells_nothing_has_no_stamps() -> None:
    silent = dict.fromkeys(("temperature_c", "mhz", "governors", "throttled", "load"))
    silent |= {"available_mb": 2000.0, "swap_mb": 0.0, "swap_used_mb": 0.0}
    assert stamps(made_run(made_round(before=silent, after=silent, share=None))) == []


def test_a_reason_is_told_once_with_the_rounds_it_struck() -> None:
    rounds = [made_round(**after(temperature_c=c)) for c in (70.0, 82.0, 85.0)]
    assert stamps(made_run(*rounds)) == ["85 degrees C (2 of 3 rounds)"]


def test_several_reasons_are_all_told() -> None:
    found = stamps(made_run(made_round(**after(temperature_c=85.0, available_mb=5.0))))
    assert len(found) == 2


def test_a_run_that_ended_early_is_told_even_without_rounds() -> None:
    found = stamps(made_run(made_round(), error="the process died (signal 9)"))
    assert found == ["incomplete: the process died (signal 9)"]


def test_the_conditions_of_this_machine_are_understood(tmp_path) -> None:
    here, nowhere = conditions().to_dict(), conditions(tmp_path).to_dict()
    assert isinstance(stamps(made_run(made_round(before=here, after=here))), list)
    assert stamps(made_run(made_round(before=nowhere, after=nowhere))) == []
