from __future__ import annotations

import numpy as np
import pytest
from edgecv.quantize.ranges import BINS, Range, choose, find_ranges, histogram
from edgecv.quantize.recipe import QuantRecipe

RNG = np.random.default_rng(0)
BELL = RNG.normal(0, 1, 200_000).astype(np.float32)
TAILED = np.concatenate([BELL, np.float32([-40, 60])])
ONE_SIDED = np.concatenate([np.maximum(BELL, 0), np.float32([50])])


def chosen(values: np.ndarray, **recipe) -> Range:
    halves = np.array_split(values, 2)
    return find_ranges(lambda part: {"t": part}, halves, QuantRecipe(**recipe))["t"]


def error(values: np.ndarray, span: Range) -> float:
    low, high = min(span.low, 0), max(span.high, 0)
    step = (high - low) / 255
    rounded = np.rint(np.clip(values, low, high) / step) * step
    return float(((rounded - values) ** 2).mean())


def test_min_max_is_all_there_is() -> None:
    assert chosen(TAILED) == (-40, 60)


def test_a_percentile_leaves_the_same_part_out_at_either_end() -> None:
    low, high = chosen(TAILED, ranges="percentile", percentile=99.0)
    np.testing.assert_allclose([low, high], np.quantile(TAILED, [0.005, 0.995]), atol=0.05)


def test_a_hundred_percent_is_min_max() -> None:
    assert chosen(TAILED, ranges="percentile", percentile=100) == pytest.approx((-40, 60))


@pytest.mark.parametrize("values", [TAILED, ONE_SIDED], ids=["both sides", "one side"])
def test_entropy_cuts_off_outliers(values: np.ndarray) -> None:
    low, high = chosen(values, ranges="entropy")
    assert high < 15
    assert low <= 0
    assert low > -15


@pytest.mark.parametrize("outlier", [8, 12, 20, 60])
def test_mse_is_at_least_as_good_as_any_cut(outlier: int) -> None:
    values = np.concatenate([BELL, np.float32([-outlier, outlier])])
    cuts = [error(values, Range(-side, side)) for side in np.linspace(2, outlier, 40)]
    assert error(values, chosen(values, ranges="mse")) < 1.03 * min(cuts)


@pytest.mark.parametrize("method", ["percentile", "mse", "entropy"])
def test_a_tensor_of_one_value_keeps_it(method: str) -> None:
    assert chosen(np.full(100, 3.0, np.float32), ranges=method) == (3, 3)


@pytest.mark.parametrize("method", ["mse", "entropy", "percentile"])
def test_what_is_even_is_hardly_cut(method: str) -> None:
    values = RNG.uniform(-2, 6, 100_000).astype(np.float32)
    low, high = chosen(values, ranges=method)
    assert low < -1.8
    assert high > 5.4


def test_a_histogram_counts_everything_once() -> None:
    counts = histogram(TAILED, Range(-40, 60))
    assert counts.sum() == len(TAILED)
    assert len(counts) == BINS
    assert counts[0] == counts[-1] == 1


def test_a_range_is_never_wider_than_what_there_is() -> None:
    counts = histogram(BELL, Range(float(BELL.min()), float(BELL.max())))
    for method in ("percentile", "mse", "entropy"):
        low, high = choose(counts, Range(-4, 4), QuantRecipe(ranges=method))
        assert low >= -4
        assert high <= 4
