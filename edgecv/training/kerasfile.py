"""The file of a trained model: Keras's own `.keras` archive with the spec inside."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from edgecv.cache import atomic_path
from edgecv.modelfile import CARD_NAME, SPEC_NAME, embedded_card
from edgecv.spec import ModelSpec


def save_model(
    model: keras.Model,
    spec: ModelSpec | None,
    path: Path,
    card: Mapping[str, Any] | None = None,
) -> None:
    """Write a model and its spec into one `.keras` file, whole or not at all.

    This is the file that is run, measured and converted: loss and optimizer are not in it.

    Args:
        model: The model, functional or sequential.
        spec: What its tensors mean; None for a backbone, which has no task.
        path: The file to be, ending in `.keras`; an older one is replaced.
        card: How the model came about, as JSON values: recipe, data, figures.

    Raises:
        ValueError: `path` has another ending.
        OutputError: The folder cannot be written, or the disk is full.
    """
    if path.suffix != ".keras":
        raise ValueError(f"wanted a file that ends in .keras, got {path.name}")
    with atomic_path(path) as temporary:
        keras.saving.save_model(_uncompiled(model), temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            if spec is not None:
                archive.writestr(SPEC_NAME, json.dumps(spec.to_dict()))
            if card is not None:
                archive.writestr(CARD_NAME, json.dumps(card, indent=1))


def _uncompiled(model: keras.Model) -> keras.Model:
    """Return the model without loss and optimizer, whose state is twice as large as the weights."""
    if not model.compiled:
        return model
    return keras.Model(model.input, model.output, name=model.name)


def read_card(path: Path) -> dict[str, Any]:
    """Return the card inside a `.keras` file; empty where there is none."""
    return embedded_card(path)
