from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from tiny_models import QUANT, compiled_tflite, relu_tflite

from edgecv import tflitefile
from edgecv.errors import ModelFileError
from edgecv.types import Quant


def test_custom_operators_are_named(tmp_path: Path) -> None:
    assert tflitefile.custom_operators(relu_tflite(tmp_path / "a.tflite")) == ()
    path = compiled_tflite(tmp_path / "b.tflite", operator="mine")
    assert tflitefile.custom_operators(path) == ("mine",)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_quantization_is_read_by_tensor_name(dtype: str, tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite", dtype=dtype)
    assert tflitefile.quantization(path) == {"x": Quant(*QUANT), "y": Quant(*QUANT)}


def test_floats_have_none(tmp_path: Path) -> None:
    assert tflitefile.quantization(relu_tflite(tmp_path / "m.tflite")) == {}


def test_damage_is_told_or_harmless(tmp_path: Path) -> None:
    whole = relu_tflite(tmp_path / "m.tflite", dtype="int8").read_bytes()
    path, chance = tmp_path / "damaged.tflite", random.Random(0)
    told: list[bool] = []
    for length in [*range(len(whole)), *[len(whole)] * 300]:
        data = bytearray(whole[:length])
        if length == len(whole):
            data[chance.randrange(8, length)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        try:
            tflitefile.custom_operators(path)
            tflitefile.quantization(path)
        except ModelFileError as error:
            told.append(f"{length} bytes" in str(error))
    assert len(told) > 200
    assert all(told)


@pytest.mark.zoo
def test_public_models_are_read_as_litert_reads_them(zoo: Path) -> None:
    from edgecv.runtimes.tflite import TfliteSession

    for path in sorted(zoo.glob("*.tflite")):
        if tflitefile.custom_operators(path) == ("edgetpu-custom-op",):
            assert path.stem.endswith("_edgetpu")
            continue
        session = TfliteSession(path, threads=1)
        tensors = (*session.inputs, *session.outputs)
        assert tflitefile.quantization(path) == {t.name: t.quant for t in tensors if t.quant}


def test_constants_are_summed_up_by_their_type(tmp_path: Path) -> None:
    net = tiny_uint8.Builder()
    x = net.tensor("x", [1, 4], dtype="float32")
    for name, count, dtype in (("a", 8, "float32"), ("b", 3, "int8"), ("c", 5, "int8")):
        net.tensor(name, [count], None, np.ones(count), dtype=dtype)
    path = tmp_path / "m.tflite"
    path.write_bytes(net.packed([x], [x]))
    assert tflitefile.weight_bytes(path) == {"float32": 32, "int8": 8}


def test_a_file_without_constants_has_none(tmp_path: Path) -> None:
    assert tflitefile.weight_bytes(relu_tflite(tmp_path / "m.tflite")) == {}


def test_damage_among_the_constants_is_told_or_harmless(tmp_path: Path) -> None:
    whole, path = tiny_uint8.classifier(), tmp_path / "damaged.tflite"
    told = 0
    for length in range(0, len(whole), 31):
        path.write_bytes(whole[:length])
        try:
            tflitefile.weight_bytes(path)
        except ModelFileError as error:
            told += f"{length} bytes" in str(error)
    assert told > len(whole) // 31 * 0.9
