"""The same network in two formats, on two runtimes: the same answer on real photographs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import edgecv
from edgecv import zoo as models
from edgecv.boxes import iou
from edgecv.results import Detections, Faces

PHOTOS = 100


def photographs(data: Path) -> list[Path]:
    return sorted((data / "coco_eval" / "images").iterdir())[:PHOTOS]


def openvino_twin(name: str, zoo: Path, folder: Path) -> Path:
    """Return the same network as OpenVINO IR in full precision, with its spec beside it."""
    import json

    openvino = pytest.importorskip("openvino")
    path = folder / f"{name}.xml"
    converted = openvino.convert_model(zoo / f"{name}.onnx")
    openvino.save_model(converted, path, compress_to_fp16=False)
    sidecar = path.with_name(path.name + ".json")
    sidecar.write_text(json.dumps(models.spec(name).to_dict()))
    return path


def unmatched(a: Detections | Faces, b: Detections | Faces, *, margin: float) -> list[str]:
    """Say which results of `a` have no twin in `b`: IoU of .95, the same class, .03 in score.

    Results within `margin` of the threshold are left out: they may fall on either side of it.
    """
    sure = a[a.scores > a_threshold(a) + margin]
    overlap = iou(sure.boxes, b.boxes) if len(b) else np.zeros((len(sure), 0), np.float32)
    missing = []
    for i in range(len(sure)):
        fits = (overlap[i] >= 0.95) & (np.abs(b.scores - sure.scores[i]) <= 0.03)
        if isinstance(sure, Detections) and isinstance(b, Detections):
            fits &= b.class_ids == sure.class_ids[i]
        if not fits.any():
            missing.append(f"{sure.boxes[i]} {sure.scores[i]:.3f}")
    return missing


def a_threshold(result: Detections | Faces) -> float:
    assert result.run is not None
    return models.spec(result.run.model).score


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolox_nano_416", "yunet_n_320"])
def test_onnx_and_openvino_files_give_the_same_detections(name, zoo, data, tmp_path) -> None:
    onnx = edgecv.load(name, runtime="onnx", device="cpu")
    ir = edgecv.load(openvino_twin(name, zoo, tmp_path), device="cpu")
    assert (onnx.runtime, ir.runtime) == ("onnx", "openvino")
    found, wrong = 0, []
    for file in photographs(data):
        image = edgecv.read_image(file)
        first, second = onnx(image), ir(image)
        assert isinstance(first, (Detections, Faces))
        assert type(second) is type(first)
        found += len(first)
        wrong += [f"{file.name}: {text}" for text in unmatched(first, second, margin=0.005)]
        wrong += [f"{file.name}: {text}" for text in unmatched(second, first, margin=0.005)]
    assert found > 20
    assert not wrong
