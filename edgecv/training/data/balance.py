"""Pictures of rare classes seen more often than the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecv.training.data.samples import Samples, Subset
from edgecv.training.data.stored import StoredSamples
from edgecv.types import FloatArray, IntArray


def balanced(samples: StoredSamples, share: float, *, seed: int = 0) -> Samples:
    """Return a set that has pictures of rare classes several times.

    Args:
        samples: Pictures with a label or with boxes.
        share: A class in a smaller part of the pictures than this is rare; 0 for no repeats.
        seed: Of the chance that makes 1.4 times 1 or 2.
    """
    if not share:
        return samples
    classes = [
        np.unique(entry.classes if entry.label < 0 else [entry.label]) for entry in samples.entries
    ]
    ends = np.cumsum(repeats(classes, share)) + np.random.default_rng(seed).random()
    counts = np.diff(np.floor(ends).astype(np.int64), prepend=0)
    return Subset(samples, np.repeat(np.arange(len(counts)), counts).tolist())


def repeats(classes: Sequence[IntArray], share: float) -> FloatArray:
    """Return how often each picture should be in an epoch, by its rarest class: float64 (N,), >= 1.

    Source: repeat factors, Gupta et al., "LVIS: A Dataset for Large Vocabulary Instance
    Segmentation", 2019, section 4: max(1, sqrt(share / the part of the pictures with the class)).

    Args:
        classes: The ids of each picture's classes, once each.
        share: A class in a smaller part of the pictures than this is rare.
    """
    counts = np.bincount(np.concatenate([np.zeros(0, np.int64), *classes]))
    factors = np.sqrt(share * len(classes) / np.maximum(counts, 1))
    return np.array([max([1.0, *factors[one]]) for one in classes])
