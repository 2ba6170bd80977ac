"""The arithmetic of convolutions: sizes, costs, receptive fields. Plain numbers, along one axis.

Sources: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning"
(arXiv:1603.07285), cited as DV; Howard et al. 2017, MobileNets (arXiv:1704.04861); Araujo, Norris
and Sim 2019, "Computing receptive fields of convolutional neural networks" (Distill,
doi:10.23915/distill.00021).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Window(NamedTuple):
    """How a layer looks at its input: kernel, stride, dilation, zeros before the first value."""

    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    padding: int = 0


class Field(NamedTuple):
    """What one value of a layer sees of the network's input.

    Attributes:
        size: How many pixels it sees.
        stride: How many pixels further its neighbour looks.
        padding: How many pixels before the picture the first one begins.
    """

    size: int = 1
    stride: int = 1
    padding: int = 0


class SeparableCost(NamedTuple):
    """Multiplications of a depthwise separable convolution, and of the full one in its place."""

    depthwise: int
    pointwise: int
    full: int

    @property
    def total(self) -> int:
        """Those of the depthwise and of the pointwise convolution."""
        return self.depthwise + self.pointwise

    @property
    def ratio(self) -> float:
        """The part that is left of the full convolution's: 1 / filters + 1 / kernel**2."""
        return self.total / self.full


def dilated_kernel(kernel: int, dilation: int = 1) -> int:
    """Return how many values a dilated kernel spans (DV, section 5.1).

    Raises:
        ValueError: A number is below 1.
    """
    _positive(kernel=kernel, dilation=dilation)
    return kernel + (kernel - 1) * (dilation - 1)


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int | tuple[int, int] = 0, dilation: int = 1
) -> int:
    """Return how many values a convolution or a pool gives (DV, relationships 6 and 15).

    Args:
        size: The values that come in.
        kernel: The side of the kernel.
        stride: The step between places.
        padding: The zeros on each side, or before and behind.
        dilation: The step between the kernel's own values.

    Raises:
        ValueError: A number is out of range, or the kernel does not fit.
    """
    _positive(size=size, stride=stride)
    before, behind = (padding, padding) if isinstance(padding, int) else padding
    if min(before, behind) < 0:
        raise ValueError(f"padding is not negative, got {padding}")
    room = size + before + behind - dilated_kernel(kernel, dilation)
    if room < 0:
        raise ValueError(
            f"a kernel of {kernel} (dilation {dilation}) does not fit into {size} values padded by "
            f"{before} and {behind}"
        )
    return room // stride + 1


def same_padding(size: int, kernel: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Return the zeros before and behind with which `size / stride`, rounded up, values come out.

    TensorFlow's "same": what cannot be halved goes behind, so an even size at stride 2 has other
    padding than PyTorch's symmetric one.

    Raises:
        ValueError: A number is below 1.
    """
    _positive(size=size, stride=stride)
    places = -(-size // stride)
    total = max((places - 1) * stride + dilated_kernel(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def transposed_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> int:
    """Return how many values a transposed convolution gives (DV, relationship 14).

    Args:
        size: The values that come in.
        kernel: The side of the kernel.
        stride: Of the convolution that is transposed: how much larger the output is.
        padding: Of the convolution that is transposed: what is cut off on each side.
        output_padding: Values added at the end, "a" in DV, for sizes that the stride cannot tell
            apart.

    Raises:
        ValueError: A number is out of range, or nothing is left.
    """
    _positive(size=size, kernel=kernel, stride=stride)
    if padding < 0 or not 0 <= output_padding < stride:
        raise ValueError(
            f"padding is not negative and output_padding in 0..{stride - 1}, got {padding} and "
            f"{output_padding}"
        )
    made = stride * (size - 1) + kernel - 2 * padding + output_padding
    if made < 1:
        raise ValueError(f"padding {padding} leaves nothing of {made + 2 * padding} values")
    return made


def convolution_cost(places: int, kernel: int, channels: int, filters: int, groups: int = 1) -> int:
    """Return the multiplications of a 2-D convolution (Howard et al. 2017, equation 2).

    Args:
        places: Height times width of the output.
        kernel: The side of the square kernel.
        channels: Of the input.
        filters: Channels of the output.
        groups: How many parts the channels are in that do not mix; `channels` for a depthwise one.

    Raises:
        ValueError: A number is below 1, or groups do not divide channels and filters.
    """
    _positive(places=places, kernel=kernel, channels=channels, filters=filters, groups=groups)
    if channels % groups or filters % groups:
        raise ValueError(f"groups divide channels and filters, got {groups}, {channels}, {filters}")
    return places * kernel * kernel * (channels // groups) * filters


def separable_cost(places: int, kernel: int, channels: int, filters: int) -> SeparableCost:
    """Return what a depthwise separable convolution costs (Howard et al. 2017, equation 5).

    Args:
        places: Height times width of the output.
        kernel: The side of the square kernel.
        channels: Of the input.
        filters: Channels of the output.

    Raises:
        ValueError: A number is below 1.
    """
    return SeparableCost(
        depthwise=convolution_cost(places, kernel, channels, channels, groups=channels),
        pointwise=convolution_cost(places, 1, channels, filters),
        full=convolution_cost(places, kernel, channels, filters),
    )


def receptive_fields(windows: Iterable[Window]) -> list[Field]:
    """Return what each layer of a chain sees of the input (Araujo et al. 2019, equation 2).

    Args:
        windows: The layers in their order, from the input on.

    Raises:
        ValueError: A kernel, stride or dilation is below 1.
    """
    fields, field = [], Field()
    for window in windows:
        _positive(stride=window.stride)
        field = Field(
            size=field.size + (dilated_kernel(window.kernel, window.dilation) - 1) * field.stride,
            stride=field.stride * window.stride,
            padding=field.padding + window.padding * field.stride,
        )
        fields.append(field)
    return fields


def _positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} is a whole number from 1, got {number!r}")
