"""Ways to run the command, and model files small enough to be made on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from edgecv.apps.cli import main


@pytest.fixture(autouse=True)
def own_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the user's own gallery out of the tests; return where theirs would be."""
    path = tmp_path / "own" / "gallery.db"
    monkeypatch.setenv("EDGECV_GALLERY", str(path))
    return path


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def edgecv(capsys) -> Callable[..., Ran]:
    """Run the command in this process."""

    def run(*words: object) -> Ran:
        capsys.readouterr()
        try:
            code = main([str(word) for word in words])
        except SystemExit as error:
            code = int(error.code or 0)
        return Ran(code, *capsys.readouterr())

    return run


COMMAND = [sys.executable, "-m", "edgecv.apps.cli"]


@pytest.fixture
def process() -> Callable[..., Ran]:
    """Run the command in a process of its own, where libraries may write to stderr as well."""

    def run(*words: object, **variables: str) -> Ran:
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def write_onnx(
    path: Path, outputs: Mapping[str, np.ndarray] | None, spec: Mapping[str, Any] | None
) -> Path:
    """Write a model of a 16x16 RGB picture in planes, and its spec beside it.

    Args:
        path: The .onnx file.
        outputs: What it always gives; None for the mean of each plane, (1, 3), as "scores".
        spec: The spec's fields besides its name; None for no spec.
    """
    onnx = pytest.importorskip("onnx")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    given = helper.make_tensor_value_info("input", floats, [1, 3, 16, 16])
    if outputs is None:
        nodes = [
            helper.make_node("GlobalAveragePool", ["input"], ["means"]),
            helper.make_node("Flatten", ["means"], ["scores"]),
        ]
        made = [helper.make_tensor_value_info("scores", floats, [1, 3])]
    else:
        tensors = {
            name: onnx.numpy_helper.from_array(np.asarray(value, np.float32))
            for name, value in outputs.items()
        }
        nodes = [helper.make_node("Constant", [], [n], value=t) for n, t in tensors.items()]
        made = [helper.make_tensor_value_info(n, floats, t.dims) for n, t in tensors.items()]
    graph = helper.make_graph(nodes, "tiny", [given], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    if spec is not None:
        path.with_name(path.name + ".json").write_text(json.dumps({"name": path.stem, **spec}))
    return path


COLOURS = {
    "task": "classification",
    "decoder": "classifier",
    "input": {"std": 255},
    "labels": ["red", "green", "blue"],
}


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """A classifier that tells red, green and blue pictures apart."""
    return write_onnx(tmp_path / "colours.onnx", None, COLOURS)


@pytest.fixture
def cats(tmp_path: Path) -> Path:
    """A detector that sees a person and a cat in every picture, always at the same places."""
    outputs = {
        "boxes": [[[0.25, 0.5, 0.75, 1.0], [0, 0, 0.5, 0.5]]],
        "classes": [[1, 0]],
        "scores": [[0.9, 0.6]],
        "count": [2],
    }
    spec = {"task": "detection", "decoder": "ssd_postprocess", "labels": ["cat", "person"]}
    return write_onnx(tmp_path / "cats.onnx", outputs, spec)


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A pose model that sees a person's 17 keypoints on the diagonal of every picture."""
    steps = np.linspace(0.1, 0.9, 17)
    rows = np.stack((steps, steps, np.full(17, 0.8)), axis=1)[None, None]
    spec = {"task": "pose", "decoder": "movenet", "keypoints": "coco_17"}
    return write_onnx(tmp_path / "stick.onnx", {"people": rows}, spec)


@pytest.fixture
def filling(tmp_path: Path) -> Path:
    """A pose model, for a person who fills the picture, that sees all points in its middle."""
    heatmaps = np.zeros((1, 4, 4, 17), np.float32)
    heatmaps[:, 2, 2] = 0.9
    outputs = {"heatmaps": heatmaps, "offsets": np.zeros((1, 4, 4, 34), np.float32)}
    spec = {
        "task": "pose", "decoder": "heatmap", "keypoints": "coco_17",
        "options": {"activation": "none"},
    }  # fmt: skip
    return write_onnx(tmp_path / "filling.onnx", outputs, spec)


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Write a picture of one colour, named by its BGR values' name."""
    shades = {"red": (0, 0, 255), "green": (0, 255, 0), "blue": (255, 0, 0)}

    def write(name: str, colour: str = "red", size: tuple[int, int] = (40, 80)) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((*size, 3), shades[colour], np.uint8))
        return path

    return write
