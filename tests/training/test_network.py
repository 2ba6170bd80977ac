"""The network that a recipe names: what it takes, what it keeps, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import keras

from edgecv.models.graph import flat_steps
from edgecv.spec import InputSpec, ModelSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.errors import RecipeError
from edgecv.training.inputs import BYTES, GREY, IMAGENET, takes_bytes, unprepared
from edgecv.training.kerasfile import save_model
from edgecv.training.network import open_network
from edgecv.training.recipe import ModelPart, Recipe

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

L = keras.layers
SHAPE = (16, 16, 3)
BATCH = np.random.default_rng(0).uniform(-1, 1, (2, *SHAPE)).astype(np.float32)


def recipe(name, *, size=16, weights="", **options) -> Recipe:
    part = ModelPart(name=str(name), input_size=size, weights=str(weights), options=options)
    return Recipe(task="classify", model=part)


def opened(file, *, classes=3, **more):
    return open_network(recipe(file, **more), classes=classes)


def net(*tail, shape=SHAPE, front=()):
    """Return a functional network: `front`, a convolution, its mean, `tail`."""
    image = x = keras.Input(shape, name="image")
    for layer in (*front, L.Conv2D(4, 3, name="first"), L.GlobalAveragePooling2D(name="pool")):
        x = layer(x)
    for layer in tail:
        x = layer(x)
    return keras.Model(image, x, name="mine")


@pytest.fixture
def saved(tmp_path):
    """Return a function that writes a network, and gives the file."""

    def write(model, name="m.keras"):
        model.save(tmp_path / name)
        return tmp_path / name

    return write


# The end of a network


def dense(units=3, **how):
    return L.Dense(units, name="logits", **how)


ENDS = {
    "linear": lambda: (dense(),),
    "softmax": lambda: (dense(activation="softmax"),),
    "Activation": lambda: (dense(), L.Activation("softmax", name="p")),
    "Softmax": lambda: (dense(), L.Softmax(name="p")),
    "Dropout": lambda: (dense(), L.Dropout(0.5, name="d"), L.Softmax(name="p")),
    "no bias": lambda: (dense(use_bias=False), L.Softmax(name="p")),
}


@pytest.mark.parametrize("tail", ENDS.values(), ids=ENDS.keys())
def test_as_many_classes_keep_the_weights_of_the_last_layer_and_give_logits(tail, saved) -> None:
    model = net(*tail())
    found = opened(saved(model))
    inner = keras.Model(model.input, model.get_layer("pool").output)
    weights = model.get_layer("logits").get_weights()
    wanted = inner(BATCH) @ weights[0] + (weights[1] if len(weights) > 1 else 0)
    np.testing.assert_allclose(found.model(BATCH), wanted, atol=1e-5)
    assert [layer.name for layer in found.model.layers] == ["image", "first", "pool", "new_logits"]
    assert found.backbone == {"image", "first", "pool"}


@pytest.mark.parametrize("tail", ENDS.values(), ids=ENDS.keys())
def test_other_classes_get_a_new_last_layer_in_the_old_ones_place(tail, saved) -> None:
    found = opened(saved(net(*tail())), classes=5)
    assert [layer.name for layer in found.model.layers] == ["image", "first", "pool", "new_logits"]
    assert found.model.output_shape == (None, 5)


def test_the_dropout_of_a_network_without_classes_stays(saved) -> None:
    found = opened(saved(net(L.Dropout(0.5, name="d"))))
    assert [layer.name for layer in found.model.layers][-2:] == ["d", "new_logits"]


def test_the_softmax_of_a_network_without_a_dense_layer_is_cut_off(saved) -> None:
    found = opened(saved(net(L.Softmax(name="p"))))
    assert [layer.name for layer in found.model.layers][-2:] == ["pool", "new_logits"]


def test_names_stay_unique(saved) -> None:
    """A network whose body has the names that the new layers would get."""
    image = keras.Input(SHAPE)
    x = L.Conv2D(4, 3, name="pool_to_logits")(image)
    found = opened(saved(keras.Model(image, L.Conv2D(4, 3, name="new_logits")(x))))
    names = [layer.name for layer in found.model.layers]
    assert names[-2:] == ["pool_to_logits_2", "new_logits_2"]
    assert len(set(names)) == len(names)


def test_a_network_that_was_trained_here_is_trained_again_from_its_own_classes(
    saved, tmp_path
) -> None:
    first = opened(saved(net()))
    spec = ModelSpec("m", "classification", "classifier", first.input)
    save_model(first.model, spec, tmp_path / "best.keras")
    again = opened(tmp_path / "best.keras")
    np.testing.assert_allclose(again.model(BATCH), first.model(BATCH), atol=1e-6)
    assert [layer.name for layer in again.model.layers][-1] == "new_logits"


# Kinds of files


def row():
    return keras.Sequential(
        [
            keras.Input(SHAPE, name="image"), L.Conv2D(4, 3, name="first"),
            L.GlobalAveragePooling2D(name="pool"), dense(activation="softmax"),
        ],
        name="row",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_sequential_is_trained_like_any_other(name, saved) -> None:
    model = row()
    found = opened(saved(model, name))
    assert (found.model.name, found.model.output_shape) == ("row", (None, 3))
    assert found.backbone == {"image", "first", "pool"}
    np.testing.assert_allclose(keras.ops.softmax(found.model(BATCH)), model(BATCH), atol=1e-5)


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_weights_come_from_an_h5_file_too(saved) -> None:
    file, other = saved(net(dense())), net(dense())
    found = opened(file, weights=saved(other, "w.h5"))
    np.testing.assert_array_equal(
        found.model.get_layer("first").get_weights()[0], other.get_layer("first").get_weights()[0]
    )


def test_weights_of_a_normalization_are_computed_with(saved) -> None:
    layer = L.Normalization(name="norm")
    layer.adapt(np.array([[[[90, 100, 110]]], [[[110, 120, 130]]]], np.float32))
    adapted = net(dense(), front=[layer])
    plain = net(dense(), front=[L.Normalization(name="norm")])
    found = opened(saved(plain), weights=saved(adapted, "w.keras"))
    pixel = np.full((1, *SHAPE), 100, np.float32)
    made = found.model.get_layer("norm")(pixel)[0, 0, 0]
    np.testing.assert_allclose(made, [0, -1, -2], atol=1e-5)


# What goes in


def in_bytes(layer):
    image = keras.Input(SHAPE)
    return keras.Model(image, L.Conv2D(4, 3)(layer(image)))


def augmented():
    """Augmentation as a model of its own, then a network whose first layer scales."""
    augment = keras.Sequential([keras.Input(SHAPE), L.RandomFlip("horizontal"), L.Resizing(16, 16)])
    image = keras.Input(SHAPE)
    return keras.Model(image, net(front=[L.Rescaling(1 / 255)])(augment(image)))


def adapted():
    layer = L.Normalization()
    layer.adapt(np.array([[[[0, 0, 0]]], [[[255, 255, 255]]]], np.float32))
    return in_bytes(layer)


TAKE = {
    "nothing": (lambda: in_bytes(L.ReLU()), INPUT),
    "1/255": (lambda: in_bytes(L.Rescaling(1 / 255)), BYTES),
    "-1..1": (lambda: in_bytes(L.Rescaling(1 / 127.5, offset=-1)), BYTES),
    "of 0..1": (lambda: in_bytes(L.Rescaling(2.0, offset=-1)), INPUT),
    "padded": (lambda: in_bytes(lambda x: L.Rescaling(1 / 255)(L.ZeroPadding2D()(x))), BYTES),
    "inside": (augmented, BYTES),
    "adapted": (adapted, BYTES),
    "mean and variance": (
        lambda: in_bytes(L.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3)), BYTES
    ),
    "not adapted": (lambda: in_bytes(L.Normalization()), INPUT),
    "operators": (lambda: in_bytes(lambda x: x / 255), BYTES),
    "multiplied": (lambda: in_bytes(lambda x: x * (1 / 255)), BYTES),
    "operators of 0..1": (lambda: in_bytes(lambda x: (x - 0.5) * 2), INPUT),
    "Keras's -1..1": (lambda: in_bytes(keras.applications.mobilenet_v2.preprocess_input), BYTES),
    "Keras's BGR": (lambda: in_bytes(keras.applications.resnet.preprocess_input), BYTES),
    "grey": (lambda: net(shape=(16, 16, 1)), GREY),
    "grey in bytes": (
        lambda: net(shape=(16, 16, 1), front=[L.Rescaling(1 / 255)]),
        InputSpec(color="grey", mean=(0.0,), std=(1.0,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "wanted"), TAKE.values(), ids=TAKE.keys())
def test_the_channels_and_the_first_layers_say_what_a_network_takes(make, wanted, saved) -> None:
    assert opened(saved(make())).input == wanted


def test_a_spec_inside_the_file_says_it_better(tmp_path) -> None:
    spec = ModelSpec("m", "classification", "classifier", IMAGENET)
    save_model(in_bytes(L.Rescaling(1 / 255)), spec, tmp_path / "m.keras")
    assert opened(tmp_path / "m.keras").input == IMAGENET


def flat():
    image = keras.Input((12,))
    return keras.Model(image, dense()(image))


@pytest.mark.parametrize(
    ("make", "got"),
    [(lambda: net(shape=(16, 16, 4)), r"\(16, 16, 4\)"), (flat, r"\(12,\)")],
    ids=["channels", "axes"],
)
def test_what_is_no_picture_is_refused(make, got, saved) -> None:
    wanted = rf"m\.keras: wanted a network for pictures, .* \(HEIGHT, WIDTH, 1\) in grey, got {got}"
    with pytest.raises(RecipeError, match=wanted):
        opened(saved(make()))


@pytest.mark.parametrize(
    ("shape", "size", "side"),
    [((None, None, 3), (20, 24), (20, 24)), ((None, 16, 3), (20, 24), (20, 16))],
    ids=["both", "height"],
)
def test_an_open_size_is_that_of_the_recipe(shape, size, side, saved) -> None:
    layer = L.Normalization(name="norm")
    layer.adapt(np.array([[[[90, 100, 110]]], [[[110, 120, 130]]]], np.float32))
    model = net(L.BatchNormalization(), dense(), shape=shape, front=[layer])
    found = opened(saved(model), size=size)
    assert found.model.input_shape == (None, *side, 3)
    batch = np.random.default_rng(0).uniform(0, 255, (2, *side, 3)).astype(np.float32)
    np.testing.assert_allclose(found.model(batch), model(batch), rtol=1e-4, atol=1e-4)


def test_an_open_size_that_is_too_small_is_refused(saved) -> None:
    with pytest.raises(RecipeError, match=r"m\.keras: "):
        opened(saved(net(shape=(None, None, 3))), size=2)


# Networks of Keras


KERAS = "keras.applications."


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("MobileNetV2", INPUT),
        ("MobileNetV3Small", INPUT),
        pytest.param("EfficientNetB0", BYTES, marks=pytest.mark.slow),
        pytest.param("EfficientNetV2B0", IMAGENET, marks=pytest.mark.slow),
        pytest.param("ConvNeXtTiny", IMAGENET, marks=pytest.mark.slow),
    ],
)
def test_a_network_of_keras_gets_what_it_does_not_prepare_itself(name, wanted) -> None:
    found = opened(KERAS + name, size=32)
    assert found.input == wanted
    assert takes_bytes(found.model) == (wanted == BYTES)


def test_preparing_inside_stays_where_the_recipe_wants_it() -> None:
    found = opened(KERAS + "MobileNetV3Small", size=32, include_preprocessing=True)
    assert found.input == BYTES
    assert takes_bytes(found.model)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ConvNeXtTiny", "EfficientNetV2B0", "EfficientNetV2S", "MobileNetV3Small"]
)
def test_the_table_says_what_the_networks_compute_first(name) -> None:
    build = getattr(keras.applications, name)
    model = build(weights=None, include_top=False, input_shape=(32, 32, 3))
    values = model.input
    for step in flat_steps(model):
        if type(step.layer).__name__ not in ("Rescaling", "Normalization"):
            break
        values = step.outputs[0]
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    spec = unprepared(name)
    made = keras.Model(model.input, values)(pixels)
    np.testing.assert_allclose(made, (pixels - spec.mean) / spec.std, atol=1e-4)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("alfa", r"no option of keras\.applications\.MobileNetV2 'alfa'; did you mean 'alpha'\?"),
        ("include_top", r"no option of keras\.applications\.MobileNetV2 'include_top'"),
    ],
)
def test_an_unknown_option_of_a_network_of_keras_is_told_with_the_nearest(option, said) -> None:
    with pytest.raises(RecipeError, match=said):
        opened(KERAS + "MobileNetV2", size=32, **{option: 1})


# What is trained of it


@pytest.mark.slow
def test_it_is_converted_for_a_device(saved, tmp_path) -> None:
    from edgecv.converters import CONVERTERS

    from edgecv.session import open_session

    found = opened(saved(net(dense(), L.Softmax(), shape=(None, None, 3))))
    spec = ModelSpec("m", "classification", "classifier", found.input)
    save_model(found.model, spec, tmp_path / "best.keras")
    made = tmp_path / "best.tflite"
    CONVERTERS.load("keras>tflite")(tmp_path / "best.keras", made)
    session = open_session(made, device="cpu").session
    (image,), (logits,) = session.inputs, session.outputs
    assert (image.shape, logits.shape) == ((1, *SHAPE), (1, 3))
    values = session.run({image.name: BATCH[:1]})[logits.name]
    np.testing.assert_allclose(values, found.model(BATCH[:1]), atol=1e-5)


@pytest.mark.slow
def test_a_grey_network_learns_and_its_file_says_so(saved, tmp_path) -> None:
    from tiny_training import recipe_values

    import edgecv
    from edgecv.training.fit import fit
    from edgecv.training.recipe import recipe_from_dict

    file = saved(net(dense(), L.Softmax(), shape=(16, 16, 1)), "grey.keras")
    values = recipe_values(tmp_path, model__name=str(file), run__epochs=1)
    outcome = fit(recipe_from_dict(values), tmp_path / "run")
    model = edgecv.load(outcome.model)
    assert replace(model.spec.input, size=None) == GREY
    assert model(np.zeros((20, 30, 3), np.uint8)).labels == ("blue", "green", "red")
