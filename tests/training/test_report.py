import math
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("tensorflow")
from edgecv.charts import chart, ticks
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.report import counted, flattened, write_report

ROWS = [
    {"epoch": 1, "loss": 2.0, "lr": 0.1, "gradient": 1.0, "seconds": 3.0, "images_per_second": 9.0},
    {"epoch": 2, "loss": 1.0, "lr": 0.1, "gradient": 1.0, "seconds": 3.0, "images_per_second": 9.0,
     "top<1>": 0.5},
]  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0.1, 0.9, [0.2, 0.4, 0.6, 0.8]),
        (-3e-4, 3e-4, [-2e-4, 0, 2e-4]),
        (1, 75, [20, 40, 60]),
    ],
)
def test_ticks_are_round_numbers_inside(low, high, found):
    assert ticks(low, high) == pytest.approx(found)


def test_a_falling_line_falls_on_paper():
    root = ElementTree.fromstring(chart({"loss": [(1, 3.0), (2, 2.0), (3, 1.0)]}))
    line = next(element for element in root.iter() if element.tag.endswith("polyline"))
    points = [tuple(map(float, pair.split(","))) for pair in line.get("points").split()]
    assert [x for x, _ in points] == sorted(x for x, _ in points)
    heights = [y for _, y in points]
    assert heights == sorted(heights)  # y counts downwards
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)


@pytest.mark.parametrize(
    "points",
    [[], [(1, 0.0)], [(1, 5.0), (2, 5.0)], [(1, math.nan), (2, math.inf)], [(1, 1e-9), (2, 1e9)]],
    ids=["none", "one", "flat", "no numbers", "far apart"],
)
def test_strange_lines_are_drawn_too(points):
    text = chart({"x": points})
    ElementTree.fromstring(text)
    assert "nan" not in text
    assert "inf" not in text


def test_a_report_escapes_what_it_shows(tmp_path):
    path = tmp_path / "report.html"
    write_report(
        path,
        title="a <b> & c",
        rows=ROWS,
        facts={"<i>": ["x<y", 0.5, True]},
        tables={"Recipe": {"run.epochs": 3}},
        pictures={"answers": np.zeros((4, 4, 3), np.uint8)},
        failure="it <broke>",
    )
    text = path.read_text()
    assert "a &lt;b&gt; &amp; c" in text
    assert "it &lt;broke&gt;" in text
    assert "x&lt;y, 0.5, yes" in text
    assert "top&lt;1&gt;" in text
    assert not {"<b>", "<i>", "<y"} & set(text.replace(">", "> ").split())


def test_a_training_that_broke_at_once_has_a_report(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, title="x", rows=[], facts={}, tables={}, pictures={}, failure="nan")
    assert "Curves" not in path.read_text()


def test_pictures_and_boxes_are_counted_by_class():
    empty = np.zeros((4, 4, 3), np.uint8)
    ones = [Sample(empty, label=0), Sample(empty, label=1), Sample(empty, label=1), Sample(empty)]
    boxes = [Sample(empty, boxes=np.ones((2, 4), np.float32), classes=np.array([1, 1]))]
    names = ("cat", "dog")
    found = counted(names, train=SampleList(ones, names), val=SampleList(boxes, names))
    assert found == {"cat": "1 train, 0 val", "dog": "2 train, 2 val"}
    assert counted(("x",) * 101, train=SampleList(ones, names)) == {}


def test_nested_tables_become_one():
    assert flattened({"a": 1, "b": {"c": {"d": 2}}}) == {"a": 1, "b.c.d": 2}
