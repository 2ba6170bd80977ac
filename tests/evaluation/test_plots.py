from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgecv.errors import OutputError, PackageMissingError
from edgecv.evaluation import classification, plots, verification
from edgecv.image import read_image
from edgecv.results import Classes
from edgecv.types import Size


def verified() -> verification.VerificationEvaluation:
    similarity = np.array([0.9, 0.8, 0.3, 0.4, 0.2, 0.1])
    return verification.measure(similarity, np.array([True] * 3 + [False] * 3))


def classified(classes: int) -> classification.ClassificationEvaluation:
    labels = tuple(f"class {i}" for i in range(classes))
    found = [
        Classes(
            frame=Size(1, 1), class_ids=np.array([i]), scores=np.ones(1, np.float32), labels=labels
        )
        for i in range(classes)
    ]
    return classification.measure(labels, found)


def test_a_roc_curve_is_drawn_without_a_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    plots.roc_plot(verified(), tmp_path / "roc.png")
    image = read_image(tmp_path / "roc.png")
    assert image.shape == (500, 600, 3)
    assert image.std() > 5


@pytest.mark.parametrize("classes", [2, 30])
def test_a_confusion_table_grows_with_the_classes(tmp_path: Path, classes: int) -> None:
    plots.confusion_plot(classified(classes), tmp_path / "table.png", title="mine")
    image = read_image(tmp_path / "table.png")
    assert image.shape[0] == round((4 + 0.3 * classes) * 100)
    assert image.std() > 5


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*roc\.png"):
        plots.roc_plot(verified(), tmp_path / "file" / "roc.png")


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[eval\]'"):
        plots.roc_plot(verified(), tmp_path / "roc.png")
    assert list(tmp_path.iterdir()) == []
