"""Pictures of evaluations: ROC curves and confusion tables, drawn by matplotlib with no screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecv.cache import atomic_path
from edgecv.evaluation.classification import OTHER, ClassificationEvaluation
from edgecv.evaluation.verification import VerificationEvaluation
from edgecv.registry import package_missing


def roc_plot(evaluation: VerificationEvaluation, file: Path, *, title: str = "") -> None:
    """Draw the ROC curve to `file`; its suffix, .png or another of matplotlib's, is its format.

    Raises:
        PackageMissingError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    figure = _figure(6.0, 5.0)
    axes = figure.add_subplot()
    pairs = max(int((~evaluation.same).sum()), 1)
    low = 0.5 / pairs  # no rate below one pair can be measured; none at all is drawn at the edge
    axes.step(
        evaluation.curve.far.clip(low), evaluation.curve.tar, where="post",
        label=f"equal error rate {evaluation.figures['eer']:.2%}",
    )  # fmt: skip
    axes.set(xscale="log", xlim=(low, 1), xlabel="false accept rate", ylabel="true accept rate")
    axes.set_title(
        title or f"{len(evaluation)} pairs, accuracy {evaluation.figures['accuracy']:.2%}"
    )
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="lower right")
    _save(figure, file)


def confusion_plot(evaluation: ClassificationEvaluation, file: Path, *, title: str = "") -> None:
    """Draw the confusion table, each row in parts of its true class, to `file`.

    Raises:
        PackageMissingError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    count = len(evaluation.classes)
    side = min(4.0 + 0.3 * count, 20.0)
    figure = _figure(side + 1, side)
    axes = figure.add_subplot()
    counts = evaluation.confusion
    parts = counts / counts.sum(axis=1, keepdims=True)
    shown = axes.imshow(parts, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(count + 1), [*evaluation.classes, OTHER], rotation=90)
    axes.set_yticks(range(count), list(evaluation.classes))
    axes.set(xlabel="answer", ylabel="class")
    axes.set_title(title or f"{len(evaluation)} pictures, top-1 {evaluation.figures['top1']:.1%}")
    if count <= 20:
        for row in range(count):
            for column in range(count + 1):
                color = "white" if parts[row, column] > 0.5 else "black"
                text = str(counts[row, column])
                axes.text(column, row, text, ha="center", va="center", color=color)
    figure.colorbar(shown, label="part of the class")
    _save(figure, file)


def tools() -> tuple[Any, Any]:
    """Return matplotlib's classes Figure and FigureCanvasAgg.

    Raises:
        PackageMissingError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise package_missing("matplotlib", "eval") from error
    return Figure, FigureCanvasAgg


def _figure(width: float, height: float) -> Any:
    empty, canvas = tools()
    figure = empty(figsize=(width, height), layout="constrained")
    canvas(figure)
    return figure


def _save(figure: Any, file: Path) -> None:
    with atomic_path(file) as temporary:
        figure.savefig(temporary, dpi=100)
