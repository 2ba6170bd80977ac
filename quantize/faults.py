"""Where quantization goes wrong: which layers are to blame, and what values they have.

A layer's output has the noise of all layers before it. To blame is the one where the ratio of
signal to noise falls, not those behind it; and since what it is given may be what is too coarse,
the layer before it is part of the fault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from edgecv.types import Array

from .pictures import Histogram, histogram
from .sensitivity import LayerNoise, Pair, _opener, layer_noise

GIVEN = 45.0
"""The signal-to-noise ratio of a picture in 8 bits, in dB, with which the first layer is compared:
20 log10 of 256, less the part of the range that pictures leave empty."""


class Look:
    """The layers of a float file and of what was made of it, run on some tensors.

    Args:
        float_path: The float32 file.
        int8_path: What was made of it, in the same format.
        tensors: What both are run on.
    """

    def __init__(self, float_path: Path, int8_path: Path, tensors: Sequence[Array]) -> None:
        self._files, self._tensors = (float_path, int8_path), tensors

    @cached_property
    def noise(self) -> list[LayerNoise]:
        """The layers' noise, the worst first."""
        return layer_noise(*self._files, self._tensors)

    def at_fault(self, part: float) -> tuple[str, ...]:
        """Return the layers to blame, as `at_fault` does."""
        return at_fault(self.noise, list(self._pair().kinds), part)

    def histograms(self, count: int) -> list[Histogram]:
        """Count the values of the `count` noisiest layers in both files."""
        pair = self._pair()
        values: dict[str, list[tuple[Array, Array]]] = {
            layer.name: [] for layer in self.noise[:count]
        }
        for tensor in self._tensors:
            meant, made = pair.floats(tensor), pair.integers(tensor)
            for name, found in values.items():
                found.append((meant[name].ravel(), made[name].ravel()))
        both = {name: map(np.concatenate, zip(*values[name], strict=True)) for name in values}
        return [histogram(name, *both[name]) for name in values]

    def _pair(self) -> Pair:
        return _opener(self._files[0].suffix)(*self._files)


def at_fault(noise: Sequence[LayerNoise], order: Sequence[str], part: float) -> tuple[str, ...]:
    """Return the layers to blame, each with the one before it.

    Args:
        noise: The layers' noise.
        order: Their names in the order in which they are computed.
        part: How many are blamed, as a part of all; one at least.
    """
    ratios = {layer.name: layer.sqnr_db for layer in noise}
    known = [name for name in order if name in ratios]
    before = dict(zip(known[1:], known[:-1], strict=True))

    def fall(name: str) -> float:
        given = ratios[before[name]] if name in before else GIVEN
        return given - ratios[name]

    worst = sorted(known, key=fall, reverse=True)[: math.ceil(len(known) * part)]
    blamed = {name for one in worst for name in (before.get(one, one), one)}
    return tuple(name for name in known if name in blamed)
