"""Networks that compute with the rounding of INT8: what is built, its ranges, its training."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_training import SIDE, network, recipe_values

pytest.importorskip("tensorflow")
import keras
from families import FAMILIES
from keras import layers

from edgecv.modelfile import embedded_spec
from edgecv.models.loading import load_network
from edgecv.training import fit as fitting
from edgecv.training.errors import RecipeError
from edgecv.training.fit import fit
from edgecv.training.kerasfile import save_model
from edgecv.training.preparing import prepare
from edgecv.training.qat import layers as qat_layers
from edgecv.training.qat import network as qat
from edgecv.training.qat.layers import FakeQuant, QuantConv2D, rounded_channels, rounded_whole
from edgecv.training.qat.tune import finetune
from edgecv.training.recipe import recipe_from_dict
from edgecv.training.workers import machines

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def pictures(count=4, side=SIDE):
    return np.random.default_rng(0).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


def settled(model):
    """Give batch norms averages and weights that make folding them visible."""
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            shape = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(0, 0.5, shape))
            layer.moving_variance.assign(rng.uniform(0.3, 2, shape))
            layer.gamma.assign(rng.uniform(0.5, 2, shape))
            layer.beta.assign(rng.normal(0, 0.5, shape))
    return model


def without_rounding(model, monkeypatch):
    """Let a prepared network compute as if every number had its place."""
    monkeypatch.setattr(qat_layers, "rounded_channels", keras.ops.convert_to_tensor)
    monkeypatch.setattr(qat_layers, "rounded_whole", keras.ops.convert_to_tensor)
    for layer in qat.ranges(model):
        layer.observing = True
    return model


def depthwise(x):
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False)(x)
    return layers.BatchNormalization()(x)


def separable(x):
    x = layers.SeparableConv2D(4, 3, use_bias=False)(x)
    return layers.ReLU(6)(layers.BatchNormalization()(x))


def transposed(x):
    x = layers.Conv2DTranspose(4, 3, 2, padding="same", use_bias=True)(x)
    return layers.BatchNormalization()(x)


def dense(x):
    x = layers.Dense(4)(layers.Flatten()(x))
    return layers.BatchNormalization()(x)


def unfoldable(x):
    x = layers.ReLU()(x)
    return layers.BatchNormalization(scale=True)(x)


def shared_map(x):
    first = layers.Conv2D(3, 1, use_bias=False)(x)
    return layers.Add()([first, layers.BatchNormalization()(first)])


def in_a_model(x):
    image = keras.Input(x.shape[1:])
    y = layers.Conv2D(4, 3, use_bias=False, name="second")(image)
    inner = keras.Model(image, layers.BatchNormalization()(y))
    return inner(x)


def activations(x):
    x = layers.Conv2D(4, 3, activation="relu")(x)
    x = layers.Conv2D(4, 1, activation="hard_sigmoid")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.Activation("silu")(x)
    return layers.Add()([x, layers.Activation("tanh")(x), layers.LeakyReLU()(x)])


@pytest.mark.parametrize(
    "build",
    [depthwise, separable, transposed, dense, unfoldable, shared_map, in_a_model, activations],
    ids=lambda build: build.__name__,
)
def test_without_the_rounding_the_twin_gives_what_the_network_gives(build, monkeypatch):
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(6, 3, use_bias=False, name="first")(image)
    model = keras.Model(image, build(layers.ReLU()(layers.BatchNormalization()(x))))
    for layer in model._flatten_layers():
        if isinstance(layer, keras.Model):
            settled(layer)
    twin = qat.prepare(model)
    wanted = model(pictures(), training=False).numpy()
    found = without_rounding(twin, monkeypatch)(pictures(), training=False).numpy()
    assert np.abs(found - wanted).max() < 1e-4
    assert not any(isinstance(layer, layers.BatchNormalization) for layer in twin.layers)


def test_names_of_inputs_and_outputs_stay():
    model = network()
    twin = qat.prepare(model)
    assert twin.name == model.name
    assert twin.output_names == model.output_names == ["logits"]
    assert [tensor.name for tensor in twin.inputs] == ["image"]
    image = keras.Input((8, 8, 3))
    told = {name: layers.Conv2D(2, 1, name=f"{name}_conv")(image) for name in ("b", "a")}
    assert set(qat.prepare(keras.Model(image, told)).output) == {"a", "b"}


def test_a_range_lies_behind_the_fused_activation_and_not_before_it():
    twin = qat.prepare(settled(network()))
    kinds = [type(layer).__name__ for layer in twin.layers]
    assert kinds == [
        "InputLayer", "FakeQuant", "QuantConv2D", "ReLU", "FakeQuant", "QuantConv2D", "FakeQuant",
        "GlobalAveragePooling2D", "FakeQuant", "Dropout", "QuantDense", "FakeQuant",
    ]  # fmt: skip


def test_weights_have_a_symmetric_grid_for_each_output_channel():
    kernel = np.random.default_rng(0).normal(0, [1.0, 0.01], (3, 3, 4, 2)).astype(np.float32)
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    found = rounded_channels(kernel).numpy() / step
    assert np.allclose(found, np.round(found), atol=1e-3)
    assert np.abs(found).max(axis=(0, 1, 2)) == pytest.approx([127, 127], abs=1e-3)
    whole = rounded_whole(kernel).numpy() / (np.abs(kernel).max() / 127)
    assert np.allclose(whole, np.round(whole), atol=1e-3)


def test_a_range_starts_with_the_first_batch_follows_the_others_and_can_be_held():
    image = keras.Input((1, 1, 1))
    layer = FakeQuant(momentum=0.75, name="range")
    model = keras.Model(image, layer(image))
    batch = np.array([-1.0, 3.0], np.float32).reshape(2, 1, 1, 1)
    assert layer.limits() == (0.0, 0.0)
    model(batch, training=False)
    assert layer.limits() == (0.0, 0.0)
    model(batch, training=True)
    assert layer.limits() == (-1.0, 3.0)
    model(2 * batch, training=True)
    assert layer.limits() == (-1.25, 3.75)
    qat.hold(model, still=True)
    model(9 * batch, training=True)
    assert layer.limits() == (-1.25, 3.75)


def test_zero_is_in_every_range_and_no_range_is_empty():
    image = keras.Input((1, 1, 1))
    layer = FakeQuant()
    model = keras.Model(image, layer(image))
    qat.calibrate(model, [np.full((1, 1, 1, 1), 4.0, np.float32)])
    assert layer.limits() == (0.0, 4.0)
    qat.calibrate(model, [np.full((1, 1, 1, 1), -2.0, np.float32)])
    assert layer.limits() == (-2.0, 4.0)
    other = FakeQuant()
    qat.calibrate(keras.Model(image, other(image)), [np.zeros((1, 1, 1, 1), np.float32)])
    assert other.limits()[1] > 0


def test_calibrated_the_twin_is_near_the_network_and_knows_which_ranges_are_empty():
    model = settled(network())
    twin = qat.prepare(model, input_range=(-1, 1))
    assert len(qat.empty_ranges(twin)) == 4
    qat.calibrate(twin, [pictures()[:2], pictures()[2:]])
    assert qat.empty_ranges(twin) == []
    wanted, found = (m(pictures(), training=False).numpy() for m in (model, twin))
    assert 0 < np.abs(found - wanted).max() < 0.03 * np.ptp(wanted)
    assert len(np.unique(found)) <= 256


def test_gradients_pass_through_the_rounding():
    import tensorflow as tf

    twin = qat.prepare(settled(network()))
    qat.calibrate(twin, [pictures()])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(twin(pictures(), training=False) ** 2)
    gradients = tape.gradient(loss, [v.value for v in twin.trainable_variables])
    assert len(gradients) == 6
    assert all(g is not None and float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)


def test_a_prepared_network_is_saved_read_and_recognised(tmp_path):
    twin = qat.prepare(settled(network()), input_range=(-1, 1))
    qat.calibrate(twin, [pictures()])
    file = tmp_path / "twin.keras"
    save_model(twin, None, file)
    again = load_network(file)
    assert qat.is_quantized(file)
    assert qat.is_quantized(again)
    assert np.array_equal(again(pictures()).numpy(), twin(pictures()).numpy())
    save_model(network(), None, tmp_path / "plain.keras")
    assert not qat.is_quantized(tmp_path / "plain.keras")
    assert not qat.is_quantized(network())
    with pytest.raises(ValueError, match="already"):
        qat.prepare(again)


def test_everything_that_cannot_be_rounded_is_named_at_once():
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="gelu", name="smooth")(image)
    x = layers.GroupNormalization(2, name="groups")(x)
    twice = layers.Conv2D(4, 3, padding="same", name="twice")
    model = keras.Model(image, layers.ReLU(3.0, name="three")(twice(twice(x))))
    with pytest.raises(ValueError, match="cannot be quantized") as caught:
        qat.prepare(model)
    said = str(caught.value)
    assert "smooth (the activation gelu of Conv2D)" in said
    assert "groups (GroupNormalization)" in said
    assert "twice (called more than once)" in said
    assert "three (ReLU with a slope, a threshold or a limit other than 6)" in said


@pytest.mark.parametrize(("batches", "said"), [([], "a batch or more")], ids=["none"])
def test_a_calibration_without_pictures_is_refused(batches, said):
    with pytest.raises(ValueError, match=said):
        qat.calibrate(qat.prepare(network()), batches)


def test_a_network_without_ranges_cannot_be_calibrated():
    with pytest.raises(ValueError, match="prepare it first"):
        qat.calibrate(network(), [pictures()])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained network whose channels are of very unlike ranges: floats do not mind."""
    folder = tmp_path_factory.mktemp("unequal")
    values = recipe_values(folder, run__epochs=12)
    outcome = fit(recipe_from_dict(values), folder / "float")
    model = load_network(outcome.model)
    unequal(model, np.geomspace(0.02, 50, 8))
    file = folder / "unequal.keras"
    save_model(model, embedded_spec(outcome.model), file)
    return folder, file, outcome.figures


def unequal(model, factors):
    """Multiply the channels of the first map, and divide the weights that they meet."""
    first, norm, second = (model.get_layer(name) for name in ("first", "first_bn", "second"))
    assert not first.use_bias
    norm.gamma.assign(norm.gamma.value.numpy() * factors)
    norm.beta.assign(norm.beta.value.numpy() * factors)
    second.kernel.assign(second.kernel.value.numpy() / factors[:, None])


def rounded_recipe(folder, file, **changes):
    values = recipe_values(folder, qat__start=str(file), qat__momentum=0.9, **changes)
    values["optimizer"] |= {"weight_decay": 0.0, "ema": 0.0}
    return recipe_from_dict(values)


def test_training_wins_back_what_rounding_lost(trained, tmp_path):
    folder, file, figures = trained
    recipe = rounded_recipe(folder, file, run__epochs=15, qat__hold_epoch=13)
    task, _ = prepare(recipe, machines())
    lost = task.measure(task.model)
    outcome = fit(recipe, tmp_path / "run")
    assert lost["top1"] < figures["top1"] - 0.1
    assert outcome.figures["top1"] >= figures["top1"] - 0.05  # a picture of 24 more or less
    assert qat.is_quantized(outcome.model)


def test_a_training_with_rounding_goes_on_as_if_it_had_not_stopped(trained, tmp_path, monkeypatch):
    folder, file, _ = trained
    recipe = rounded_recipe(folder, file, run__epochs=3, qat__hold_epoch=3)
    fit(recipe, tmp_path / "whole")
    begin = fitting.Trainer.begin_epoch

    def stops(self, epoch):
        if epoch == 2:
            raise KeyboardInterrupt
        begin(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Trainer, "begin_epoch", stops)
        with pytest.raises(KeyboardInterrupt):
            fit(recipe, tmp_path / "parts")
    fit(recipe, tmp_path / "parts", resume=True)
    with np.load(tmp_path / "whole/last.npz") as one, np.load(tmp_path / "parts/last.npz") as other:
        for name in set(one.files) - {"about"}:
            assert np.array_equal(one[name], other[name]), name


def test_a_classifier_is_finetuned_without_a_recipe(trained, tmp_path):
    folder, file, _ = trained
    made = finetune(file, folder / "train", tmp_path / "run", epochs=1, rate=1e-3, batch=8)
    found = load_network(made)
    assert any(isinstance(layer, QuantConv2D) for layer in found.layers)
    assert qat.empty_ranges(found) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qat__batches": 0}, "qat.batches is 0"),
        ({"qat__momentum": 2.0}, "qat.momentum is 2"),
        ({"optimizer__mixed_precision": True}, "mixed_precision is not for"),
    ],
    ids=["no batches", "momentum", "half floats"],
)
def test_a_wrong_recipe_is_refused(changes, said, tmp_path):
    with pytest.raises(RecipeError, match=said):
        recipe_from_dict(recipe_values(tmp_path, qat__start="x.keras", **changes))


def test_a_start_of_other_classes_is_refused(trained, tmp_path):
    folder, _, _ = trained
    other = keras.Sequential(
        [keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(5)], name="other"
    )
    save_model(other, None, tmp_path / "other.keras")
    recipe = rounded_recipe(folder, tmp_path / "other.keras")
    with pytest.raises(RecipeError, match="of another network"):
        prepare(recipe, machines())


def test_a_recipe_without_rounding_says_nothing_of_it(tmp_path):
    plain = recipe_from_dict(recipe_values(tmp_path)).to_dict()
    assert "qat" not in plain
    values = recipe_from_dict(recipe_values(tmp_path, qat__start="x.keras")).to_dict()
    assert recipe_from_dict(values).qat.start == "x.keras"


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_folded_exactly(name, monkeypatch):
    model = FAMILIES[name]()
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.5
    images = pictures(4, 64)
    for _ in range(2):
        model(images, training=True)
    twin = qat.prepare(model, input_range=(-1, 1))
    assert twin.output_names == model.output_names or isinstance(model.output, dict)
    wanted = model(images, training=False)
    found = without_rounding(twin, monkeypatch)(images, training=False)
    keras.tree.assert_same_structure(found, wanted)
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(wanted), strict=True):
        scale = max(1.0, float(np.abs(other.numpy()).max()))
        assert np.abs(one.numpy() - other.numpy()).max() < 1e-4 * scale
