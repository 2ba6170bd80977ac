from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from edgecv.quantize.card import quantization_card
from edgecv.quantize.contract import Terms
from edgecv.quantize.examples import Side, examples, files_of
from edgecv.quantize.pictures import bars, histogram, overlay
from edgecv.quantize.report import Chapter, report
from edgecv.quantize.sensitivity import LayerNoise

from edgecv import htmlpage as page
from edgecv import load
from edgecv.datasets import Pair, read_classes
from edgecv.evaluation import verification
from edgecv.spec import ModelSpec

FACTS = {"folder": "train", "files": 20, "sha256": "0" * 64}
TERMS = Terms(draws=50)


class Balance(HTMLParser):
    """Counts what is opened and closed, and gathers what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs) -> None:
        pass

    def handle_data(self, data) -> None:
        self.text += data


def read(html: str) -> str:
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    return parser.text


@pytest.fixture
def sides(workshop, contract):
    """Both models of a broken contract, opened, with what they said."""
    import unequal

    outcome = contract(workshop.unequal, rungs=())
    spec = ModelSpec.from_dict(unequal.SPEC)
    with load(workshop.unequal, spec=spec) as one, load(outcome.made.file, spec=spec) as other:
        yield outcome, Side(one, outcome.before), Side(other, outcome.made.evaluation)


def test_pictures_that_the_models_disagree_on_come_first(workshop, sides) -> None:
    _, before, after = sides
    found = examples(read_classes(workshop.eval), before, after, count=4)
    assert len(found) == 4
    assert all("right in float, wrong in INT8" in example.title for example in found)
    assert all((example.before != example.after).any() for example in found)


def test_of_models_that_agree_pictures_are_spread_over_the_set(workshop, sides) -> None:
    _, before, _ = sides
    found = examples(read_classes(workshop.eval), before, before, count=3)
    assert [example.title.partition("/")[0] for example in found] == ["blue", "green", "red"]


def test_pairs_of_faces_are_shown_with_their_cosine(tmp_path, sides) -> None:
    files = [tmp_path / f"{number}.png" for number in range(4)]
    for file in files:
        assert cv2.imwrite(str(file), np.zeros((30, 20, 3), np.uint8))
    pairs = [Pair(files[i], files[j], same) for i, j, same in
             ((0, 1, True), (2, 3, True), (0, 2, False), (1, 3, False))]  # fmt: skip
    same = np.array([pair.same for pair in pairs])
    one = verification.measure(np.array([0.9, 0.8, 0.1, np.nan]), same)
    other = verification.measure(np.array([0.9, 0.2, 0.1, np.nan]), same)
    model = sides[1].model
    (found,) = examples(pairs, Side(model, one), Side(model, other), count=1)
    assert found.title.endswith("/2.png and " + found.title.split(" and ")[1])
    assert (found.before != found.after).any()
    assert files_of(pairs) == files


def test_a_report_shows_everything_and_needs_nothing_beside_it(workshop, sides) -> None:
    outcome, before, after = sides
    card = quantization_card(
        outcome, TERMS, calibration=FACTS, evaluation=FACTS, versions={"edgecv": "1"}
    )
    rng = np.random.default_rng(0)
    counted = histogram("<layer>", rng.normal(size=99), rng.normal(size=99))
    chapter = Chapter(
        replace(outcome, histograms=(counted,)),
        card,
        {"float": 2.0, "int8": 0.5},
        examples(read_classes(workshop.eval), before, after, count=2),
    )
    html = report("a <b>", [chapter], terms=TERMS, facts={"model": "x.keras"})
    text = read(html)
    assert not re.search(r'(src|href)="(?!data:)', html)
    for wanted in (
        "a <b>", "BROKEN", "as asked for", "too much", "top1", "top5", "4.00 x as fast", "wide",
        "<layer>", "right in float", "x.keras", "contract: at most 1 points: BROKEN", "CONV_2D",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert html.count("data:image/jpeg;base64,") == 4


def test_what_was_not_measured_is_not_made_up(sides) -> None:
    outcome, _, _ = sides
    card = quantization_card(outcome, TERMS, calibration=FACTS, evaluation=FACTS, versions={})
    chapter = Chapter(replace(outcome, noise=(), histograms=()), card, {}, [])
    text = read(report("a", [chapter], terms=TERMS, facts={}))
    assert "not measured" in text
    assert "Layers by noise" not in text
    assert "Pictures" not in text


def test_many_layers_are_cut_to_the_noisiest(sides) -> None:
    outcome, _, _ = sides
    card = quantization_card(outcome, TERMS, calibration=FACTS, evaluation=FACTS, versions={})
    noise = tuple(LayerNoise(f"layer {i}", "CONV_2D", float(i), (0.0, 1.0)) for i in range(99))
    chapter = Chapter(replace(outcome, noise=noise), card, {}, [])
    text = read(report("a", [chapter], terms=TERMS, facts={}))
    assert "the noisiest 40 of 99" in text
    assert "layer 39" in text
    assert "layer 40" not in text


def test_bars_tell_good_from_bad() -> None:
    svg = bars([("a&b", 3.0), ("c", 15.0), ("d" * 60, 40.0), ("e", float("inf"))])
    read(svg)
    assert [svg.count(color) for color in ("#b3261e", "#c77700", "#2d6f9e")] == [1, 1, 2]
    assert "a&amp;b" in svg
    assert "exact" in svg
    assert "d" * 60 not in svg
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([0-9.]+)"', svg)]
    assert widths == sorted(widths)


def test_histograms_share_their_bins() -> None:
    found = histogram("a", np.array([0.0, 1.0, 2.0, 2.0]), np.array([0.0, 4.0]), bins=4)
    assert found.edges.tolist() == [0, 1, 2, 3, 4]
    assert found.before.tolist() == [0.25, 0.25, 0.5, 0]
    assert found.after.tolist() == [0.5, 0, 0, 0.5]
    read(overlay(found))
    flat = histogram("a", np.zeros(3), np.zeros(3))
    assert flat.before.sum() == 1
    read(overlay(flat))


def test_a_page_escapes_what_it_is_given() -> None:
    parts = [
        page.heading("<h>"),
        page.paragraph("<p>", "note"),
        page.table([("<a>", "b"), ("1.5", "-2 x")]),
        page.figure(page.picture(np.zeros((2, 2, 3), np.uint8), '"<i>'), "<c>"),
    ]
    html = page.page("<t>", parts)
    text = read(html)
    for tag in ("<h>", "<p>", "<a>", "<c>", "<t>"):
        assert tag in text
    assert html.count('<td class="n">') == 2
