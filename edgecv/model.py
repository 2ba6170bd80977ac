"""A model that takes pictures and gives results: preprocess, infer, decode."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from edgecv import modelfile, rewritten, zoo
from edgecv.advice import recall
from edgecv.decoders import DECODERS
from edgecv.errors import (
    DeviceError,
    InferenceError,
    ModelFileError,
    PackageMissingError,
    SpecError,
    UnknownNameError,
    unknown_name,
)
from edgecv.image import Placement, Plan, Region
from edgecv.registry import check_options
from edgecv.results import AnyResult, Latency, Mask, RunInfo
from edgecv.session import RUNTIMES, Opened, Session, open_session
from edgecv.spec import InputSpec, ModelSpec, input_from_dict
from edgecv.types import Array, FloatArray, Image, TensorSpec

log = logging.getLogger(__name__)

SpecLike: TypeAlias = ModelSpec | Mapping[str, Any]
Decoder: TypeAlias = Callable[[Mapping[str, Array], ModelSpec, Placement], AnyResult]


class Model:
    """A model file opened on a device, together with what its tensors mean.

    Use it as a function, or call `preprocess`, `infer` and `decode` to time or overlap them. One
    thread at a time may call `infer`; the other two hold no state.

    Args:
        session: What runs the file.
        spec: What the file does not say of itself.
        runtime: The runtime's name, for results.
        device: The device's name, for results.
        fallback: Why it does not run on a better device.
        path: The model file that runs, where there is one.
        original: The file that was asked for, where `path` is what was made of it for this device.

    Raises:
        SpecError: The spec does not fit the file's tensors.
        UnknownNameError: The spec names no known decoder.
    """

    def __init__(
        self,
        session: Session,
        spec: ModelSpec,
        *,
        runtime: str = "",
        device: str = "",
        fallback: str = "",
        path: Path | None = None,
        original: Path | None = None,
    ) -> None:
        self.session, self.spec = session, spec
        self.runtime, self.device, self.fallback = runtime, device, fallback
        self.path, self.original = path, original
        if len(session.inputs) != 1:
            names = ", ".join(tensor.name for tensor in session.inputs)
            raise SpecError(f"{spec.name}: wanted a model with one input, got {names or 'none'}")
        self._input = session.inputs[0].name
        self._plan = Plan(spec.input, session.inputs[0])
        self._outputs = _outputs(spec, session.outputs)
        self._decode = _decoder(spec)

    def __call__(self, image: Image, region: Region | None = None) -> AnyResult:
        """Run the model on one picture.

        Args:
            image: uint8 (H, W, 3), BGR, as OpenCV reads it.
            region: The part of it to look at: left, top, right, bottom, in pixels; None for all.

        Returns:
            The task's result, in pixels of the whole image, with the time that each stage took.

        Raises:
            TypeError: `image` is not an array of bytes.
            ValueError: `image` has no pixels or a strange shape.
            InferenceError: The runtime failed.
        """
        start = perf_counter()
        tensor, placement = self._plan(image, region)
        prepared = perf_counter()
        outputs = self.infer(tensor)
        inferred = perf_counter()
        result = self.decode(outputs, placement)
        end = perf_counter()
        times = Latency(
            (prepared - start) * 1e3,
            (inferred - prepared) * 1e3,
            (end - inferred) * 1e3,
            (end - start) * 1e3,
        )
        run = RunInfo(self.spec.name, self.runtime, self.device, times, self.fallback)
        return result.with_run(run)

    def preprocess(self, image: Image, region: Region | None = None) -> tuple[Array, Placement]:
        """Return the input tensor for a picture, and the way back to its pixels."""
        return self._plan(image, region)

    def infer(self, tensor: Array) -> dict[str, Array]:
        """Return the outputs for an input tensor, by role, dequantized to float32.

        Integers that stand for themselves, such as class ids, stay integers.
        """
        raw = self.session.run({self._input: tensor})
        return {role: restore(raw[name]) for role, name, restore in self._outputs}

    def decode(self, outputs: Mapping[str, Array], placement: Placement) -> AnyResult:
        """Return what the outputs of `infer` mean, in pixels of the frame.

        Raises:
            SpecError: The outputs are not what the spec says, or there are classes without a label.
        """
        result = self._decode(outputs, self.spec, placement)
        if self.spec.labels:
            _check_labels(self.spec, result)
        return result

    def close(self) -> None:
        """Give the device back."""
        self.session.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Model({self.spec.name!r}, runtime={self.runtime!r}, device={self.device!r})"


def load(
    model: str | os.PathLike[str],
    *,
    device: str = "auto",
    runtime: str | None = None,
    threads: int | None = None,
    spec: SpecLike | None = None,
    score: float | None = None,
) -> Model:
    """Open a model by name or by file.

    Args:
        model: A name that `edgecv models` lists, or a .tflite, .onnx or OpenVINO .xml file.
        device: "auto", or a name that `edgecv.devices()` lists. With "auto", no runtime and no
            threads, the model runs as `edgecv advise` found best on this machine. Where nobody has
            asked that: on an Edge TPU, else a CUDA GPU, else the CPU, by the first runtime that
            reads the file.
        runtime: The only runtime to use; None for any that reads the file.
        threads: CPU threads; None for all the cores this process may use, four at most.
        spec: A whole spec for the file, or the fields that differ from the one it carries.
        score: Leave out results below this score, 0..1; None for the model's own threshold.

    Raises:
        UnknownNameError: There is no model, device or runtime of that name.
        ModelFileError: The file is missing or damaged.
        SpecError: Nothing says what the file's tensors mean, or it does not fit them.
        DeviceError: The device cannot run the file here.
        PackageMissingError: No runtime that reads the file is installed.
        DownloadError: The model had to be fetched, and could not be.
        InferenceError: The runtime refuses the model.
    """
    name = os.fspath(model)
    if _is_path(name):
        path, found = Path(name), None
    else:
        path, found = zoo.fetch(name), zoo.spec(name)
    modelfile.check(path)
    way = _Way(device, runtime, threads)
    advice = recall(path) if way == _FREE else None
    if advice is not None:
        advised = _Way(advice.device, advice.runtime, advice.threads or None)
        file = Path(advice.file)
        try:
            if file == path:
                return _loaded(path, found, spec, score, advised)
            return _loaded(file, None, spec, score, advised, original=path)
        except (
            DeviceError, InferenceError, ModelFileError, PackageMissingError, UnknownNameError,
        ) as error:  # fmt: skip
            log.warning("%s does not run as `edgecv advise` found best: %s", path.name, error)
    return _loaded(path, found, spec, score, way)


class _Way(NamedTuple):
    """How a file is to be run."""

    device: str
    runtime: str | None
    threads: int | None


_FREE = _Way("auto", None, None)


def _loaded(
    path: Path, found: ModelSpec | None, spec: SpecLike | None, score: float | None, way: _Way,
    *, original: Path | None = None,
) -> Model:  # fmt: skip
    chosen = complete_spec(path, found, spec)
    if score is not None:
        chosen = chosen.with_changes(score=score)
    opened, ran, source = _open(path, **way._asdict())
    try:
        return Model(
            opened.session, chosen, runtime=opened.runtime, device=opened.device,
            fallback=opened.fallback, path=ran, original=original or source,
        )  # fmt: skip
    except Exception:
        opened.session.close()
        raise


def _is_path(name: str) -> bool:
    return Path(name).suffix in modelfile.SUFFIXES or os.sep in name or Path(name).is_file()


class _Found(NamedTuple):
    opened: Opened
    path: Path
    original: Path | None = None


def _open(path: Path, *, device: str, runtime: str | None, threads: int | None) -> _Found:
    """Open `path`, or its twin compiled for the Edge TPU where that is wanted and can be had."""
    wanted = device.partition(":")[0] in ("auto", "coral") and runtime in (None, "coral")
    twin = zoo.edgetpu_twin(path) if wanted and _coral_is_here() else None
    if twin is None:
        return _open_plain(path, device=device, runtime=runtime, threads=threads)
    try:
        return _Found(open_session(twin, device=device, threads=threads), twin)
    except DeviceError as error:
        if device != "auto":
            raise
        found = _open_plain(path, device=device, runtime=runtime, threads=threads)
        return found._replace(opened=replace(found.opened, fallback=str(error)))


def _open_plain(path: Path, *, device: str, runtime: str | None, threads: int | None) -> _Found:
    """Open `path`, or its int8 form where TFLite on the CPU is to run it."""
    on_cpu = device in ("auto", "cpu") and runtime in (None, "tflite")
    form = rewritten.int8_form(path) if on_cpu else None
    if form is not None:
        try:
            opened = open_session(form, device="cpu", runtime="tflite", threads=threads)
            return _Found(opened, form, path)
        except (InferenceError, ModelFileError, PackageMissingError) as error:
            log.warning("%s runs as it is: %s", path.name, error)
    return _Found(open_session(path, device=device, runtime=runtime, threads=threads), path)


def _coral_is_here() -> bool:
    try:
        return bool(RUNTIMES.load("coral").list_devices())
    except PackageMissingError:
        return False


def complete_spec(path: Path, found: ModelSpec | None, given: SpecLike | None) -> ModelSpec:
    """Put together what is known of a file: its own spec or the zoo's, changed by what is given.

    Raises:
        SpecError: Nothing says what the tensors mean, or what says so is wrong.
    """
    if isinstance(given, ModelSpec):
        return given
    own = modelfile.embedded_spec(path) or found or zoo.spec_of_file(path)
    changes = dict(given or {})
    if own is None:
        if not changes.get("task") or not changes.get("decoder"):
            raise SpecError(
                f"{path.name} says nothing of its task: give task and decoder (--task, --decoder), "
                f"or put a spec into {path.name}.json; the decoders: {', '.join(sorted(DECODERS))}"
            )
        own = ModelSpec.from_dict({"name": path.stem, **changes}, folder=path.parent)
    elif changes:
        own = _changed(own, changes, path.parent)
    if not own.labels:
        own = own.with_changes(labels=modelfile.embedded_labels(path))
    return own


def _changed(own: ModelSpec, changes: Mapping[str, Any], folder: Path) -> ModelSpec:
    values = {**own.to_dict(), **changes}
    given = changes.get("input", {})
    if isinstance(given, InputSpec):
        given = {}
    else:
        values["input"] = {**own.to_dict()["input"], **given}
        input_from_dict(values["input"])
    return ModelSpec.from_dict(values, folder=folder)


def _outputs(
    spec: ModelSpec, tensors: tuple[TensorSpec, ...]
) -> tuple[tuple[str, str, Callable[[Array], Array]], ...]:
    """Pair every role with a tensor name and the way from its integers to real numbers."""
    by_name = {tensor.name: tensor for tensor in tensors}
    roles = dict(spec.outputs) or {name: name for name in by_name}
    for name in roles.values():
        if name not in by_name:
            raise SpecError(f"{spec.name}: {unknown_name('output', name, by_name)}")
    return tuple((role, name, _restore(by_name[name])) for role, name in roles.items())


def _restore(tensor: TensorSpec) -> Callable[[Array], Array]:
    if tensor.quant is None:
        if tensor.dtype == np.float16:
            return lambda values: values.astype(np.float32)
        return lambda values: values
    scale, zero = np.float32(tensor.quant.scale), np.float32(tensor.quant.zero_point)

    def real(values: Array) -> FloatArray:
        out: FloatArray = values.astype(np.float32)
        out -= zero
        out *= scale
        return out

    return real


_NO_IDS = np.zeros(0, np.int64)


def _check_labels(spec: ModelSpec, result: AnyResult) -> None:
    """Refuse class ids beyond the labels: they are those of another model."""
    if isinstance(result, Mask):
        largest = int(result.class_map.max(initial=0))
    else:
        largest = max(getattr(result, "class_ids", _NO_IDS).tolist(), default=-1)
    if largest >= len(spec.labels):
        raise SpecError(
            f"{spec.name} found the class {largest}, counted from 0, but its spec has "
            f"{len(spec.labels)} labels: give a label for each class, or none at all"
        )


def _decoder(spec: ModelSpec) -> Decoder:
    """Return the spec's decoder with the spec's options bound to it."""
    function = DECODERS.load(spec.decoder)
    try:
        check_options(f"option of {spec.decoder}", function, spec.options)
    except UnknownNameError as error:
        raise SpecError(f"{spec.name}: {error}") from error
    return cast("Decoder", partial(function, **spec.options))
