"""Our networks written in each format, read back, and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv import models
from edgecv.errors import ModelFileError, UnknownNameError
from edgecv.spec import InputSpec, ModelSpec

keras = pytest.importorskip("keras")

from edgecv.training.weights.read import read_graph  # noqa: E402
from edgecv.training.weights.take import Imported, import_weights, tensors  # noqa: E402

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of;
# TensorFlow 2.21 and tf2onnx 1.17 use what later versions of others will not have.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tf2onnx"),
    pytest.mark.filterwarnings("ignore::FutureWarning:tf2onnx"),
    pytest.mark.filterwarnings("ignore:.*np.object:FutureWarning"),
    pytest.mark.slow,
]

SIZE = 64
SPEC = ModelSpec(
    name="theirs", task="classification", decoder="classifier",
    input=InputSpec(mean=(127.5,), std=(127.5,)), options={"softmax": True},
)  # fmt: skip
FACES = ModelSpec(name="theirs", task="face_embedding", decoder="embedding", input=SPEC.input)


def trained(name: str, **options: Any) -> keras.Model:
    """Return a network whose batch norms, biases and slopes are those of no fresh one."""
    rng = np.random.default_rng(1)
    model = models.build(name, input_size=SIZE, **options)
    for layer in model.layers:
        for weight in layer.weights:
            if len(weight.shape) == 1 or isinstance(layer, keras.layers.PReLU):
                weight.assign(rng.uniform(0.2, 1, weight.shape))
    return model


def tflite(model: keras.Model, path: Path, *, optimize: bool = False) -> Path:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(_batch_of_one(model))
    if optimize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    made = path.with_suffix(".tflite")
    made.write_bytes(converter.convert())
    return made


def tflite_int8(model: keras.Model, path: Path) -> Path:
    """Write weights as int8 with one scale a channel; activations stay real numbers."""
    return tflite(model, path, optimize=True)


def onnx(model: keras.Model, path: Path) -> Path:
    import tf2onnx

    made = path.with_suffix(".onnx")
    tf2onnx.convert.from_keras(_batch_of_one(model), output_path=str(made))
    return made


def openvino(model: keras.Model, path: Path) -> Path:
    ov = pytest.importorskip("openvino")
    made = path.with_suffix(".xml")
    ov.save_model(ov.convert_model(tflite(model, path)), made, compress_to_fp16=False)
    return made


def _batch_of_one(model: keras.Model) -> keras.Model:
    image = keras.Input(batch_shape=(1, SIZE, SIZE, 3), name="image")
    return keras.Model(image, model(image))


def largest_difference(model: keras.Model, made: Imported) -> float:
    images = list(np.random.default_rng(2).integers(0, 256, (3, SIZE, SIZE, 3), np.uint8))
    ours, theirs = (
        m(tensors(m, SPEC, images), training=False).numpy() for m in (made.model, model)
    )
    assert np.ptp(theirs) > 0.01
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


NETWORKS = {
    "mobilenet_v2": ("mobilenet_v2", {"alpha": 0.35}),
    "shufflenet_v2": ("shufflenet_v2", {}),
    "squeezenet with batch norm": ("squeezenet", {"batch_norm": True}),
    "mobilefacenet": ("mobilefacenet", {"padding": "symmetric"}),
}


@pytest.mark.parametrize(("name", "options"), NETWORKS.values(), ids=NETWORKS.keys())
def test_a_network_comes_back_from_tflite_as_it_was(name, options, tmp_path: Path) -> None:
    model = trained(name, **options)
    spec = FACES if name == "mobilefacenet" else SPEC
    made = import_weights(tflite(model, tmp_path / "m"), spec, name, options=options)
    assert largest_difference(model, made) < 1e-4
    assert not made.left_out
    assert not made.differences
    assert not made.quantized


WRITERS: dict[str, tuple[Callable[[keras.Model, Path], Path], float]] = {
    "int8 weights": (tflite_int8, 0.05),
    "onnx": (onnx, 1e-4),
    "openvino": (openvino, 1e-4),
}


@pytest.mark.parametrize(("write", "near"), WRITERS.values(), ids=WRITERS.keys())
def test_a_network_comes_back_from_each_format(write, near: float, tmp_path: Path) -> None:
    model = trained("mobilenet_v2", alpha=0.35, classes=10)
    made = import_weights(
        write(model, tmp_path / "m"), SPEC, "mobilenet_v2", options={"alpha": 0.35}
    )
    assert largest_difference(model, made) < near
    assert made.quantized == (write is tflite_int8)


@pytest.mark.parametrize("suffix", [".tflite", ".onnx", ".xml"])
def test_a_damaged_file_is_told(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(range(200)))
    path.with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ModelFileError, match=rf"m\{suffix} is damaged"):
        read_graph(path)


def test_another_kind_of_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"no reader of weights '\.pt'"):
        read_graph(tmp_path / "m.pt")
