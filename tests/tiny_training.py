"""A training that takes a second: three classes of noisy squares, a network of two convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIDE = 16
SHADES = {"blue": (140, 115, 115), "green": (115, 140, 115), "red": (115, 115, 140)}


def write_pictures(folder: Path, each: int, *, seed: int = 0) -> Path:
    """Write `each` noisy pictures for each of three colours, into class folders."""
    rng = np.random.default_rng(seed)
    for name, shade in SHADES.items():
        (folder / name).mkdir(parents=True)
        for number in range(each):
            noise = rng.normal(rng.normal(0, 8, 3), 40, (SIDE, SIDE, 3))
            image = np.clip(np.array(shade) + noise, 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / name / f"{number:03}.png"), image)
    return folder


def network(channels: int = 8, *, plain: bool = False) -> Any:
    """Return an untrained network.

    Args:
        channels: Of its convolutions.
        plain: Without batch norm and dropout, which have states of their own.
    """
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.layers.Conv2D(channels, 3, strides=2, use_bias=False, name="first")(image)
    if not plain:
        x = keras.layers.BatchNormalization(momentum=0.9, name="first_bn")(x)
    x = keras.layers.ReLU(name="first_relu")(x)
    x = keras.layers.Conv2D(channels, 3, strides=2, name="second")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    if not plain:
        x = keras.layers.Dropout(0.2, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="tiny")


def write_network(path: Path, channels: int = 8, *, plain: bool = False) -> Path:
    """Write that network into a .keras file."""
    network(channels, plain=plain).save(path)
    return path


def recipe_values(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a recipe over pictures and a network that are made in `folder` where they are not.

    Args:
        folder: Where they are.
        changes: Values by table and key, with two underscores between them: run__epochs=3.
    """
    for name, each, seed in (("train", 16, 1), ("val", 8, 2)):
        if not (folder / name).exists():
            write_pictures(folder / name, each, seed=seed)
    if not (folder / "tiny.keras").exists():
        write_network(folder / "tiny.keras")
    values: dict[str, Any] = {
        "name": "tiny",
        "task": "classify",
        "model": {"name": str(folder / "tiny.keras"), "input_size": SIDE},
        "data": {"train": str(folder / "train"), "val": str(folder / "val")},
        "augment": {"mirror": True, "crop": 0.7, "mixup": 0.2},
        "optimizer": {"lr": 0.01, "weight_decay": 0.01, "ema": 0.9, "clip_norm": 5.0},
        "run": {"epochs": 3, "batch": 8},
    }
    for key, value in changes.items():
        table, _, name = key.partition("__")
        if name:
            values.setdefault(table, {})[name] = value
        else:
            values[table] = value
    return values


def write_recipe(path: Path, values: Mapping[str, Any]) -> Path:
    """Write a recipe as TOML."""
    plain = [f"{key} = {_toml(v)}" for key, v in values.items() if not isinstance(v, Mapping)]
    for key, table in values.items():
        if isinstance(table, Mapping):
            plain += ["", f"[{key}]", *(f"{name} = {_toml(v)}" for name, v in table.items())]
    path.write_text("\n".join(plain) + "\n")
    return path


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
