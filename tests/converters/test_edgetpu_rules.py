from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from edgecv.converters.edgetpu_rules import (
    CAUTIONS,
    NOT_LISTED,
    OPEN,
    PARAMETERS,
    RULES,
    Operation,
    Tensor,
    caution,
    refusal,
    too_new,
)


def data(*shape: int | None, dtype: str = "INT8", scales: int = 1) -> Tensor:
    return Tensor("x", dtype, shape, scales)


def weights(*shape: int, scales: int = 1) -> Tensor:
    return Tensor("w", "INT8", shape, scales, constant=True, values=np.ones(shape, np.int8))


def numbers(*values: int) -> Tensor:
    array = np.array(values, np.int32)
    return Tensor("n", "INT32", array.shape, 0, constant=True, values=array)


def make(kind: str, *inputs: Tensor, gives: Tensor, version: int = 1, **options: int) -> Operation:
    return Operation(kind, inputs, (gives,), SimpleNamespace(**options), version)


PICTURE, ROW = data(1, 8, 8, 4), data(1, 10)
CONV = (PICTURE, weights(4, 3, 3, 4), numbers(0, 0, 0, 0))

TAKEN = {
    "convolution": make("CONV_2D", *CONV, gives=PICTURE, dilationWFactor=2, dilationHFactor=2),
    "a scale a channel": make("CONV_2D", PICTURE, weights(4, 3, 3, 4, scales=4), gives=PICTURE),
    "old bytes": make("RELU", data(1, 8, dtype="UINT8"), gives=data(1, 8, dtype="UINT8")),
    "dense": make("FULLY_CONNECTED", ROW, weights(5, 10), gives=data(1, 5)),
    "joins": make("CONCATENATION", PICTURE, PICTURE, gives=data(1, 8, 8, 8), axis=3),
    "joins zeros": make(
        "CONCATENATION",
        PICTURE,
        Tensor("z", "INT8", (1, 8, 8, 1), 1, constant=True, values=np.zeros((1, 8, 8, 1))),
        gives=data(1, 8, 8, 5),
    ),
    "mean": make("MEAN", PICTURE, numbers(1, 2), gives=data(1, 4)),
    "mean of depth": make("MEAN", PICTURE, numbers(-1), gives=data(1, 8, 8)),
    "pad": make("PAD", PICTURE, numbers(0, 1, 1, 0)._replace(values=np.array([[0, 0], [1, 1]])),
                gives=data(1, 9, 9, 4)),
    "split": make("SPLIT", numbers(3), PICTURE, gives=data(1, 8, 8, 2)),
    "pack": make("PACK", data(8), data(8), gives=data(8, 2), axis=1),
    "prelu": make("PRELU", PICTURE, weights(1, 1, 4), gives=PICTURE),
    "softmax": make("SOFTMAX", data(1, 16_000), gives=data(1, 16_000)),
    "slice": make("STRIDED_SLICE", PICTURE, numbers(0), numbers(1), numbers(1, 1), gives=PICTURE),
    "twofold": make("RESIZE_BILINEAR", PICTURE, numbers(16, 16), gives=data(1, 16, 16, 4)),
    "sum": make("SUM", PICTURE, numbers(1), gives=data(1, 8, 4)),
    "up": make("TRANSPOSE_CONV", numbers(1, 8, 8, 4), weights(4, 2, 2, 4), data(1, 4, 4, 4),
               gives=PICTURE),
}  # fmt: skip

NOT_TAKEN = {
    "no such operator": (make("HARD_SWISH", PICTURE, gives=PICTURE), NOT_LISTED),
    "floats": (make("RELU", data(1, 8, dtype="FLOAT32"), gives=data(1, 8)), "works on FLOAT32"),
    "float result": (make("ADD", ROW, ROW, gives=data(1, 10, dtype="FLOAT32")), "on FLOAT32"),
    "16 bits": (make("ADD", data(1, 8, dtype="INT16"), gives=data(1, 8)), "works on INT16"),
    "integers": (make("MUL", data(1, dtype="INT32"), gives=data(1, dtype="INT32")), "INT32"),
    "no scale": (make("RELU", data(1, 8, scales=0), gives=ROW), "x has no scale"),
    "open batch": (make("RELU", data(None, 8), gives=data(None, 8)), OPEN),
    "four axes": (make("RELU", data(2, 8, 8, 4), gives=data(2, 8, 8, 4)), "2x8x8x4 has more"),
    "computed weights": (make("CONV_2D", PICTURE, PICTURE, gives=PICTURE), "x is computed"),
    "newer than the compiler": (make("CONV_2D", *CONV, gives=PICTURE, version=6), "knows 5"),
    "fused": (make("MAX_POOL_2D", PICTURE, gives=PICTURE, fusedActivationFunction=1), "is fused"),
    "two dilations": (
        make("DEPTHWISE_CONV_2D", *CONV, gives=PICTURE, dilationWFactor=1, dilationHFactor=2),
        "2 down, 1 across",
    ),
    "shuffled": (
        make("FULLY_CONNECTED", ROW, weights(5, 10), gives=data(1, 5), weightsFormat=1),
        "not in the default format",
    ),
    "rows": (make("FULLY_CONNECTED", data(3, 10), weights(5, 10), gives=data(3, 5)), "3x5"),
    "joins ones": (make("CONCATENATION", PICTURE, weights(1, 8, 8, 1), gives=PICTURE), "constant"),
    "mean of the batch": (make("MEAN", PICTURE, numbers(0, 1), gives=ROW), "over the batch"),
    "mean of 3": (make("MEAN", data(1, 8, 8, 3), numbers(3), gives=ROW), "averages 3 channels"),
    "large mean": (make("MEAN", data(1, 256, 128, 3), numbers(1, 2), gives=ROW), "32768 positions"),
    "pad the batch": (
        make("PAD", PICTURE, numbers(1)._replace(values=np.array([[1, 0], [0, 0]])), gives=PICTURE),
        "pads the batch",
    ),
    "split the batch": (make("SPLIT", numbers(-4), PICTURE, gives=PICTURE), "splits the batch"),
    "pack the batch": (make("PACK", ROW, gives=data(1, 1, 10), axis=-3), "packs along the batch"),
    "an alpha a pixel": (make("PRELU", PICTURE, weights(8, 8, 4), gives=PICTURE), "8x8x4"),
    "softmax of rows": (make("SOFTMAX", data(1, 9, 2), gives=data(1, 9, 2)), "1x9x2"),
    "large softmax": (make("SOFTMAX", data(1, 16_001), gives=data(1, 16_001)), "16001 values"),
    "a stride": (
        make("STRIDED_SLICE", PICTURE, numbers(0), numbers(1), numbers(1, 2), gives=PICTURE),
        "not all 1",
    ),
    "a mask": (
        make("STRIDED_SLICE", PICTURE, *[numbers(1)] * 3, gives=PICTURE, newAxisMask=1),
        "newAxisMask",
    ),
    "33 times": (
        make("RESIZE_BILINEAR", data(1, 1, 1, 8), numbers(33), gives=data(1, 33, 33, 8)),
        "33 times",
    ),
    "large resize": (
        make("RESIZE_BILINEAR", data(1, 256, 256, 32), numbers(2), gives=data(1, 512, 512, 32)),
        "8388608 values",
    ),
    "a lost input": (make("PAD", PICTURE, gives=PICTURE), "it is damaged"),
    "max of the batch": (make("REDUCE_MAX", PICTURE, numbers(0), gives=ROW), "over the batch"),
}  # fmt: skip

UNSURE = {
    "fourfold": (
        make("RESIZE_BILINEAR", PICTURE, numbers(4), gives=data(1, 32, 32, 4)), "may stay",
    ),
    "large reshape": (make("RESHAPE", data(600_000), gives=data(600, 1000)), "large reshapes"),
    "mean of 100x100": (
        make("MEAN", data(1, 100, 100, 8), numbers(1, 2), gives=data(1, 8)), "large pictures",
    ),
    "dense, a scale a channel": (
        make("FULLY_CONNECTED", ROW, weights(5, 10, scales=5), gives=data(1, 5)), "is not known",
    ),
}  # fmt: skip


@pytest.mark.parametrize("operation", TAKEN.values(), ids=TAKEN.keys())
def test_what_keeps_to_the_rules_is_taken_without_a_word(operation) -> None:
    assert refusal(operation) == ""
    assert caution(operation) == ""


@pytest.mark.parametrize(("operation", "reason"), NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
def test_what_breaks_a_rule_is_told(operation, reason) -> None:
    assert reason in refusal(operation)


@pytest.mark.parametrize(("operation", "reason"), UNSURE.values(), ids=UNSURE.keys())
def test_what_the_rules_leave_open_is_taken_with_a_caution(operation, reason) -> None:
    assert refusal(operation) == ""
    assert reason in caution(operation)


def test_a_version_that_the_compiler_does_not_know_spoils_the_file() -> None:
    old, new = (make("QUANTIZE", ROW, gives=ROW, version=version) for version in (2, 3))
    assert not too_new(old)
    assert too_new(new)


def test_the_tables_speak_of_operators_that_tflite_has() -> None:
    pytest.importorskip("ai_edge_litert")
    from edgecv.tflitegraph import OPERATOR

    names = {*RULES, *CAUTIONS, *PARAMETERS}
    assert not [name for name in names if not hasattr(OPERATOR, name)]
    assert {*CAUTIONS, *PARAMETERS} <= set(RULES)
