from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from child_edgetpu import classifier
from made_rounds import SETTING, made_report, made_round, made_run, noisy_run
from tiny_models import relu_tflite
from virtual_edgetpu import VirtualEdgeTpu

from edgecv.bench.compare import compare, pairs
from edgecv.bench.loop import Effort
from edgecv.bench.measure import Round, measure
from edgecv.bench.setting import Setting
from edgecv.errors import DataError

TRIES, ENOUGH = 40, 38  # 19 of 20

NOISE = {
    "little drift": {"drift": 0.01},
    "drift of 2 %": {"drift": 0.02},
    "no drift, long tails": {"drift": 0.0, "tail": 0.1},
    "drift and long tails": {"drift": 0.02, "tail": 0.1},
    "neighbours alike": {"drift": 0.01, "follow": 0.8},
    "four rounds": {"drift": 0.01, "rounds": 4},
}


def words(ratio: float, **noise) -> Counter[str]:
    """Return how often each verdict falls on two runs, of which the second takes `ratio` times."""
    rng = np.random.default_rng(7)
    found: Counter[str] = Counter()
    for _ in range(TRIES):
        found[compare(noisy_run(rng, 10, **noise), noisy_run(rng, 10 * ratio, **noise)).word] += 1
    return found


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_the_same_setting_twice_makes_no_difference_in_19_of_20(noise) -> None:
    assert words(1.0, **noise)["no difference"] >= ENOUGH


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_a_tenth_slower_is_found_in_19_of_20(noise) -> None:
    assert words(1.1, **noise)["slower"] >= ENOUGH


def test_a_tenth_faster_is_found_in_19_of_20() -> None:
    assert words(1 / 1.1)["faster"] >= ENOUGH


@pytest.mark.parametrize("rounds", [1, 2])
def test_few_rounds_that_differ_as_processes_do_are_no_difference(rounds) -> None:
    noise = {"rounds": rounds, "passes": 60, "drift": 0.02}
    assert words(1.0, **noise)["no difference"] >= ENOUGH
    assert words(1.25, **noise)["slower"] >= ENOUGH


def test_a_difference_below_the_margin_is_none_however_sure() -> None:
    rng = np.random.default_rng(0)
    before, after = (noisy_run(rng, ms, drift=0.001, tail=0.001) for ms in (10, 10.2))
    found = compare(before, after)
    assert found.low > 1
    assert found.word == "no difference"
    assert compare(before, after, margin=0.01).word == "slower"
    assert compare(after, before, margin=0.01).word == "faster"


def test_a_noisy_pair_says_that_a_tenth_may_have_been_missed() -> None:
    rng = np.random.default_rng(0)
    found = compare(noisy_run(rng, 10, drift=0.2), noisy_run(rng, 10, drift=0.2))
    assert found.blunt
    assert str(found).startswith("no difference, ")
    assert str(found).endswith("; too noisy to see a tenth")


def test_a_verdict_gives_the_ratio_and_its_interval() -> None:
    steady = [made_run(*[made_round([ms] * 30)] * 3) for ms in (10.0, 12.0)]
    found = compare(*steady)
    assert (found.ratio, found.low, found.high) == pytest.approx((1.2, 1.2, 1.2))
    assert (found.word, found.blunt) == ("slower", False)
    assert str(found) == "slower, +20.0% (+20.0% to +20.0%)"
    assert (found.before, found.after) == tuple(steady)


def test_the_interval_holds_the_ratio_in_39_of_40() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(TRIES):
        found = compare(noisy_run(rng, 10), noisy_run(rng, 10.5))
        held += found.low <= 1.05 <= found.high
    assert held >= TRIES - 1  # where it is 99 %, chance gives fewer in 6 of 100


def test_the_same_samples_give_the_same_verdict() -> None:
    rng = np.random.default_rng(5)
    before, after = noisy_run(rng, 10), noisy_run(rng, 10)
    assert compare(before, after) == compare(before, after)


def test_another_percentile_and_stage_are_compared_where_asked() -> None:
    usual, rare = [10.0] * 40, [10.0, 10.0, 10.0, 10.0, 20.0] * 8
    before, after = made_run(*[made_round(usual)] * 3), made_run(*[made_round(rare)] * 3)
    assert compare(before, after).word == "no difference"
    assert compare(before, after, percent=90).ratio == pytest.approx(2)
    assert compare(before, after, percent=90, stage="decode").word == "slower"


@pytest.mark.parametrize("rounds", [[24], [4, 4, 4]], ids=["one round", "tiny rounds"])
def test_too_few_samples_are_told_with_what_to_do(rounds) -> None:
    short = made_run(*[made_round([10.0] * n) for n in rounds])
    with pytest.raises(DataError, match=rf"wanted 25 samples or more, got {sum(rounds)}; measure"):
        compare(made_run(made_round()), short)


# ---- what is compared with what

OTHER = Setting("models/other.tflite", "tflite", "cpu", 1)


def test_runs_of_the_same_setting_are_pairs_wherever_the_files_lie() -> None:
    four = Setting(SETTING.model, "tflite", "cpu", 4)
    before = made_report(made_run(), made_run(setting=four))
    moved = [Setting("elsewhere/tiny.tflite", "tflite", "cpu", n) for n in (4, 1)]
    after = made_report(*(made_run(setting=one) for one in moved))
    found = [(a.setting.threads, b.setting.threads) for a, b in pairs(before, after)]
    assert found == [(4, 4), (1, 1)]


def test_the_only_runs_of_a_model_are_a_pair_whatever_they_ran_on() -> None:
    board = Setting("tiny.tflite", "openvino", "gpu", 0)
    found = list(pairs(made_report(), made_report(made_run(setting=board))))
    assert [(a.setting, b.setting) for a, b in found] == [(SETTING, board)]


def test_different_models_are_not_compared() -> None:
    other = made_report(made_run(setting=OTHER, sha256="cd" * 32))
    with pytest.raises(DataError, match=r"the first has tiny\.tflite .*the second other\.tflite"):
        list(pairs(made_report(), other))


def test_files_of_one_name_that_differ_are_not_compared() -> None:
    with pytest.raises(DataError, match=r"another file in each benchmark .*abababababab and cdcd"):
        list(pairs(made_report(), made_report(made_run(sha256="cd" * 32))))


def test_a_run_without_rounds_is_not_compared() -> None:
    failed = made_run(setting=OTHER, sha256="cd" * 32, rounds=(), error="no GPU")
    both = made_report(made_run(), failed)
    assert [a.setting for a, _ in pairs(both, both)] == [SETTING]
    with pytest.raises(DataError, match="nothing to compare"):
        list(pairs(made_report(failed), made_report(failed)))


def test_reports_of_nothing_have_nothing_to_compare() -> None:
    nothing = made_report(runs=())
    with pytest.raises(DataError, match="the first has nothing, the second nothing"):
        list(pairs(nothing, nothing))


@pytest.mark.gcc
@pytest.mark.slow
def test_a_tenth_slower_accelerator_is_found_and_the_same_one_is_not(
    edgetpu_library, picture, tmp_path
) -> None:
    twin = relu_tflite(tmp_path / "tiny.tflite", dtype="uint8")
    setting = Setting(str(classifier(tmp_path / "tiny_edgetpu.tflite")), "coral", "coral", 0)
    effort = Effort(seconds=0, count=7, warmup_seconds=0)
    arms: list[list[Round]] = [[], [], []]
    for _ in range(8):  # long sleeps: a busy machine wakes this process milliseconds too late
        for rounds, latency_us in zip(arms, (100_000, 100_000, 110_000), strict=True):
            with VirtualEdgeTpu(edgetpu_library, twin, latency_us=latency_us):
                rounds.append(measure(setting, picture, effort))
    rng = np.random.default_rng(0)
    same: Counter[str] = Counter()
    slower: Counter[str] = Counter()
    for _ in range(20):
        before, again, after = (
            made_run(*(rounds[i] for i in rng.choice(8, 5, replace=False))) for rounds in arms
        )
        same[compare(before, again).word] += 1
        slower[compare(before, after).word] += 1
    assert same["no difference"] >= 19
    assert slower["slower"] >= 19
