"""What was found to be the best way to run a model on this machine, and is used by `load`.

`edgecv advise` measures and writes; `load(model)` with the device "auto", no runtime and no number
of threads reads. An advice holds for one model file, one machine and one set of runtimes: another
processor or another version of a runtime asks for another. `EDGECV_ADVICE=0` in the environment
turns it off.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from importlib import metadata
from pathlib import Path

from edgecv.cache import cache_dir, write_atomic
from edgecv.machine.board import board
from edgecv.machine.cpu import cpu
from edgecv.zoo.checksums import sha256_of

log = logging.getLogger(__name__)

SWITCH = "EDGECV_ADVICE"
"""The variable that turns advice off when it is 0."""
VERSION = 1
RUNTIME_PACKAGES = (
    "ai-edge-litert", "tflite-runtime", "openvino", "onnxruntime", "onnxruntime-gpu",
    "onnxruntime-qnn",
)  # fmt: skip
"""Distributions whose versions an advice depends on."""


@dataclass(frozen=True)
class Advice:
    """The best way to run a model here.

    Attributes:
        file: The file to run: the model's own, or one that was made of it.
        runtime: The runtime's name.
        device: The device's name.
        threads: CPU threads; 0 where the device takes no such number.
        precision: "fp32", "fp16" or "int8".
        p90_ms: What a picture took there, nine times of ten.
        created: When it was measured, in UTC.
        why: How it was chosen.
    """

    file: str
    runtime: str
    device: str
    threads: int
    precision: str
    p90_ms: float
    created: str
    why: str


def machine_key() -> str:
    """Return a name for this machine and its runtimes: what an advice holds for."""
    facts = [platform.machine(), _board(), _processor(), str(os.cpu_count())]
    facts += [f"{name} {version}" for name, version in _versions()]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def advice_file(model: Path) -> Path:
    """Return where the advice for a model file on this machine is kept, once there is one."""
    name = f"{model.stat().st_size}-{model_key(model)}-{machine_key()}-v{VERSION}.json"
    return advice_dir() / name


def model_key(model: Path) -> str:
    """Return a name for what a model does: its file, its spec beside it and an IR's weights."""
    beside = [model.with_name(model.name + ".json")]
    if model.suffix == ".xml":
        beside.append(model.with_suffix(".bin"))
    sums = [sha256_of(file) if file.is_file() else "" for file in (model, *beside)]
    return hashlib.sha256(" ".join(sums).encode()).hexdigest()[:16]


def advice_dir() -> Path:
    """Return the folder of all advice."""
    return cache_dir() / "advice"


def remember(model: Path, advice: Advice) -> Path:
    """Keep an advice for a model file; return where.

    Raises:
        OutputError: It cannot be written.
    """
    target = advice_file(model)
    write_atomic(target, json.dumps(asdict(advice), indent=1) + "\n")
    return target


def recall(model: Path) -> Advice | None:
    """Return the advice for a model file on this machine.

    Returns:
        None where there is none, it is turned off or cannot be read, or its file is gone. The file
        is named as `model` names it where it is the same.
    """
    if os.environ.get(SWITCH) == "0" or not any(_of_size(model)):
        return None
    target = advice_file(model)
    if not target.is_file():
        return None
    try:
        found = _checked(Advice(**json.loads(target.read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s is not used: %s", target, error)
        return None
    if not Path(found.file).is_file():
        log.warning("the advice for %s is not used: %s is gone", model.name, found.file)
        return None
    if Path(found.file).samefile(model):
        return replace(found, file=str(model))
    return found


def _checked(found: Advice) -> Advice:
    """Raise a TypeError where a file holds other values than `remember` wrote."""
    for one in fields(Advice):
        value = getattr(found, one.name)
        if type(value).__name__ != one.type:
            raise TypeError(f"{one.name} is {value!r}")
    return found


def _of_size(model: Path) -> Iterator[Path]:
    """Return advice for files of that size: without any, nothing needs to be summed up."""
    return advice_dir().glob(f"{model.stat().st_size}-*.json")


def _board() -> str:
    return board(Path("/"), platform.machine()).name


def _processor() -> str:
    found = cpu(Path("/"))
    return f"{found.model}: {' '.join(found.features)}"


def _versions() -> Iterator[tuple[str, str]]:
    for name in RUNTIME_PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
