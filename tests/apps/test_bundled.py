"""What ships reaches what the list of models says of it, on the photographs that it names."""

from __future__ import annotations

import json
import re

import pytest

from edgecv.zoo import entry

ROUNDING = 0.015  # processors round differently: some figures move by a picture or two


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "words", "figure"),
    [
        ("edgecv-detect", ("detect", "coco_eval", "--classes", "person"), "ap50"),
        ("edgecv-face-detect", ("face-detect", "fddb_eval"), "recall@1fppi"),
        ("edgecv-face-embed", ("face-verify", "lfw_eval"), "accuracy"),
        ("edgecv-pose", ("pose", "coco_eval"), "mean_oks"),
    ],
)
def test_what_ships_reaches_its_figure(edgecv, data, tmp_path, name, words, figure) -> None:
    measure, folder, *more = words
    out = tmp_path / "figures.json"
    ran = edgecv("eval", measure, "--model", name, "--data", data / folder, *more, "--json", out)
    assert ran.code == 0, ran.err
    (said,) = re.findall(r"0?\.\d+", entry(name).figure)
    measured = {key.lower(): value for key, value in json.loads(out.read_text()).items()}
    assert measured[figure] == pytest.approx(float(said), abs=ROUNDING)
