from __future__ import annotations

import numpy as np
import pytest

from edgecv.errors import ModelFileError
from edgecv.training.weights.graph import (
    LINEAR,
    PRELU,
    SAME,
    SCALE,
    SHIFT,
    Graph,
    Linear,
    Operator,
    after_affine,
    linear_layers,
)
from edgecv.types import Size

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(1, 1, 3, 2)).astype(np.float32)


def conv(given: str, made: str, inputs: int = 3, outputs: int = 2) -> Operator:
    kernel = RNG.normal(size=(1, 1, inputs, outputs)).astype(np.float32)
    return Operator(LINEAR, made, (given,), (made,), kernel=kernel)


def constant(kind: str, given: str, made: str, *values: float) -> Operator:
    return Operator(kind, made, (given,), (made,), values=np.float32(values))


def layers(*operators: Operator) -> list[Linear]:
    return linear_layers(Graph("m", operators, "x", Size(8, 8)))


def test_what_follows_linearly_is_folded_into_a_layer() -> None:
    first = conv("x", "a")
    (made,) = layers(
        first, constant(SCALE, "a", "b", 2, 3), constant(SHIFT, "b", "c", 5, 7),
        Operator("relu", "r", ("c",), ("d",)),
    )  # fmt: skip
    np.testing.assert_allclose(made.kernel, first.kernel * np.float32([2, 3]))
    np.testing.assert_array_equal(made.bias, [5, 7])
    assert (made.activation, made.output) == ("relu", "d")


def test_nothing_is_folded_behind_an_activation() -> None:
    (made,) = layers(
        conv("x", "a"), Operator("relu", "r", ("a",), ("b",)), constant(SHIFT, "b", "c", 5, 7)
    )
    np.testing.assert_array_equal(made.bias, [0, 0])


def test_nothing_is_folded_where_the_layer_is_used_twice() -> None:
    made, _ = layers(conv("x", "a"), constant(SHIFT, "a", "b", 5, 7), conv("a", "c", 2))
    np.testing.assert_array_equal(made.bias, [0, 0])


def test_one_number_for_all_channels_is_no_bias() -> None:
    (made,) = layers(conv("x", "a"), constant(SHIFT, "a", "b", 3))  # of a hard sigmoid
    np.testing.assert_array_equal(made.bias, [0, 0])


def test_what_is_done_to_the_picture_goes_into_the_first_layer() -> None:
    first = conv("x", "c")
    first = Operator(LINEAR, "c", ("b",), ("c",), kernel=first.kernel)
    (made,) = layers(constant(SHIFT, "x", "a", -1, -2, -3), constant(SCALE, "a", "b", 0.5), first)
    pixel = np.float32([10, 20, 30])
    wanted = (pixel - [1, 2, 3]) * 0.5 @ first.kernel[0, 0]
    np.testing.assert_allclose(pixel @ made.kernel[0, 0] + made.bias, wanted, rtol=1e-5)


def test_quantization_and_padding_hand_on_what_they_are_given() -> None:
    slopes = constant(PRELU, "b", "c", 0.1, 0.2)
    (made, after) = layers(
        conv("x", "a"), Operator(SAME, "q", ("a",), ("b",)), slopes,
        Operator(SAME, "p", ("c",), ("d",)), conv("d", "e", 2),
    )  # fmt: skip
    assert made.activation == PRELU
    np.testing.assert_allclose(made.slopes, [0.1, 0.2])
    assert after.before == {0}


def test_layers_know_what_their_input_is_made_of() -> None:
    found = layers(
        conv("x", "a"), conv("a", "b", 2), Operator("add", "s", ("a", "b"), ("c",)),
        conv("c", "d", 2),
    )  # fmt: skip
    assert [layer.before for layer in found] == [set(), {0}, {0, 1}]


def test_a_file_without_any_layer_is_refused() -> None:
    with pytest.raises(ModelFileError, match="m has no convolution"):
        layers(Operator("relu", "r", ("x",), ("y",)))


def test_an_affine_map_before_a_layer_is_the_layers_own_afterwards() -> None:
    layer = Linear("a", KERNEL, np.float32([1, 2]), 1, frozenset())
    scale, shift = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    made, x = after_affine(layer, scale, shift), RNG.normal(size=3).astype(np.float32)
    np.testing.assert_allclose(
        x @ made.kernel[0, 0] + made.bias,
        (x * scale + shift) @ KERNEL[0, 0] + layer.bias,
        rtol=1e-5,
    )
