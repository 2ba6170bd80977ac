from __future__ import annotations

import numpy as np
import pytest

from edgecv.errors import ModelFileError
from edgecv.spec import InputSpec

keras = pytest.importorskip("keras")

from edgecv.training.weights.graph import Linear  # noqa: E402
from edgecv.training.weights.mapping import (  # noqa: E402
    differences,
    for_our_input,
    linear_targets,
    match,
    settle,
    take,
    without_first_class,
)

layers = keras.layers
RNG = np.random.default_rng(0)


def network(*, bias: bool = False, prelu: bool = False) -> keras.Model:
    """Build a convolution with batch norm, a depthwise one around which there is a way, a dense."""
    image = keras.Input((6, 6, 3), name="image")
    x = layers.Conv2D(4, 3, use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = (
        layers.PReLU(shared_axes=[1, 2], name="act")(x)
        if prelu
        else layers.ReLU(6.0, name="act")(x)
    )
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=bias, name="depthwise")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="small")


def linear(name: str, *shape: int, before: tuple[int, ...] = (), **known: object) -> Linear:
    kernel = RNG.normal(size=shape).astype(np.float32)
    bias = RNG.normal(size=shape[3]).astype(np.float32)
    return Linear(name, kernel, bias, **{"groups": 1, "before": frozenset(before), **known})


def sources(**known: object) -> list[Linear]:
    filters = linear("filter", 3, 3, 1, 4, before=(0,), groups=4)
    filters = Linear(**vars(filters) | {"bias": np.zeros(4, np.float32)})
    return [
        linear("first", 3, 3, 3, 4, activation="relu6", **known),
        linear("a head", 1, 1, 4, 12, before=(0,)),
        filters,
        linear("classes", 1, 1, 4, 5, before=(0, 2)),
    ]


def outputs(given: list[Linear], x: np.ndarray, slope: float | None = None) -> np.ndarray:
    """Compute `network` with numpy."""
    first, _, filters, dense = given
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))
    made = np.einsum("ijchw,hwco->ijo", patches, first.kernel) + first.bias
    made = np.clip(made, 0, 6) if slope is None else np.where(made > 0, made, slope * made)
    wide = np.pad(made, ((1, 1), (1, 1), (0, 0)))
    patches = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (0, 1))
    filtered = np.einsum("ijchw,hwc->ijc", patches, filters.kernel[:, :, 0])
    return (made + filtered).mean((0, 1)) @ dense.kernel[0, 0] + dense.bias


def test_layers_are_paired_by_structure_and_heads_are_left_out() -> None:
    pairs = match(linear_targets(network()), sources())
    assert [(p.target.layer.name, p.source.name) for p in pairs] == [
        ("stem", "first"), ("depthwise", "filter"), ("logits", "classes")
    ]  # fmt: skip


def test_the_model_computes_what_the_file_does() -> None:
    model, given = network(), sources()
    take(match(linear_targets(model), given))
    x = RNG.normal(size=(6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(model(x[None])[0].numpy(), outputs(given, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("slopes", "slope"), [(np.full(4, 0.3, np.float32), 0.3), (None, 0)])
def test_prelu_takes_slopes_or_is_a_relu(slopes, slope: float) -> None:
    model, given = network(prelu=True), sources(slopes=slopes)
    take(match(linear_targets(model), given))
    x = RNG.normal(size=(6, 6, 3)).astype(np.float32)
    wanted = outputs(given, x, slope)
    np.testing.assert_allclose(model(x[None])[0].numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_settling_keeps_the_outputs_and_lets_training_begin_there() -> None:
    model, given = network(), sources()
    take(match(linear_targets(model), given))
    images = (3 * RNG.normal(size=(64, 6, 6, 3)) + 1).astype(np.float32)
    before = model(images).numpy()
    other = network()
    other.set_weights(model.get_weights())
    unsettled = other(images, training=True).numpy()
    settle(model, images)
    np.testing.assert_allclose(model(images).numpy(), before, rtol=1e-3, atol=1e-4)
    in_training = model(images, training=True).numpy()
    np.testing.assert_allclose(in_training, before, rtol=1e-2, atol=1e-2)
    assert np.abs(unsettled - before).max() > 0.1


def test_settling_twice_is_settling_on_the_later_pictures() -> None:
    model = network()
    take(match(linear_targets(model), sources()))
    images = RNG.normal(size=(20, 6, 6, 3)).astype(np.float32)
    settle(model, images)
    once = [w.numpy() for w in model.get_layer("stem_bn").weights]
    settle(model, 2 * images)
    settle(model, images)
    for kept, was in zip(model.get_layer("stem_bn").weights, once, strict=True):
        np.testing.assert_allclose(kept.numpy(), was, rtol=1e-3, atol=1e-4)


WRONG = {
    "shape": (0, linear("first", 5, 5, 3, 4), "stem wants a kernel of 3x3x3x4, and at its place "
              "the file has first of 5x5x3x4"),
    "groups": (2, linear("filter", 3, 3, 1, 4, before=(0,)),
               "depthwise wants a kernel of 3x3x1x4 in 4 groups, .* a head of 1x1x4x12, filter of "
               "3x3x1x4$"),
    "place": (3, linear("classes", 1, 1, 4, 5, before=(1,)),
              "logits wants a kernel of 1x1x4x5, and the file has no layer left at its place"),
}  # fmt: skip


@pytest.mark.parametrize(("place", "layer", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_misfit_names_the_layer_and_both_shapes(place: int, layer: Linear, message: str) -> None:
    given = sources()
    given[place] = layer
    with pytest.raises(ModelFileError, match=message):
        match(linear_targets(network()), given)


def test_other_activations_are_told() -> None:
    given = sources()
    assert not list(differences(match(linear_targets(network()), given)))
    given[0] = Linear(**vars(given[0]) | {"activation": "relu"})
    found = list(differences(match(linear_targets(network()), given)))
    assert found == ["stem has relu6, the file relu"]


def test_a_bias_without_a_place_is_told() -> None:
    given = sources()
    given[2] = Linear(**vars(given[2]) | {"bias": np.ones(4, np.float32)})
    with pytest.raises(ModelFileError, match="depthwise has no bias, and filter has one"):
        take(match(linear_targets(network()), given))
    take(match(linear_targets(network(bias=True)), given))


def test_weights_of_other_kinds_of_layers_are_refused() -> None:
    x = keras.Input((4, 4, 3))
    model = keras.Model(x, layers.Conv2DTranspose(2, 2, name="up")(x))
    with pytest.raises(ValueError, match="up: no weights of a Conv2DTranspose can be taken"):
        linear_targets(model)


INPUTS = {
    "0..1": InputSpec(std=(255,)),
    "0..255, BGR": InputSpec(color="bgr"),
    "each channel its own": InputSpec(mean=(104, 117, 123), std=(58, 57, 56)),
}


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS.keys())
def test_the_files_scaling_of_pictures_goes_into_the_first_layer(given: InputSpec) -> None:
    layer = linear("first", 1, 1, 3, 4)
    pixel = np.float32([200, 100, 30])  # RGB
    theirs = pixel[::-1] if given.color == "bgr" else pixel
    wanted = (theirs - given.mean) / given.std @ layer.kernel[0, 0] + layer.bias
    made = for_our_input(layer, given)
    ours = (pixel - 127.5) / 127.5
    np.testing.assert_allclose(ours @ made.kernel[0, 0] + made.bias, wanted, rtol=1e-4, atol=1e-4)


def test_grey_pictures_are_refused() -> None:
    with pytest.raises(ModelFileError, match="grey pictures"):
        for_our_input(linear("first", 1, 1, 1, 4), InputSpec(color="grey", mean=(0,), std=(1,)))


def test_the_background_is_left_out() -> None:
    layer = linear("classes", 1, 1, 4, 6)
    made = without_first_class(layer)
    np.testing.assert_array_equal(made.kernel, layer.kernel[..., 1:])
    np.testing.assert_array_equal(made.bias, layer.bias[1:])
