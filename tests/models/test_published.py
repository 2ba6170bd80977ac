"""Parameters and multiply-adds against the tables of the papers and of their authors' code.

Publications count parameters differently: "kernels" alone, without biases and batch norm, as
TF-Slim; all that are "trained", as most papers; or those on a device, batch norm "folded" into one
bias a channel. Multiply-adds are those of convolutions and dense layers.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import pytest

keras = pytest.importorskip("keras")
models = pytest.importorskip("edgecv.models")
from edgecv.models.summary import summarize  # noqa: E402

SLIM = "github.com/tensorflow/models research/slim/nets/mobilenet/README.md"
V1 = "Howard et al. 2017, arXiv:1704.04861, tables 6 and 7"
V3 = "Howard et al. 2019, arXiv:1905.02244, table 3"
SHUFFLE = "github.com/megvii-model/ShuffleNet-Series README.md, by the papers' authors"


class Published(NamedTuple):
    name: str
    options: dict[str, Any]
    counted: str
    parameters: float  # millions
    multiply_adds: float  # millions
    source: str
    within: float = 0.5  # millions of multiply-adds: what rounding to a whole number explains

    @property
    def id(self) -> str:
        return "-".join([self.name, *(f"{key}={value}" for key, value in self.options.items())])


FAST = [
    Published("mobilenet_v1", {}, "trained", 4.2, 569, V1),
    Published("mobilenet_v1", {"alpha": 0.25}, "trained", 0.5, 41, V1),
    # 300.77: the paper and TF-Slim cut it to 300
    Published("mobilenet_v2", {}, "kernels", 3.47, 300, SLIM, 0.8),
    Published("mobilenet_v3_large", {}, "trained", 5.48, 217, SLIM + " (5.4 M, cut)"),
    Published("mobilenet_v3_large", {"minimalistic": True}, "trained", 3.9, 209, SLIM),
    # TF-Slim's table says 66 M and 2.9 M of the small network, which is of an earlier one: the
    # weights in keras.applications have these 2.54 M as well
    Published("mobilenet_v3_small", {}, "trained", 2.5, 56, V3, 0.6),
    Published("mobilenet_v3_small", {"minimalistic": True}, "trained", 2.0, 52.3, "keras, SLIM"),
    Published("shufflenet_v1", {"groups": 3}, "trained", 1.9, 138, SHUFFLE, 0.6),
    Published("shufflenet_v1", {"groups": 3, "alpha": 0.5}, "trained", 0.7, 38, SHUFFLE),
    Published("shufflenet_v2", {"alpha": 0.5}, "trained", 1.4, 41, SHUFFLE, 0.6),
    Published("shufflenet_v2", {}, "trained", 2.3, 146, SHUFFLE),
    # Caffe's blobs; multiply-adds as torchvision counts its models (0.82 and 0.35 GFLOPS at 224)
    Published("squeezenet", {"version": "1.0"}, "trained", 1.248424, 819, "torchvision"),
    Published("squeezenet", {"version": "1.1"}, "trained", 1.235496, 349, "torchvision"),
    # 0.99 M is with batch norm folded, which also makes the paper's file of 4.0 MB
    Published("mobilefacenet", {}, "folded", 0.99, 221, "Chen et al. 2018, arXiv:1804.07573"),
    # The parameters are exactly those of the public weights (4 652 008). The published 407 M
    # (github.com/tensorflow/tpu, efficientnet/lite) is 22 M above these layers, and does not say
    # what it counts; the same blocks with squeeze-and-excite on top, EfficientNet-B0, are published
    # with 390 M (arXiv:1905.11946, table 2), which agrees with 385 M here
    Published("efficientnet_lite0", {}, "trained", 4.652008, 385.2, "keras-hub, timm"),
]
SLOW = [
    Published("mobilenet_v1", {"alpha": 0.75}, "trained", 2.6, 325, V1),
    Published("mobilenet_v1", {"alpha": 0.5}, "trained", 1.3, 149, V1),
    Published("mobilenet_v1", {"input_size": 192}, "trained", 4.2, 418, V1),
    Published("mobilenet_v1", {"input_size": 160}, "trained", 4.2, 290, V1, 0.7),  # 290.68, cut
    Published("mobilenet_v1", {"input_size": 128}, "trained", 4.2, 186, V1),
    Published("mobilenet_v2", {"alpha": 1.4}, "kernels", 6.06, 582, SLIM),
    Published("mobilenet_v2", {"alpha": 1.3}, "kernels", 5.34, 509, SLIM),
    Published("mobilenet_v2", {"alpha": 0.75}, "kernels", 2.61, 209, SLIM),
    Published("mobilenet_v2", {"alpha": 0.5}, "kernels", 1.95, 97, SLIM),
    Published("mobilenet_v2", {"alpha": 0.35}, "kernels", 1.66, 59, SLIM),
    Published("mobilenet_v3_large", {"alpha": 0.75}, "trained", 4.0, 155, SLIM),
    Published("mobilenet_v3_small", {"alpha": 0.75}, "trained", 2.0, 44, V3, 0.7),
    Published("shufflenet_v1", {"groups": 8}, "trained", 2.4, 138, SHUFFLE),
    Published("shufflenet_v1", {"groups": 8, "alpha": 0.5}, "trained", 1.0, 40, SHUFFLE),
    Published("shufflenet_v1", {"groups": 3, "alpha": 1.5}, "trained", 3.4, 292, SHUFFLE),
    Published("shufflenet_v1", {"groups": 8, "alpha": 1.5}, "trained", 4.3, 290, SHUFFLE),
    # 5.45 M: cut to 5.4 there
    Published("shufflenet_v1", {"groups": 3, "alpha": 2}, "trained", 5.45, 524, SHUFFLE),
    Published("shufflenet_v1", {"groups": 8, "alpha": 2}, "trained", 6.5, 522, SHUFFLE),
    Published("shufflenet_v2", {"alpha": 1.5}, "trained", 3.5, 299, SHUFFLE),
    Published("shufflenet_v2", {"alpha": 2.0}, "trained", 7.4, 591, SHUFFLE),
]


def decimals(value: float) -> int:
    return len(f"{value}".partition(".")[2])


@pytest.mark.parametrize(
    "row",
    [
        *(pytest.param(row, id=row.id) for row in FAST),
        *(pytest.param(row, id=row.id, marks=pytest.mark.slow) for row in SLOW),
    ],
)
def test_counts_are_those_of_the_publication(row: Published) -> None:
    model = models.build(row.name, **row.options)
    summary = summarize(model)
    counted = {
        "kernels": sum(prod(weight.shape) for weight in model.weights if len(weight.shape) > 1),
        "trained": summary.trainable,
        "folded": summary.folded,
    }
    assert round(counted[row.counted] / 1e6, decimals(row.parameters)) == row.parameters
    assert summary.multiply_adds / 1e6 == pytest.approx(row.multiply_adds, abs=row.within)
    assert not summary.unknown


def test_mobilefacenet_with_squeeze_and_excite_has_the_counts_of_the_public_weights() -> None:
    """face-reidentification-retail-0095 at docs.openvino.ai: 1.107 M parameters, 0.588 GFLOPs.

    A PReLU of theirs has one slope; the paper's has one a channel, and so have ours. Convolutions
    have .577 of their operations, two for a multiply-add: theirs seem to count the rest too.
    """
    model = models.build("mobilefacenet", squeeze=8, input_size=128, embedding=256)
    summary = summarize(model)
    slopes = [layer.alpha for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    more = sum(prod(slope.shape) - 1 for slope in slopes)
    assert round((summary.folded - more) / 1e6, 3) == 1.107
    assert 2 * summary.multiply_adds / 1e9 == pytest.approx(0.588, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("groups", "published"), [(1, 143), (2, 140), (3, 137), (4, 133), (8, 137)]
)
def test_shufflenet_v1_has_the_complexity_of_table_1_without_its_last_layer(
    groups: int, published: int
) -> None:
    """Zhang et al. 2017, arXiv:1707.01083, table 1: the row of fully connected layers not counted.

    With it, the numbers are up to 1.4 M higher, and those of the authors' later table.
    """
    summary = summarize(models.build("shufflenet_v1", groups=groups, classes=1))
    assert summary.multiply_adds / 1e6 == pytest.approx(published, abs=0.51)


@pytest.mark.parametrize(
    ("name", "theirs", "options"),
    [
        ("mobilenet_v1", "MobileNet", {"alpha": 0.5}),
        ("mobilenet_v2", "MobileNetV2", {"alpha": 0.35}),
        pytest.param("mobilenet_v1", "MobileNet", {}, marks=pytest.mark.slow),
        pytest.param("mobilenet_v2", "MobileNetV2", {"alpha": 1.4}, marks=pytest.mark.slow),
        pytest.param("mobilenet_v3_large", "MobileNetV3Large", {}, marks=pytest.mark.slow),
        pytest.param(
            "mobilenet_v3_large",
            "MobileNetV3Large",
            {"minimalistic": True, "alpha": 0.75},
            marks=pytest.mark.slow,
        ),
        pytest.param("mobilenet_v3_small", "MobileNetV3Small", {"alpha": 0.75}),
    ],
)
def test_counts_equal_those_of_keras_applications(
    name: str, theirs: str, options: dict[str, Any]
) -> None:
    ours = summarize(models.build(name, **options))
    build = getattr(keras.applications, theirs)
    reference = summarize(build(weights=None, input_shape=(224, 224, 3), **options))
    assert ours.parameters == reference.parameters
    assert ours.trainable == reference.trainable
    assert ours.multiply_adds == reference.multiply_adds
