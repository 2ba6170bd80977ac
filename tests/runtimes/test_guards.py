from __future__ import annotations

import numpy as np
import pytest
from edgecv.runtimes.guards import check_inputs, one_line, unique

from edgecv.types import TensorSpec

WANTED = (
    TensorSpec("image", (1, None, 4), np.dtype(np.uint8)),
    TensorSpec("size", (2,), np.dtype(np.int64)),
)
GOOD = {"image": np.zeros((1, 7, 4), np.uint8), "size": np.zeros(2, np.int64)}


def test_tensors_as_announced_pass() -> None:
    check_inputs(WANTED, GOOD)


BAD = {
    "missing": (
        {"image": GOOD["image"]},
        r"wanted the inputs \['image', 'size'\], got \['image'\]",
    ),
    "misnamed": ({"image": GOOD["image"], "s": GOOD["size"]}, r"got \['image', 's'\]"),
    "shape": (GOOD | {"size": np.zeros(3, np.int64)}, r"size: wanted int64 \[2\], got int64 \[3\]"),
    "rank": (GOOD | {"image": np.zeros((1, 7), np.uint8)}, r"\[1, None, 4\], got uint8 \[1, 7\]"),
    "dtype": (GOOD | {"size": np.zeros(2)}, "wanted int64 .* got float64"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_other_tensors_are_refused_with_what_was_wanted(given, message) -> None:
    with pytest.raises(ValueError, match=message):
        check_inputs(WANTED, given)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [(["a", "b"], ["a", "b"]), (["", ""], ["output_0", "output_1"]), (["a", "a"], ["a", "a_1"])],
    ids=["as they are", "nameless", "repeated"],
)
def test_tensor_names_differ(names: list[str], wanted: list[str]) -> None:
    assert unique(names, "output") == wanted


def test_texts_of_many_lines_become_one() -> None:
    assert one_line(ValueError("a\n  b\n")) == "a b"
