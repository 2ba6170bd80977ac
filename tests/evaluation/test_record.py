from __future__ import annotations

import numpy as np
import pytest

from edgecv.evaluation.record import Evaluation, checked_counts, json_number


@pytest.mark.parametrize(
    ("value", "expected"),
    [(float("nan"), None), (7, 7), (0.12345678, 0.123457), (np.float64(1), 1)],
)
def test_a_figure_becomes_a_number_of_json(value: float, expected: float | None) -> None:
    assert json_number(value) == expected


def test_figures_become_json_values() -> None:
    found = Evaluation(figures={"ap": float("nan"), "pairs": 3}, images=1)
    assert found.to_dict() == {"ap": None, "pairs": 3}


def test_counts_for_another_number_of_items_are_refused() -> None:
    with pytest.raises(ValueError, match=r"each of 3 items, got shape \(2,\)"):
        checked_counts(np.ones(2), 3)
