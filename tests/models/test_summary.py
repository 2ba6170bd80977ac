"""What is counted of a model: by hand for small ones, by the literature for large ones."""

from __future__ import annotations

import pytest

keras = pytest.importorskip("keras")
from edgecv.models import build  # noqa: E402
from edgecv.models.summary import summarize  # noqa: E402

layers = keras.layers


def chain(*parts, size=(8, 8, 3)):
    return keras.Sequential([keras.Input(size), *parts])


@pytest.mark.parametrize(
    ("layer", "multiply_adds"),
    [
        pytest.param(layers.Conv2D(5, 3), 6 * 6 * 27 * 5, id="convolution"),
        pytest.param(layers.Conv2D(6, 3, groups=3), 6 * 6 * 9 * 6, id="groups"),
        pytest.param(layers.Conv2D(5, 3, dilation_rate=2), 4 * 4 * 27 * 5, id="dilation"),
        pytest.param(layers.DepthwiseConv2D(3, padding="same"), 64 * 9 * 3, id="depthwise"),
        pytest.param(layers.SeparableConv2D(5, 3), 6 * 6 * (27 + 15), id="separable"),
        pytest.param(layers.Conv2DTranspose(4, 2, 2), 64 * 4 * 3 * 4, id="transposed"),
        pytest.param(layers.Dense(7), 64 * 3 * 7, id="dense on each pixel"),
        pytest.param(layers.BatchNormalization(), 0, id="batch norm folds"),
        pytest.param(layers.PReLU(), 0, id="activation"),
        pytest.param(layers.MaxPooling2D(), 0, id="pool"),
        pytest.param(layers.EinsumDense("bhwc,cd->bhwd", (8, 8, 2)), None, id="unknown"),
    ],
)
def test_multiply_adds_of_a_layer(layer, multiply_adds) -> None:
    summary = summarize(chain(layer))
    assert summary.rows[0].multiply_adds == multiply_adds
    assert summary.unknown == ((layer.name,) if multiply_adds is None else ())


def test_batch_norm_leaves_one_bias_a_channel_where_there_was_none() -> None:
    norm = layers.BatchNormalization
    free = summarize(chain(layers.Conv2D(5, 3, use_bias=False), norm()))
    biased = summarize(chain(layers.Conv2D(5, 3), norm()))
    assert (free.parameters, free.trainable, free.folded) == (155, 145, 140)
    assert (biased.parameters, biased.folded) == (160, 140)


@pytest.mark.parametrize(
    ("parts", "field", "stride"),
    [
        ([layers.Conv2D(2, (3, 5), (1, 2))], (3, 5), (1, 2)),
        ([layers.Conv2D(2, 3, dilation_rate=2), layers.MaxPooling2D()], (6, 6), (2, 2)),
        ([layers.MaxPooling2D(), layers.UpSampling2D()], (2, 2), (1, 1)),
        ([layers.MaxPooling2D(4), layers.Conv2DTranspose(2, 4, 2)], (8, 8), (2, 2)),
        ([layers.Reshape((64, 1, 3)), layers.Permute((2, 1, 3))], (1, 1), (1, 1)),
    ],
)
def test_receptive_field_of_a_chain(parts, field, stride) -> None:
    last = summarize(chain(*parts)).rows[-1]
    assert (last.field, last.stride) == (field, stride)


def test_what_is_no_map_has_no_receptive_field() -> None:
    rows = summarize(chain(layers.GlobalAveragePooling2D(), layers.Dense(2))).rows
    assert [row.field for row in rows] == [None, None]


def test_where_branches_meet_the_larger_field_counts() -> None:
    image = keras.Input((8, 8, 3))
    wide, narrow = (layers.Conv2D(3, k, padding="same")(image) for k in (5, 1))
    gate = layers.Conv2D(3, 1)(layers.GlobalAveragePooling2D(keepdims=True)(image))
    out = layers.Multiply()([layers.Add()([wide, narrow]), gate])
    assert summarize(keras.Model(image, out)).rows[-1].field == (5, 5)


DISTILL = "Araujo et al. 2019, doi:10.23915/distill.00021, table of networks"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("MobileNet", 315),
        pytest.param("VGG16", 212, marks=pytest.mark.slow),
        pytest.param("ResNet50", 483, marks=pytest.mark.slow),
        pytest.param("InceptionV3", 1311, marks=pytest.mark.slow),
    ],
)
def test_receptive_fields_of_whole_networks_are_published(name, field) -> None:
    assert DISTILL
    model = getattr(keras.applications, name)(weights=None, include_top=False)
    maps = [row for row in summarize(model, (224, 224)).rows if row.field]
    assert (maps[-1].field, maps[-1].stride) == ((field, field), (32, 32))


def test_peak_memory_is_what_has_to_be_kept_at_the_worst_moment() -> None:
    image = keras.Input((8, 8, 1))  # 64 values
    kept = layers.Conv2D(2, 1, name="kept")(image)  # 128
    wide = layers.Conv2D(4, 1, name="wide")(kept)  # 256
    wide = layers.ReLU(name="relu")(wide)  # in place
    back = layers.Conv2D(2, 1, name="back")(wide)  # 128
    out = layers.Add(name="sum")([kept, back])  # 128
    summary = summarize(keras.Model(image, out))
    live = {row.name: row.live for row in summary.rows}
    assert live == {
        "kept": 64 + 128,
        "wide": 128 + 256,
        "relu": 128 + 256,
        "back": 128 + 256 + 128,
        "sum": 128 + 128 + 128,
    }
    assert summary.peak == 512


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        # the first pointwise convolution: 112x112x32 in, 112x112x64 out
        ("mobilenet_v1", 112 * 112 * (32 + 64)),
        # block 1's depthwise convolution: 112x112x96 in, 56x56x96 out
        ("mobilenet_v2", 112 * 112 * 96 + 56 * 56 * 96),
    ],
)
def test_peak_memory_of_a_network_is_at_its_widest_layer(name, peak) -> None:
    assert summarize(build(name, include_top=False)).peak == peak


def test_a_model_inside_a_model_is_counted_layer_by_layer() -> None:
    inner = chain(layers.Conv2D(4, 3, name="a"), layers.BatchNormalization(), size=(None, None, 3))
    outer = chain(inner, layers.ReLU(), layers.Conv2D(2, 3, name="b"))
    flat = chain(
        layers.Conv2D(4, 3, name="a"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Conv2D(2, 3, name="b"),
    )
    nested, wanted = summarize(outer), summarize(flat)
    for field in ("parameters", "trainable", "folded", "multiply_adds", "peak"):
        assert getattr(nested, field) == getattr(wanted, field)
    assert [row.kind for row in nested.rows] == [row.kind for row in wanted.rows]
    assert nested.rows[-1].field == (5, 5)


def test_a_layer_called_twice_costs_twice_and_holds_its_numbers_once() -> None:
    image = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 1)
    summary = summarize(keras.Model(image, shared(shared(image))))
    assert [row.parameters for row in summary.rows] == [12, 0]
    assert summary.multiply_adds == 2 * 64 * 9
    assert summary.parameters == summary.folded == 12


def test_a_model_called_twice_inside_another_costs_twice() -> None:
    image = keras.Input((8, 8, 3))
    inner = chain(layers.Conv2D(3, 1))
    summary = summarize(keras.Model(image, inner(inner(image))))
    assert summary.multiply_adds == 2 * 64 * 9
    assert summary.parameters == 12


def test_an_open_input_size_has_to_be_said() -> None:
    model = chain(layers.Conv2D(4, 3), size=(None, None, 3))
    assert summarize(model, (4, 5)).multiply_adds == 2 * 3 * 27 * 4
    with pytest.raises(ValueError, match="say the input size"):
        summarize(model)


@pytest.mark.parametrize("model", [keras.Sequential([layers.Dense(2)]), keras.Model()])
def test_a_model_without_a_graph_is_refused(model) -> None:
    with pytest.raises(ValueError, match="was never built"):
        summarize(model)


def test_a_summary_is_plain_values() -> None:
    values = summarize(chain(layers.Conv2D(5, 3))).to_dict()
    assert values["multiply_adds"] == values["rows"][0]["multiply_adds"] == 4860
    assert values["rows"][0]["output"] == (6, 6, 5)
