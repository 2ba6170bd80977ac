"""The candidates of `edgecv advise`: what a model can be made into, and what accuracy is left."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from edgecv import advice, modelfile
from edgecv.bench.measure import open_setting
from edgecv.bench.precision import precision_of
from edgecv.bench.setting import Setting, expand
from edgecv.errors import DeviceError, InferenceError, PackageMissingError
from edgecv.model import load
from edgecv.spec import ModelSpec
from edgecv.types import Image

from .advise_floor import Agreeing, Floor, Kept, Labelled, photographs_in, views, write_views
from .common import UsageError, warn
from .demo import photographs
from .eval import MEASURES
from .variants import PRECISIONS, variants


class Candidate(NamedTuple):
    """A way to run the model.

    Attributes:
        setting: What is run.
        file: The model file.
        precision: Its own.
    """

    setting: Setting
    file: Path
    precision: str


class Field:
    """Who may race, and what is known of their accuracy.

    Args:
        floor: What accuracy is measured with.
        max_drop: Points (hundredths) that it may fall.

    Attributes:
        runners: Those that race.
        out: Why the others do not.
        kept: What became of accuracy, by file and where it ran; of those that were asked.
    """

    def __init__(self, floor: Floor, max_drop: float) -> None:
        self.runners: dict[Setting, Candidate] = {}
        self.out: dict[Setting, str] = {}
        self.kept: dict[tuple[str, str], Kept] = {}
        self.floor, self._max_drop = floor, max_drop

    def fault(self, setting: Setting) -> str:
        """Return why a runner may not win; empty where it may. Threads change no result."""
        key = (self.runners[setting].file.name, f"{setting.runtime} {setting.device}")
        if key not in self.kept:
            self.kept[key] = self._checked(setting)
        kept = self.kept[key]
        return "" if kept.holds else kept.said

    def _checked(self, setting: Setting) -> Kept:
        try:
            with open_setting(setting) as model:
                return self.floor.check(model, self._max_drop)
        except (DeviceError, InferenceError, PackageMissingError) as error:
            return Kept(False, "", 0.0, f"does not run: {error}")


def floor_of(args: argparse.Namespace, spec: ModelSpec) -> Floor:
    """Return what accuracy is measured with.

    Raises:
        UsageError: There is no measure of the model's task.
        DataError: The pictures are not what is wanted.
    """
    if args.eval is None:
        return Agreeing(_photographs(args))
    if spec.task not in {measure.task for measure in MEASURES.values()}:
        raise UsageError(f"there is no measure of {spec.task}: leave out --eval")
    return Labelled(spec, args.eval, args.limit)


def _photographs(args: argparse.Namespace) -> list[Image]:
    if args.data is not None:
        return photographs_in(args.data)
    return views(list(photographs().values()))


def field_of(args: argparse.Namespace, path: Path, spec: ModelSpec, floor: Floor) -> Field:
    """Make all candidates; those that are too large do not race."""
    field = Field(floor, args.max_drop)
    files = [path, *variants_of(args, path, spec)]
    with load(args.model, spec=spec, device="cpu") as reference:
        floor.refer(reference)
    for file in files:
        size = modelfile.size_of(file) / 1e6
        for setting in _settings(args, file, is_own=file == path):
            if args.max_mb is not None and size > args.max_mb:
                field.out[setting] = f"its file has {size:.1f} MB, more than {args.max_mb:g}"
            else:
                field.runners[setting] = Candidate(setting, file, precision_of(file))
    return field


def variants_of(args: argparse.Namespace, path: Path, spec: ModelSpec) -> list[Path]:
    """Return the files that the command line asks to be made of a model, kept in the cache.

    Raises:
        UsageError: There is no such precision.
        DataError: The pictures to calibrate with cannot be had.
    """
    unknown = [name for name in args.precision if name not in PRECISIONS]
    if unknown:
        raise UsageError(f"no precision {unknown[0]!r}; there are {', '.join(PRECISIONS)}")
    folder = advice.advice_dir() / "files" / _key(path, spec, args.data)
    calibration = args.data
    if calibration is None and "int8" in args.precision and precision_of(path) != "int8":
        calibration = write_views(_photographs(args), folder / "views")
    return variants(path, spec, args.precision, folder, calibration=calibration, said=warn)


def _key(path: Path, spec: ModelSpec, data: Path | None) -> str:
    """Return a name for all that the files made of a model depend on."""
    facts = [advice.model_key(path), json.dumps(spec.to_dict()), str(data and data.resolve())]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _settings(args: argparse.Namespace, file: Path, *, is_own: bool) -> list[Setting]:
    model = args.model if is_own else str(file)
    threads = args.threads or _thread_numbers()
    try:
        return expand(model, file, kinds=("all",), runtimes=args.runtime, threads=threads)
    except DeviceError as error:
        warn(str(error))
        return []


def _thread_numbers() -> list[int]:
    cores = os.cpu_count() or 1
    return [number for number in (1, 2, 4) if number <= cores]
