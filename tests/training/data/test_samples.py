from __future__ import annotations

import numpy as np

from edgecv.training.data.samples import Sample, SampleList, Subset

PICTURE = np.zeros((4, 6, 3), np.uint8)


def test_a_sample_without_marks_has_empty_arrays_of_the_right_types() -> None:
    sample = Sample(PICTURE)
    assert (sample.boxes.shape, sample.boxes.dtype) == ((0, 4), np.float32)
    assert (sample.classes.shape, sample.classes.dtype) == ((0,), np.int64)
    assert sample.keypoints.shape == (0, 0, 3)
    assert (sample.label, sample.mask, sample.mix) == (-1, None, None)


def test_a_subset_has_its_own_order_and_the_names_of_the_whole() -> None:
    whole = SampleList([Sample(PICTURE, label=i) for i in range(5)], ("a",) * 5, ("nose",))
    part = Subset(whole, (3, 1))
    assert [part[i].label for i in range(len(part))] == [3, 1]
    assert (part.names, part.keypoints) == (whole.names, ("nose",))
