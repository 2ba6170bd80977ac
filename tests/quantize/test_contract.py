from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from edgecv.quantize import faults
from edgecv.quantize.card import SECTION, dataset_facts, quantization_card, verdict_lines
from edgecv.quantize.contract import Terms, doubts
from edgecv.quantize.drop import Comparison, Drop, Interval
from edgecv.quantize.faults import at_fault
from edgecv.quantize.ladder import Rung
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.sensitivity import LayerNoise
from edgecv.quantize.timing import latencies

from edgecv.errors import DataError, InferenceError, UnknownNameError
from edgecv.evaluation import classification

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
FEW = Terms(draws=100)
FACTS = {"folder": "train", "files": 20, "sha256": "0" * 64}


def cost(value: float, high: float) -> Comparison:
    half = Interval(0.5, 0.4, 0.6)
    return Comparison("top1", half, half, Drop(value, value - 1, high), 100)


@pytest.mark.parametrize(
    ("terms", "value", "high", "holds"),
    [
        (Terms(max_drop=1.0), 1.0, 3.0, True),
        (Terms(max_drop=1.0), 1.000001, 3.0, False),
        (Terms(max_drop=1.0, sure=True), 0.2, 1.0, True),
        (Terms(max_drop=1.0, sure=True), 0.2, 1.1, False),
        (Terms(max_drop=0.0), -0.5, 0.5, True),
    ],
    ids=["at the limit", "above it", "surely", "not surely", "a gain"],
)
def test_terms_hold_a_drop_against_the_limit(terms, value, high, holds) -> None:
    assert terms.hold(cost(value, high)) is holds


@pytest.mark.parametrize("wrong", [{"max_drop": -1.0}, {"max_drop": float("nan")}, {"draws": 0}])
def test_terms_that_hold_nothing_are_refused(wrong) -> None:
    with pytest.raises(ValueError, match="got"):
        Terms(**wrong)


def test_a_model_that_bears_int8_holds_at_once(contract, workshop) -> None:
    outcome = contract(workshop.equal)
    assert outcome.held
    assert [step.rung.name for step in outcome.steps] == ["as asked for"]
    assert outcome.made.file.is_file()
    assert outcome.comparison.drop.value <= 1.0
    assert {layer.name for layer in outcome.noise} >= {"wide", "smooth"}
    assert len(outcome.histograms) == 4


def test_a_model_that_int8_ruins_is_caught_and_the_layer_named(contract, workshop) -> None:
    outcome = contract(workshop.unequal, rungs=())
    assert not outcome.held
    assert outcome.comparison.drop.value > 5
    assert outcome.before.figures["top1"] > 0.9
    assert outcome.noise[0].sqnr_db < 20
    assert at_fault(outcome.noise, ["wide", "smooth", "mean", "scores"], 0.05) == ("wide", "smooth")


def test_the_ladder_rescues_what_int8_ruined(contract, workshop) -> None:
    told = []
    outcome = contract(workshop.unequal, told=told)
    assert outcome.held
    assert outcome.comparison.drop.value <= 1.0
    assert list(outcome.steps) == told
    assert outcome.best is told[-1]
    assert outcome.best.rung.name == "equalisation"


@pytest.mark.parametrize(
    "rung",
    [Rung("layers", worst=0.05), Rung("finer", {"activations": "int16"})],
    ids=["noisy layers in float", "int16"],
)
def test_each_of_the_last_rungs_rescues_it_too(contract, workshop, rung) -> None:
    outcome = contract(workshop.unequal, rungs=(rung,))
    assert outcome.held
    assert outcome.best.rung is rung


def test_a_training_that_cannot_be_had_is_passed_over(contract, workshop) -> None:
    outcome = contract(workshop.unequal, rungs=(Rung("trained", trains=True),))
    assert not outcome.held
    assert [step.skipped for step in outcome.steps] == ["", "nobody trains here"]


def test_the_same_seed_gives_the_same_bytes(contract, workshop, tmp_path) -> None:
    files = []
    for _ in range(2):
        outcome = contract(workshop.equal)
        files.append((outcome.made.file.read_bytes(), outcome.comparison))
    assert files[0] == files[1]


def test_what_cannot_be_measured_is_told(contract, workshop) -> None:
    with pytest.raises(UnknownNameError, match="no metric of a classification 'AP50'"):
        contract(workshop.equal, terms=Terms(metric="AP50"))


def test_too_few_pictures_are_told(contract, workshop) -> None:
    with pytest.raises(DataError, match="3 calibration pictures are too few"):
        contract(workshop.equal, recipe=QuantRecipe(samples=3))


@pytest.mark.parametrize(
    ("ratios", "part", "blamed"),
    [
        ([44, 40, 12, 11, 10], 0.05, "bc"),
        ([44, 40, 12, 11, 10], 0.4, "abc"),
        ([20, 20, 20, 20, 20], 0.05, "a"),
        ([40, 39, 38, 37, 36], 1.0, "abcde"),
    ],
    ids=["where it falls", "two of them", "the first", "all"],
)
def test_to_blame_is_where_noise_comes_in(ratios, part, blamed) -> None:
    noise = [LayerNoise(n, "CONV_2D", r, (0, 1)) for n, r in zip("abcde", ratios, strict=True)]
    assert at_fault(noise[::-1], "abcdef", part) == tuple(blamed)


DOUBTS = {
    "enough": (100, 60, "top1", 10, []),
    "few": (99, 60, "top1", 10, ["measured on 99 items, and what none of them shows .* 3 % of"]),
    "nothing": (100, 0, "top1", 0, ["THE CONTRACT SAYS NOTHING: .* top1 is 0.0000, and there is"]),
    "none of five": (100, 0, "top5", 0, ["SAYS NOTHING: the float model's top5 is 0.0000"]),
    "guessing": (100, 15, "top1", 10, [r"0.1500, little or .* among 10 classes gives \(0.1000\)"]),
    "more than that": (100, 16, "top1", 10, []),
    "guessing among the pictures' own": (100, 75, "top1", 0, ["among 2 classes"]),
    "guessing, by another figure": (100, 15, "top5", 10, []),
}


@pytest.mark.parametrize(
    ("items", "right", "metric", "classes", "told"), DOUBTS.values(), ids=DOUBTS.keys()
)
def test_a_contract_that_says_little_is_pointed_out(items, right, metric, classes, told) -> None:
    evaluation = classification.ClassificationEvaluation(
        figures={},
        images=items,
        classes=("cat", "dog"),
        rank=np.where(np.arange(items) < right, 0, 7),
        per_class={},
        confusion=np.zeros((2, 3), int),
    )
    reference = Terms(metric=metric, draws=1).sample(evaluation)
    found = doubts(evaluation, reference, classes=classes)
    assert len(found) == len(told)
    assert all(re.search(words, text) for words, text in zip(told, found, strict=True))


def test_three_pictures_without_a_change_do_not_surely_hold(contract, workshop, caplog) -> None:
    outcome = contract(workshop.equal, terms=Terms(max_drop=0.0, sure=True), rungs=(), limit=3)
    assert outcome.comparison.drop.value == 0
    assert outcome.comparison.drop.high == pytest.approx(63.2, abs=0.1)
    assert not outcome.held
    assert "tflite: measured on 3 items" in caplog.text


@pytest.mark.parametrize("held", [True, False], ids=["held", "broken"])
def test_a_verdict_stands_where_layers_cannot_be_compared(
    contract, workshop, monkeypatch, caplog, held
) -> None:
    def refuse(*given: object) -> list[LayerNoise]:
        raise InferenceError("no data\nin a tensor")

    monkeypatch.setattr(faults, "layer_noise", refuse)
    outcome = contract(workshop.equal if held else workshop.unequal, rungs=())
    assert outcome.held is held
    assert (outcome.noise, outcome.histograms) == ((), ())
    assert "tflite: its layers could not be compared: no data in a tensor" in caplog.text


def test_the_card_says_what_was_done_and_what_it_cost(contract, workshop) -> None:
    terms = Terms(max_drop=2.5, draws=100)
    outcome = contract(workshop.equal, terms=terms)
    card = quantization_card(
        outcome,
        terms,
        calibration=FACTS,
        evaluation={**FACTS, "folder": "eval"},
        versions={"a": "1"},
    )
    assert json.loads(json.dumps(card)) == card
    assert card["held"] is True
    assert (card["metric"], card["items"], card["target"]) == ("top1", 60, "tflite")
    assert card["float"]["value"] == round(outcome.before.figures["top1"], 6)
    assert card["calibration"] == {**FACTS, "seed": 0}
    assert card["recipe"] == QuantRecipe(samples=20).to_dict()
    assert [step["rung"] for step in card["ladder"]] == ["as asked for"]
    lines = verdict_lines({SECTION: card})
    assert lines[0].startswith(f"INT8: top1 {card['float']['value']:.4f} -> ")
    assert lines[0].endswith(" on 60 pictures of eval")
    assert lines[1].startswith("contract: at most 2.5 points: held")
    assert lines[2].endswith("20 pictures of train (as asked for)")


def test_a_broken_contract_says_so(contract, workshop) -> None:
    outcome = contract(workshop.unequal, rungs=(Rung("percentile", {"ranges": "percentile"}),))
    card = quantization_card(outcome, FEW, calibration=FACTS, evaluation=FACTS, versions={})
    lines = verdict_lines({SECTION: card})
    assert lines[1] == "contract: at most 1 points: BROKEN"
    assert lines[3].startswith("tried before: percentile (drop ")


@pytest.mark.parametrize("card", [{}, {"quantization": 3}, {"quantization": {}}, {"training": {}}])
def test_a_card_without_a_verdict_has_no_lines(card) -> None:
    assert verdict_lines(card) == []


def test_a_set_of_files_is_known_by_all_their_bytes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_text(file.name)
    facts = dataset_facts(tmp_path, files)
    assert (facts["folder"], facts["files"]) == (tmp_path.name, 2)
    assert dataset_facts(tmp_path, files[::-1]) == facts
    files[0].write_text("c")
    assert dataset_facts(tmp_path, files)["sha256"] != facts["sha256"]


def test_labels_count_where_a_set_has_any(tmp_path: Path) -> None:
    files = [tmp_path / folder / f"{folder}.png" for folder in ("cat", "dog")]
    for file in files:
        file.parent.mkdir()
        file.write_text("the same")
    notes = tmp_path / "instances.json"
    notes.write_text("{}")
    plain = dataset_facts(tmp_path, files)
    classes = dataset_facts(tmp_path, files, layout="classes")
    boxes = dataset_facts(tmp_path, files, layout="instances.json")
    assert len({facts["sha256"] for facts in (plain, classes, boxes)}) == 3
    assert {facts["files"] for facts in (plain, classes, boxes)} == {2}
    notes.write_text("[]")
    assert dataset_facts(tmp_path, files, layout="instances.json")["sha256"] != boxes["sha256"]
    renamed = (tmp_path / "dog").rename(tmp_path / "fox") / "dog.png"
    files[1] = renamed
    assert dataset_facts(tmp_path, files) == plain
    assert dataset_facts(tmp_path, files, layout="classes")["sha256"] != classes["sha256"]


CONVERTED = {
    "on pictures": (FACTS, "20 pictures of train"),
    "in training": ("in training", "calibrated in training"),
}


@pytest.mark.parametrize(("calibration", "words"), CONVERTED.values(), ids=CONVERTED.keys())
def test_a_card_of_what_was_only_converted_says_that_nothing_was_measured(
    calibration, words
) -> None:
    card = {"target": "tflite", "recipe": QuantRecipe().to_dict(), "calibration": calibration}
    first, second = verdict_lines({SECTION: card})
    assert first.startswith("INT8: accuracy not measured")
    assert second.startswith("recipe: int8 activations, ")
    assert second.endswith(f", {words}")


def test_files_are_timed_in_turns(workshop) -> None:
    files = {"float": workshop.equal, "int8": workshop.unequal}
    found = latencies(files, runtime="tflite", rounds=2, calls=2)
    assert found.keys() == files.keys()
    assert all(np.isfinite(value) and value > 0 for value in found.values())
