"""The same public model through every runtime that reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecv
from edgecv.session import FORMATS, RUNTIMES, open_session

FLOATS = (
    "yunet_n_320.onnx",
    "mobilefacenet_fp32.onnx",
    "mobilenet_v1_0.25_224_fp32.tflite",
    "vww_mobilenet_v1_0.25_96_fp32.tflite",
)
ON_THE_CPU = ("onnx", "openvino", "tflite")


def outputs(path: Path, runtime: str) -> dict[str, np.ndarray]:
    session = open_session(path, device="cpu", runtime=runtime, threads=2).session
    rng = np.random.default_rng(0)
    tensors = {}
    for spec in session.inputs:
        shape = tuple(side or 1 for side in spec.shape)
        tensors[spec.name] = rng.random(shape).astype(spec.dtype)
    return session.run(tensors)


@pytest.mark.zoo
@pytest.mark.parametrize("file", FLOATS)
def test_float_models_give_the_same_raw_outputs(file: str, zoo: Path) -> None:
    runtimes = [name for name in FORMATS[Path(file).suffix] if name in ON_THE_CPU]
    assert len(runtimes) == 2
    first, second = (outputs(zoo / file, name) for name in runtimes)
    assert first.keys() == second.keys()
    assert max(np.ptp(values) for values in first.values()) > 0.01
    for name, values in first.items():  # sums are added up in another order
        np.testing.assert_allclose(values, second[name], atol=1e-6 + 1e-3 * np.ptp(values))


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_224_int8", "mobilenet_v2_1.0_224_int8"])
def test_int8_models_give_the_same_classes(
    name: str, zoo: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECV_INT8_REWRITE", "0")  # the same file on both
    # Integer kernels round differently: scores differ by a few steps of 1/256.
    models = [edgecv.load(name, device="cpu", runtime=r) for r in ("tflite", "openvino")]
    for file in sorted((data / "coco_eval" / "images").glob("*"))[:10]:
        image = edgecv.read_image(file)
        tensors = [model.preprocess(image)[0] for model in models]
        np.testing.assert_array_equal(*tensors)
        here, there = (
            next(iter(model.infer(tensor).values()))
            for model, tensor in zip(models, tensors, strict=True)
        )
        assert here.argmax() == there.argmax()
        np.testing.assert_allclose(here, there, atol=0.08)


def test_the_runtimes_of_every_format_are_known() -> None:
    assert {name for names in FORMATS.values() for name in names} == set(RUNTIMES)
