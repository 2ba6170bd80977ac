"""Channels of unlike ranges made alike, by factors that move between neighbouring layers.

One scale for all channels of a tensor leaves few steps to a channel whose numbers are small. Where
one layer alone reads what another gives, dividing a channel there and multiplying it here changes
nothing but the ranges (M. Nagel et al., "Data-Free Quantization Through Weight Equalization and
Bias Correction", ICCV 2019, section 4.1). A ReLU lets factors pass; a ReLU6 does so only for
channels that stay below 6, before and after, on the calibration pictures; others keep their factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgecv.types import Array

ROUNDS = 10
"""How often all pairs are made alike where weights have one scale: each pair disturbs the next."""

LIMIT = 5.7
"""Channels before a ReLU6 count as never cut off up to here: what was not seen may be larger."""

MOST = 1e4
"""The largest factor: beyond it a channel is dead, or nearly so."""


class Pair(NamedTuple):
    """Two layers, the second of which alone reads what the first gives.

    Attributes:
        first: Weights of the first, (channels, others).
        second: Those of the second, (channels, others); None where each channel has its own scale
            whatever becomes of the others, as a depthwise convolution's have.
        largest: The greatest magnitude of each channel between them, as calibration has shown it.
        limited: Whether a ReLU6 stands between them.
    """

    first: Array
    second: Array | None
    largest: Array
    limited: bool


def factors(pair: Pair, *, per_channel: bool) -> Array:
    """Return what each channel of the first layer is to be divided by.

    With a scale for each channel of the weights, what suffers is the tensor between the layers, so
    its ranges are balanced against the second's weights; with one scale, the first's weights are.

    Args:
        pair: The layers.
        per_channel: Whether the first layer's weights have a scale for each channel.
    """
    given = pair.largest if per_channel else np.abs(pair.first).max(axis=1)
    taken = np.ones_like(given)
    if pair.second is not None:
        taken = np.abs(pair.second).max(axis=1)
    alive = (given > 0) & (taken > 0) & (pair.largest > 0)
    wanted = np.ones(len(given))
    ratio = given[alive] / taken[alive]
    wanted[alive] = ratio if pair.second is None else np.sqrt(ratio)
    if alive.any():
        wanted[alive] /= np.exp(np.log(wanted[alive]).mean())
    wanted = np.clip(wanted, 1 / MOST, MOST)
    if pair.limited:
        cut = pair.largest > LIMIT
        wanted = np.where(cut | ~alive, 1.0, np.maximum(wanted, pair.largest / LIMIT))
    return wanted
