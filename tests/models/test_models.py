"""Networks by name: what comes out, at which sizes, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from edgecv.errors import PackageMissingError, UnknownNameError  # noqa: E402
from edgecv.models import MODELS, build, builder, option_names  # noqa: E402

SMALL: dict[str, dict[str, Any]] = {
    "mobilenet_v1": {"alpha": 0.25},
    "mobilenet_v2": {"alpha": 0.35},
    "mobilenet_v3_large": {"alpha": 0.35, "minimalistic": True},
    "mobilenet_v3_small": {"alpha": 0.35},
    "efficientnet_lite0": {},
    "shufflenet_v1": {"alpha": 0.25, "groups": 2},
    "shufflenet_v2": {"alpha": 0.5},
    "squeezenet": {},
}
"""The classifiers, as small as they get."""


@pytest.mark.parametrize("name", SMALL)
def test_a_classifier_gives_logits_for_pictures_of_any_shape(name: str) -> None:
    model = build(name, input_size=(64, 96), classes=5, dropout=0.2, **SMALL[name])
    assert model.input_shape == (None, 64, 96, 3)
    assert model.layers[-1].name == "logits"
    assert getattr(model.layers[-1], "activation", keras.activations.linear) is (
        keras.activations.linear
    )
    out = model(np.random.default_rng(0).uniform(-1, 1, (2, 64, 96, 3)).astype("f"))
    assert out.shape == (2, 5)
    assert np.isfinite(np.asarray(out)).all()


@pytest.mark.parametrize("name", SMALL)
def test_without_its_top_a_model_gives_its_last_feature_map(name: str) -> None:
    model = build(name, input_size=[96, 128], include_top=False, **SMALL[name])
    height, width = (5, 7) if name == "squeezenet" else (3, 4)  # stride 16, not padded
    assert model.output_shape[:3] == (None, height, width)


def test_every_classifier_of_the_table_is_tested_here() -> None:
    classifiers = {name for name in MODELS if "classes" in option_names(name)}
    assert set(SMALL) <= classifiers


def test_mobilefacenet_gives_an_embedding_of_any_length_for_faces_of_any_shape() -> None:
    model = build("mobilefacenet", input_size=(112, 96), embedding=32, alpha=0.5)
    assert model.output_shape == (None, 32)
    assert model.layers[-1].name == "embedding"
    assert model.get_layer("gdconv").kernel_size == (7, 6)


@pytest.mark.parametrize("activation", ["prelu", "relu", "relu6"])
def test_mobilefacenet_has_the_activation_that_is_asked_for(activation: str) -> None:
    model = build("mobilefacenet", alpha=0.25, activation=activation)
    kinds = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert len(kinds) == (33 if activation == "prelu" else 0)
    assert model.get_layer(f"block3_expand_{activation}")


def test_symmetric_padding_sees_the_same_picture_one_pixel_earlier() -> None:
    same, symmetric = (
        build("mobilefacenet", alpha=0.25, padding=kind, activation="relu").get_layer("stem_bn")
        for kind in ("same", "symmetric")
    )
    assert same.output.shape == symmetric.output.shape == (None, 56, 56, 16)


@pytest.mark.parametrize("name", ["shufflenet_v2", "squeezenet"])
def test_names_of_layers_are_the_same_in_every_process(name: str) -> None:
    first, second = (
        [layer.name for layer in build(name, input_size=32, **SMALL[name]).layers if layer.weights]
        for _ in range(2)
    )
    assert first == second


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v3_small", "squeezenet"])
def test_a_model_is_the_same_after_saving_and_loading(name: str, tmp_path) -> None:
    model = build(name, input_size=48, classes=3, **SMALL[name])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 48, 48, 3)).astype("f")
    np.testing.assert_array_equal(np.asarray(model(picture)), np.asarray(again(picture)))


@pytest.mark.parametrize("name", ["shufflenet_v1", "shufflenet_v2"])
def test_gradients_reach_every_weight(name: str) -> None:
    """Through splits, concatenations and shuffles; ReLUs may be silent for some channels."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = build(name, input_size=64, classes=3, **SMALL[name])
    pictures = np.random.default_rng(0).uniform(-1, 1, (4, 64, 64, 3)).astype("f")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(pictures, training=True)[:, 0] ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    zero = [
        weight.path
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if gradient is None or not np.abs(gradient).max()
    ]
    assert not zero


@pytest.mark.parametrize("groups", [2, 3])
def test_the_channel_shuffle_takes_from_each_group_in_turn(groups: int) -> None:
    from edgecv.models.shuffle import channel_shuffle

    image = keras.Input((2, 3, 6))
    model = keras.Model(image, channel_shuffle(image, groups, name="shuffle"))
    values = np.arange(36, dtype="f").reshape(1, 2, 3, 6)
    wanted = values.reshape(1, 2, 3, groups, -1).swapaxes(3, 4).reshape(values.shape)
    np.testing.assert_array_equal(np.asarray(model(values)), wanted)


@pytest.mark.parametrize("size", [(30, 30), (31, 31), (30, 31)])
def test_squeezenet_pools_round_up(size: tuple[int, int]) -> None:
    from edgecv.models.squeezenet import _pool

    image = keras.Input((*size, 4))
    pooled = _pool(image, name="pool")
    assert pooled.shape[1:3] == tuple(-(-(side - 3) // 2) + 1 for side in size)


@pytest.mark.parametrize(
    ("name", "options", "error", "message"),
    [
        ("mobilenet_v4", {}, UnknownNameError, "did you mean 'mobilenet_v"),
        ("mobilenet_v2", {"alhpa": 1}, UnknownNameError, "did you mean 'alpha'"),
        ("squeezenet", {"alpha": 1}, UnknownNameError, "no option of squeezenet 'alpha'"),
        ("mobilenet_v2", {"alpha": 0}, ValueError, "alpha, the width multiplier, is positive"),
        ("mobilenet_v2", {"alpha": "1"}, ValueError, "is positive, got '1'"),
        ("mobilenet_v1", {"input_size": (1, 2, 3)}, ValueError, "a side or"),
        ("mobilenet_v1", {"input_size": 0}, ValueError, "got 0"),
        ("mobilenet_v1", {"input_size": 64.5}, ValueError, "got 64.5"),
        ("squeezenet", {"classes": 0}, ValueError, "from 1, got 0"),
        ("squeezenet", {"dropout": 1}, ValueError, r"0\.\.1, got 1"),
        ("squeezenet", {"version": "1.2"}, ValueError, "one of 1.0, 1.1, got '1.2'"),
        ("shufflenet_v1", {"groups": 5}, ValueError, "one of 1, 2, 3, 4, 8, got 5"),
        ("shufflenet_v2", {"alpha": 0.7}, ValueError, "one of 0.5, 1.0, 1.5, 2.0, got 0.7"),
        ("mobilefacenet", {"padding": "full"}, ValueError, "same or symmetric, got 'full'"),
        ("mobilefacenet", {"embedding": 0}, ValueError, "from 1, got 0"),
        ("mobilefacenet", {"activation": "gelu"}, ValueError, "got 'gelu'"),
    ],
)
def test_what_a_builder_cannot_do_is_refused(name, options, error, message) -> None:
    with pytest.raises(error, match=message):
        build(name, **options)


def test_without_tensorflow_the_error_says_how_to_install_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[train\]'"):
        builder("mobilenet_v1")
    with pytest.raises(UnknownNameError):
        builder("mobilenet_v7")
