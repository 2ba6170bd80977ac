"""OpenVINO's IR, of what it reads in other formats: a pair of files, the same each time."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import openvino as ov

from edgecv.cache import atomic_path, explained
from edgecv.errors import InferenceError, ModelFileError, SpecError


def read(source: Path) -> Any:
    """Read a .tflite or .onnx file, or an IR, with a batch of one.

    Raises:
        ModelFileError: It is damaged.
        InferenceError: OpenVINO has no operator for a part of it.
        SpecError: A side of its input is open.
    """
    try:
        model = ov.Core().read_model(source)
        _fix_batch(model, source)
    except RuntimeError as error:
        raise _refusal(source, str(error)) from error
    return model


def _fix_batch(model: Any, source: Path) -> None:
    shapes = {}
    for port in model.inputs:
        shape = port.get_partial_shape()
        sides = [] if shape.rank.is_dynamic else list(shape)
        if not sides or any(side.is_dynamic for side in sides[1:]):
            raise SpecError(
                f"{source.name} takes {port.get_any_name()} of shape {shape}: an IR for a device "
                "wants all sides but the batch fixed. Export the file with a fixed picture size"
            )
        shapes[port] = ov.PartialShape([1, *sides[1:]]) if sides[0].is_dynamic else shape
    model.reshape(shapes)


def _refusal(source: Path, text: str) -> ModelFileError | InferenceError:
    found = re.findall(r"No translator found for (\S+) node", text)
    for listed in re.findall(r"No conversion rule found for operations: (.+)", text):
        found += [name.strip() for name in listed.split(",")]
    if found:
        names = ", ".join(sorted(set(found)))
        return InferenceError(
            f"{source.name} does not become OpenVINO's: it has no operator {names}"
        )
    lines = [" ".join(line.split()) for line in text.splitlines()]
    said = [x for x in lines if x and not x.startswith(("Exception from ", "Check '", "FrontEnd"))]
    return ModelFileError(
        f"{source} is damaged, or OpenVINO cannot read it: {' '.join(said)[:300]}"
    )


def save(model: Any, target: Path, *, precision: str) -> None:
    """Write an IR, both files or none.

    Args:
        model: An `openvino.Model`.
        target: The .xml file to be; the .bin comes beside it.
        precision: "fp16" halves what weights take; calculation stays what the device prefers.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    _name_layers(model)
    with atomic_path(target.with_suffix(".bin")) as weights, atomic_path(target) as temporary:
        pair = temporary.with_suffix(".bin")
        try:
            with explained(target, "OpenVINO"):
                ov.save_model(model, temporary, compress_to_fp16=precision == "fp16")
            pair.replace(weights)
        finally:
            pair.unlink(missing_ok=True)


def _name_layers(model: Any) -> None:
    """Name layers after the tensors they make: OpenVINO's own names are counted by the process."""
    taken: set[str] = set()
    for number, operation in enumerate(model.get_ordered_ops()):
        names = sorted(operation.output(0).get_names()) if operation.get_output_size() else []
        name = names[0] if names else f"{operation.get_type_name()}_{number}"
        if operation.get_type_name() == "Result":
            name = f"{operation.input_value(0).get_any_name()}/result"
        if name in taken:
            name = f"{name}_{number}"
        taken.add(name)
        operation.set_friendly_name(name)
