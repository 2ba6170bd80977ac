"""What happened in each epoch: rows of numbers, as CSV, JSON and lines for people."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import tensorflow as tf

from edgecv.cache import write_atomic
from edgecv.errors import OutputError
from edgecv.progress import clock

Row: TypeAlias = Mapping[str, float]
"""epoch (from 1), loss, gradient, lr, images_per_second, seconds, and the figures of merit."""

OWN = ("epoch", "loss", "gradient", "lr", "images_per_second", "seconds")
"""The columns that are no figures of merit."""


def figures(row: Row) -> dict[str, float]:
    """Return the figures of merit of an epoch; empty where none were measured."""
    return {name: value for name, value in row.items() if name not in OWN}


def write(folder: Path, rows: Sequence[Row], about: Mapping[str, Any]) -> None:
    """Write history.csv and history.json.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(OWN)
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomic(folder / "history.csv", text.getvalue())
    values = {**about, "epochs": [_finite(row) for row in rows]}
    write_atomic(folder / "history.json", json.dumps(values, indent=1) + "\n")


def write_logs(folder: Path, row: Row) -> None:
    """Write an epoch for TensorBoard.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    try:
        writer = tf.summary.create_file_writer(os.fspath(folder))
        with writer.as_default(step=int(row["epoch"])):
            for name, value in row.items():
                tf.summary.scalar(name, value)
        writer.close()
    except tf.errors.OpError as error:
        reason = error.message.partition("\n")[0]
        raise OutputError(f"cannot write {folder}: {reason}") from error


def line(row: Row, *, epochs: int, left: float, best: bool) -> str:
    """Return an epoch for people.

    Args:
        row: The epoch.
        epochs: How many there will be.
        left: Seconds until the last of them.
        best: Whether none was better.
    """
    measured = "  ".join(f"{name} {value:.4f}" for name, value in figures(row).items())
    parts = [
        f"epoch {row['epoch']:.0f}/{epochs}",
        f"loss {row['loss']:.4f}",
        measured + (" *" if best else ""),
        f"lr {row['lr']:.2g}",
        f"{row['images_per_second']:.0f} images/s",
        f"{clock(row['seconds'])} [{clock(left)} left]",
    ]
    return "  ".join(part for part in parts if part)


def _finite(row: Row) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in row.items()}
