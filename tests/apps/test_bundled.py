"""What ships reaches what the list of models says of it, on the photographs that it names."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgecv import load
from edgecv.datasets import read_objects
from edgecv.evaluation import detection
from edgecv.zoo import entry

ROUNDING = 0.015  # processors round differently: some figures move by a picture or two
CROPS = Path(__file__).parents[2] / "tools" / "object_crops.py"


def said(name: str) -> list[float]:
    """Return the figures in the list of models."""
    return [float(figure) for figure in re.findall(r"0?\.\d+", entry(name).figure)]


def measured(edgecv, tmp_path: Path, measure: str, name: str, folder: Path, *more: str):
    """Return the figures of `edgecv eval`, by their names in small letters."""
    out = tmp_path / "figures.json"
    ran = edgecv("eval", measure, "--model", name, "--data", folder, *more, "--json", out)
    assert ran.code == 0, ran.err
    return {key.lower(): value for key, value in json.loads(out.read_text()).items()}


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "words", "figure"),
    [
        ("edgecv-face-detect", ("face-detect", "fddb_eval"), "recall@1fppi"),
        ("edgecv-face-embed", ("face-verify", "lfw_eval"), "accuracy"),
        ("edgecv-pose", ("pose", "coco_eval"), "mean_oks"),
    ],
)
def test_what_ships_reaches_its_figure(edgecv, data, tmp_path, name, words, figure) -> None:
    measure, folder, *more = words
    found = measured(edgecv, tmp_path, measure, name, data / folder, *more)
    assert found[figure] == pytest.approx(said(name)[0], abs=ROUNDING)


@pytest.mark.slow
@pytest.mark.data
def test_the_detector_reaches_its_figures_of_people_and_of_all_its_classes(data) -> None:
    photos = read_objects(data / "coco_eval")
    whole = detection.evaluate(load("edgecv-detect"), photos)
    people = detection.measure(photos, whole.detections, classes=["person"])
    found = (people.figures["AP50"], whole.figures["AP50_known"])
    assert found == pytest.approx(said("edgecv-detect"), abs=ROUNDING)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not CROPS.is_file(), reason="needs the source tree")
def test_the_classifier_reaches_its_figure(edgecv, data, tmp_path) -> None:
    crops = tmp_path / "crops"
    command = [sys.executable, str(CROPS), str(data / "coco_eval"), "--out", str(crops)]
    subprocess.run(command, check=True)
    found = measured(edgecv, tmp_path, "classify", "edgecv-classify", crops)
    assert found["top1"] == pytest.approx(said("edgecv-classify")[0], abs=ROUNDING)
