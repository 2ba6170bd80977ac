"""The mean error that quantization makes in each layer's output, put right in its bias.

Rounded weights and inputs move the mean of a layer's sums; what follows takes that for signal. Two
corrections are tried, and the better one kept, if it is better than none on pictures that had no
part in it:

- what the rounded weights alone move, for inputs as the float network has them (M. Nagel et al.,
  "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019, section 4.2),
- layer by layer, from the first to the last, the difference between both networks, with the
  inputs that the quantized network has once all layers before are corrected.

Correcting all layers at once by that difference does not do: each would put right again what those
before it have put right, and the sums grow without end.

The mean of a convolution over all positions needs no convolution: it is the weights times the mean
of what each of them meets. It is taken before the activation function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgecv.progress import Report, silent
from edgecv.types import Array

MOST = 100
"""More pictures do not change the means any more."""

HELD_OUT = 5
"""Every how many-th picture is kept for telling whether it helped."""


class Window(NamedTuple):
    """How a layer's weights move over its input, for rows and columns each.

    Attributes:
        kernel: Size of the weights.
        stride: Steps between two positions.
        dilation: Steps between two weights.
        before: Zeros put before the input.
        output: Positions.
        transposed: Each input spreads over the output instead.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    output: tuple[int, int] = (0, 0)
    transposed: bool = False


class Linear(NamedTuple):
    """A layer of sums: a convolution or a dense layer.

    Attributes:
        source: The tensor that goes in.
        weights: float32 (rows, columns, channels in a group, channels out), as they were.
        rounded: The same, as they are after quantization.
        window: How they move; None for a dense layer.
        groups: Of channels.
    """

    source: Any
    weights: Array
    rounded: Array
    window: Window | None
    groups: int = 1


Layers = Mapping[Any, Linear]
Run = Callable[[Array], Mapping[Any, Array]]
"""Runs a network on one tensor; gives the inputs of its layers, with channels last."""

Shifts = Mapping[Any, Array]
"""float32 (channels,) that are added to each layer's bias."""


class Network(NamedTuple):
    """What has to be known of a network, in float and quantized.

    Attributes:
        layers: Its layers, in the order in which they run.
        inputs: Runs the float network for the inputs of its layers.
        outputs: Runs it for its outputs.
        shifted: Makes the quantized network with shifted biases, and gives what runs it for its
            outputs, by the same keys.
        until: The same for one of the layers' inputs alone.
    """

    layers: Layers
    inputs: Run
    outputs: Run
    shifted: Callable[[Shifts], Run]
    until: Callable[[Any, Shifts], Run]


class Correction(NamedTuple):
    """What came of it.

    Attributes:
        shifts: What is to be added; empty where nothing helped.
        before: Error of the network's outputs on held-out pictures, without it: mean square, in
            parts of that of the outputs.
        after: The same, with it.
    """

    shifts: Shifts
    before: float
    after: float


def correct(network: Network, tensors: Sequence[Array], *, report: Report = silent) -> Correction:
    """Find what to add to the biases of a quantized network.

    Args:
        network: The network.
        tensors: Calibration tensors; some of them tell whether it helped.
        report: Told how far it is.

    Returns:
        The shifts that gave the least error on the held-out pictures, maybe none at all.
    """
    tensors = tensors[:MOST]
    held = tensors[::HELD_OUT]
    used = [tensor for place, tensor in enumerate(tensors) if place % HELD_OUT]
    wanted = [network.outputs(tensor) for tensor in held]
    met = mean_inputs(network.layers, network.inputs, used)
    meant = _mean_sums(network.layers, met, rounded=False)
    alone = _difference(meant, _mean_sums(network.layers, met, rounded=True))
    tried: list[Shifts] = [{}, alone, _one_by_one(network, meant, alone, used, report)]
    errors = [_error(network.shifted(shifts), held, wanted) for shifts in tried]
    best = int(np.argmin(errors))
    return Correction(tried[best], errors[0], errors[best])


def _one_by_one(
    network: Network,
    meant: Mapping[Any, Array],
    start: Shifts,
    tensors: Sequence[Array],
    report: Report,
) -> Shifts:
    """Correct those layers that have the same input, then those that follow, and so on."""
    shifts = dict(start)
    sources = list(dict.fromkeys(layer.source for layer in network.layers.values()))
    for done, source in enumerate(sources):
        report(done, len(sources))
        layers = {k: layer for k, layer in network.layers.items() if layer.source == source}
        met = mean_inputs(layers, network.until(source, shifts), tensors)
        shifts |= _difference(meant, _mean_sums(layers, met, rounded=True))
    report(len(sources), len(sources))
    return shifts


def _difference(meant: Mapping[Any, Array], got: Mapping[Any, Array]) -> dict[Any, Array]:
    return {key: (meant[key] - values).astype(np.float32) for key, values in got.items()}


def mean_inputs(layers: Layers, run: Run, tensors: Sequence[Array]) -> dict[Any, Array]:
    """Return what each weight meets on average: (rows, columns, channels in) by layer."""
    sums: dict[Any, Array] = {}
    for tensor in tensors:
        values = run(tensor)
        for key, layer in layers.items():
            met = _met(values[layer.source], layer)
            sums[key] = sums[key] + met if key in sums else met
    return {key: total / len(tensors) for key, total in sums.items()}


def _met(values: Array, layer: Linear) -> Array:
    """Return the mean of what each weight meets over all positions: (rows, columns, channels)."""
    window = layer.window
    if window is None:
        width = layer.weights.shape[2]
        return np.asarray(values.reshape(-1, width).mean(axis=0, dtype=np.float64)[None, None])
    sums = np.zeros((*window.kernel, values.shape[3]), np.float64)
    for row in range(window.kernel[0]):
        rows = values[:, _places(window, 0, row, values.shape[1])].sum(axis=(0, 1))
        for column in range(window.kernel[1]):
            columns = rows[_places(window, 1, column, values.shape[2])]
            sums[row, column] = columns.sum(axis=0, dtype=np.float64)
    return sums / (window.output[0] * window.output[1])


def _places(window: Window, side: int, weight: int, length: int) -> slice:
    """Return which rows, or columns, of the input one of the weights meets."""
    positions, before = window.output[side], window.before[side]
    if window.transposed:  # it carries row i to i * stride + weight - before
        stride = window.stride[side]
        first = max(0, -((weight - before) // stride))
        last = (positions - 1 - weight + before) // stride + 1
        return slice(first, max(first, min(length, last)))
    start, stride = weight * window.dilation[side] - before, window.stride[side]
    first = start if start >= 0 else start % stride
    last = min(length, start + (positions - 1) * stride + 1)
    return slice(first, max(first, last), stride)


def _mean_sums(layers: Layers, met: Mapping[Any, Array], *, rounded: bool) -> dict[Any, Array]:
    """Return the mean of each layer's sums without its bias: (channels out,)."""
    out: dict[Any, Array] = {}
    for key, layer in layers.items():
        weights = layer.rounded if rounded else layer.weights
        rows, columns, inner, channels = weights.shape
        grouped = weights.reshape(rows, columns, inner, layer.groups, channels // layer.groups)
        means = met[key].reshape(rows, columns, layer.groups, inner)
        out[key] = np.einsum("rcigo,rcgi->go", grouped.astype(np.float64), means).ravel()
    return out


def _error(run: Run, tensors: Sequence[Array], wanted: Sequence[Mapping[Any, Array]]) -> float:
    """Return the mean squared error of the outputs, each in units of its own mean square."""
    errors: dict[Any, float] = {}
    powers: dict[Any, float] = {}
    for tensor, right in zip(tensors, wanted, strict=True):
        made = run(tensor)
        for key, values in right.items():
            errors[key] = errors.get(key, 0.0) + float(((made[key] - values) ** 2).mean())
            powers[key] = powers.get(key, 0.0) + float((values**2).mean())
    return float(np.mean([errors[key] / (powers[key] or 1.0) for key in errors]))
