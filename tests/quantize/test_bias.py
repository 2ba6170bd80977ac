from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgecv.quantize.bias import Linear, Network, Window, correct, mean_inputs
from edgecv.quantize.ranges import find_ranges
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.tflite_bias import correct_biases, find_layers
from edgecv.quantize.tflite_plan import check_graph, make_plan, observed
from edgecv.quantize.tflite_prepare import prepared
from edgecv.quantize.tflite_run import Taps
from edgecv.quantize.tflite_write import write
from tiny_float import network, pictures

from edgecv.tflitegraph import Graph


def convolved(x, weights, window: Window, groups: int) -> np.ndarray:
    """Return the sums of a convolution, one weight after the other."""
    height, width = window.output
    inner, outer = weights.shape[2], weights.shape[3] // groups
    out = np.zeros((height, width, weights.shape[3]))
    for row, column in np.ndindex(*window.kernel):
        for i, j in np.ndindex(*((height, width) if not window.transposed else x.shape[1:3])):
            near = [
                k * s + w * d - b
                for k, s, w, d, b in zip(
                    (i, j), window.stride, (row, column), window.dilation, window.before,
                    strict=True,
                )
            ]  # fmt: skip
            (source, target) = ((i, j), tuple(near)) if window.transposed else (tuple(near), (i, j))
            if min(near) < 0 or any(
                place >= side for place, side in zip(source, x.shape[1:3], strict=True)
            ):
                continue
            if target[0] >= height or target[1] >= width:
                continue
            for group in range(groups):
                part = x[0, source[0], source[1], group * inner : (group + 1) * inner]
                kernel = weights[row, column, :, group * outer : (group + 1) * outer]
                out[target][group * outer : (group + 1) * outer] += part @ kernel
    return out


WINDOWS = {
    "1x1": (Window(output=(7, 6)), 1),
    "3x3": (Window((3, 3), before=(1, 1), output=(7, 6)), 1),
    "stride": (Window((3, 3), (2, 2), before=(1, 0), output=(4, 3)), 1),
    "1x1 stride": (Window((1, 1), (2, 2), output=(4, 3)), 1),
    "no padding": (Window((3, 2), output=(5, 5)), 1),
    "dilation": (Window((3, 3), (1, 1), (2, 2), (2, 2), (7, 6)), 1),
    "depthwise": (Window((3, 3), before=(1, 1), output=(7, 6)), 4),
    "groups": (Window((3, 3), (2, 1), before=(1, 1), output=(4, 6)), 2),
    "transposed": (Window((3, 3), (2, 2), before=(0, 0), output=(14, 12), transposed=True), 1),
    "transposed, padded": (
        Window((4, 4), (2, 2), before=(1, 1), output=(14, 12), transposed=True), 1,
    ),
    "transposed, uneven": (
        Window((2, 5), (1, 3), before=(0, 2), output=(8, 18), transposed=True), 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("window", "groups"), WINDOWS.values(), ids=WINDOWS.keys())
def test_mean_inputs_give_the_mean_of_the_sums(window: Window, groups: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0.3, 1, (1, 7, 6, 4)).astype(np.float32)
    weights = rng.normal(0.1, 1, (*window.kernel, 4 // groups, 8))
    layers = {"a": Linear("x", weights, weights, window, groups)}
    wanted = convolved(x, weights, window, groups).mean(axis=(0, 1))
    met = mean_inputs(layers, lambda tensor: {"x": tensor}, [x])["a"]
    grouped = met.reshape(*window.kernel, groups, 4 // groups)
    kernels = weights.reshape(*window.kernel, 4 // groups, groups, 8 // groups)
    np.testing.assert_allclose(np.einsum("rcgi,rcigo->go", grouped, kernels).ravel(), wanted, 1e-4)


def planned(data: bytes, **changes):
    recipe = QuantRecipe(**changes)
    graph = Graph(data)
    floats = check_graph(graph, recipe)
    ranges = find_ranges(Taps(data, observed(graph)), pictures(20), recipe)
    return make_plan(graph, floats, ranges, recipe), recipe


def test_layers_are_found_with_the_sums_that_the_file_gives() -> None:
    data = prepared(network(last="", act=0))
    graph = Graph(data)
    plan, recipe = planned(data)
    values = Taps(data, observed(graph))(pictures(1)[0])
    layers = find_layers(graph, plan, recipe)
    assert len(layers) == 4
    for place, layer in layers.items():
        operator = graph.operators[place]
        if operator.builtinOptions.fusedActivationFunction:
            continue
        met = mean_inputs({0: layer}, lambda _: values, [None])[0]
        inner, outer = layer.weights.shape[2:]
        kernels = layer.weights.reshape(*layer.weights.shape[:2], inner, layer.groups, -1)
        means = met.reshape(*met.shape[:2], layer.groups, inner)
        sums = np.einsum("rcgi,rcigo->go", means, kernels).ravel()
        if len(operator.inputs) > 2:
            sums = sums + graph.values(operator.inputs[2])
        got = values[operator.outputs[0]].reshape(-1, outer).mean(axis=0)
        np.testing.assert_allclose(sums, got, rtol=1e-3, atol=1e-4)


def test_the_error_falls_where_weights_are_coarse() -> None:
    data = prepared(network(last="", unequal=3))
    plan, recipe = planned(data, per_channel=False)
    correction = correct_biases(data, plan, recipe, pictures(40))
    assert correction.after < 0.8 * correction.before
    assert correction.shifts
    plain, moved = (write(Graph(data), plan, recipe, s).data for s in ({}, correction.shifts))
    errors = [0.0, 0.0]
    for x in pictures(20, seed=5):
        (wanted,) = Taps(data)(x).values()
        for place, file in enumerate((plain, moved)):
            (got,) = Taps(file)(x).values()
            errors[place] += float(((got - wanted) ** 2).sum())
    assert errors[1] < 0.85 * errors[0]


def test_what_does_not_help_is_left_out() -> None:
    weights = np.ones((1, 1, 1, 1))
    layer = Linear("x", weights, weights * 1.1, None)
    network_ = Network(
        {"a": layer},
        lambda x: {"x": x},
        lambda x: {"y": x},
        lambda shifts: lambda x: {"y": x + sum(float(s.sum()) for s in shifts.values())},
        lambda source, shifts: lambda x: {"x": x},
    )
    tensors = [np.full((1, 1), 2.0, np.float32)] * 10
    assert correct(network_, tensors) == ({}, 0.0, 0.0)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_a_public_classifier_stays_much_nearer_to_its_floats(
    zoo: Path, data: Path, tmp_path: Path
) -> None:
    from edgecv.quantize.samples import calibration_tensors
    from edgecv.quantize.tflite import quantize

    from edgecv import zoo as models

    name = "mobilenet_v1_0.25_224_fp32"
    source, spec = zoo / f"{name}.tflite", models.spec(name)
    folder = data / "coco_eval"
    tensors = calibration_tensors(source, spec, folder, count=130, seed=0)
    used, held = tensors[:50], tensors[50:]
    floats = [next(iter(Taps(source.read_bytes())(x).values())).ravel() for x in held]
    agree = []
    for bias_correction in (False, True):
        target = tmp_path / f"{bias_correction}.tflite"
        quantize(source, target, used, QuantRecipe(bias_correction=bias_correction))
        run = Taps(target.read_bytes())
        got = [next(iter(run(x).values())).ravel() for x in held]
        same = [a.argmax() == b.argmax() for a, b in zip(floats, got, strict=True)]
        agree.append(float(np.mean(same)))
    assert agree[1] > agree[0] + 0.08
    assert agree[1] > 0.75
