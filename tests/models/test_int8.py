"""Every family becomes a TFLite file of INT8 operators alone, all of which the Edge TPU takes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("ai_edge_litert")
from edgecv.converters import CONVERTERS  # noqa: E402
from edgecv.converters.edgetpu_map import plan_model  # noqa: E402
from edgecv.converters.edgetpu_rules import NOT_LISTED  # noqa: E402
from edgecv.converters.plan import Plan  # noqa: E402
from edgecv.quantize import QUANTIZERS  # noqa: E402
from edgecv.quantize.recipe import QuantRecipe  # noqa: E402

from edgecv.models import build  # noqa: E402
from edgecv.models.heatmap import heatmap_pose  # noqa: E402
from edgecv.models.ppn import ppn  # noqa: E402
from edgecv.models.segmentation import fcn, unet  # noqa: E402
from edgecv.models.ssd import ssd  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),  # TensorFlow's
]


def to_int8(model: Any, folder: Path) -> Path:
    """Convert and quantize; random pictures will do, the operators do not depend on them."""
    folder.mkdir()
    source, floats, made = (folder / f"model{end}" for end in (".keras", ".tflite", "_int8.tflite"))
    model.save(source)
    CONVERTERS.load("keras>tflite")(source, floats, precision="fp32")
    rng = np.random.default_rng(0)
    shape = (1, *model.input_shape[1:])
    pictures = [rng.uniform(-1, 1, shape).astype(np.float32) for _ in range(10)]
    recipe = QuantRecipe(bias_correction=False)
    QUANTIZERS.load("tflite")(floats, made, pictures, recipe)
    return made


def checked(model: Any, folder: Path) -> Plan:
    """Convert a model, and return what `edgecv check --target coral` says of the file."""
    return plan_model(to_int8(model, folder).read_bytes())


@pytest.mark.parametrize(
    ("name", "options", "counts"),
    [
        ("mobilenet_v1", {"alpha": 0.25}, {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13}),
        ("mobilenet_v2", {"alpha": 0.35}, {"CONV_2D": 35, "ADD": 10}),
        ("mobilenet_v3_small", {"minimalistic": True}, {"CONV_2D": 23, "FULLY_CONNECTED": 2}),
        ("efficientnet_lite0", {}, {"CONV_2D": 33, "DEPTHWISE_CONV_2D": 16}),
        # 16 shuffles of 3 operators; 1 + 15 x 2 convolutions are grouped, by 3, and split first
        (
            "shufflenet_v1",
            {"alpha": 0.5},
            {"RESHAPE": 32, "TRANSPOSE": 16, "SPLIT": 31, "CONV_2D": 2 + 31 * 3},
        ),
        ("shufflenet_v2", {"alpha": 0.5}, {"RESHAPE": 32, "TRANSPOSE": 16, "SPLIT": 13}),
        ("squeezenet", {}, {"CONV_2D": 26, "CONCATENATION": 8}),
        ("squeezenet", {"batch_norm": True}, {"CONV_2D": 26, "CONCATENATION": 8}),
        ("mobilefacenet", {"alpha": 0.5}, {"PRELU": 33, "DEPTHWISE_CONV_2D": 17}),
        ("mobilefacenet", {"alpha": 0.5, "activation": "relu"}, {"PRELU": 0, "CONV_2D": 33}),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_all_operators_are_int8_and_of_the_edge_tpu(name, options, counts, tmp_path) -> None:
    size = 112 if name == "mobilefacenet" else 64
    more = {} if name == "mobilefacenet" else {"classes": 8}
    plan = checked(build(name, input_size=size, **more, **options), tmp_path / "saved")
    assert plan.left == ()
    found = Counter(placed.kind for placed in plan.operators)
    assert {kind: found[kind] for kind in counts} == counts


def backbone() -> Any:
    return build("mobilenet_v2", input_size=96, alpha=0.35, include_top=False)


ANCHORS = {"layers": 3}
HEADS = {
    "ssd": lambda: ssd(backbone(), classes=3, anchors=ANCHORS),
    "ssd with a pyramid": lambda: ssd(backbone(), classes=3, anchors=ANCHORS, pyramid=True),
    "ssd of faces": lambda: ssd(backbone(), classes=1, anchors=ANCHORS, points=5),
    "heatmaps": lambda: heatmap_pose(backbone()),
    "proposals": lambda: ppn(backbone(), window=5),
    "unet": lambda: unet(backbone(), classes=3, stride=4),
    "fcn": lambda: fcn(backbone(), classes=3),
}


@pytest.mark.parametrize("make", HEADS.values(), ids=HEADS.keys())
def test_heads_are_int8_and_of_the_edge_tpu(make, tmp_path) -> None:
    plan = checked(make(), tmp_path / "saved")
    assert [(placed.kind, placed.name, placed.why) for placed in plan.left] == []


def test_mobilenet_v3_is_int8_but_for_its_swish_of_the_edge_tpu(tmp_path) -> None:
    plan = checked(build("mobilenet_v3_small", input_size=64, classes=8), tmp_path / "saved")
    assert {placed.kind for placed in plan.left if placed.why == NOT_LISTED} == {"HARD_SWISH"}
    assert not [placed for placed in plan.left if "works on" in placed.why]
