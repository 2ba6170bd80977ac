"""OpenVINO Model API, in an environment of its own, runs the IR as it is and says the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_keras
from edgecv.converters.embed import embed

import edgecv
from edgecv import modelfile
from edgecv.boxes import iou

pytest.importorskip("openvino")
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

PACKAGES = ["openvino-model-api"]
SCRIPT = """\
import json, sys, cv2
from model_api.models import Model
model = Model.create_model(sys.argv[1], device="CPU")
for file in sys.argv[2:]:
    found = model(cv2.imread(file))
    if hasattr(found, "top_labels"):
        rows = [[int(x.id), x.name, float(x.confidence)] for x in found.top_labels]
    else:
        rows = [[int(i), n, float(s), *map(int, b)] for i, n, s, b in
                zip(found.labels, found.label_names, found.scores, found.bboxes)]
    print(json.dumps(rows))
"""


@pytest.fixture(scope="module")
def peer() -> Path:
    """The Python of an environment with Model API, made on the first run, kept in the cache."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "edgecv" / "peers" / "model_api"
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        line = [python, "-m", "pip", "install", "-q", *PACKAGES]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(folder)
            if os.environ.get("EDGECV_TESTS_SKIP_NOTHING"):
                pytest.fail(done.stderr)
            pytest.skip(f"{', '.join(PACKAGES)} cannot be installed: {done.stderr.strip()[-200:]}")
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="module")
def pictures(photos):
    """Pictures of the input's size: Model API resizes by other arithmetic than OpenCV's."""
    return [cv2.resize(photo, (tiny_keras.SIDE,) * 2) for photo in photos]


@pytest.fixture(scope="module")
def files(tmp_path_factory, pictures) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    names = [folder / f"{number}.png" for number in range(len(pictures))]
    for name, image in zip(names, pictures, strict=True):
        cv2.imwrite(str(name), image)
    return names


def ask(python: Path, model: Path, files: list[Path]) -> list[list[list]]:
    line = [python, "-I", "-c", SCRIPT, model, *files]
    # full precision is not to be asked for through Model API, whose default is the device's own
    done = subprocess.run(
        [str(word) for word in line], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(row) for row in done.stdout.splitlines() if row.startswith("[")]


def test_model_api_classifies_as_we_do(peer, converted, files, pictures) -> None:
    path = converted("classifier", "openvino")
    said = ask(peer, path, files)
    assert len(said) == len(pictures)
    with edgecv.load(path, device="cpu") as model:
        for rows, image in zip(said, pictures, strict=True):
            ours = model(image)
            assert rows[0][0] == ours.class_ids[0]
            assert rows[0][1] == "_".join(ours.labels[rows[0][0]].split())
            theirs = {row[0]: row[2] for row in rows}
            assert theirs.keys() == set(ours.class_ids.tolist())
            for class_id, score in zip(ours.class_ids, ours.scores, strict=True):
                assert theirs[class_id] == pytest.approx(score, abs=0.03)  # bf16 where it is


def test_model_api_detects_as_we_do(peer, converted, files, pictures, tmp_path) -> None:
    from edgecv.converters.openvino_detection import add_detection_output

    path = tmp_path / "detector.xml"
    whole = converted("detector", "openvino")
    for suffix in (".xml", ".bin"):
        shutil.copy(whole.with_suffix(suffix), path.with_suffix(suffix))
    spec = add_detection_output(path, modelfile.embedded_spec(path))
    embed(path, spec=spec, card=None)
    found = same = 0
    with edgecv.load(path, device="cpu") as model:
        for rows, image in zip(ask(peer, path, files), pictures, strict=True):
            ours = model(image)
            found += len(ours)
            theirs = np.array([row[3:] for row in rows], np.float32).reshape(-1, 4)
            names = np.array([row[1] for row in rows])
            near = iou(ours.boxes, theirs) > 0.75  # whole pixels, of boxes 6 pixels high
            near &= np.array(ours.names)[:, None] == names[None]
            same += int(near.any(axis=1).sum())
            assert abs(len(rows) - len(ours)) <= 1
    assert found >= len(pictures)
    assert same / found > 0.95
