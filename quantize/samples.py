"""Calibration pictures: which ones, prepared as for inference, and whether they can be right."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from edgecv.datasets import PICTURES
from edgecv.errors import DataError, SpecError
from edgecv.image import Plan, read_image
from edgecv.modelfile import embedded_spec
from edgecv.session import open_session
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import Array, TensorSpec

FEWEST = 10
"""Fewer pictures say next to nothing of the ranges that a network's values take."""

ENOUGH = 100
"""With fewer, what the network is worth afterwards depends on which ones they are."""

NARROW = 0.55
"""Pictures that together fill less than this part of the range are dark or faint, or were
normalised otherwise: values of 0..1 where -1..1 is wanted fill a half."""

log = logging.getLogger(__name__)


def calibration_tensors(
    path: Path, spec: ModelSpec, folder: Path, *, count: int, seed: int
) -> list[Array]:
    """Prepare pictures of a folder for a model, by the code that prepares them for inference.

    Args:
        path: The model file, float or quantized: the size of its input is taken.
        spec: How its input is made of a picture.
        folder: Pictures at any depth: class folders, COCO's images/, or just pictures. Each inner
            folder gives its share.
        count: How many; all there are where there are fewer.
        seed: Which ones, where there are more.

    Returns:
        float32 tensors of the model's input, each of a batch of one.

    Raises:
        DataError: The folder is missing or has too few pictures.
        ImageError: A picture cannot be read.
        SpecError: The model's input is no picture of a known size.
    """
    files = choose(find_pictures(folder), count=count, seed=seed)
    plan = Plan(spec.input, _float_input(path))
    return [np.asarray(plan(read_image(file))[0], np.float32) for file in files]


def find_pictures(folder: Path) -> tuple[Path, ...]:
    """Return the pictures in a folder and the folders in it, in order.

    Where it has a folder images/, as COCO's and those with masks do, only that one counts.

    Raises:
        DataError: It is missing, or holds fewer than `FEWEST`.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}. Wanted a folder of pictures to calibrate with")
    inner = folder / "images"
    root = inner if inner.is_dir() else folder
    found = tuple(file for file in sorted(root.rglob("*")) if _is_picture(file.relative_to(root)))
    if len(found) < FEWEST:
        raise DataError(
            f"{folder} holds {len(found)} pictures ({', '.join(PICTURES)}): calibration wants "
            f"{FEWEST} at least, {ENOUGH} or more are better"
        )
    return found


def choose(files: Sequence[Path], *, count: int, seed: int) -> tuple[Path, ...]:
    """Choose `count` of the files: from each folder its share, and within it by chance.

    Raises:
        DataError: `count` is below `FEWEST`.
    """
    if count < FEWEST:
        raise DataError(f"{count} calibration pictures are too few: wanted {FEWEST} at least")
    if min(count, len(files)) < ENOUGH:
        log.warning(
            "calibrating with %d pictures; %d or more are better", min(count, len(files)), ENOUGH
        )
    rng = np.random.default_rng(seed)
    groups: dict[Path, list[Path]] = {}
    for file in files:
        groups.setdefault(file.parent, []).append(file)
    ranked: list[tuple[float, Path]] = []
    for group in groups.values():
        order = rng.permutation(len(group))
        ranked += [
            ((rank + 0.5) / len(group), file) for rank, file in zip(order, group, strict=True)
        ]
    return tuple(file for _, file in sorted(ranked)[:count])


def check_tensors(
    path: Path, tensors: Sequence[Array], wanted: Sequence[int | None], *, fewest: int = FEWEST
) -> None:
    """Refuse calibration tensors that a model does not take.

    Args:
        path: The model; the spec beside or inside it says how its input is normalised.
        tensors: What it is to be calibrated with.
        wanted: The shape of its input.
        fewest: How many tensors there have to be; for less than `FEWEST` their normalisation is
            not checked, of which few pictures do not say enough.

    Raises:
        DataError: There are too few, or they have the wrong size or lie outside of what pictures
            become by the spec.
    """
    if len(tensors) < fewest:
        raise DataError(
            f"{len(tensors)} calibration pictures are too few: wanted {fewest} at least"
        )
    for tensor in tensors:
        if not _fits(tensor.shape, wanted):
            shape = [side or "any" for side in wanted]
            raise DataError(
                f"a calibration tensor has shape {list(tensor.shape)}, {path.name} takes {shape}"
            )
        if tensor.dtype != np.float32 or not np.isfinite(tensor).all():
            raise DataError(f"calibration wants finite float32, got {tensor.dtype}")
    if fewest >= FEWEST and (spec := embedded_spec(path)) is not None:
        check_ranges(tensors, spec)


def span_of_bytes(given: InputSpec) -> tuple[float, float]:
    """Return what the least and the greatest byte of a picture become."""
    mean, std = np.array(given.mean), np.array(given.std)
    return float((-mean / std).min()), float(((255 - mean) / std).max())


def check_ranges(tensors: Sequence[Array], spec: ModelSpec | InputSpec) -> None:
    """Refuse tensors that the spec's normalisation cannot give; warn of those that fill little.

    Raises:
        DataError: They lie outside of what pictures become by it.
    """
    given = spec.input if isinstance(spec, ModelSpec) else spec
    low, high = span_of_bytes(given)
    least = float(min(tensor.min() for tensor in tensors))
    most = float(max(tensor.max() for tensor in tensors))
    slack = 1e-3 * (high - low)
    found = (
        f"the calibration tensors hold {least:.4g} to {most:.4g}, and by the spec (mean "
        f"{list(given.mean)}, std {list(given.std)}) pictures become {low:.4g} to {high:.4g}: "
    )
    if least < low - slack or most > high + slack:
        raise DataError(f"{found}outside of it. They were normalised otherwise")
    if most - least < NARROW * (high - low):
        _warn_once(
            f"{found}only a part of it. The pictures are dark or faint, or normalised otherwise"
        )


@cache
def _warn_once(text: str) -> None:
    """Log a warning the first time: the same tensors are checked for every rung of a ladder."""
    log.warning("%s", text)


def _float_input(path: Path) -> TensorSpec:
    """Return what a model takes, as float32."""
    session = open_session(path, device="cpu").session
    try:
        if len(session.inputs) != 1:
            names = ", ".join(spec.name for spec in session.inputs)
            raise SpecError(f"{path.name} takes {len(session.inputs)} inputs ({names}), wanted one")
        (given,) = session.inputs
        return TensorSpec(given.name, given.shape, np.dtype(np.float32))
    finally:
        session.close()


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    if len(shape) != len(wanted):
        return False
    return all(want in (None, side) for want, side in zip(wanted, shape, strict=True))


def _is_picture(file: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.parts)
    return file.suffix.lower() in PICTURES and not hidden
