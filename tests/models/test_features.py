"""Feature maps are found by what layers do, in our networks and in anyone's."""

from __future__ import annotations

import pytest

keras = pytest.importorskip("keras")
from edgecv.models import build  # noqa: E402
from edgecv.models.features import features  # noqa: E402


def maker(model, tensor) -> str:
    """Return the name of the layer that made a tensor."""
    return next(layer.name for layer in model.layers if layer.output is tensor)


@pytest.mark.parametrize("include_top", [True, False])
def test_mobilenet_v2_gives_the_expansion_of_block_13_at_stride_16(include_top) -> None:
    model = build("mobilenet_v2", alpha=0.35, input_size=(64, 96), include_top=include_top)
    maps = features(model, (4, 8, 16, 32))
    assert [maker(model, tensor) for tensor in maps] == [
        "block3_expand_relu6",
        "block6_expand_relu6",
        "block13_expand_relu6",
        "head_relu6",
    ]
    assert [tensor.shape[1:3] for tensor in maps] == [(16, 24), (8, 12), (4, 6), (2, 3)]


def test_mobilenet_v1_gives_the_last_block_of_each_stride() -> None:
    model = build("mobilenet_v1", alpha=0.25, input_size=50)
    assert [maker(model, tensor) for tensor in features(model)] == [
        "block5_pointwise_relu6",
        "block11_pointwise_relu6",
        "block13_pointwise_relu6",
    ]


@pytest.mark.parametrize(
    ("name", "options", "channels"),
    [
        ("shufflenet_v2", {"alpha": 0.5}, [48, 96, 1024]),
        ("shufflenet_v1", {"alpha": 0.25, "groups": 2}, [48, 96, 192]),
        ("mobilenet_v3_small", {"alpha": 0.35}, [32, 96, 192]),
    ],
)
def test_a_map_is_the_end_of_its_stage_and_not_one_branch(name, options, channels) -> None:
    model = build(name, input_size=64, include_top=False, **options)
    maps = features(model)
    assert [tensor.shape[1] for tensor in maps] == [8, 4, 2]
    assert [tensor.shape[-1] for tensor in maps] == channels


def test_a_model_cut_at_a_feature_map_runs() -> None:
    model = build("mobilenet_v2", alpha=0.35, input_size=64)
    cut = keras.Model(model.input, features(model, (16,)))
    assert len(cut.layers) < len(model.layers)


def test_padding_is_no_feature_map() -> None:
    """keras.applications pads before it halves: those maps have one row and column too many."""
    theirs = keras.applications.MobileNetV2(
        alpha=0.35, weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    assert [maker(theirs, tensor) for tensor in features(theirs, (16, 32))] == [
        "block_13_expand_relu",
        "out_relu",
    ]


def test_residual_stages_end_with_their_sum() -> None:
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, 2, padding="same")(image)
    for stride, name in ((1, "first"), (2, "second")):
        side = keras.layers.Conv2D(4, 1, stride)(x)
        inner = keras.layers.Conv2D(4, 3, padding="same")(x)  # has the stride of the block before
        inner = keras.layers.Conv2D(4, 3, stride, padding="same")(inner)
        x = keras.layers.Add(name=name)([side, inner])
    model = keras.Model(image, x)
    assert [maker(model, tensor) for tensor in features(model, (2, 4))] == ["first", "second"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theirs", "channels"),
    [
        ("ResNet50", [512, 1024, 2048]),
        ("VGG16", [512, 512, 512]),
        ("DenseNet121", [256, 512, 1024]),
        ("InceptionV3", [288, 768, 2048]),
    ],
)
def test_any_network_of_keras_applications_has_features(theirs, channels) -> None:
    model = getattr(keras.applications, theirs)(weights=None, include_top=False)
    assert [tensor.shape[-1] for tensor in features(model)] == channels


def test_a_stride_that_is_not_there_is_refused_with_those_that_are() -> None:
    model = build("squeezenet", input_size=64)
    with pytest.raises(ValueError, match="no feature map at stride 32; it has 2, 4, 8, 16"):
        features(model)
