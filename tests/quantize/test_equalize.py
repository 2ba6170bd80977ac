from __future__ import annotations

import numpy as np
import pytest
from edgecv.quantize.equalize import LIMIT, Pair, factors
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.tflite import quantized
from edgecv.quantize.tflite_equalize import equalized
from edgecv.quantize.tflite_prepare import prepared
from edgecv.quantize.tflite_run import Taps
from tiny_float import RELU, RELU6, network, pictures

CALIBRATION = pictures(20)


def outputs(data: bytes, tensors: list[np.ndarray]) -> np.ndarray:
    run = Taps(data)
    return np.array([next(iter(run(x).values())) for x in tensors])


ACTIVATIONS = {"none": 0, "relu": RELU, "relu6": RELU6}


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("act", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
def test_the_network_computes_the_same(act: int, per_channel: bool) -> None:
    data = prepared(network(last="", unequal=1 if act == RELU6 else 5, act=act))
    new = equalized(data, QuantRecipe(per_channel=per_channel), CALIBRATION)
    assert new != data
    wanted, got = (outputs(d, CALIBRATION) for d in (data, new))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ends", [{}, {"act": 0, "slope": -3.0}], ids=["relu", "prelu"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_a_network_that_collapses_is_rescued(per_channel: bool, ends: dict[str, float]) -> None:
    data = prepared(network(last="", unequal=7, **ends))
    held = pictures(30, seed=4)
    wanted = outputs(data, held)
    noise = []
    for equalize in (False, True):
        recipe = QuantRecipe(equalize=equalize, per_channel=per_channel, bias_correction=False)
        got = outputs(quantized(data, CALIBRATION, recipe), held)
        noise.append(float(((got - wanted) ** 2).mean()))
    assert noise[1] < noise[0] / 10
    assert noise[1] < 0.01 * (wanted**2).mean()


def pair(first, second, largest, *, limited: bool = False) -> Pair:
    wide = None if second is None else np.array(second, float)[:, None]
    return Pair(np.array(first, float)[:, None], wide, np.array(largest, float), limited)


def test_ranges_meet_in_the_middle() -> None:
    by = factors(pair([1, 1, 1], [1, 1, 1], [0.01, 1, 100]), per_channel=True)
    np.testing.assert_allclose(np.array([0.01, 1, 100]) / by, [0.1, 1, 10])
    np.testing.assert_allclose(by, [0.1, 1, 10])


def test_before_a_layer_of_a_scale_a_channel_all_become_alike() -> None:
    by = factors(pair([1, 1], None, [0.01, 100]), per_channel=True)
    np.testing.assert_allclose(np.array([0.01, 100]) / by, [1, 1])


def test_with_one_scale_the_weights_count() -> None:
    by = factors(pair([4, 1 / 4], [1, 1], [1, 1]), per_channel=False)
    np.testing.assert_allclose(by, [2, 0.5])


def test_dead_channels_are_left_alone() -> None:
    by = factors(pair([0, 1, 1], [1, 0, 1], [0, 1, 1]), per_channel=True)
    np.testing.assert_allclose(by, 1)


def test_what_a_relu6_cuts_off_keeps_its_factor_and_nothing_else_gets_there() -> None:
    largest = np.array([6.0, 5.9, 3.0, 0.001, 1.0])
    by = factors(pair([1] * 5, [1] * 5, largest, limited=True), per_channel=True)
    np.testing.assert_allclose(by[:2], 1)
    assert (largest[2:] / by[2:] <= LIMIT + 1e-9).all()
    assert by[3] < 0.1
