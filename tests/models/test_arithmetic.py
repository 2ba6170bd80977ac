"""The arithmetic of convolutions against worked examples of the literature."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from edgecv.models.arithmetic import (
    Field,
    Window,
    convolution_cost,
    dilated_kernel,
    output_size,
    receptive_fields,
    same_padding,
    separable_cost,
    transposed_output_size,
)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "output"),
    [
        pytest.param(4, 3, 1, 0, 1, 2, id="DV figure 2.1: no padding, unit strides"),
        pytest.param(5, 4, 1, 2, 1, 6, id="DV figure 2.2: arbitrary padding"),
        pytest.param(5, 3, 1, 1, 1, 5, id="DV figure 2.3: half padding"),
        pytest.param(5, 3, 1, 2, 1, 7, id="DV figure 2.4: full padding"),
        pytest.param(5, 3, 2, 0, 1, 2, id="DV figure 2.5: strides"),
        pytest.param(5, 3, 2, 1, 1, 3, id="DV figure 2.6: padding and strides"),
        pytest.param(6, 3, 2, 1, 1, 3, id="DV figure 2.7: the last row is not seen"),
        pytest.param(7, 3, 1, 0, 2, 3, id="DV figure 5.1: dilation"),
        pytest.param(227, 11, 4, 0, 1, 55, id="AlexNet's first layer"),
        pytest.param(224, 3, 2, (0, 1), 1, 112, id="padded at the end alone"),
    ],
)
def test_output_size_is_that_of_the_example(size, kernel, stride, padding, dilation, output):
    assert output_size(size, kernel, stride, padding, dilation) == output


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding"),
    [
        (224, 3, 2, 1, (0, 1)),
        (225, 3, 2, 1, (1, 1)),
        (224, 7, 2, 1, (2, 3)),
        (5, 3, 1, 2, (2, 2)),
        (7, 1, 2, 1, (0, 0)),
        (4, 2, 4, 1, (0, 0)),
    ],
)
def test_same_padding_gives_the_size_over_the_stride_rounded_up(
    size, kernel, stride, dilation, padding
):
    assert same_padding(size, kernel, stride, dilation) == padding
    assert output_size(size, kernel, stride, padding, dilation) == -(-size // stride)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "extra", "output"),
    [
        pytest.param(2, 3, 1, 0, 0, 4, id="DV figure 4.1"),
        pytest.param(6, 4, 1, 2, 0, 5, id="DV figure 4.2"),
        pytest.param(5, 3, 1, 1, 0, 5, id="DV figure 4.3"),
        pytest.param(7, 3, 1, 2, 0, 5, id="DV figure 4.4"),
        pytest.param(2, 3, 2, 0, 0, 5, id="DV figure 4.5"),
        pytest.param(3, 3, 2, 1, 0, 5, id="DV figure 4.6"),
        pytest.param(3, 3, 2, 1, 1, 6, id="DV figure 4.7"),
    ],
)
def test_transposed_output_size_is_that_of_the_example(
    size, kernel, stride, padding, extra, output
):
    assert transposed_output_size(size, kernel, stride, padding, extra) == output
    assert output_size(output, kernel, stride, padding) == size


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("size", "kernel", "stride"), [(9, 3, 2), (10, 3, 2), (10, 5, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_sizes_are_those_that_keras_computes(size, kernel, stride, dilation, padding):
    import keras

    if stride > 1 < dilation:
        return  # Keras has no such convolution
    layer = keras.layers.Conv2D(1, kernel, stride, padding=padding, dilation_rate=dilation)
    found = layer.compute_output_shape((1, size, size, 1))[1]
    around = same_padding(size, kernel, stride, dilation) if padding == "same" else 0
    assert output_size(size, kernel, stride, around, dilation) == found


def test_a_separable_convolution_costs_what_the_worked_example_says():
    """3x3x3 filters at 4x4 places, 5 of them."""
    cost = separable_cost(places=4 * 4, kernel=3, channels=3, filters=5)
    assert cost.full == 2160
    assert (cost.depthwise, cost.pointwise, cost.total) == (432, 240, 672)
    assert cost.ratio == pytest.approx(0.31, abs=0.005)
    assert cost.ratio == pytest.approx(1 / 5 + 1 / 3**2)  # Howard et al. 2017, section 3.1


def test_groups_divide_the_cost_of_a_convolution():
    whole = convolution_cost(28 * 28, 1, 240, 60)
    assert convolution_cost(28 * 28, 1, 240, 60, groups=3) * 3 == whole
    with pytest.raises(ValueError, match="groups divide"):
        convolution_cost(1, 1, 10, 60, groups=3)


CONV, POOL = Window(3, 1, padding=1), Window(2, 2)
VGG16 = [*[CONV] * 2, POOL, *[CONV] * 2, POOL, *[*[CONV] * 3, POOL] * 3]
ALEXNET_V2 = [
    *(Window(11, 4), Window(3, 2), Window(5, 1, padding=2), Window(3, 2)),
    *[Window(3, 1, padding=1)] * 3,
    Window(3, 2),
]


@pytest.mark.parametrize(
    ("windows", "field"),
    [
        pytest.param(ALEXNET_V2, Field(195, 32, 64), id="alexnet_v2"),
        pytest.param(VGG16, Field(212, 32, 90), id="vgg_16"),
    ],
)
def test_receptive_fields_are_those_of_araujo_and_others(windows, field):
    """The table of Araujo et al. 2019: receptive field, effective stride, effective padding."""
    assert receptive_fields(windows)[-1] == field


def test_receptive_fields_grow_layer_by_layer():
    sizes = [field.size for field in receptive_fields(VGG16)]
    assert sizes[:7] == [3, 5, 6, 10, 14, 16, 24]


def test_a_dilated_kernel_sees_as_far_as_a_larger_one():
    dilated, large = receptive_fields([Window(3, dilation=4)]), receptive_fields([Window(9)])
    assert dilated == large
    assert dilated_kernel(3, 4) == 9


def test_the_receptive_field_is_where_the_gradient_reaches():
    """The pixels that one output value changes with, found by changing each of them."""
    windows = [Window(3, 2), Window(3, 1, dilation=2), Window(2, 2)]
    kernels = [np.ones(window.kernel) for window in windows]

    def output(values: np.ndarray) -> float:
        for window, kernel in zip(windows, kernels, strict=True):
            span = range(0, window.kernel * window.dilation, window.dilation)
            places = output_size(len(values), window.kernel, window.stride, 0, window.dilation)
            starts = np.arange(places) * window.stride
            values = sum(k * values[starts + at] for k, at in zip(kernel, span, strict=True))
        return float(values[0])

    reached = [index for index in range(40) if output(np.eye(40)[index])]
    assert max(reached) - min(reached) + 1 == receptive_fields(windows)[-1].size


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: output_size(2, 3), "does not fit into 2"),
        (lambda: output_size(5, 3, 0), "stride is a whole number from 1, got 0"),
        (lambda: output_size(5, 3, 1, -1), "padding is not negative"),
        (lambda: transposed_output_size(3, 3, 2, 1, 2), r"output_padding in 0\.\.1"),
        (lambda: transposed_output_size(1, 3, 1, 2), "leaves nothing of 3"),
        (lambda: receptive_fields([Window(0)]), "kernel is a whole number"),
    ],
)
def test_what_makes_no_sense_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
