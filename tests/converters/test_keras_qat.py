"""Files of networks that learnt the rounding of INT8: integers alone, and what Keras says."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import cv2
import numpy as np
import pytest

keras = pytest.importorskip("keras")
from edgecv.converters.keras_qat import convert, export_tflite  # noqa: E402
from families import FAMILIES  # noqa: E402
from keras import layers  # noqa: E402

from edgecv.errors import ModelFileError  # noqa: E402
from edgecv.models import shufflenet_v1, shufflenet_v2  # noqa: E402
from edgecv.models.blocks import conv_bn, depthwise_bn  # noqa: E402
from edgecv.session import open_session  # noqa: E402
from edgecv.tflitegraph import TYPE, Graph  # noqa: E402
from edgecv.training.qat import network as qat  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
SIDE = 16
WHOLE = (
    "mobilenet_v2", "shufflenet_v1", "shufflenet_v2", "mobilefacenet", "ssd pyramid", "heatmaps",
    "ppn", "unet",
)  # fmt: skip
"""The others are made of what is in these, and in the small networks below."""
NEAR = 0.7
"""The least correlation of what a network of random weights says in integers and in floats."""


def pictures(count, side=SIDE):
    """Soft shapes of many colours and contrasts: noise alone looks the same to every network."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        coarse = rng.uniform(-1, 1, (4, 4, 3)).astype(np.float32)
        fine = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        made.append(fine * rng.uniform(0.3, 1.2) + rng.normal(0, 0.05, fine.shape))
    return np.clip(np.stack(made), -1, 1).astype(np.float32)


def settle(model, images):
    """Give batch norms the averages of some pictures: with none, values fade out."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.5
    for _ in range(4):
        model(images, training=True)


def ask(session, images):
    """Return each output of a file of integers, in steps."""
    given, out = session.inputs[0], {spec.name: [] for spec in session.outputs}
    for image in images:
        # Half a step goes up, as in the twin and in `edgecv.image`: pure black is such a half.
        steps = np.floor(image[None] / given.quant.scale + 0.5 + 1e-4) + given.quant.zero_point
        made = session.run({given.name: np.clip(steps, -128, 127).astype(np.int8)})
        for spec in session.outputs:
            out[spec.name].append(made[spec.name].astype(np.float32)[0] - spec.quant.zero_point)
    return {name: np.stack(values) for name, values in out.items()}


class Said(NamedTuple):
    """What a network's file, its twin and the network itself give of the same pictures, by output.

    The file's values are in its steps, the others real numbers.
    """

    file: dict[str, np.ndarray]
    twin: dict[str, np.ndarray]
    network: dict[str, np.ndarray]
    scales: dict[str, float]
    graph: Graph


def exported(model, tmp_path, side) -> Said:
    """Make a network's twin and its file, of integers alone, and ask all three."""
    images = pictures(16, side)
    settle(model, images)
    twin = qat.prepare(model, input_range=(-1, 1))
    qat.calibrate(twin, [images[:8], images[8:]])
    file = tmp_path / "twin.tflite"
    export_tflite(twin, file)
    session = open_session(file, device="cpu", runtime="tflite").session
    graph = Graph(file.read_bytes())
    given = {graph.tensors[i].type for operator in graph.operators for i in operator.outputs}
    assert given == {TYPE.INT8}
    scales = {spec.name: spec.quant.scale for spec in session.outputs}
    said = Said(ask(session, images), named(twin, images), named(model, images), scales, graph)
    assert set(said.file) == set(said.twin) == set(said.network)
    return said


def compared(model, tmp_path, *, near=0.99, beyond=0.03):
    """Check a network's file against its twin, and the twin against it; return the operators.

    Args:
        model: The network.
        tmp_path: A folder.
        near: The least correlation of what twin and network give.
        beyond: The part of the values that may be further than a step from the twin's.
    """
    said = exported(model, tmp_path, SIDE)
    for name, scale in said.scales.items():
        far = np.abs(said.file[name] - said.twin[name] / scale)
        assert np.mean(far > 1.01) <= beyond, name
        assert alike(said.twin[name], said.network[name]) > near
    return Counter(said.graph.name(operator) for operator in said.graph.operators)


@pytest.mark.parametrize("name", WHOLE)
def test_what_a_whole_network_says_in_integers_is_as_true_as_what_its_twin_says(
    name, tmp_path
) -> None:
    """Through many layers a step more here and there grows: they are held against the floats."""
    keras.utils.set_random_seed(1)
    model = FAMILIES[name]()
    said = exported(model, tmp_path, model.input_shape[1])
    for output, wanted in said.network.items():
        found = alike(said.file[output], wanted)
        assert found > NEAR
        assert found > alike(said.twin[output], wanted) - 0.05


def alike(one, other):
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def named(model, images):
    made = model(images, training=False)
    if not isinstance(made, dict):
        made = {model.output_names[0]: made}
    return {name: value.numpy() for name, value in made.items()}


def shuffled(x):
    x = shufflenet_v2._first_unit(x, 16, name="a", momentum=0.5)
    x = shufflenet_v2._unit(x, name="b", momentum=0.5)
    return layers.GlobalAveragePooling2D(name="pool")(
        shufflenet_v2._unit(x, name="c", momentum=0.5)
    )


def grouped(x):
    x = shufflenet_v1._unit(x, 24, 2, first=True, name="stage3_unit1", momentum=0.5)
    return shufflenet_v1._unit(x, 24, 2, first=False, name="stage3_unit2", momentum=0.5)


def face(x):
    x = conv_bn(x, 8, 3, name="p", activation="prelu")
    x = depthwise_bn(x, x.shape[1:3], name="g", activation=None, padding="valid")
    return layers.Flatten(name="embedding")(conv_bn(x, 4, name="linear", activation=None))


def rows(x):
    y = conv_bn(x, 8, 3, 2, name="down")
    told = [
        layers.Reshape((-1, 4))(layers.Conv2D(8, 3, padding="same", name=f"told{i}")(part))
        for i, part in enumerate((x, y))
    ]
    return {"boxes": layers.Concatenate(axis=1, name="boxes")(told)}


def enlarged(x):
    y = layers.UpSampling2D(2, interpolation="bilinear")(conv_bn(x, 8, 3, 2, name="down"))
    y = conv_bn(layers.Concatenate()([y, x]), 8, name="mix")
    return {"mask": layers.Conv2D(3, 1, name="told")(y)}


def pooled(x):
    y = layers.Concatenate()([layers.AveragePooling2D(3, 2, padding="same")(x),
                              conv_bn(x, 8, 3, 2, name="w", activation="relu")])  # fmt: skip
    y = layers.MaxPooling2D(3, 2, padding="same")(layers.ZeroPadding2D(1)(y))
    return layers.GlobalAveragePooling2D(name="logits")(layers.Conv2D(5, 1, activation="relu")(y))


def pooled_twice(x):
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    return {
        "a": conv_bn(x, 8, name="a", activation="relu"),
        "b": layers.AveragePooling2D(3, 2, padding="same", name="b")(x),
    }


def rare(x):
    """The head of a detector that has learned nothing yet: one bias for all."""
    first = keras.initializers.Constant(-4.6)
    return layers.Conv2D(8, 1, bias_initializer=first, name="scores")(x)


def activated(x):
    y = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(x)
    y = layers.Conv2DTranspose(4, 3, 2, padding="same", activation="tanh")(y)
    y = layers.Add()([y, layers.LeakyReLU(0.1)(y), layers.Activation("hard_sigmoid")(y)])
    y = layers.GlobalAveragePooling2D()(layers.Activation("hard_swish")(y))
    return layers.Dense(4, activation="softmax", name="probabilities")(y)


@pytest.mark.parametrize(
    ("build", "counts"),
    [
        (shuffled, {"SPLIT": 2, "CONCATENATION": 3, "QUANTIZE": 1}),
        (grouped, {"SPLIT": 4, "AVERAGE_POOL_2D": 1, "QUANTIZE": 1}),
        (face, {"PRELU": 1}),
        (rows, {"CONCATENATION": 1, "QUANTIZE": 0}),
        (enlarged, {"RESIZE_BILINEAR": 1, "QUANTIZE": 1}),
        (activated, {"TRANSPOSE_CONV": 1, "TANH": 1, "LEAKY_RELU": 1, "SOFTMAX": 1}),
        (rare, {"CONV_2D": 2}),
        (pooled_twice, {"AVERAGE_POOL_2D": 1, "MAX_POOL_2D": 1}),
        (pooled, {"AVERAGE_POOL_2D": 1, "PAD": 1, "MAX_POOL_2D": 1}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_file_is_within_a_step_of_the_network(build, counts, tmp_path) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    stem = conv_bn(image, 8, 3, name="stem", momentum=0.5)
    operators = compared(keras.Model(image, build(stem), name=build.__name__), tmp_path)
    assert {kind: operators[kind] for kind in counts} == counts


def test_a_file_without_ranges_is_refused(tmp_path) -> None:
    image = keras.Input((8, 8, 3))
    keras.Model(image, layers.Conv2D(2, 1)(image)).save(tmp_path / "plain.keras")
    with pytest.raises(ModelFileError, match="no ranges inside"):
        convert(tmp_path / "plain.keras", tmp_path / "plain.tflite")
    assert not (tmp_path / "plain.tflite").exists()


def test_a_network_that_was_not_calibrated_is_refused(tmp_path) -> None:
    image = keras.Input((8, 8, 3))
    twin = qat.prepare(keras.Model(image, layers.Conv2D(2, 1, name="told")(image)))
    with pytest.raises(ValueError, match=r"calibrate it first: .*_range, told saw no value"):
        export_tflite(twin, tmp_path / "twin.tflite")
