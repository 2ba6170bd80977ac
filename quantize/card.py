"""The verdict as data that travels inside a model, and as lines that people read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .contract import Outcome, Terms
    from .drop import Drop, Interval
    from .ladder import Step

SECTION = "quantization"
"""Where the verdict lies in a model's card."""


def quantization_card(
    outcome: Outcome,
    terms: Terms,
    *,
    calibration: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Return how a model was quantized and what that cost, as JSON values.

    No date is in it, and no time that was measured: the same pictures and the same seed give the
    same bytes.

    Args:
        outcome: What became of it.
        terms: What it had to hold to.
        calibration: What `dataset_facts` says of the calibration pictures.
        evaluation: What it says of the labelled ones.
        versions: What computed.
    """
    found = outcome.comparison
    return {
        "target": outcome.target,
        "recipe": outcome.best.recipe.to_dict(),
        "rung": outcome.best.rung.name,
        "calibration": {**calibration, "seed": outcome.best.recipe.seed},
        "evaluation": dict(evaluation),
        "metric": found.metric,
        "items": found.items,
        "float": _figure(found.before),
        "int8": _figure(found.after),
        "drop": _figure(found.drop),
        "max_drop": terms.max_drop,
        "sure": terms.sure,
        "draws": terms.draws,
        "held": outcome.held,
        "ladder": [_rung(step) for step in outcome.steps],
        "versions": dict(versions),
    }


def dataset_facts(folder: Path, files: Iterable[Path], *, layout: str = "") -> dict[str, Any]:
    """Return what identifies a set of files: the folder's name, how many, the SHA-256 over all.

    Args:
        folder: Where they lie.
        files: Those that were used; their order does not matter.
        layout: Where labels count too: a key of `edgecv.datasets.LAYOUTS`. They are the names of
            the class folders, by "classes", or else the file of that name. Empty for pictures
            without labels.

    Raises:
        OSError: One cannot be read.
    """
    digest = hashlib.sha256()
    chosen = sorted(set(files))
    for file in chosen:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
        if layout == "classes":
            label = file.relative_to(folder).parent.as_posix()
            digest.update(hashlib.sha256(label.encode()).digest())
    if layout not in ("", "classes"):
        digest.update(hashlib.sha256((folder / layout).read_bytes()).digest())
    return {
        "folder": folder.resolve().name,
        "files": len(chosen),
        "sha256": digest.hexdigest(),
    }


def verdict_lines(card: Mapping[str, Any]) -> list[str]:
    """Return what a model's card says of its quantization; nothing where it says nothing.

    Args:
        card: The whole card, as `edgecv.modelfile.embedded_card` gives it.
    """
    values = card.get(SECTION)
    if not isinstance(values, Mapping) or "recipe" not in values:
        return []
    if "drop" not in values:
        return _unmeasured(values)
    before, after, drop = (values[name] for name in ("float", "int8", "drop"))
    lines = [
        f"INT8: {values['metric']} {before['value']:.4f} -> {after['value']:.4f}, "
        f"{lost(drop['value'])} ({interval(drop['low'], drop['high'])}) on "
        f"{values['items']} {_items(values['metric'])} of {values['evaluation']['folder']}",
        f"contract: at most {values['max_drop']:g} points"
        f"{' at the upper end of the interval' if values['sure'] else ''}: "
        f"{'held' if values['held'] else 'BROKEN'}{_doubt(values)}",
        f"recipe: {recipe_line(values['recipe'])}, {_calibration(values)} ({values['rung']})",
    ]
    if trail := _trail(values):
        lines.append(f"tried before: {trail}")
    return lines


def _unmeasured(values: Mapping[str, Any]) -> list[str]:
    """Return the lines of what `edgecv convert` made, which measures nothing."""
    return [
        "INT8: accuracy not measured: `edgecv quantize` makes it under a contract",
        f"recipe: {recipe_line(values['recipe'])}, {_calibration(values)}",
    ]


def _calibration(values: Mapping[str, Any]) -> str:
    """Return what the ranges were found on: pictures, or the network's own training."""
    found = values["calibration"]
    if isinstance(found, Mapping):
        return f"{found['files']} pictures of {found['folder']}"
    return f"calibrated {found}"


def lost(points: float) -> str:
    """Return a drop in words."""
    if points < 0:
        return f"gain {-points:.2f} points"
    return f"drop {points:.2f} points"


def interval(low: float, high: float) -> str:
    """Return the ends of an interval, in points."""
    return f"95 %: {low:.2f} to {high:.2f}"


def recipe_line(recipe: Mapping[str, Any]) -> str:
    """Return a recipe's main points."""
    parts = [
        f"{recipe['activations']} activations",
        "a scale a channel" if recipe["per_channel"] else "a scale a tensor",
        f"{recipe['ranges']} ranges",
    ]
    parts += ["bias correction"] if recipe["bias_correction"] else []
    parts += ["equalised"] if recipe["equalize"] else []
    if kept := recipe["keep_float"]:
        parts.append(f"{len(kept)} layers in float")
    return ", ".join(parts)


def _items(metric: str) -> str:
    return "pairs" if metric == "accuracy" or metric.startswith("tar@") else "pictures"


def _doubt(values: Mapping[str, Any]) -> str:
    above = values["drop"]["high"] > values["max_drop"]
    return ", though the interval reaches beyond it" if above and values["held"] else ""


def _trail(values: Mapping[str, Any]) -> str:
    others = [one for one in values["ladder"] if "drop" in one and one["rung"] != values["rung"]]
    return ", ".join(f"{one['rung']} (drop {one['drop']['value']:.2f})" for one in others)


def _figure(figure: Interval | Drop) -> dict[str, float]:
    return {name: round(value, 6) for name, value in figure._asdict().items()}


def _rung(step: Step) -> dict[str, Any]:
    if step.comparison is None:
        return {"rung": step.rung.name, "skipped": step.skipped}
    return {
        "rung": step.rung.name,
        "int8": _figure(step.comparison.after),
        "drop": _figure(step.comparison.drop),
        "held": step.holds,
    }
