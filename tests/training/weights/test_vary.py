from __future__ import annotations

import numpy as np
import pytest

from edgecv.errors import ModelFileError

keras = pytest.importorskip("keras")

from edgecv import models  # noqa: E402
from edgecv.training.weights.vary import mean_gates, vary  # noqa: E402

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(0)
SIZE = 32


def network(**options: object) -> keras.Model:
    keras.utils.set_random_seed(3)
    return models.build("mobilefacenet", input_size=SIZE, alpha=0.25, embedding=8, **options)


def sister(images: np.ndarray, *, of_the_picture: bool) -> keras.Model:
    """Return a network with squeeze-and-excite as a trained one is: batch norm has normalised."""
    model = network(squeeze=8, momentum=0.0)
    gates(model, of_the_picture=of_the_picture)
    for _ in range(2):
        model(images, training=True)
    return model


def pictures(count: int = 24) -> np.ndarray:
    return RNG.uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def gates(model: keras.Model, *, of_the_picture: bool) -> dict[str, float]:
    """Set the weights of squeeze-and-excite: another number each, or also by what is seen."""
    made = {}
    for number, layer in enumerate(x for x in model.layers if x.name.endswith("_restore")):
        value = 0.2 + 0.05 * number
        layer.bias.assign(np.full(layer.bias.shape, np.log(value / (1 - value))))
        if not of_the_picture:
            layer.kernel.assign(np.zeros(layer.kernel.shape))
        made[layer.name.replace("_squeeze_restore", "_project_bn")] = value
    return made


def test_the_means_of_what_channels_are_weighed_by_are_found() -> None:
    model = network(squeeze=8)
    wanted = gates(model, of_the_picture=False)
    found = mean_gates(model, pictures(5), batch=2)
    assert len(found) == 15
    assert {name: values.mean() for name, values in found.items()} == pytest.approx(wanted)


def test_a_network_without_squeeze_and_excite_has_no_gates() -> None:
    assert mean_gates(network(), pictures(2)) == {}


def test_weights_of_channels_that_never_change_are_kept_whole() -> None:
    images, plain = pictures(), network()
    model = sister(images, of_the_picture=False)
    vary(model, plain, images, batch=len(images))
    wanted = model(images, training=False).numpy()
    np.testing.assert_allclose(plain(images, training=False), wanted, atol=2e-3 * wanted.std())


def test_what_layers_see_keeps_its_mean_and_spread_under_another_activation() -> None:
    images, plain = pictures(), network(activation="relu")
    model = sister(images, of_the_picture=True)
    vary(model, plain, images, batch=len(images))
    for name in ("block0_expand_bn", "block7_depthwise_bn", "head_bn"):
        ours, theirs = (
            keras.Model(one.input, one.get_layer(name).output)(images).numpy()
            for one in (plain, model)
        )
        np.testing.assert_allclose(ours.mean((0, 1, 2)), theirs.mean((0, 1, 2)), atol=5e-3)
        np.testing.assert_allclose(ours.std((0, 1, 2)), theirs.std((0, 1, 2)), rtol=2e-2)


def test_the_momentum_of_training_is_left_as_it_was() -> None:
    model, plain = network(squeeze=8), network(momentum=0.9)
    vary(model, plain, pictures(4))
    assert plain.get_layer("head_bn").momentum == 0.9


def test_a_sister_of_other_widths_is_refused_with_the_layers_name() -> None:
    with pytest.raises(ModelFileError, match=r"stem has weights of .*16.*it has .*32"):
        vary(models.build("mobilefacenet", input_size=SIZE, alpha=0.5), network(), pictures(2))
