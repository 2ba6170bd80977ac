from __future__ import annotations

from pathlib import Path

import pytest
import tiny_uint8
from tiny_models import compiled_tflite, relu_tflite

pytest.importorskip("ai_edge_litert")
from edgecv.converters.edgetpu_map import CPU, EDGE_TPU, plan_file, plan_model
from edgecv.converters.edgetpu_rules import NOT_LISTED, OPEN, POSTPROCESS
from edgecv.converters.plan import Plan

from edgecv.errors import ModelFileError

PAIRS = ["deeplabv3_mnv2_dm05_pascal_quant", "mobilenet_v1_0.25_128_quant"]
QUANT = tiny_uint8.PICTURE


def names(plan: Plan, on: str) -> list[str]:
    return [placed.name for placed in plan.operators if placed.on == on]


@pytest.mark.zoo
@pytest.mark.parametrize("name", PAIRS)
def test_the_prediction_names_what_the_real_compiler_left_on_the_cpu(name, zoo_folder) -> None:
    predicted = plan_file(zoo_folder / f"{name}.tflite")
    truth = plan_file(zoo_folder / f"{name}_edgetpu.tflite")
    assert (predicted.compiled, truth.compiled) == (False, True)
    left = [(placed.kind, placed.name, placed.shape) for placed in predicted.left]
    assert left == [(placed.kind, placed.name, placed.shape) for placed in truth.left]
    assert len(left) == (8 if "deeplab" in name else 0)


@pytest.mark.zoo
def test_the_public_detector_is_mapped_but_for_its_post_processing(zoo_folder) -> None:
    plan = plan_file(zoo_folder / "ssd_mobilenet_v1_coco_int8.tflite")
    assert [placed.kind for placed in plan.left] == [POSTPROCESS]
    assert (len(plan.mapped), plan.share) == (63, 1.0)


@pytest.mark.zoo
def test_multiply_adds_are_those_of_the_paper(zoo_folder) -> None:
    """MobileNets (Howard et al. 2017): 0.25 at 128 pixels has about 14 million."""
    plan = plan_file(zoo_folder / "mobilenet_v1_0.25_128_quant.tflite")
    assert sum(placed.multiply_adds for placed in plan.operators) == pytest.approx(14e6, rel=0.05)


def test_a_quantized_classifier_is_mapped_whole() -> None:
    plan = plan_model(tiny_uint8.classifier())
    assert {placed.on for placed in plan.operators} == {EDGE_TPU}
    assert (plan.compiled, plan.notes) == (False, ())


def test_a_detector_is_mapped_but_for_its_post_processing() -> None:
    plan = plan_model(tiny_uint8.detector())
    assert [(placed.kind, placed.why) for placed in plan.left] == [(POSTPROCESS, NOT_LISTED)]


def test_constants_that_two_operators_share_are_counted_once() -> None:
    twice, once = (plan_model(tiny_uint8.classifier(shared=shared)) for shared in (True, False))
    convolutions = [p.parameter_bytes for p in twice.operators if p.kind == "CONV_2D"]
    assert convolutions == [8 * 3 * 3 * 3 + 4 * 8, 0]
    assert once.operators[1].parameter_bytes == 3 * 3 * 8 + 4 * 8


def chain(*kinds: str) -> bytes:
    """Return operators one after another, each of one tensor of the classifier's picture."""
    return graph([(kind, f"t{i}", f"t{i + 1}") for i, kind in enumerate(kinds)])


def graph(operators: list[tuple[str, str, str]], floats: tuple[str, ...] = ()) -> bytes:
    """Return operators between tensors by name; the first takes in, the last gives."""
    net = tiny_uint8.Builder()
    made = {}
    for name in dict.fromkeys(name for _, *ends in operators for name in ends):
        kind = "float32" if name in floats else "uint8"
        made[name] = net.tensor(name, [1, 4, 4, 2], None if name in floats else QUANT, dtype=kind)
    for kind, source, target in operators:
        net.add(kind, [made[source]], [made[target]])
    return net.packed([made[operators[0][1]]], [made[operators[-1][2]]])


def test_what_comes_after_an_operator_on_the_cpu_stays_there_too() -> None:
    plan = plan_model(chain("RELU", "HARD_SWISH", "LOGISTIC", "TANH"))
    assert names(plan, CPU) == ["t2", "t3", "t4"]
    assert [placed.why for placed in plan.left] == [
        NOT_LISTED,
        *["it comes after HARD_SWISH t2, and the compiler makes one part"] * 2,
    ]


def test_after_is_by_the_data_and_not_by_the_order_in_the_file() -> None:
    branches = [
        ("RELU", "x", "a"),
        ("HARD_SWISH", "a", "b"),
        ("RELU", "a", "c"),
        ("TANH", "b", "y"),
    ]
    plan = plan_model(graph(branches))
    assert names(plan, EDGE_TPU) == ["a", "c"]
    assert names(plan, CPU) == ["b", "y"]


def test_what_has_to_run_first_ends_nothing() -> None:
    """As Coral's page says: a model that takes floats keeps a QUANTIZE on the CPU."""
    ends = [("QUANTIZE", "x", "a"), ("RELU", "a", "b"), ("DEQUANTIZE", "b", "y")]
    plan = plan_model(graph(ends, floats=("x", "y")))
    assert names(plan, EDGE_TPU) == ["b"]
    assert [placed.why for placed in plan.left] == [
        "it works on FLOAT32, and not on 8 bits",
        NOT_LISTED,
    ]


def test_every_operator_that_is_lacking_is_told_at_once() -> None:
    plan = plan_model(chain("HARD_SWISH", "RELU", "EXP", "CUSTOM_ONE"))
    lacking = [placed.kind for placed in plan.left if placed.why == NOT_LISTED]
    assert lacking == ["HARD_SWISH", "EXP", "CUSTOM_ONE"]


def test_a_float_model_is_told_as_one(tmp_path: Path) -> None:
    plan = plan_file(relu_tflite(tmp_path / "a.tflite"))
    assert (len(plan.mapped), plan.share) == (0, None)
    assert plan.notes == ("this is no quantized model, and the Edge TPU works on 8 bits alone",)


def test_an_open_batch_is_told_with_the_tensors(tmp_path: Path) -> None:
    plan = plan_file(relu_tflite(tmp_path / "a.tflite", dtype="int8", open_batch=True))
    assert [placed.why for placed in plan.left] == [OPEN]
    assert plan.operators[0].shape == (None, 8, 8, 3)
    assert plan.notes == tuple(
        f"{name} is ?x8x8x3: fix its shape when the model is converted" for name in "xy"
    )


def test_a_compiled_file_says_so(tmp_path: Path) -> None:
    plan = plan_file(compiled_tflite(tmp_path / "a.tflite"))
    assert plan.compiled
    assert [placed.on for placed in plan.operators] == [EDGE_TPU]
    assert plan.share is None


def test_a_version_that_spoils_the_file_is_a_note() -> None:
    net = tiny_uint8.Builder()
    x, y = (net.tensor(name, [1, 4], QUANT) for name in "xy")
    net.add("QUANTIZE", [x], [y])
    net.model.operatorCodes[0].version = 3
    plan = plan_model(net.packed([x], [y]))
    assert "version 3 of it is newer" in plan.operators[0].why
    assert "the compiler refuses the whole file" in plan.notes[0]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(tiny_uint8.classifier()[:900])
    with pytest.raises(ModelFileError, match=r"cut\.tflite: the TFLite model is damaged"):
        plan_file(path)
    with pytest.raises(ModelFileError, match="cannot read"):
        plan_file(tmp_path / "none.tflite")
