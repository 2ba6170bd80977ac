from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgecv.stats import Histogram, Stats


@pytest.mark.parametrize("percent", [50, 90, 99, 100])
@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0], ids=["10 us", "1 ms", "300 ms"])
def test_percentiles_are_right_to_one_per_cent(percent: float, scale: float) -> None:
    values = np.random.default_rng(1).lognormal(0, 1, 5000) * scale
    histogram = Histogram()
    for value in values:
        histogram.add(float(value))
    want = float(np.percentile(values, percent, method="inverted_cdf"))
    assert histogram.percentile(percent) == pytest.approx(want, rel=0.0101)


def test_an_empty_histogram_says_so() -> None:
    assert math.isnan(Histogram().percentile(50))
    assert Histogram().summary() == {}


def test_values_beyond_the_bins_are_kept_at_the_ends() -> None:
    histogram = Histogram()
    histogram.add(0.0)
    histogram.add(1e9)
    assert len(histogram) == 2
    assert histogram.summary()["max"] == 1e9


def test_frames_per_second_are_counted_by_the_clock() -> None:
    stats = Stats()
    assert stats.fps == 0
    for i in range(11):
        stats.add_result({"inference": 5.0}, 100 + i * 0.1)
    assert stats.fps == pytest.approx(10)
    values = stats.to_dict()
    json.dumps(values, allow_nan=False)
    assert values["latency_ms"]["inference"]["p50"] == pytest.approx(5, rel=0.01)
    assert values["latency_ms"]["decode"] == {}
