"""A training as one HTML file that needs nothing beside it: curves, pictures, recipe, versions."""

from __future__ import annotations

import base64
import html
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2

import edgecv
from edgecv.cache import write_atomic
from edgecv.charts import chart
from edgecv.progress import clock
from edgecv.training.data.samples import Samples
from edgecv.training.history import OWN, Row
from edgecv.types import Image

PACKAGES = ("tensorflow", "keras", "numpy")
COUNTED = 100
"""Classes that a report lists."""
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } td, th { padding: .15rem .8rem .15rem 0; text-align: left;
       vertical-align: top } td.n { text-align: right; font-variant-numeric: tabular-nums }
img, svg { max-width: 100%; height: auto } pre { background: #f5f5f5; padding: .8rem }
.failed { color: #a00; font-weight: bold }
"""


def versions() -> dict[str, str]:
    """Return what computed: edgecv, Python, the packages, the processor."""
    found = {"edgecv": edgecv.__version__, "python": platform.python_version()}
    found |= {name: metadata.version(name) for name in PACKAGES}
    return {**found, "opencv": cv2.__version__, "machine": platform.machine()}


def write_report(
    path: Path,
    *,
    title: str,
    rows: Sequence[Row],
    facts: Mapping[str, Any],
    tables: Mapping[str, Mapping[str, Any]],
    pictures: Mapping[str, Image],
    failure: str = "",
) -> None:
    """Write the report.

    Args:
        path: The .html file.
        title: What was trained.
        rows: The history.
        facts: What a reader wants to know first.
        tables: Further facts by title: recipe, data, versions.
        pictures: By title, uint8 (H, W, 3) BGR.
        failure: Why the training ended before its time; empty where it did not.

    Raises:
        OutputError: The file cannot be written.
    """
    parts = [f"<h1>{html.escape(title)}</h1>"]
    if failure:
        parts.append(f'<p class="failed">{html.escape(failure)}</p>')
    parts += [_table(facts), *_section("Curves", [curves(rows)] if rows else [])]
    for name, image in pictures.items():
        parts += _section(name.capitalize(), [_image(image, name)])
    parts += _section("Epochs", [_history(rows)] if rows else [])
    for name, table in tables.items():
        parts += _section(name, [_table(table)])
    body = "\n".join(parts)
    write_atomic(
        path,
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body>\n{body}\n</body></html>\n",
    )


def curves(rows: Sequence[Row]) -> str:
    """Return curves of the loss, the figures and the learning rate over the epochs, as SVG."""
    merits = list(dict.fromkeys(name for row in rows for name in row if name not in OWN))
    return "\n".join(
        chart({name: [(row["epoch"], row[name]) for row in rows if name in row] for name in names})
        for names in (["loss"], merits, ["lr"], ["gradient"])
        if names
    )


def counted(names: Sequence[str], **sets: Samples) -> dict[str, str]:
    """Return how many pictures, or marked things, each class has in each set, for people.

    Args:
        names: The classes; nothing is counted where there are more than `COUNTED`.
        sets: The sets by name.
    """
    if len(names) > COUNTED:
        return {}
    counts: dict[str, Counter[str]] = {}
    for which, samples in sets.items():
        counts[which] = Counter()
        for index in range(len(samples)):
            sample = samples[index]
            ids = sample.classes.tolist() or [sample.label]
            counts[which].update(samples.names[number] for number in ids if number >= 0)
    found = dict.fromkeys(name for count in counts.values() for name in sorted(count))
    return {
        name: ", ".join(f"{count[name]} {which}" for which, count in counts.items())
        for name in found
    }


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with names such as "optimizer.lr"."""
    out: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            out |= flattened(value, f"{prefix}{name}.")
        else:
            out[f"{prefix}{name}"] = value
    return out


def _section(title: str, parts: Sequence[str]) -> list[str]:
    return [f"<h2>{html.escape(title)}</h2>", *parts] if parts else []


def _table(values: Mapping[str, Any]) -> str:
    rows = (
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_text(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _history(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = []
    for row in rows:
        cells = (_text(row[name]) if name in row else "" for name in names)
        lines.append("<tr>" + "".join(f'<td class="n">{cell}</td>' for cell in cells) + "</tr>")
    return f"<details><summary>all of them</summary><table><tr>{head}</tr>{''.join(lines)}</table></details>"  # noqa: E501


def _image(image: Image, name: str) -> str:
    _, data = cv2.imencode(".png", image)
    text = base64.b64encode(data.tobytes()).decode()
    return f'<img alt="{html.escape(name)}" src="data:image/png;base64,{text}">'


_FORMATS: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: "yes" if value else "no",
    float: lambda value: f"{value:.6g}",
}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(item) for item in value)
    return _FORMATS.get(type(value), str)(value)


def duration(rows: Sequence[Row]) -> str:
    """Return how long the epochs took together."""
    return clock(sum(row["seconds"] for row in rows))
